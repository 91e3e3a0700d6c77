"""Sound made of an excitation and gains per frequency: multiplication in the short-time Fourier domain.

Shapes: B batch, T frames, S = T * hop_length samples, F = n_fft / 2 + 1 frequencies.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.nn.vocos import ISTFT

NOISE_SAMPLES = 1 << 18
"""Length of the noise table that decoding reads in a circle: 8 s at 32 kHz, longer than an ear remembers noise."""


class SpectralShaper(nn.Module):
    """Windows, an endless noise, and the way from samples to spectra and back."""

    noise_table: Tensor

    def __init__(self, sample_rate: int, n_fft: int, hop_length: int):
        super().__init__()
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.n_fft = n_fft
        self.istft = ISTFT(n_fft, hop_length)
        table = torch.randn(NOISE_SAMPLES, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise_table", table, persistent=False)

    def noise(self, start: int, num_samples: int) -> Tensor:
        """Samples `start` … of the endless noise, [num_samples]: the same position gives the same sample."""
        return self.noise_table[(torch.arange(num_samples, device=self.noise_table.device) + start) % NOISE_SAMPLES]

    def spectrum(self, samples: Tensor) -> Tensor:
        """Samples [B, S] -> [B, F, T] complex."""
        frames = F.pad(samples, (self.edge, self.edge)).unfold(-1, self.n_fft, self.hop_length) * self.istft.window
        return torch.fft.rfft(frames).transpose(1, 2)

    @property
    def edge(self) -> int:
        """Samples by which the first and the last window reach over the ends."""
        return (self.n_fft - self.hop_length) // 2

    @property
    def context(self) -> int:
        """Frames on each side that a frame's samples depend on when spectra are shaped: windows in, windows out."""
        return 2 * -(-self.edge // self.hop_length)
