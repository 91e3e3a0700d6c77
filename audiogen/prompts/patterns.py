"""Prompts that keep a pattern: every so many frames, at random, on the beat.

Shapes: K levels, T frames.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from audiogen.prompts.base import Prompt
from audiogen.prompts.grid import Grid


@dataclass(frozen=True)
class Periodic(Prompt):
    """Keeps every so many frames `width` of them: 1 all, 2 half, 13 a faint outline, 0 none.

    The first kept frame is `offset`, or drawn from the seed.
    """

    period: int
    width: int = 1
    offset: int | None = None
    example: ClassVar[str] = "periodic(7)"

    def __post_init__(self) -> None:
        self._check_number("period", whole=True)
        self._check_number("width", least=1, whole=True)
        if self.offset is not None:
            self._check_number("offset", whole=True)

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        if self.period == 0:
            return grid.empty()
        drawn = int(torch.randint(self.period, (), generator=self._generator(seed)))
        offset = drawn if self.offset is None else self.offset
        frames = (torch.arange(grid.frames) - offset) % self.period < self.width
        return frames.expand(grid.levels, -1).clone()


@dataclass(frozen=True)
class Random(Prompt):
    """Keeps this share of all cells, drawn one by one."""

    share: float
    example: ClassVar[str] = "random(0.1)"

    def __post_init__(self) -> None:
        self._check_number("share", most=1)

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`; exactly round(share * K * T) cells."""
        kept = grid.empty()
        order = torch.randperm(kept.numel(), generator=self._generator(seed))
        kept.view(-1)[order[: round(self.share * len(order))]] = True
        return kept


@dataclass(frozen=True)
class Dropout(Prompt):
    """Keeps this share of the frames, drawn at random; after `& ~` it is what another prompt loses."""

    share: float
    example: ClassVar[str] = "periodic(3) & ~dropout(0.2)"

    def __post_init__(self) -> None:
        self._check_number("share", most=1)

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`; exactly round(share * T) frames, all levels of each."""
        kept = grid.empty()
        order = torch.randperm(grid.frames, generator=self._generator(seed))
        kept[:, order[: round(self.share * len(order))]] = True
        return kept


@dataclass(frozen=True)
class Beats(Prompt):
    """Keeps the seconds `before` and `after` every so many beats: 4 is the first of each bar, 2 also the third."""

    before: float = 0.0
    after: float = 0.05
    every: int = 1
    example: ClassVar[str] = "beats(after=0.08, every=2)"

    def __post_init__(self) -> None:
        self._check_number("before")
        self._check_number("after")
        self._check_number("every", least=1, whole=True)

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        kept = grid.empty()
        beats = grid.beats
        first = beats.times.index(beats.downbeats[0]) % self.every
        for time in beats.times[first :: self.every]:
            kept[:, grid.frames_of(time - self.before, time + self.after)] = True
        return kept


@dataclass(frozen=True)
class Onsets(Prompt):
    """Keeps `width` frames before and `width` frames from every place where a note or a hit begins."""

    width: int = 1
    example: ClassVar[str] = "onsets(width=2)"

    def __post_init__(self) -> None:
        self._check_number("width", whole=True)

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        kept = grid.empty()
        for time in grid.onsets:
            onset = grid.frames_of(time, time + 1 / grid.frame_rate).start
            kept[:, max(onset - self.width, 0) : onset + self.width] = True
        return kept
