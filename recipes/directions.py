"""What a paper found, beside what this run found: which of two rows of a table has the smaller figure.

A run agrees or disagrees where the difference on the same clips is larger than twice its standard error; else it cannot
tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from recipes.figures import resampled_frechet
from recipes.results import COLUMNS
from recipes.scored import Scored

ERRORS = 2.0
"""Standard errors that a difference must exceed."""
FRECHET = "frechet"


@dataclass(frozen=True, kw_only=True)
class Direction:
    """One finding of a paper."""

    paper: str
    """In words."""
    figure: str = FRECHET
    """Name of a figure in the table."""
    smaller: str
    """Row in which it is smaller, according to the paper."""
    larger: str
    """Row in which it is larger."""


def compare(direction: Direction, scored: Mapping[str, Sequence[Scored]]) -> str:
    """A sentence with the paper's finding and this run's, whose clips are `scored` by row, the same in all rows."""
    rows = [scored[name] for name in (direction.smaller, direction.larger)]
    one, other, error = _frechet(*rows) if direction.figure == FRECHET else _mean(direction.figure, *rows)
    difference = other - one
    verdict = "cannot tell" if abs(difference) <= ERRORS * error else "agrees" if difference > 0 else "DISAGREES"
    return (
        f"Paper: {direction.paper}. This run {verdict}: {COLUMNS[direction.figure]} {one:.3f} ({direction.smaller}), "
        f"{other:.3f} ({direction.larger}), standard error of the difference {error:.3f}."
    )


def _frechet(one: Sequence[Scored], other: Sequence[Scored]) -> tuple[float, float, float]:
    """Both distances, and the standard error of their difference over clips drawn with replacement."""
    first, second = resampled_frechet(one), resampled_frechet(other)
    return float(first[0]), float(second[0]), float((second - first)[1:].std())


def _mean(name: str, one: Sequence[Scored], other: Sequence[Scored]) -> tuple[float, float, float]:
    """Both means over the clips that have the figure in both rows, and the standard error of their difference."""
    pairs = [(a.figures.get(name), b.figures.get(name)) for a, b in zip(one, other, strict=True)]
    both = torch.tensor([pair for pair in pairs if None not in pair], dtype=torch.float64)
    first, second = both.mean(dim=0).tolist()
    return first, second, float((both[:, 1] - both[:, 0]).std() / len(both) ** 0.5)
