"""Spectral losses for codecs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MEL_SCALES = ((128, 16), (256, 40), (512, 64), (1024, 80), (2048, 120))
"""Window in samples and mel bands: short windows resolve single pulses in time, long ones harmonics in frequency."""


class MultiScaleSpectrum(nn.Module):
    """Mean absolute difference of log spectra at several window lengths (DAC, arXiv:2306.06546).

    Args:
        sample_rate: Hz.
        scales: windows in samples and their mel bands; 0 bands leaves the frequencies as they are, which tells a tone
            from noise where mel bands are wide.
        floor: smallest magnitude; what is below it is the same silence.
    """

    def __init__(self, sample_rate: int, scales: Sequence[tuple[int, int]] = MEL_SCALES, floor: float = 1e-4):
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        self.scales = tuple(scales)
        self.floor = floor
        for window, mels in self.scales:
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)
            if mels:
                filters = melscale_fbanks(window // 2 + 1, 0.0, sample_rate / 2, mels, sample_rate, norm="slaney")
                self.register_buffer(f"filters_{window}_{mels}", filters, persistent=False)

    def spectrum(self, audio: Tensor, window: int, mels: int) -> Tensor:
        """[B, S] -> log magnitudes [B, T, M], natural logarithm."""
        shape = self.get_buffer(f"window_{window}")
        frames = F.pad(audio, (window // 2, window // 2)).unfold(-1, window, window // 4) * shape
        magnitude = torch.fft.rfft(frames).abs()
        if mels:
            magnitude = magnitude @ self.get_buffer(f"filters_{window}_{mels}")
        return magnitude.clamp(min=self.floor).log()

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        """[B, S] against [B, S] -> scalar, averaged over the scales."""
        differences = [(self.spectrum(audio, *s) - self.spectrum(target, *s)).abs().mean() for s in self.scales]
        return torch.stack(differences).mean()
