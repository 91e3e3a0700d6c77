"""Scores of music made from captions: distance from the recordings, and attributes heard as they were asked for."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audiogen.audio import Audio
from audiogen.metrics.attributes import AttributeJudge, load_judge
from audiogen.metrics.frechet import log_mel_statistics
from audiogen.pipelines.coding import CODING_LUFS
from recipes.judging import verdicts
from recipes.making import Cost
from recipes.results import Score
from recipes.scored import Scored
from recipes.scored import summarise as summary
from recipes.synth.captions import Attributes

MEANS = ("tempo_right", "metre_right", "key_right", "lead_right", "passes", "seconds")
"""Figures of a clip that are averaged."""


@dataclass(frozen=True)
class Item:
    """One sound to judge."""

    source: Path
    """The recording whose caption was asked for."""
    path: Path
    known: Attributes
    """What the caption says."""
    judge: Path
    cost: Cost | None
    """None: nobody measured it."""


def score_item(item: Item) -> Scored:
    """Judge one sound."""
    audio = Audio.read(item.path)
    right = verdicts(_judge(item.judge).listen(audio), item.known)
    cost = {"passes": item.cost.passes, "seconds": item.cost.seconds} if item.cost else {}
    return Scored(
        id=item.path.stem,
        figures={**right, **cost},
        windows=log_mel_statistics(audio.normalize(CODING_LUFS)),
        source_windows=log_mel_statistics(Audio.read(item.source).normalize(CODING_LUFS)),
    )


def summarise(named: tuple[str, Sequence[Scored]]) -> Score:
    """All figures of one row: its name and its sounds."""
    return summary("test", *named, MEANS)


@functools.lru_cache(maxsize=1)
def _judge(folder: Path) -> AttributeJudge:
    """Once per process."""
    return load_judge(folder)
