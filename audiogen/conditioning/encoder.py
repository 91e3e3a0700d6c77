"""What a text-to-music system asks of its text encoder, whichever it is.

Shapes: B batch, L tokens of the longest text, E width of the encoder.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class TextStates(NamedTuple):
    """What a text encoder makes of B texts; `model.condition(*states)` takes it."""

    states: Tensor
    """[B, L, E], zero where the mask is False."""
    mask: Tensor
    """[B, L] bool, True on tokens; False on padding and everywhere in an empty text."""


class TextEncoder(Protocol):
    """Texts to hidden states. T5 is one, and so is any network with these methods."""

    @property
    def width(self) -> int:
        """E."""
        ...

    def __call__(self, texts: Sequence[str | None]) -> TextStates:
        """B texts -> their states. None and "" have none: they condition on nothing."""
        ...

    def to(self, device: torch.device | str) -> Any:
        """The same encoder, moved."""
        ...

    def state_dict(self) -> Mapping[str, Tensor]:
        """All its numbers, which are part of what a system is (`audiogen.pipelines.identity`)."""
        ...
