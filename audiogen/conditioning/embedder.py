"""What a text-to-sound system asks of what hears and reads for it: one vector for a sound, or for what is said of it.

Shapes: B batch, S samples, E width of an embedding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.errors import InputError


class Embedder(Protocol):
    """Sounds and captions to vectors of one space, of length 1: the nearer, the better they match."""

    @property
    def width(self) -> int:
        """E."""
        ...

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """B captions -> [B, E]. A caption without a word asks for nothing: zeros."""
        ...

    def embed_audio(self, audio: Tensor, sample_rate: int) -> Tensor:
        """B sounds [B, 1, S] at any sample rate (Hz) -> [B, E].

        Raises:
            InputError: another shape.
        """
        ...

    def to(self, device: torch.device | str) -> Any:
        """The same embedder, moved."""
        ...

    def state_dict(self) -> Mapping[str, Tensor]:
        """All its numbers, which are part of what a system is (`audiogen.pipelines.identity`)."""
        ...


def resampled(audio: Tensor, sample_rate: int, wanted: int) -> Tensor:
    """[B, 1, S] at `sample_rate` Hz -> [B, S] at `wanted` Hz.

    Raises:
        InputError: another shape, no samples, or samples that are not finite.
    """
    if audio.ndim != 3 or audio.shape[1] != 1 or 0 in audio.shape:
        raise InputError(
            f"expected sounds [B, 1, S], got {list(audio.shape)}. Mix them to mono, and pass at least one sample."
        )
    return torch.cat([Audio(one, sample_rate).resample(wanted).samples for one in audio])
