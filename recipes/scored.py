"""Sounds that were judged one by one, and the row of a result table that they make."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from audiogen.files import atomic_write
from recipes.figures import mean, resampled_frechet, spread
from recipes.results import Score


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One sound, judged."""

    id: str
    figures: dict[str, float | None]
    """By name; None where one is not defined."""
    windows: Tensor
    """[W, D] embeddings, for the Fréchet distance."""
    source_windows: Tensor
    """[W, D] of the recording."""


def summarise(set_name: str, system: str, scored: Sequence[Scored], means: Sequence[str]) -> Score:
    """All figures of one row: those of `means` averaged, and the Fréchet distance from the recordings."""
    figures = {name: figure for name in means if (figure := mean([one.figures.get(name) for one in scored]))}
    figures["frechet"] = spread(resampled_frechet(scored))
    return Score(set=set_name, system=system, utterances=len(scored), figures=figures)


def write_scored(scored: Sequence[Scored], path: Path) -> None:
    """One JSON object per clip and line, without the embeddings."""
    with atomic_write(path) as temporary:
        lines = (json.dumps({"id": one.id, **one.figures}) + "\n" for one in scored)
        temporary.write_text("".join(lines), encoding="utf-8")
