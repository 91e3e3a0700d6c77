"""Two versions of one sound as one: generated in some regions, original elsewhere, by time and by frequency.

A band is put in its place in the short-time spectrum ("low-frequency replacement" of Comunità et al. 2024,
arXiv:2406.17672, for bands of any place); ramps lie inside of it, so that what is outside stays untouched.
Shapes: C channels, S samples, N short-time spectra, F frequency bins.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from audiogen.audio import PEAK_LIMIT, Audio
from audiogen.pipelines.blocks import by_blocks
from audiogen.pipelines.level import smooth_gain
from audiogen.pipelines.sound_regions import Region
from audiogen.pipelines.splice import share, splice

WINDOW = 0.093
"""Seconds of a short-time spectrum, about: a power of two of samples."""
GUARD = 4
"""Bins between the edge of a band and its ramp: as far as a Hann window, applied twice, spreads a frequency."""
RAMP = 60.0
"""Hz in which a band fades in and out, at most."""


def blend(original: Audio, generated: Audio, regions: Sequence[Region]) -> Audio:
    """`generated` in `regions`, `original` elsewhere: to the sample outside of their times, which fade within 15 ms.

    Within their times, other bands stay as they are in the original; peaks are held by what is added, never by it.

    Args:
        original: [C, S].
        generated: [C, S], at the same rate.
    """
    rate = original.sample_rate
    bands = [region for region in regions if not region.has_all_frequencies]
    whole = [region for region in regions if region.has_all_frequencies]
    result = original
    if bands:
        difference = generated.samples - original.samples
        added = by_blocks(
            lambda place: _in_bands(difference[:, place], bands, place.start / rate, rate), difference.shape[-1], rate
        )
        added = added * share(samples_in(bands, original), rate, original)
        result = Audio(original.samples + _held(original.samples, added, rate), rate)
    return splice(result, generated, samples_in(whole, original), rate)


def samples_in(regions: Sequence[Region], audio: Audio) -> Tensor:
    """[S] bool: the samples that lie in any of them."""
    inside = torch.zeros(audio.samples.shape[-1], dtype=torch.bool)
    for region in regions:
        inside[round(region.start * audio.sample_rate) : round(region.end * audio.sample_rate)] = True
    return inside


def _in_bands(samples: Tensor, regions: Sequence[Region], start: float, sample_rate: int) -> Tensor:
    """What samples [C, S], which begin at second `start`, have in the bands of regions while these last."""
    size = 2 ** max(4, round(math.log2(WINDOW * sample_rate)))
    hop, window = size // 4, torch.hann_window(size)
    spectrum = torch.stft(samples, size, hop, window=window, return_complex=True, pad_mode="constant")
    seconds = start + torch.arange(spectrum.shape[-1]) * hop / sample_rate
    reach = size / sample_rate  # windows that have a part in the region, and in its fade
    gains = torch.zeros(spectrum.shape[-2:])
    for region in regions:
        lasting = (seconds > region.start - reach) & (seconds < region.end + reach)
        gains = torch.maximum(gains, _ramps(region, size, sample_rate)[:, None] * lasting)
    return torch.istft(spectrum * gains, size, hop, window=window, length=samples.shape[-1])


def _ramps(region: Region, size: int, sample_rate: int) -> Tensor:
    """[F], 1 in its band, 0 outside, with ramps inside; no ramp at 0 Hz, nor at the top."""
    hertz = torch.linspace(0, sample_rate / 2, size // 2 + 1)
    guard = GUARD * sample_rate / size
    top = min(region.high, sample_rate / 2)
    width = min(RAMP, max((top - region.low) / 2 - guard, sample_rate / size))
    rise = (hertz - region.low - guard) / width if region.low > 0 else torch.ones_like(hertz)
    fall = (top - guard - hertz) / width if top < sample_rate / 2 else torch.ones_like(hertz)
    return torch.minimum(rise, fall).clamp(0, 1)


def _held(original: Tensor, added: Tensor, sample_rate: int) -> Tensor:
    """`added` [C, S], turned down where it would take `original` over the limit."""
    room = (PEAK_LIMIT - original.abs()).clamp_min(0)
    over = (original + added).abs() > PEAK_LIMIT
    needed = torch.where(over, room / added.abs().clamp_min(1e-9), 1.0).clamp(max=1).amin(dim=0)
    return added * smooth_gain(needed, sample_rate)
