"""Spectral losses for codecs."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MultiScaleMel(nn.Module):
    """Mean absolute difference of log-mel spectra at several window lengths (DAC, arXiv:2306.06546).

    Windows of 128 samples resolve single pitch pulses in time, windows of 2048 single harmonics in frequency.
    """

    WINDOWS = (128, 256, 512, 1024, 2048)
    MELS = (16, 40, 64, 80, 120)
    FLOOR = 1e-4

    def __init__(self, sample_rate: int):
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        for window, mels in zip(self.WINDOWS, self.MELS, strict=True):
            filters = melscale_fbanks(window // 2 + 1, 0.0, sample_rate / 2, mels, sample_rate, norm="slaney")
            self.register_buffer(f"filters_{window}", filters, persistent=False)
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)

    def spectrum(self, audio: Tensor, window: int) -> Tensor:
        """[B, S] -> log-mel [B, T, M], natural logarithm."""
        shape = self.get_buffer(f"window_{window}")
        frames = F.pad(audio, (window // 2, window // 2)).unfold(-1, window, window // 4) * shape
        mel = torch.fft.rfft(frames).abs() @ self.get_buffer(f"filters_{window}")
        return mel.clamp(min=self.FLOOR).log()

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        """[B, S] against [B, S] -> scalar, averaged over the scales."""
        differences = [
            (self.spectrum(audio, window) - self.spectrum(target, window)).abs().mean() for window in self.WINDOWS
        ]
        return torch.stack(differences).mean()
