"""Harmonic-plus-noise synthesis: pitch pulses and noise, shaped by gains per frequency.

After the source-filter vocoders of Wang et al. 2019 (arXiv:1904.12088), Engel et al. 2020 (arXiv:2001.04643), Li et al.
2023 (arXiv:2309.09493): the pulses carry the phase of voiced speech, so a small network has only smooth gains to learn.
Shapes: B batch, T frames, S = T * hop_length samples, F = n_fft / 2 + 1 frequencies.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.nn.shaping import SpectralShaper


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


class HarmonicSynth(SpectralShaper):
    """`Source` and `Gains` to samples, by multiplication in the short-time Fourier domain."""

    def cycles(self, pitch: Tensor, voicing: Tensor, start: Tensor) -> Tensor:
        """The pulses' phase after each sample [B, S] in cycles, float64, from `start` [B] and per-sample pitch [B, S].

        It starts again at 0 wherever there is no voice, so that rounding cannot add up over a long stream.
        """
        total = start[:, None] + (pitch.double() / self.sample_rate).cumsum(-1)
        unvoiced = torch.where(voicing < 0.5, total, torch.zeros_like(total))
        return total - unvoiced.cummax(-1).values

    def per_sample(self, frames: Tensor) -> Tensor:
        """[B, T] -> [B, S], linear between frame centres, constant beyond the first and last."""
        # not F.interpolate: its rounding depends on the position, so streamed pitch would drift from the whole
        offset = (torch.arange(self.hop_length, device=frames.device) + 0.5) / self.hop_length - 0.5
        before = torch.cat([frames[:, :1], frames[:, :-1]], 1) - frames
        after = torch.cat([frames[:, 1:], frames[:, -1:]], 1) - frames
        slope = torch.where(offset < 0, -before[..., None], after[..., None])
        return (frames[..., None] + slope * offset).flatten(1)

    def pulses(self, cycles: Tensor, pitch: Tensor, voicing: Tensor) -> Tensor:
        """All harmonics below half the sample rate with equal amplitude and power 1, [B, S].

        The sum of K cosines has a closed form (the Dirichlet kernel), so its cost does not depend on K. One more
        harmonic is faded in and out as the pitch moves: K itself would jump, and rounding decide when.
        """
        room = self.sample_rate / 2 / pitch - 1
        count, share = room.floor(), room.frac()
        half = ((cycles - cycles.round()) * math.pi).to(pitch.dtype)  # around 0, where float32 is precise: at the peak
        sine = half.sin()
        peak = sine.abs() < 1e-4
        kernel = ((2 * count + 1) * half).sin() / torch.where(peak, torch.ones_like(sine), sine)
        kernel = (torch.where(peak, 2 * count + 1, kernel) - 1) / 2 + share * (2 * (count + 1) * half).cos()
        return voicing * kernel / ((count + share.square()) / 2).sqrt()

    def excite(self, pitch: Tensor, voicing: Tensor, cycles: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pulses and noise for samples `start` … of a signal, from pitch and voicing per sample [B, S].

        `cycles` [B] is the phase before the first sample; returned third is the phase after the last one.
        """
        phase = self.cycles(pitch, voicing, cycles)
        noise = self.noise(start, pitch.shape[-1]).expand_as(pitch)
        return self.pulses(phase, pitch, voicing), noise, phase[:, -1]

    def forward(self, source: Source, gains: Gains, noise: Tensor | None = None) -> Tensor:
        """A whole signal from phase 0 -> samples [B, S]; `noise` [B, S] in place of the table's, for training."""
        pitch, voicing = self.per_sample(source.pitch), self.per_sample(source.voicing)
        cycles = pitch.new_zeros(pitch.shape[0], dtype=torch.float64)
        pulses, table_noise, _ = self.excite(pitch, voicing, cycles, 0)
        return self.shape(pulses, table_noise if noise is None else noise, gains)

    def shape(self, pulses: Tensor, noise: Tensor, gains: Gains) -> Tensor:
        """Pulses and noise [B, S] -> samples [B, S]; beyond both ends there is silence."""
        return self.istft(self.spectrum(pulses) * gains.harmonic + self.spectrum(noise) * gains.noise)
