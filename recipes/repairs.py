"""Held-out sounds mended: a missing upper band, and a missing stretch of time, beside what needs no model.

Every repair of a clip is a row of its own set: `band 4 kHz`, `band 8 kHz` and `gap`. In the sets of bands the clip is
given at twice that sample rate; in `gap` a stretch of it is missing.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from audiogen.audio import Audio
from audiogen.extras import need

if TYPE_CHECKING:
    from audiogen.pipelines.sound import Sound

BANDWIDTHS = (4000, 8000)
"""Hz that are left of a clip."""
GAP = "gap"
ZERO_SHOT = "extended, zero-shot"
BAND_ROWS, GAP_ROWS = ("nothing added", "cubic", ZERO_SHOT, "extended"), ("silence", "repeated", "inpainted")
"""Ways to mend a band, and a gap. Zero-shot: by the model of codes alone, as in the paper."""
GAP_SECONDS = (0.4, 0.6)
"""Start and end of what is missing, as shares of the clip."""


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


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One clip to be damaged and mended."""

    set: str
    row: str
    """Of ROWS."""
    number: int
    """Of the clip, which has its own seed."""
    clip: Path
    out: Path
    """FLAC file to be, as long as the clip and at its rate."""
    system: Path
    steps: int
    device: str
    seed: int
    """Of the first clip."""


def repairs(
    clips: Mapping[str, Path], folder: Path, config: RepairConfig, system: Path, device: str, seed: int
) -> list[Repair]:
    """What is not there yet of every clip mended in every way, in `folder`/<set>/<row>."""
    sets = {**{band(bandwidth): BAND_ROWS for bandwidth in BANDWIDTHS}, GAP: GAP_ROWS}
    made = [
        Repair(
            set=name, row=row, number=number, clip=path, out=folder / name / row / f"{clip}.flac",
            system=system, steps=config.steps, device=device, seed=seed,
        )
        for name, rows in sets.items()
        for row in rows
        for number, (clip, path) in enumerate(clips.items())
    ]  # fmt: skip
    return [one for one in made if not one.out.exists()]


def mend(repair: Repair) -> None:
    """Damage a clip and mend it."""
    original = Audio.read(repair.clip)
    repair.out.parent.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {"seed": repair.seed + repair.number, "steps": repair.steps}
    if repair.set == GAP:
        mended = _gap(repair, original, given)
    else:
        mended = _band(repair, original, given)
    fitted(mended, original).save(repair.out)


def _gap(repair: Repair, audio: Audio, given: dict[str, Any]) -> Audio:
    if repair.row == "inpainted":
        return _sound(repair.system, repair.device).inpaint(with_gap(audio), [gap_of(audio)], **given)
    return repeated(audio) if repair.row == "repeated" else with_gap(audio)


def _band(repair: Repair, audio: Audio, given: dict[str, Any]) -> Audio:
    bandwidth = next(one for one in BANDWIDTHS if band(one) == repair.set)
    narrow = audio.resample(2 * bandwidth)
    if repair.row == "cubic":
        return cubic(narrow, audio.sample_rate)
    if repair.row == "nothing added":
        return narrow.resample(audio.sample_rate)
    alone = repair.row == ZERO_SHOT
    return _sound(repair.system, repair.device).extend_bandwidth(narrow, float(bandwidth), zero_shot=alone, **given)


@functools.lru_cache(maxsize=1)
def _sound(system: Path, device: str) -> "Sound":
    """Once per process."""
    from audiogen.pipelines.sound import Sound

    return Sound(system, device=device)


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


def fitted(audio: Audio, original: Audio) -> Audio:
    """As long as the original, at its rate, and mono."""
    samples = audio.mono().resample(original.sample_rate).samples
    length = original.samples.shape[-1]
    samples = torch.nn.functional.pad(samples, (0, max(0, length - samples.shape[-1])))[:, :length]
    return Audio(samples.clamp(-1, 1), original.sample_rate)
