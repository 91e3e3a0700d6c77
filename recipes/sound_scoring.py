"""Scores of sounds made from captions, and of sounds that were mended, and what they say of the recipe's targets."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from audiogen.audio import Audio
from audiogen.checkpoints.nano_sound import load_embedder
from audiogen.conditioning.embedder import Embedder
from audiogen.metrics.bands import log_spectral_distance
from audiogen.metrics.classes import ClassJudge, load_class_judge
from audiogen.metrics.codec import mel_distance
from audiogen.metrics.frechet import log_mel_statistics
from audiogen.pipelines.coding import CODING_LUFS
from recipes.making import Cost
from recipes.repairs import BANDWIDTHS, GAP, band, gap_of
from recipes.results import Score
from recipes.scored import Scored
from recipes.scored import summarise as summary
from recipes.sound_rows import RECORDINGS

MEANS = ("class_right", "similarity", "band_lsd", "gap_mel", "passes", "seconds")
"""Figures of a sound that are averaged."""
GIVEN_BACK = 0.8
"""Share of the judge's accuracy on recordings that generated sounds should reach."""
SAVED = 0.25
"""Share by which bandwidth extension should lower the distance in the missing band."""

LOSSES: dict[str, Callable[[Scored], float]] = {
    "share of wrong classes": lambda one: 1 - (one.figures["class_right"] or 0.0)
}
"""Figures that more steps must not make larger."""


@dataclass(frozen=True)
class Item:
    """One sound to judge."""

    id: str
    path: Path
    source: Path
    """The recording that it is compared with."""
    text: str
    """The caption that was asked for, or what is said of the recording."""
    category: str
    """What the judge should hear; empty where it does not know."""
    judge: Path
    pair: str
    """Folder or name of the embedder that compares sounds with captions."""
    cost: Cost | None = None
    """None: nobody measured it."""


@dataclass(frozen=True)
class Mended:
    """One sound that was damaged and mended."""

    id: str
    set: str
    path: Path
    source: Path
    category: str
    judge: Path


@torch.inference_mode()
def score_item(item: Item) -> Scored:
    """Judge one sound."""
    audio, embedder = Audio.read(item.path), _embedder(item.pair)
    heard = embedder.embed_audio(audio.mono().samples[None], audio.sample_rate)[0]
    figures: dict[str, float | None] = {
        "class_right": float(_judge(item.judge).listen(audio) == item.category) if item.category else None,
        "similarity": float(heard @ embedder.embed_text([item.text])[0]),
        "passes": item.cost.passes if item.cost else None,
        "seconds": item.cost.seconds if item.cost else None,
    }
    return Scored(
        id=item.id, figures=figures, windows=_windows(audio), source_windows=_windows(Audio.read(item.source))
    )


@torch.inference_mode()
def score_mended(item: Mended) -> Scored:
    """Compare one sound with what it was before; in a gap, only what was missing."""
    audio, original = Audio.read(item.path), Audio.read(item.source)
    figures: dict[str, float | None] = {
        "class_right": float(_judge(item.judge).listen(audio) == item.category) if item.category else None
    }
    if item.set == GAP:
        audio, original = (_within(one, *gap_of(original)) for one in (audio, original))
        figures["gap_mel"] = mel_distance(original, audio)
    else:
        low = next(bandwidth for bandwidth in BANDWIDTHS if band(bandwidth) == item.set)
        figures["band_lsd"] = log_spectral_distance(original, audio, low, original.sample_rate / 2)
    # not at one loudness: silence has none
    return Scored(
        id=item.id, figures=figures, windows=log_mel_statistics(audio), source_windows=log_mel_statistics(original)
    )


def summarise(named: tuple[tuple[str, str], Sequence[Scored]]) -> Score:
    """All figures of one row: its set and name, and its sounds."""
    return summary(*named[0], named[1], MEANS)


def targets(scores: Sequence[Score], judged: str, rows: Mapping[int, str]) -> list[str]:
    """What the scores say of the recipe's targets, a sentence each."""
    found = {(score.set, score.system): score.figures for score in scores}
    reached = found[judged, RECORDINGS]["class_right"].value
    sentences = []
    for row in rows.values():
        figure = found[judged, row]["class_right"]
        share = figure.value / reached if reached else 0.0
        sentences.append(
            f"Class of generated sounds, {row}: {figure} right, {share:.0%} of the {reached:.3f} on held-out "
            f"recordings (target {GIVEN_BACK:.0%}: {'reached' if share >= GIVEN_BACK else 'MISSED'})."
        )
    for bandwidth in BANDWIDTHS:
        name = band(bandwidth)
        if (name, "extended") not in found:
            continue
        distance = found[name, "extended"]["band_lsd"]
        plain = {row: found[name, row]["band_lsd"].value for row in ("nothing added", "cubic")}
        compared = " and ".join(_less(distance.value, value, row) for row, value in plain.items())
        sentences.append(
            f"Bandwidth extension from {bandwidth / 1000:g} kHz: log-spectral distance {distance} dB in the missing "
            f"band, {compared}."
        )
    return sentences


def _less(distance: float, plain: float, row: str) -> str:
    """How a distance compares with that of a row without a model, and whether it reaches the target."""
    saved = 1 - distance / plain
    than = f"{abs(saved):.0%} {'less' if saved >= 0 else 'more'} than {plain:.3f} dB of {row}"
    return f"{than} (target {SAVED:.0%}: {'reached' if saved >= SAVED else 'MISSED'})"


def _windows(audio: Audio) -> torch.Tensor:
    return log_mel_statistics(audio.normalize(CODING_LUFS))


def _within(audio: Audio, start: float, end: float) -> Audio:
    first, last = (round(second * audio.sample_rate) for second in (start, end))
    return Audio(audio.samples[:, first:last], audio.sample_rate)


@functools.lru_cache(maxsize=1)
def _judge(folder: Path) -> ClassJudge:
    """Once per process."""
    return load_class_judge(folder)


@functools.lru_cache(maxsize=1)
def _embedder(name: str) -> Embedder:
    """Once per process."""
    return load_embedder(name)
