"""What a thing is, as a SHA-256: an input file, samples in memory, the numbers of a model."""

import hashlib
from pathlib import Path

import torch
from torch import nn

from audiogen.audio import Audio

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


def of_modules(*modules: nn.Module, note: str = "") -> str:
    """Of every number in networks, and of what else makes them what they are."""
    digest = hashlib.sha256(note.encode())
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{name} {list(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
