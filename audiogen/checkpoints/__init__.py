"""Names and folders to models: bundled ones, folders on disk, official checkpoints in the Hugging Face cache."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import torch

from audiogen.checkpoints.safe import restricted_load
from audiogen.checkpoints.weights import assign_weights, read_safetensors
from audiogen.codecs.weights import hub_snapshot
from audiogen.errors import InputError, NotBundledError, nearest

__all__ = ["LOADERS", "assign_weights", "load", "models", "read_safetensors", "resolve", "restricted_load"]

LOADERS = {
    "audiocraft": "audiogen.checkpoints.musicgen:load_music",
    "maskgct": "audiogen.checkpoints.maskgct:load_maskgct",
    "musicgen": "audiogen.checkpoints.musicgen:load_music",
    "nano-codec": "audiogen.checkpoints.nano:load_nano_codec",
    "nano-codec-music": "audiogen.checkpoints.nano:load_nano_codec",
    "nano-music": "audiogen.checkpoints.nano_music:load_nano_music",
    "audio-text-pair": "audiogen.checkpoints.nano_sound:load_pair",
    "band-predictor": "audiogen.checkpoints.nano_sound:load_band_predictor",
    "nano-sound": "audiogen.checkpoints.nano_sound:load_sound",
    "specmaskgit": "audiogen.checkpoints.nano_sound:load_specmaskgit",
    "spectrogram-codec": "audiogen.checkpoints.nano:load_nano_codec",
    "nano-vamp": "audiogen.checkpoints.vampnet:load_vamp",
    "vampnet": "audiogen.checkpoints.vampnet:load_vampnet",
    "vampnet-official": "audiogen.checkpoints.vampnet:load_vamp",
    "nano-tts": "audiogen.checkpoints.nano:load_tts",
    "durations": "audiogen.checkpoints.nano:load_part",
    "text-to-semantic": "audiogen.checkpoints.nano:load_part",
    "semantic-to-acoustic": "audiogen.checkpoints.nano:load_part",
    "semantic-codec": "audiogen.checkpoints.nano:load_part",
}
"""`model_type` of a folder -> "module:function"; the function takes the folder and a device."""

BUNDLED = Path(__file__).parents[1] / "bundled"
RECIPES = {
    "nano-codec-music": "egs/loops/vamp1",
    "nano-codec-sound": "egs/sounds/tta1",
    "nano-music": "egs/nottingham/ttm1",
    "nano-sound": "egs/sounds/tta1",
    "nano-tts": "egs/kathleen/tts1",
    "nano-vamp": "egs/loops/vamp1",
}
"""Bundled name -> the recipe that makes it, for packages that came without."""


def models() -> dict[str, Path]:
    """The models that came with the package: name -> folder."""
    return {config.parent.name: config.parent for config in sorted(BUNDLED.glob("*/config.json"))}


def load(name_or_dir: str | Path, device: str = "cpu") -> Any:
    """The model of that name or in that folder, ready to generate.

    Args:
        name_or_dir: a bundled model's name, a folder with config.json and model.safetensors, a folder laid out as the
            official repositories are (`amphion/MaskGCT`, `hugggof/vampnet`, `facebook/magnet-*`,
            `facebook/musicgen-*`), or the name of such a repository that is in the Hugging Face cache.
        device: where its weights go.
    Raises:
        InputError: unknown name, files that are missing or damaged, or no such device.
    """
    folder = resolve(name_or_dir)
    _check_device(device)
    module, function = LOADERS[_model_type(folder)].split(":")
    return getattr(importlib.import_module(module), function)(folder, device)


def resolve(name_or_dir: str | Path) -> Path:
    """The folder that a name stands for, or the folder itself.

    Raises:
        NotBundledError: a bundled name, whose weights are not in this package.
        InputError: neither; the message lists the nearest names.
    """
    name, known = str(name_or_dir), models()
    if name in known:
        return known[name]
    if Path(name).is_dir():
        return Path(name)
    if name in RECIPES:
        raise NotBundledError(
            f"expected the weights of {name} in {BUNDLED}, got a package without them. Make them with "
            f"{RECIPES[name]}/run.sh --set bundle=../../../audiogen/bundled, or name another model's folder."
        )
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name):
        from audiogen.checkpoints.catalogue import fetch_command

        try:
            return hub_snapshot(name, fetch_command(name))
        except InputError as error:
            raise InputError(f"{error} The nearest bundled models: {nearest(name, known)}.") from error
    raise InputError(
        f"expected a model's name or folder, got {name!r}. "
        + (f"The nearest names: {nearest(name, known)}." if known else "No model is bundled: name a folder.")
    )


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # a torch built without that device raises the second
        reason = str(error).splitlines()[0]
        raise InputError(f"expected a device of this machine, got {device!r} ({reason}). Use cpu.") from error


def _model_type(folder: Path) -> str:
    """What `folder` says it is, or looks like."""
    from audiogen.checkpoints.audiocraft import is_package

    if is_package(folder):
        return "audiocraft"
    path = folder / "config.json"
    if not path.is_file():
        if (folder / "maskgct.json").is_file() or (folder / "t2s_model").is_dir():
            return "maskgct"
        if (folder / "coarse.pth").is_file() or (folder / "c2f.pth").is_file():
            return "vampnet-official"
        raise InputError(
            f"expected a model in {folder}, got no config.json there, nor the official files of MaskGCT, VampNet, "
            "MAGNeT or MusicGen. Point to the folder that holds them."
        )
    try:
        model_type = json.loads(path.read_text(encoding="utf-8"))["model_type"]
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f'expected JSON with a "model_type" in {path}, got: {error!r}. Correct it.') from error
    if model_type not in LOADERS:
        raise InputError(
            f"expected a known model_type in {path}, got {model_type!r}. "
            f"The nearest: {nearest(str(model_type), LOADERS)}."
        )
    return model_type
