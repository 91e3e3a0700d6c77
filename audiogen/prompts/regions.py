"""Prompts that keep places: stretches of time, levels, everything, nothing.

Shapes: K levels, T frames. Units: seconds, or bars and beats counted from 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar, Literal, get_args

from torch import Tensor

from audiogen.errors import InputError
from audiogen.prompts.base import LARGEST, Prompt
from audiogen.prompts.grid import Grid

Unit = Literal["seconds", "bars", "beats"]


@dataclass(frozen=True)
class Everything(Prompt):
    """Keeps the whole sound."""

    example: ClassVar[str] = "everything()"

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        return ~grid.empty()


@dataclass(frozen=True)
class Nothing(Prompt):
    """Keeps nothing: a new sound of the same length."""

    example: ClassVar[str] = "nothing()"

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        return grid.empty()


@dataclass(frozen=True)
class Prefix(Prompt):
    """Keeps the first seconds (of a shorter sound all of it), so that the rest continues them."""

    seconds: float
    example: ClassVar[str] = "prefix(1.5)"

    def __post_init__(self) -> None:
        self._check_number("seconds")

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        kept = grid.empty()
        kept[:, grid.frames_of(0, self.seconds)] = True
        return kept


@dataclass(frozen=True)
class Suffix(Prompt):
    """Keeps the last seconds (of a shorter sound all of it), so that the rest leads to them."""

    seconds: float
    example: ClassVar[str] = "suffix(1.5)"

    def __post_init__(self) -> None:
        self._check_number("seconds")

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        kept = grid.empty()
        kept[:, grid.frames_of(grid.duration - self.seconds, grid.duration)] = True
        return kept


@dataclass(frozen=True)
class Inpaint(Prompt):
    """Keeps all but the given regions, which are made anew.

    In seconds a region is a start and an end, `inpaint(1.5-2, 3-4.25)`. Bars and beats are counted from 1 and both ends
    are included, as one speaks of them: `inpaint(2-3, unit=bars)` makes bars 2 and 3 anew, `inpaint(4, unit=beats)` the
    fourth beat.
    """

    regions: Sequence[tuple[float, float]]
    unit: Unit = "seconds"
    example: ClassVar[str] = "inpaint(1.5-2, 3-4.25)"

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise self._wrong(f"unit to be {', '.join(get_args(Unit))}", repr(self.unit))
        if not isinstance(self.regions, Sequence) or not self.regions or not all(map(_is_pair, self.regions)):
            raise self._wrong("regions, each a start and an end", repr(self.regions))
        regions = tuple((float(start) + 0.0, float(end) + 0.0) for start, end in self.regions)
        object.__setattr__(self, "regions", regions)
        for start, end in regions:
            if not (start < end if self.unit == "seconds" else start <= end):
                raise self._wrong("regions that end after they start", f"{start:g}-{end:g}")
            if self.unit != "seconds" and not (start.is_integer() and end.is_integer()):
                raise self._wrong(f"whole numbers of {self.unit}", f"{start:g}-{end:g}")

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        kept = ~grid.empty()
        for start, end in self.regions:
            kept[:, grid.frames_of(*self._seconds(grid, start, end))] = False
        return kept

    def _seconds(self, grid: Grid, start: float, end: float) -> tuple[float, float]:
        """A region as seconds, after checking that the grid has it."""
        if self.unit == "seconds":
            if start < 0 or end > grid.duration + 1e-6:  # lengths in seconds are rarely exact numbers
                raise self._outside(start, end, f"0 to {math.floor(grid.duration * 1000) / 1000:g} seconds")
            return start, end
        starts = grid.beats.downbeats if self.unit == "bars" else grid.beats.times
        if start < 1 or end > len(starts):
            raise self._outside(start, end, f"{self.unit} 1 to {len(starts)}")
        return starts[int(start) - 1], [*starts, grid.duration][int(end)]

    def _outside(self, start: float, end: float, valid: str) -> InputError:
        return InputError(
            f"inpaint: expected regions within this sound, {valid}, got {start:g}-{end:g}. Choose a region inside it."
        )


@dataclass(frozen=True)
class Levels(Prompt):
    """Keeps the first, coarsest levels of the codes: a compressed sketch of the sound, whose details are made anew."""

    count: int
    example: ClassVar[str] = "levels(3)"

    def __post_init__(self) -> None:
        self._check_number("count", whole=True)

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`; a grid of fewer levels is kept whole."""
        kept = grid.empty()
        kept[: self.count] = True
        return kept


@dataclass(frozen=True)
class Loop(Prompt):
    """Keeps all but the seconds around the seam, half of them at each end, and lets the end flow into the start."""

    seconds: float = 0.5
    example: ClassVar[str] = "loop(seconds=0.5)"

    def __post_init__(self) -> None:
        self._check_number("seconds")

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        kept = ~grid.empty()
        kept[:, grid.frames_of(0, self.seconds / 2)] = False
        kept[:, grid.frames_of(grid.duration - self.seconds / 2, grid.duration)] = False
        return kept

    @property
    def circular(self) -> bool:
        """As in `Prompt`."""
        return True


def _is_pair(region: object) -> bool:
    """Whether this is two numbers."""
    return (
        isinstance(region, Sequence)
        and len(region) == 2
        and all(isinstance(bound, Real) and -LARGEST <= bound <= LARGEST for bound in region)  # type: ignore[operator]
    )
