"""Scores of vamps and of the codec's round trip, per clip and per set."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from audiogen.audio import Audio
from audiogen.files import atomic_write
from audiogen.metrics.codec import mel_loss, si_sdr
from audiogen.metrics.frechet import log_mel_statistics
from audiogen.metrics.rhythm import onset_f_measure, tempo_error
from recipes.figures import mean, resampled_frechet, spread
from recipes.results import Score
from recipes.vamps import Made

TEMPO_TOLERANCE = 0.03
"""Relative error up to which a tempo counts as kept."""
SETS = {"test": ("loops", "tunes", "real"), "real": ("real",)}
"""Set of scores -> kinds of its clips: all held-out clips, and the held-out recordings among them."""
MEANS = ("mel_loss", "si_sdr", "copied", "tempo_kept", "onset_f", "seconds")
"""Figures of a clip that are averaged over a set."""


@dataclass(frozen=True)
class Item:
    """One sound to compare with its source."""

    source: Path
    path: Path
    made: Made
    vamped: bool
    """False: the codec's round trip, of which the waveform should be the source's."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One sound, compared; None where a figure is not defined."""

    id: str
    mel_loss: float
    si_sdr: float | None
    copied: float | None
    """Share of the generated cells that came out as in the source."""
    tempo_kept: float | None
    """1 or 0: the tempo is right up to TEMPO_TOLERANCE."""
    onset_f: float | None
    seconds: float | None
    """Computing time per 10 s of sound."""
    windows: Tensor
    """[W, D] embeddings, for the Fréchet distance."""
    source_windows: Tensor
    """[W, D] of the source."""


LOSSES: dict[str, Callable[[Scored], float]] = {"mel distance": lambda clip: clip.mel_loss}
"""Figures that more steps must not make larger."""


def score_item(item: Item) -> Scored:
    """Compare one sound with its source."""
    source = Audio.read(item.source)
    audio = Audio.read(item.path).resample(source.sample_rate)
    assert audio.samples.shape[-1] == source.samples.shape[-1], f"{item.path} is not as long as its source"
    error = tempo_error(source, audio)
    return Scored(
        id=item.made.id,
        mel_loss=mel_loss(source, audio),
        si_sdr=None if item.vamped else si_sdr(source, audio),
        copied=item.made.copied,
        tempo_kept=None if error is None else float(error <= TEMPO_TOLERANCE),
        onset_f=onset_f_measure(source, audio),
        seconds=item.made.seconds,
        windows=log_mel_statistics(audio),
        source_windows=log_mel_statistics(source),
    )


def summarise(set_name: str, system: str, scored: Sequence[Scored]) -> Score:
    """All figures of one system on one set."""
    figures = {name: figure for name in MEANS if (figure := mean([getattr(one, name) for one in scored]))}
    figures["frechet"] = spread(resampled_frechet(scored))
    return Score(set=set_name, system=system, utterances=len(scored), figures=figures)


def write_scored(scored: Sequence[Scored], path: Path) -> None:
    """One JSON object per clip and line, without the embeddings."""
    with atomic_write(path) as temporary:
        lines = (json.dumps({name: getattr(one, name) for name in ("id", *MEANS)}) + "\n" for one in scored)
        temporary.write_text("".join(lines), encoding="utf-8")
