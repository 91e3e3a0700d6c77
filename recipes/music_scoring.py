"""Scores of music made from captions: distance from the recordings, and attributes heard as they were asked for."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from audiogen.audio import Audio
from audiogen.files import atomic_write
from audiogen.metrics.attributes import AttributeJudge, load_judge
from audiogen.metrics.frechet import log_mel_statistics
from audiogen.pipelines.coding import CODING_LUFS
from recipes.figures import mean, resampled_frechet, spread
from recipes.judging import verdicts
from recipes.making import Made
from recipes.results import Score
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
    made: Made | None
    """None: it was not generated."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One sound, judged."""

    id: str
    figures: dict[str, float | None]
    """MEANS; None where one is not defined."""
    windows: Tensor
    """[W, D] embeddings at CODING_LUFS, for the Fréchet distance."""
    source_windows: Tensor
    """[W, D] of the recording."""


def score_item(item: Item) -> Scored:
    """Judge one sound."""
    audio = Audio.read(item.path)
    right = verdicts(_judge(item.judge).listen(audio), item.known)
    cost = {"passes": item.made.passes, "seconds": item.made.seconds} if item.made else {}
    return Scored(
        id=item.path.stem,
        figures={**right, **cost},
        windows=log_mel_statistics(audio.normalize(CODING_LUFS)),
        source_windows=log_mel_statistics(Audio.read(item.source).normalize(CODING_LUFS)),
    )


def summarise(system: str, scored: Sequence[Scored]) -> Score:
    """All figures of one row."""
    figures = {name: figure for name in MEANS if (figure := mean([one.figures.get(name) for one in scored]))}
    figures["frechet"] = spread(resampled_frechet(scored))
    return Score(set="test", system=system, utterances=len(scored), figures=figures)


def write_scored(scored: Sequence[Scored], path: Path) -> None:
    """One JSON object per clip and line, without the embeddings."""
    with atomic_write(path) as temporary:
        lines = (json.dumps({"id": one.id, **one.figures}) + "\n" for one in scored)
        temporary.write_text("".join(lines), encoding="utf-8")


@functools.lru_cache(maxsize=1)
def _judge(folder: Path) -> AttributeJudge:
    """Once per process."""
    return load_judge(folder)
