"""Loudness without clipping: a gain, and a limiter that holds only the peaks that the gain takes over full scale.

Shapes: C channels, S samples.
"""

import logging
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import PEAK_LIMIT, Audio

logger = logging.getLogger(__name__)

LOOK = 0.005
"""Seconds before a peak at which the limiter begins to turn down, and after it until it has let go."""
CLOSE = 0.1
"""dB by which the loudness may miss the one that was asked."""
ROUNDS = 8
"""Limiting costs loudness, which a little more gain makes up for: at most so many times."""


def limit(samples: Tensor, sample_rate: int, ceiling: float = PEAK_LIMIT) -> Tensor:
    """`samples` [C, S] with no peak above `ceiling`; untouched where there is none within `2 * LOOK`.

    The gain that a peak needs is held for LOOK around it and then averaged over as much, so that it moves in straight
    lines and is never too large. All channels get the same gain: the stereo image stays where it is.
    """
    peaks = samples.abs().amax(dim=0)
    if not bool((peaks > ceiling).any()):
        return samples
    return (samples * smooth_gain(ceiling / peaks.clamp_min(ceiling), sample_rate)).clamp(-ceiling, ceiling)


def smooth_gain(needed: Tensor, sample_rate: int) -> Tensor:
    """A gain [S] that is nowhere above `needed` [S], in 0..1, held for LOOK and averaged; 1 where no less is needed."""
    reach = max(1, round(LOOK * sample_rate))
    held = -F.max_pool1d(-needed[None, None], 2 * reach + 1, stride=1, padding=reach)
    gain = F.avg_pool1d(F.pad(held, (reach, reach), mode="replicate"), 2 * reach + 1, stride=1)[0, 0]
    return torch.where(gain > 1 - 1e-6, 1.0, gain)  # averages of ones are not exactly one


def at_loudness(audio: Audio, lufs: float) -> Audio:
    """`audio` at the integrated loudness `lufs` within CLOSE, its peaks limited; silence is returned as it is.

    Where even limiting cannot make it so loud, it is as loud as it gets, and a log line says so.
    """
    gain_db, result = 0.0, Audio(limit(audio.samples, audio.sample_rate), audio.sample_rate)
    for _ in range(ROUNDS):
        loudness = result.loudness()
        if loudness == -math.inf:
            return audio
        if abs(lufs - loudness) < CLOSE:
            return result
        gain_db += lufs - loudness
        result = Audio(limit(audio.samples * 10 ** (gain_db / 20), audio.sample_rate), audio.sample_rate)
    if abs(lufs - result.loudness()) > 1:
        logger.warning("the peaks allow %.1f LUFS, %.1f was asked", result.loudness(), lufs)
    return result
