"""What a result depends on, for its sidecar: inputs and models by SHA-256 and name, the machine by its arithmetic."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from audiogen import __version__
from audiogen.audio import Audio
from audiogen.checkpoints import models

_BLOCK = 2**22
"""Samples at a time."""


def of_file(path: Path) -> str:
    """Of the bytes of a file: what `sha256sum` prints."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_audio(audio: Audio) -> str:
    """Of the sample rate and the samples, float32, channel by channel."""
    digest = hashlib.sha256(f"{audio.sample_rate} {list(audio.samples.shape)}".encode())
    for block in audio.samples.contiguous().flatten().split(_BLOCK):
        digest.update(block.cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


class Numbers(Protocol):
    """A network, or what is like one in this."""

    def state_dict(self) -> Mapping[str, Any]:
        """Its tensors by name."""
        ...


def of_modules(*modules: Numbers, note: str = "") -> str:
    """Of every number in networks, and of what else makes them what they are."""
    digest = hashlib.sha256(note.encode())
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name} {list(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def of_machine(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """What the last bit of a result depends on besides its settings."""
    return {
        "audiogen": __version__,
        "torch": torch.__version__,
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }


def lasting(name: str | Path) -> str:
    """A model's name, or its file or folder so that it is found from everywhere."""
    known = str(name) in models() or not Path(name).exists()
    return str(name) if known else str(Path(name).resolve())
