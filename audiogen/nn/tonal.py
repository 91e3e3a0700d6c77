"""Tones and noise: a bank of sinusoids beside noise that gains per frequency shape.

After Serra and Smith 1990 (sinusoids plus noise), Engel et al. 2020 (arXiv:2001.04643).
Shapes: B batch, M bands with one sinusoid each, T frames, S = T * hop_length samples, F noise frequencies.
"""

import torch
from torch import Tensor

from audiogen.nn.shaping import SpectralShaper
from audiogen.nn.sinusoids import Partials, SinusoidBank

MAX_LOG_GAIN = 3.0
"""Of a sinusoid, or of noise of power 1; sounds stay below 0."""


class TonalSynth(SpectralShaper):
    """`Partials` and noise gains to samples."""

    def __init__(self, sample_rate: int, n_fft: int, hop_length: int):
        super().__init__(sample_rate, n_fft, hop_length)
        self.bank = SinusoidBank(sample_rate, hop_length)

    @property
    def bins(self) -> int:
        """F."""
        return self.n_fft // 2 + 1

    def unpack(self, raw: Tensor) -> tuple[Partials, Tensor]:
        """Raw parameters [B, 2M + F, T], as a network makes them -> partials and noise gains [B, F, T]."""
        amplitude, offset, noise = raw.float().split([self.bank.bands, self.bank.bands, self.bins], dim=1)
        partials = Partials(amplitude.clamp(max=MAX_LOG_GAIN).exp(), offset.tanh() * self.bank.widths[:, None])
        return partials, noise.clamp(max=MAX_LOG_GAIN).exp()

    def forward(self, partials: Partials, gains: Tensor, noise: Tensor | None = None) -> Tensor:
        """A whole signal -> samples [B, S]; `noise` [B, S] in place of the table's, for training."""
        batch, _, frames = gains.shape
        if noise is None:
            noise = self.noise(0, frames * self.hop_length).expand(batch, -1)
        return self.tones(partials) + self.shape(noise, gains)

    def tones(self, partials: Partials, start: Tensor | None = None) -> Tensor:
        """The sinusoids alone [B, S]; `start` [B, M] are their phases at first, in cycles: 0 where it is None."""
        tones, _ = self.bank(
            hold_last(partials), self.bank.silence(len(partials.amplitude)) if start is None else start
        )
        return tones

    def shape(self, noise: Tensor, gains: Tensor) -> Tensor:
        """Noise [B, S] -> samples [B, S]."""
        return self.istft(self.spectrum(noise) * gains)


def hold_last(partials: Partials) -> Partials:
    """With the last frame twice, so that it lasts for a hop."""
    last = partials.frames(-1, partials.amplitude.shape[-1])
    return Partials(
        torch.cat([partials.amplitude, last.amplitude], -1), torch.cat([partials.deviation, last.deviation], -1)
    )
