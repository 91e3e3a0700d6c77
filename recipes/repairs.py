"""Held-out sounds mended: a missing upper band, and a missing stretch of time, beside what needs no model.

Every repair of a clip is a row of its own set: `band 4 kHz`, `band 8 kHz` and `gap`. In the sets of bands the clip is
given at twice that sample rate; in `gap` a stretch of it is missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from audiogen.audio import Audio
from audiogen.extras import need
from recipes.progress import track

if TYPE_CHECKING:
    from audiogen.pipelines.sound import Sound

BANDWIDTHS = (4000, 8000)
"""Hz that are left of a clip."""
GAP = "gap"
GAP_SECONDS = (0.4, 0.6)
"""Start and end of what is missing, as shares of the clip."""

Repair = Callable[[Audio, int], Audio]
"""A clip and its number -> the clip damaged and mended, as long as before and at its rate."""


@dataclass(frozen=True, kw_only=True)
class RepairConfig:
    """What is mended, and how."""

    clips: int = 100
    """Held-out ones at most, spread over all."""
    steps: int = 8
    """Passes of the model."""


def band(bandwidth: int) -> str:
    """Name of the set of a bandwidth in Hz."""
    return f"band {bandwidth / 1000:g} kHz"


def gap_of(audio: Audio) -> tuple[float, float]:
    """Start and end in seconds of what is missing of a clip."""
    start, end = (round(share * audio.duration, 3) for share in GAP_SECONDS)
    return start, end


def repairs(sound: "Sound", config: RepairConfig, seed: int) -> dict[str, dict[str, Repair]]:
    """Set -> row -> what mends a clip."""

    def inpainted(audio: Audio, number: int) -> Audio:
        return sound.inpaint(with_gap(audio), [gap_of(audio)], seed=seed + number, steps=config.steps)

    gaps: dict[str, Repair] = {
        "silence": lambda audio, _: with_gap(audio),
        "repeated": lambda audio, _: repeated(audio),
        "inpainted": inpainted,
    }
    bands = {band(bandwidth): _extensions(sound, bandwidth, config.steps, seed) for bandwidth in BANDWIDTHS}
    return {**bands, GAP: gaps}


def _extensions(sound: "Sound", bandwidth: int, steps: int, seed: int) -> dict[str, Repair]:
    """Row -> what makes a clip of a narrow one."""
    rate = 2 * bandwidth

    def extended(audio: Audio, number: int) -> Audio:
        return sound.extend_bandwidth(audio.resample(rate), float(bandwidth), seed=seed + number, steps=steps)

    return {
        "nothing added": lambda audio, _: audio.resample(rate).resample(audio.sample_rate),
        "cubic": lambda audio, _: cubic(audio.resample(rate), audio.sample_rate),
        "extended": extended,
    }


def cubic(audio: Audio, sample_rate: int) -> Audio:
    """At another rate, by a cubic spline through the samples."""
    spline = need("scipy.interpolate", "train").CubicSpline
    samples = audio.samples.numpy()
    times = np.arange(round(audio.duration * sample_rate)) * (audio.sample_rate / sample_rate)
    curve = spline(np.arange(samples.shape[1]), samples, axis=1)
    return Audio(torch.from_numpy(curve(np.minimum(times, samples.shape[1] - 1)).astype(np.float32)), sample_rate)


def with_gap(audio: Audio) -> Audio:
    """The clip with silence in its gap."""
    start, end = (round(second * audio.sample_rate) for second in gap_of(audio))
    samples = audio.samples.clone()
    samples[:, start:end] = 0
    return Audio(samples, audio.sample_rate)


def repeated(audio: Audio) -> Audio:
    """The clip with what is before its gap once more in it."""
    start, end = (round(second * audio.sample_rate) for second in gap_of(audio))
    samples = audio.samples.clone()
    samples[:, start:end] = samples[:, start - (end - start) : start]
    return Audio(samples, audio.sample_rate)


def mend_all(made: Mapping[str, Mapping[str, Repair]], clips: Mapping[str, Path], folder: Path) -> None:
    """Every clip mended in every way, in `folder`/<set>/<row>; goes on at the first that is missing."""
    for name, rows in made.items():
        for row, repair in rows.items():
            (folder / name / row).mkdir(parents=True, exist_ok=True)
            for number, (clip, path) in enumerate(track(clips.items(), len(clips), f"clips of {name}, {row}")):
                out = folder / name / row / f"{clip}.flac"
                if not out.exists():
                    audio = Audio.read(path)
                    mended = fitted(repair(audio, number), audio)
                    mended.save(out)


def fitted(audio: Audio, original: Audio) -> Audio:
    """As long as the original, at its rate, and mono."""
    samples = audio.mono().resample(original.sample_rate).samples
    length = original.samples.shape[-1]
    samples = torch.nn.functional.pad(samples, (0, max(0, length - samples.shape[-1])))[:, :length]
    return Audio(samples.clamp(-1, 1), original.sample_rate)
