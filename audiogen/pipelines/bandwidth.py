"""How far up a sound has anything: the cutoff of telephones, old recordings and low sample rates.

Shapes: N short-time spectra, F frequency bins.
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
EMPTY = -60.0
"""dB from the mean power of all bins: what is below has nothing in it."""
FALL = -20.0
"""dB from the mean power of the octave below a frequency: the edge of a filter has fallen this far."""
ROUNDING_NOISE = 10 * 2.0**-30 / 12
"""Power per sample that the steps of 16 bits make, and their dither; ten times of it."""
_BLOCK = 2**20


def cutoff_of(audio: Audio) -> float:
    """The frequency in Hz above which `audio` has nothing; half its sample rate where there is no such edge.

    That is the highest one whose power, averaged over time, is neither EMPTY nor that of the rounding to 16 bits, and
    no more than FALL below that of the octave under it.
    """
    rate = audio.sample_rate
    size = 2 ** max(4, round(math.log2(WINDOW * rate)))
    power = _mean_power(mix_down(audio.samples)[0], size)
    width = 2 * round(SMOOTHING * size / rate / 2) + 1
    power = F.avg_pool1d(power[None], width, stride=1, padding=width // 2, count_include_pad=False)[0]
    empty = max(float(power.mean()) * 10 ** (EMPTY / 10), ROUNDING_NOISE * float(torch.hann_window(size).square().sum()))
    total = F.pad(power.cumsum(0), (1, 0))
    places = torch.arange(1, len(power) + 1)
    octave = (total[places] - total[places // 2]) / (places - places // 2)
    heard = (power > empty) & (power > octave * 10 ** (FALL / 10))
    if not bool(heard.any()):
        return rate / 2
    last = int(heard.nonzero()[-1])
    return rate / 2 if last >= len(power) - width else last * rate / size


def _mean_power(samples: Tensor, size: int) -> Tensor:
    """Samples [S] -> [F], of the spectra of all windows."""
    window, total, count = torch.hann_window(size), torch.zeros(size // 2 + 1), 0
    for block in samples.split(_BLOCK):
        frames = F.pad(block, (0, max(0, size - block.shape[-1]))).unfold(-1, size, size // 2)
        total += torch.fft.rfft(frames * window).abs().square().sum(dim=0)
        count += len(frames)
    return total / count
