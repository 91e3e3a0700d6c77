"""Two versions of one sound as one: generated here, original there, cross-faded in between.

Shapes: C channels, S samples, T frames.
"""

import math

import torch
from torch import Tensor

from audiogen.audio import Audio

FADE = 0.015
"""Seconds from one version to the other."""
ROUNDING = 1e-6
"""Samples: frames of a whole number of samples begin at whole samples."""


def splice(original: Audio, generated: Audio, frames: Tensor, frame_rate: float, circular: bool = False) -> Audio:
    """`generated` in `frames`, `original` elsewhere, to the sample; it fades within FADE outside of `frames`.

    Args:
        original: [C, S].
        generated: [C, S].
        frames: [T] bool, at `frame_rate` Hz.
        circular: the end fades into the start too.
    """
    weight = share(frames, frame_rate, original, circular)
    return Audio(torch.lerp(original.samples, generated.samples, weight), original.sample_rate)


def join(previous: Audio, take: Audio) -> Audio:
    """`take`, begun and ended as `previous` does: at the seam both have the same samples, and each can follow each."""
    length = take.samples.shape[-1]
    fade = min(round(FADE * take.sample_rate), length // 2)
    rise = torch.sin(torch.arange(fade) / fade * (math.pi / 2)).square()  # flat at the seam: slopes agree there too
    weight = torch.cat([rise, torch.ones(length - 2 * fade), rise.flip(0)])
    return Audio(torch.lerp(previous.samples, take.samples, weight), take.sample_rate)


def share(frames: Tensor, frame_rate: float, audio: Audio, circular: bool = False) -> Tensor:
    """[T] bool -> [S], 1 in the frames, 0 outside, with a ramp before and behind each run of frames."""
    length, hop = audio.samples.shape[-1], audio.sample_rate / frame_rate
    fade = round(FADE * audio.sample_rate)
    ramp = (torch.arange(fade) + 0.5) / fade
    found = torch.zeros(length)
    for start, end in runs(frames):
        first, last = math.floor(start * hop + ROUNDING), math.ceil(end * hop - ROUNDING)
        places = torch.arange(first - fade, last + fade)
        values = torch.cat([ramp, torch.ones(last - first), ramp.flip(0)])
        if not circular:
            inside = (places >= 0) & (places < length)
            places, values = places[inside], values[inside]
        found.scatter_reduce_(0, places % length, values, "amax")
    return found


def runs(frames: Tensor) -> list[tuple[int, int]]:
    """[T] bool -> (start, end) of each run of True, `end` exclusive."""
    edges = torch.diff(
        frames.int(), prepend=torch.zeros(1, dtype=torch.int32), append=torch.zeros(1, dtype=torch.int32)
    )
    return list(zip((edges == 1).nonzero()[:, 0].tolist(), (edges == -1).nonzero()[:, 0].tolist(), strict=True))
