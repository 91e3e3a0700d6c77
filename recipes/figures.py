"""Figures of a row of a result table: means over clips and Fréchet distances, with their intervals."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from audiogen.metrics.frechet import frechet_distance
from audiogen.metrics.speech import error_rate
from recipes.results import Figure

RESAMPLES = 100
"""Draws of the bootstrap of a Fréchet distance."""


class Compared(Protocol):
    """One sound beside its source."""

    @property
    def windows(self) -> Tensor:
        """[W, D] embeddings."""
        ...

    @property
    def source_windows(self) -> Tensor:
        """[W, D] of the source."""
        ...


def mean(values: Sequence[float | None]) -> Figure | None:
    """With a bootstrap interval over the clips of which the figure is defined; None where there are none."""
    defined = [value for value in values if value is not None]
    if not defined:
        return None
    rate = error_rate(defined, [1] * len(defined))  # type: ignore[arg-type]  # it counts, and means as well
    return Figure(value=rate.value, low=rate.low, high=rate.high)


def resampled_frechet(compared: Sequence[Compared]) -> Tensor:
    """[1 + RESAMPLES]: the Fréchet distance of all clips from their sources, then of clips drawn with replacement.

    Equally many clips are drawn equally every time, so the differences of two systems on the same clips are paired.
    """
    generator = torch.Generator().manual_seed(0)
    draws = torch.randint(len(compared), (RESAMPLES, len(compared)), generator=generator).tolist()
    distances = []
    for chosen in [range(len(compared)), *draws]:
        windows, sources = zip(
            *((compared[index].windows, compared[index].source_windows) for index in chosen), strict=True
        )
        distances.append(frechet_distance(torch.cat(sources), torch.cat(windows)))
    return torch.tensor(distances, dtype=torch.float64)


def spread(distances: Tensor) -> Figure:
    """The first with a normal interval: clips drawn twice make a resampled Fréchet distance too large, not too wide."""
    value, half = float(distances[0]), 1.96 * float(distances[1:].std())
    return Figure(value=value, low=max(0.0, value - half), high=value + half)
