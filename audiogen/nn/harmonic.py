"""Harmonic-plus-noise synthesis: pitch pulses and noise, shaped by gains per frequency.

After the source-filter neural vocoders (Wang et al. 2019, arXiv:1904.12088; Engel et al. 2020, arXiv:2001.04643; Li et al.
2023, arXiv:2309.09493): the pulses carry the phase of voiced speech, so a small network has only smooth gains to learn.
Shapes: B batch, T frames, S = T * hop_length samples, F = n_fft / 2 + 1 frequencies.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.nn.vocos import ISTFT

NOISE_SAMPLES = 1 << 18
"""Length of the noise table that decoding reads in a circle: 10.9 s at 24 kHz, far longer than any ear remembers noise."""


@dataclass(frozen=True)
class Source:
    """What drives the synthesis, per frame."""

    pitch: Tensor
    """[B, T] Hz, defined in unvoiced frames too."""
    voicing: Tensor
    """[B, T] in 0..1, the amplitude of the pulses."""


@dataclass(frozen=True)
class Gains:
    """What shapes it, per frame and frequency."""

    harmonic: Tensor
    """[B, F, T] complex: the pulses' spectrum is multiplied by it."""
    noise: Tensor
    """[B, F, T] real, positive."""


class HarmonicSynth(nn.Module):
    """`Source` and `Gains` to samples, by multiplication in the short-time Fourier domain."""

    noise_table: Tensor

    def __init__(self, sample_rate: int, n_fft: int, hop_length: int):
        super().__init__()
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.n_fft = n_fft
        self.istft = ISTFT(n_fft, hop_length)
        table = torch.randn(NOISE_SAMPLES, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise_table", table, persistent=False)

    def cycles(self, pitch: Tensor, start: Tensor) -> Tensor:
        """Pitch per sample [B, S] in Hz -> the phase after each sample in cycles [B, S], float64, from `start` [B]."""
        return (start[:, None] + (pitch.double() / self.sample_rate).cumsum(-1)).remainder(1)

    def noise(self, start: int, num_samples: int) -> Tensor:
        """Samples `start` … of the endless noise, [num_samples]: the same position gives the same sample."""
        return self.noise_table[(torch.arange(num_samples, device=self.noise_table.device) + start) % NOISE_SAMPLES]

    def per_sample(self, frames: Tensor) -> Tensor:
        """[B, T] -> [B, S], linear between frame centres, constant beyond the first and last."""
        return F.interpolate(frames[:, None], scale_factor=float(self.hop_length), mode="linear")[:, 0]

    def pulses(self, cycles: Tensor, pitch: Tensor, voicing: Tensor) -> Tensor:
        """All harmonics below half the sample rate with equal amplitude and power 1, [B, S].

        The sum of K cosines has a closed form (the Dirichlet kernel), so its cost does not depend on K.
        """
        count = (self.sample_rate / 2 / pitch).floor()
        half = (cycles * math.pi).to(pitch.dtype)
        sine = half.sin()
        peak = sine.abs() < 1e-4
        kernel = ((2 * count + 1) * half).sin() / torch.where(peak, torch.ones_like(sine), sine)
        kernel = torch.where(peak, 2 * count + 1, kernel)
        return voicing * (kernel - 1) / 2 / (count / 2).sqrt()

    def spectrum(self, samples: Tensor) -> Tensor:
        """[B, S + n_fft - hop] samples, half a window of context on both sides -> [B, F, T] complex."""
        frames = samples.unfold(-1, self.n_fft, self.hop_length) * self.istft.window
        return torch.fft.rfft(frames).transpose(1, 2)

    @property
    def edge(self) -> int:
        """Samples of context that the first and the last window need."""
        return (self.n_fft - self.hop_length) // 2

    def forward(self, source: Source, gains: Gains, noise: Tensor) -> Tensor:
        """Whole signal from phase 0: `noise` [B or 1, S] -> samples [B, S]."""
        pitch, voicing = self.per_sample(source.pitch), self.per_sample(source.voicing)
        cycles = self.cycles(pitch, pitch.new_zeros(pitch.shape[0], dtype=torch.float64))
        return self.shape(F.pad(self.pulses(cycles, pitch, voicing), (self.edge,) * 2), F.pad(noise, (self.edge,) * 2), gains)

    def shape(self, pulses: Tensor, noise: Tensor, gains: Gains) -> Tensor:
        """Pulses and noise [B, S + 2 * edge] -> samples [B, S]."""
        return self.istft(self.spectrum(pulses) * gains.harmonic + self.spectrum(noise) * gains.noise)
