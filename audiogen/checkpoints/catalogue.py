"""What can be loaded by name, and whether it is on this machine."""

import json
from dataclasses import dataclass
from pathlib import Path

from audiogen.checkpoints import models as bundled
from audiogen.checkpoints.audiocraft import PACKAGE_CODEC_FILE, PACKAGE_FILE
from audiogen.codecs import CODECS
from audiogen.codecs.encodec_weights import FILES as ENCODEC_FILES
from audiogen.conditioning.t5 import FILES as T5_FILES

OFFICIAL = {
    "amphion/MaskGCT": "maskgct",
    "facebook/audio-magnet-medium": "audiocraft",
    "facebook/audio-magnet-small": "audiocraft",
    "facebook/magnet-medium-10secs": "audiocraft",
    "facebook/magnet-medium-30secs": "audiocraft",
    "facebook/magnet-small-10secs": "audiocraft",
    "facebook/magnet-small-30secs": "audiocraft",
    "facebook/musicgen-large": "musicgen",
    "facebook/musicgen-medium": "musicgen",
    "facebook/musicgen-small": "musicgen",
    "hugggof/vampnet": "vampnet-official",
}
"""Hugging Face repositories that `load` reads -> model type; codecs are in `CODECS`."""


@dataclass(frozen=True)
class ModelInfo:
    """One line of `audiogen models`."""

    name: str
    kind: str
    """Model type: what its config.json says."""
    source: str
    """bundled, or the Hugging Face repository of the weights."""
    here: bool
    """Whether its weights are on this machine."""
    summary: str = ""
    """First sentence of its model card."""


def list_models() -> list[ModelInfo]:
    """Bundled models first, then the ones whose weights come from Hugging Face repositories."""
    models = [
        ModelInfo(
            name, json.loads((folder / "config.json").read_text())["model_type"], "bundled", True, _summary(folder)
        )
        for name, folder in bundled().items()
    ]
    models += [ModelInfo(name, kind, name, _is_cached(name)) for name, kind in OFFICIAL.items()]
    models += [
        ModelInfo(name, entry.model_type, entry.hub, _is_cached(entry.hub))
        for name, entry in CODECS.items()
        if entry.hub
    ]
    return models


def fetch_command(repository: str) -> str:
    """What brings all files that `load` reads of an official repository, and of those it depends on."""
    match OFFICIAL.get(repository):
        case "audiocraft":
            sound = "audio-magnet" in repository  # these have a codec of their own
            parts = {
                repository: (PACKAGE_FILE, PACKAGE_CODEC_FILE),
                f"google-t5/t5-{'large' if sound else 'base'}": T5_FILES,
            }
            parts |= {} if sound else {"facebook/encodec_32khz": ENCODEC_FILES}
            return " && ".join(f"hf download {name} {' '.join(files)}" for name, files in parts.items())
        case "musicgen":
            # one pattern for .json and .safetensors: versions of `hf` differ in how they take two
            return f"hf download {repository} --include '*.[js]*'"
        case _:
            return f"hf download {repository}"


def _summary(folder: Path) -> str:
    """The first line of text of a model card, behind its YAML header and headings."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    body = text.split("\n---\n", 1)[-1] if text.startswith("---") else text
    return next((line.strip() for line in body.splitlines() if line.strip() and not line.startswith("#")), "")


def _is_cached(repository: str) -> bool:
    from huggingface_hub.constants import HF_HUB_CACHE

    return any((Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots").glob("*/*"))
