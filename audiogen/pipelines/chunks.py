"""Which frames a model sees at a time: windows that overlap, so that each continues what is there.

Shapes: T frames of the grid.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 1e-6
"""Frames, as in `audiogen.prompts.grid`: 0.58 s at 50 Hz are 29."""


def frames_in(seconds: float, frame_rate: float) -> int:
    """Frames that the first `seconds` touch."""
    return math.ceil(seconds * frame_rate - ROUNDING)


@dataclass(frozen=True)
class Window:
    """Frames `start` .. `start + size`, counted around the end of the grid where it is a loop."""

    start: int
    size: int

    def frames(self, total: int) -> Tensor:
        """[size] int64 in 0..total - 1."""
        return torch.arange(self.start, self.start + self.size) % total


def windows(todo: Tensor, size: int, context: int, circular: bool = False) -> tuple[Window, ...]:
    """Windows of at most `size` frames in which every frame of `todo` is generated, one window after the other.

    Each window begins `context` frames before the first frame that is left to do: what is there is kept, and is what
    the new frames follow. A grid of up to `size` frames is one window. In a longer loop the first window is centred
    on the seam, and the last one sees `context` frames beyond its end, which were generated first.

    Args:
        todo: [T] bool, frames with cells to generate.
        size: frames that the model sees at most; more than `context`.
    """
    total = len(todo)
    if total <= size:
        return (Window(0, total),) if bool(todo.any()) else ()
    shift = -(size // 2) if circular else 0
    left, limit = todo.roll(-shift), total + (context if circular else 0)
    found, done = [], 0
    while bool(left[done:].any()):
        first = done + int(left[done:].nonzero()[0])
        start = max(0, min(first - context, limit - size))
        found.append(Window(start + shift, size))
        done = start + size
    return tuple(found)
