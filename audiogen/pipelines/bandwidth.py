"""How far up a sound has anything: the cutoff of telephones, old recordings and low sample rates.

Shapes: F frequency bins.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.pipelines.stereo import mix_down

WINDOW = 0.046
"""Seconds of a short-time spectrum, about: a power of two of samples."""
SMOOTHING = 100.0
"""Hz over which powers are averaged."""
FALL = 15.0
"""dB that a spectrum falls at the edge of a filter; sounds of their own rarely fall so steeply."""
BELOW, ABOVE = 1.19, 1.06
"""The level below a frequency is the mean over a quarter of an octave, the level above begins a semitone higher."""
ROUNDING_NOISE = 2.0**-30 / 12
"""Power per sample that the steps of 16 bits make: what is below is nothing."""
_BLOCK = 2**20


def cutoff_of(audio: Audio) -> float:
    """The frequency in Hz above which `audio` has nothing; half its sample rate where there is no such edge.

    That is where its mean spectrum falls most, from the level just below to the highest level anywhere above, if it
    falls by FALL or more.
    """
    rate = audio.sample_rate
    size = 2 ** max(4, round(math.log2(WINDOW * rate)))
    level, width = _levels(mix_down(audio.samples)[0], size, rate)
    count = len(level)
    place = torch.arange(count)
    first, above = (place / BELOW).long(), (place * ABOVE).long() + width
    total = F.pad(level.double().cumsum(0), (1, 0))
    below = (total[place + 1] - total[first]) / (place + 1 - first)
    loudest = level.flip(0).cummax(0).values.flip(0)  # of a bin and all above it
    drop = below - loudest[above.clamp(max=count - 1)]
    drop[(above >= count - width) | (place < width)] = -math.inf  # no room on one side
    edge = int(drop.argmax())
    return edge * rate / size if float(drop[edge]) >= FALL else rate / 2


def _levels(samples: Tensor, size: int, sample_rate: int) -> tuple[Tensor, int]:
    """Samples [S] -> the mean power of all windows in dB, [F], smoothed; and over how many bins it is smoothed."""
    window, power, count = torch.hann_window(size), torch.zeros(size // 2 + 1), 0
    for block in samples.split(_BLOCK):
        frames = F.pad(block, (0, max(0, size - block.shape[-1]))).unfold(-1, size, size // 2)
        power += torch.fft.rfft(frames * window).abs().square().sum(dim=0)
        count += len(frames)
    width = 2 * round(SMOOTHING * size / sample_rate / 2) + 1
    smooth = F.avg_pool1d(power[None], width, stride=1, padding=width // 2, count_include_pad=False)[0] / count
    return 10 * torch.log10(smooth + ROUNDING_NOISE * float(window.square().sum())), width
