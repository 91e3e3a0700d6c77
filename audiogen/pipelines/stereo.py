"""Stereo through a mono codec: one mix is coded, and the result gets the stereo image of the source.

Coding two channels on their own would regenerate each with other notes. Here the channels of the result are the mono
result, filtered as the source's channels differ from the source's mix: per frequency band, smoothed over time.
Shapes: S and S' samples, N short-time spectra, F frequency bins, M bands.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.pipelines.blocks import by_blocks

WINDOW = 0.046
"""Seconds of a short-time spectrum, about: a power of two of samples."""
BANDS = 24
"""M, equally wide on the mel scale."""
SMOOTHING = 0.2
"""Seconds over which the powers of a band are averaged."""
MAX_GAIN = 4.0
"""Of a channel against the mix (12 dB): where the channels of the source cancel, the ratio has no bound."""
CANCELLED = 0.01
"""A sum of channels with less than this share of their power (-20 dB) is taken for cancelled."""
FLOOR = 1e-5
"""Share of a channel's mean power that is added in every band: where the source is silent the image is its average."""


def mix_down(samples: Tensor) -> Tensor:
    """[C, S] -> [1, S]: the mean of the channels, or half their difference where they are opposite and would cancel."""
    if len(samples) == 1:
        return samples
    mid = samples.mean(dim=0, keepdim=True)
    if float(mid.square().mean()) >= CANCELLED * float(samples.square().mean()):
        return mid
    return (samples[:1] - samples[1:]) / 2


def spread(mono: Audio, source: Audio) -> Audio:
    """`mono` with the channels and the stereo image of `source`.

    A channel that is silent in the source stays silent, equal channels stay exactly equal, opposite ones opposite.

    Args:
        mono: the result, [1, S'], at the rate of `source`.
        source: [C, S]; where it has another length than the result, its image is stretched to it.
    """
    if len(source.samples) == 1:
        return mono
    mix = mix_down(source.samples)
    polarity = torch.where((source.samples * mix).sum(dim=-1, keepdim=True) < 0, -1.0, 1.0)
    floor = FLOOR * torch.cat([source.samples, mix]).square().mean(dim=-1)
    size = 2 ** max(4, round(math.log2(WINDOW * mono.sample_rate)))
    stretch = source.samples.shape[-1] / mono.samples.shape[-1]

    def block(place: slice) -> Tensor:
        part = slice(round(place.start * stretch), max(round(place.stop * stretch), round(place.start * stretch) + 1))
        gains = _gains(torch.cat([source.samples[:, part], mix[:, part]]), floor, size, mono.sample_rate)
        return _filter(mono.samples[:, place], gains, size)

    return Audio(by_blocks(block, mono.samples.shape[-1], mono.sample_rate) * polarity, mono.sample_rate)


def _gains(channels: Tensor, floor: Tensor, size: int, sample_rate: int) -> Tensor:
    """Left, right and mix [3, S] -> gains [2, M, N] of left and right against the mix.

    `floor` [3] is a power per sample of each.
    """
    hop = size // 4
    window = torch.hann_window(size)
    spectra = torch.stft(channels, size, hop, window=window, return_complex=True, pad_mode="constant")
    power = _bands(spectra.shape[1]) @ spectra.abs().square() + floor[:, None, None] * window.square().sum()
    frames = 2 * (round(SMOOTHING * sample_rate / hop) // 2) + 1
    power = F.avg_pool1d(power, frames, stride=1, padding=frames // 2, count_include_pad=False)
    sides, mix = power[:2], power[2:]
    return torch.where(sides > 0, sides / mix, sides).sqrt().clamp(max=MAX_GAIN)


def _filter(mono: Tensor, gains: Tensor, size: int) -> Tensor:
    """Mono [1, S'] -> [2, S'], each channel with its gains [2, M, N]."""
    hop = size // 4
    window = torch.hann_window(size)
    spectrum = torch.stft(mono, size, hop, window=window, return_complex=True, pad_mode="constant")
    gains = F.interpolate(gains, size=spectrum.shape[-1], mode="linear", align_corners=True)
    filtered = spectrum * (_bands(spectrum.shape[1]).T @ gains)
    return torch.istft(filtered, size, hop, window=window, length=mono.shape[-1])


def _bands(bins: int) -> Tensor:
    """[M, F] triangles, equally spaced on the mel scale, that add up to 1 in every bin."""
    mel = torch.log1p(torch.linspace(0, 1, bins) * 31)  # up to 22 kHz the knee is at 700 Hz
    place = mel / mel[-1] * (BANDS - 1)
    return (1 - (place[None] - torch.arange(BANDS)[:, None]).abs()).clamp_min(0)
