"""Regions of a sound: stretches of time, over all frequencies or a band of them, and the cells that they touch.

Shapes: F rows and T columns of the grid, M mel bands, L mel frames.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from audiogen.errors import InputError

LEAST_SECONDS, LEAST_HERTZ = 0.01, 200.0
"""Of a region: below these, fades are all that it has room for."""
ROUNDING = 1e-6
"""Cells: a region that ends at the edge of a cell does not touch the next one."""
EXAMPLE = "1.5:2, or 1.5:2:500:4000 with frequencies in Hz"


@dataclass(frozen=True)
class Region:
    """Seconds `start` to `end`, and frequencies `low` to `high` in Hz."""

    start: float
    end: float
    low: float = 0.0
    high: float = math.inf

    @property
    def has_all_frequencies(self) -> bool:
        return self.low == 0 and self.high == math.inf

    def touched(self, row_edges: Sequence[float], columns: int, frame_rate: float) -> Tensor:
        """[F, T] bool: the cells of which it has a part."""
        rows = torch.tensor([low < self.high and self.low < high for low, high in pairwise(row_edges)])
        first = math.floor(self.start * frame_rate + ROUNDING)
        place = torch.arange(columns)
        return rows[:, None] & (place >= first) & (place < math.ceil(self.end * frame_rate - ROUNDING))

    def covered(self, centres: Tensor, frames: int, frame_rate: float) -> Tensor:
        """[M, L] bool: the bands and frames of a spectrogram whose centres [M] in Hz, and middles, lie in it."""
        seconds = (torch.arange(frames) + 0.5) / frame_rate
        bands = (centres >= self.low) & (centres <= self.high)
        return bands[:, None] & (seconds >= self.start) & (seconds < self.end)


def regions_of(given: Sequence[Sequence[float]], duration: float, highest: float) -> tuple[Region, ...]:
    """The regions (start, end) and (start, end, low, high) of a sound.

    Args:
        duration: seconds of the sound.
        highest: Hz, what a model can make at most. A band from 0 up to there is all frequencies.
    Raises:
        InputError: no numbers, an empty or narrow region, or one outside of the sound.
    """
    return tuple(_region(tuple(one), duration, highest) for one in given)


def read_region(text: str) -> tuple[float, ...]:
    """A region as it is typed: "1.5:2", or "1.5:2:500:4000" with frequencies.

    Raises:
        InputError: something else.
    """
    try:
        numbers = tuple(float(part) for part in text.split(":"))
    except ValueError as error:
        raise InputError(f"expected a region, got {text!r}. For example: {EXAMPLE}") from error
    if len(numbers) not in (2, 4):
        raise InputError(f"expected a region of 2 or 4 numbers, got {text!r}. For example: {EXAMPLE}")
    return numbers


def _region(numbers: tuple[float, ...], duration: float, highest: float) -> Region:
    shown = ":".join(f"{number:g}" for number in numbers)
    if len(numbers) not in (2, 4):
        raise InputError(f"expected regions of 2 or 4 numbers, got {shown or 'none'}. For example: {EXAMPLE}")
    start, end, low, high = (*numbers, 0.0, highest)[:4]
    # the length of a sound is rarely a number of few digits, and users round it
    inside = start >= 0 and end <= duration + 1e-3
    if not inside or not end - start >= LEAST_SECONDS:
        raise InputError(
            f"expected regions of {LEAST_SECONDS:g} seconds or more within this sound, 0 to "
            f"{math.floor(duration * 1000) / 1000:g} seconds, got {shown}. Choose a region inside it."
        )
    if not (low >= 0 and high <= highest and high - low >= LEAST_HERTZ):
        raise InputError(
            f"expected bands of {LEAST_HERTZ:g} Hz or more within 0 to {highest:g} Hz, got {shown}. Choose another one."
        )
    return Region(start, end) if low == 0 and high == highest else Region(start, end, low, high)
