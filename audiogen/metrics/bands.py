"""How far two sounds are apart in a band of frequencies: what bandwidth extension is measured by.

Shapes: S samples, F frequency bins, L spectrogram frames.
"""

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.errors import InputError

FFT, HOP = 1024, 256
FLOOR_DB = -80.0
"""dB from the loudest bin of the original: what is below is silence, in both sounds."""


def log_spectral_distance(original: Audio, other: Audio, low: float, high: float) -> float:
    """Root mean square over bins, mean over frames, of the difference of the power spectra in dB.

    Liu et al. 2022, arXiv:2203.14941, "Evaluation metrics", within a band; powers are floored at FLOOR_DB, because the
    distance to digital silence would have no end.

    Args:
        low, high: Hz, the ends of the band.
    Raises:
        InputError: sounds of different rates or lengths, or a band without a bin.
    """
    one, two = original.mono().samples[0], other.mono().samples[0]
    if original.sample_rate != other.sample_rate or one.shape != two.shape:
        raise InputError(
            f"log-spectral distance: expected two sounds of one rate and length, got {original} and {other}. "
            "Resample and cut one."
        )
    bins = torch.linspace(0, original.sample_rate / 2, FFT // 2 + 1)
    chosen = (bins >= low) & (bins <= high)
    if not chosen.any():
        raise InputError(
            f"log-spectral distance: expected a band below {original.sample_rate / 2:g} Hz, got {low:g} to {high:g} "
            "Hz. Name one that the sound has."
        )
    spectra = [_power(samples) for samples in (one, two)]
    floor = float(spectra[0].max()) * 10 ** (FLOOR_DB / 10)
    decibels = [10 * spectrum[chosen].clamp(min=max(floor, 1e-20)).log10() for spectrum in spectra]
    return float((decibels[0] - decibels[1]).square().mean(dim=0).sqrt().mean())


def _power(samples: Tensor) -> Tensor:
    """[F, L]."""
    window = torch.hann_window(FFT)
    return torch.stft(samples, FFT, HOP, window=window, return_complex=True, pad_mode="constant").abs().square()
