"""Fréchet distance between two sets of sounds: how unlike they are as a whole, whatever the single sounds.

Each set becomes one Gaussian of embeddings, and the distance is |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson and
Landau 1982; Kilgour et al. 2019, arXiv:1812.08466, for sound). Here the embedding is `log_mel_statistics`, computed by
this file: it hears timbre and loudness contours, not melody. Figures of other embeddings are on other scales.
Shapes: N embeddings, D numbers of each, M mel bands, F spectrogram frames, W windows of a sound.
"""

import math

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.errors import InputError

RATE, WINDOW_SECONDS = 32_000, 1.0
BANDS, FFT, HOP = 64, 1024, 320
FLOOR = 1e-5
"""Smallest mel magnitude (-100 dB)."""


def log_mel_statistics(audio: Audio) -> Tensor:
    """[W, 128]: mean and standard deviation over time of 64 log-mel bands in dB, in windows of 1 s.

    They overlap by half. Sounds shorter than a window are one window.
    """
    from torchaudio.functional import melscale_fbanks

    samples = audio.mono().resample(RATE).samples[0]
    window = torch.hann_window(FFT)
    spectrum = torch.stft(samples, FFT, HOP, window=window, return_complex=True, pad_mode="constant")
    bands = melscale_fbanks(FFT // 2 + 1, 40.0, RATE / 2, BANDS, RATE)
    mel = 20 * torch.log10((bands.T @ spectrum.abs() * (2 / window.sum())).clamp_min(FLOOR))
    size = min(round(WINDOW_SECONDS * RATE / HOP), mel.shape[1])
    windows = mel.unfold(1, size, max(1, size // 2))  # [M, W, F]
    return torch.cat([windows.mean(-1), windows.std(-1, correction=0)]).T


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """The distance between the Gaussians of two sets of embeddings [N, D]; 0 for equal sets, in squared units of them.

    Raises:
        InputError: fewer than two embeddings in a set, or embeddings of different sizes.
    """
    if one.dim() != 2 or other.dim() != 2 or one.shape[1] != other.shape[1] or min(len(one), len(other)) < 2:
        raise InputError(
            f"Fréchet distance: expected two sets of embeddings [N >= 2, D], got {list(one.shape)} and "
            f"{list(other.shape)}. Use more sounds, or longer ones."
        )
    one, other = one.double(), other.double()
    shift = (one.mean(0) - other.mean(0)).square().sum()
    one, other = (rows - rows.mean(0) for rows in (one, other))
    one, other = one / math.sqrt(len(one) - 1), other / math.sqrt(len(other) - 1)
    # C1 = A'A and C2 = B'B: the trace of (C1 C2)^(1/2) is the sum of the singular values of A B'
    common = torch.linalg.svdvals(_reduced(one) @ _reduced(other).T).sum()
    return max(0.0, float(shift + one.square().sum() + other.square().sum() - 2 * common))


def _reduced(rows: Tensor) -> Tensor:
    """[min(N, D), D] with the same rows.T @ rows: what is behind them has as many singular values."""
    return torch.linalg.qr(rows, mode="r").R
