"""A music system as the bundled one is put together: the bundled codec's class, a text encoder of its own, its twin.

`model_type` "tiny-packed-music" of a folder's config.json loads it, once LOADERS knows this module.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from audiogen.checkpoints.musicgen import MagnetDecoding, MagnetSystem, MusicGenDecoding, MusicGenSystem
from audiogen.codecs import load_codec
from audiogen.conditioning.encoder import TextStates
from audiogen.models.magnet import Magnet, MagnetConfig
from audiogen.models.musicgen import MusicGen, MusicGenConfig

LOADER = {"tiny-packed-music": "tiny_packed_music:load"}
WIDTH = 8


class LetterEncoder(nn.Module):
    """A row per letter, no more."""

    width = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(256, WIDTH)

    def forward(self, texts: list[str | None]) -> TextStates:
        rows = [torch.tensor(list((text or "").encode()) or [0], device=self.table.weight.device) for text in texts]
        ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = ids > 0
        return TextStates(self.table(ids) * mask[..., None], mask)


def write(folder: Path, codec: Path, levels: int = 6) -> Path:
    """The folder of a system that uses so many levels of the codec in the folder `codec`."""
    folder.mkdir(parents=True)
    config = {"model_type": "tiny-packed-music", "levels": levels, "codec": str(codec)}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def load(folder: Path, device: str) -> MagnetSystem:
    config = json.loads((folder / "config.json").read_text())
    levels, codec = config["levels"], load_codec(config["codec"])
    codec.use_levels(levels)
    sizes: dict[str, Any] = {
        "levels": levels, "vocab_size": codec.vocab_size, "dim": 16, "layers": 2, "heads": 2, "condition_dim": WIDTH,
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        text = LetterEncoder().eval()
        magnet, musicgen = Magnet(MagnetConfig(**sizes)).eval(), MusicGen(MusicGenConfig(**sizes)).eval()
    parts: dict[str, Any] = {"codec": codec, "text": text, "duration": 1.0}
    twin = MusicGenSystem(model=musicgen, decoding=MusicGenDecoding(), **parts)
    system = MagnetSystem(model=magnet, decoding=MagnetDecoding(steps=(4,) + (2,) * (levels - 1)), twin=twin, **parts)
    return system.to(device)
