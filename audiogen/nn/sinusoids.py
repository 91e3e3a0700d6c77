"""A bank of sinusoids, each free to move within its band, and the analysis that finds them in a sound.

After McAulay and Quatieri 1986 (sinusoidal modelling), Serra and Smith 1990 (sinusoids plus noise), Engel et al. 2020
(arXiv:2001.04643, as layers of a network), Auger and Flandrin 1995 (reassigned frequencies). The phase is the running
sum of the frequency, so a network that tells amplitudes and frequencies makes tones that last without knowing a phase.
Shapes: B batch, M bands, T frames, S = T * hop_length samples, F bins.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BLOCK = 200
"""Frames that are synthesised at once: bounds the memory of a long sound."""


def band_centres(step: float = 31.25, highest: float = 8000.0) -> Tensor:
    """Centres in Hz, [M]: `step` apart, and a semitone apart where that is more, up to `highest`."""

    def centres() -> Iterator[float]:
        centre = step
        while centre <= highest:
            yield centre
            centre = max(centre + step, centre * 2 ** (1 / 12))

    return torch.tensor(list(centres()), dtype=torch.float64)


def band_widths() -> Tensor:
    """How far a sinusoid may be from its band's centre, in Hz, [M]: as far as the next lower centre."""
    return band_centres().diff(prepend=torch.zeros(1, dtype=torch.float64))


@dataclass(frozen=True)
class Partials:
    """One sinusoid per band and frame; between frames both figures move linearly."""

    amplitude: Tensor
    """[B, M, T] at the start of each frame."""
    deviation: Tensor
    """[B, M, T] Hz from the band's centre, at the start of each frame."""

    def frames(self, start: int, stop: int) -> "Partials":
        """Frames `start` to `stop`."""
        return Partials(self.amplitude[..., start:stop], self.deviation[..., start:stop])


class SinusoidBank(nn.Module):
    """`Partials` to samples."""

    centres: Tensor
    widths: Tensor

    def __init__(self, sample_rate: int, hop_length: int):
        super().__init__()
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        self.register_buffer("centres", band_centres(), persistent=False)
        self.register_buffer("widths", band_widths().float(), persistent=False)

    @property
    def bands(self) -> int:
        """M."""
        return len(self.centres)

    def silence(self, batch: int) -> Tensor:
        """The phases [B, M] at which a sound starts, in cycles, float64."""
        return self.centres.new_zeros(batch, self.bands)

    def forward(self, partials: Partials, start: Tensor) -> tuple[Tensor, Tensor]:
        """Samples from the first frame of `partials` to its last, [B, (T - 1) * hop_length], and the phases there.

        `start` [B, M] are the phases at the first frame. Amplitudes have a gradient, frequencies have none: through the
        phases it would be useless (they turn hundreds of times in a second).
        """
        parts, frames = [], partials.amplitude.shape[-1] - 1
        for first in range(0, frames, BLOCK):
            part, start = self._block(partials.frames(first, min(first + BLOCK, frames) + 1), start)
            parts.append(part)
        return (torch.cat(parts, -1) if parts else partials.amplitude.new_zeros(len(start), 0)), start

    def _block(self, partials: Partials, start: Tensor) -> tuple[Tensor, Tensor]:
        share = torch.arange(self.hop_length, device=start.device) / self.hop_length
        with torch.no_grad():
            waves, end = self._waves(partials.deviation.transpose(1, 2), start, share)
        amplitude = partials.amplitude.float().transpose(1, 2)
        ends = torch.stack([amplitude[:, :-1], amplitude[:, 1:]], 2)  # [B, T - 1, 2, M]
        fading, rising = (ends @ waves).unbind(2)
        return (fading * (1 - share) + rising * share).flatten(1), end

    def _waves(self, deviation: Tensor, start: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
        """Deviation [B, T, M] -> cos of the running phase [B, T - 1, M, hop_length], and the phases at the end [B, M].

        Within a hop the phase is a parabola: one small matrix product makes it for all samples.
        """
        before, after = deviation[:, :-1].double(), deviation[:, 1:].double()
        per_hop = self.hop_length / self.sample_rate
        slope, bend = (self.centres + before) * per_hop, (after - before) * (per_hop / 2)
        at_frame = start[:, None] + F.pad((slope + bend).cumsum(1), (0, 0, 1, 0))
        parabola = torch.stack([at_frame[:, :-1].frac(), slope, bend], -1).float() * (2 * math.pi)
        waves = parabola @ torch.stack([torch.ones_like(share), share, share.square()])
        return waves.cos_(), at_frame[:, -1].frac()


@dataclass(frozen=True)
class Analysis:
    """What `PartialAnalysis` finds."""

    magnitude: Tensor
    """[B, M, T], about the amplitude of a tone in the band."""
    deviation: Tensor
    """[B, M, T] Hz from the centre, of what is loudest in the band."""


class PartialAnalysis(nn.Module):
    """Which tone each band holds: every bin of a spectrum is counted at its reassigned frequency."""

    N_FFT = 2048
    """64 ms at 32 kHz: two low notes a third apart are two peaks."""
    edges: Tensor
    centres: Tensor
    widths: Tensor

    def __init__(self, sample_rate: int, hop_length: int):
        super().__init__()
        self.sample_rate = sample_rate
        self.hop_length = hop_length
        centres = band_centres()
        edges = (centres[1:] + centres[:-1]) / 2
        last = centres[-1:] * 2 - edges[-1:]
        self.register_buffer("edges", torch.cat([edges, last]).float(), persistent=False)
        self.register_buffer("centres", centres.float(), persistent=False)
        self.register_buffer("widths", band_widths().float(), persistent=False)
        self.bins = math.ceil(float(last) / sample_rate * self.N_FFT)

    @torch.no_grad()
    def forward(self, audio: Tensor) -> Analysis:
        """[B, S] -> `Analysis` of S / hop_length frames, each centred on the middle of its hop."""
        edge = (self.N_FFT - self.hop_length) // 2
        frames = F.pad(audio, (edge, edge)).unfold(-1, self.N_FFT, self.hop_length)
        spectrum, change = self._spectra(frames)
        power = spectrum.real.square() + spectrum.imag.square()
        turning = (change * spectrum.conj()).imag / power.clamp(min=1e-12)
        hertz = torch.arange(self.bins, device=audio.device) * (self.sample_rate / self.N_FFT)
        hertz = hertz - turning * (self.sample_rate / (2 * math.pi))
        band = torch.bucketize(hertz, self.edges).clamp(max=len(self.centres) - 1)
        loud = power.square()

        def gather(values: Tensor) -> Tensor:
            total = values.new_zeros(*values.shape[:-1], len(self.centres))
            return total.scatter_add_(-1, band, values).transpose(1, 2)

        mean = gather(loud * hertz) / gather(loud).clamp(min=1e-24)
        silent = gather(loud) < 1e-20
        deviation = torch.where(silent, torch.zeros_like(mean), mean - self.centres[:, None])
        widths = self.widths[:, None]
        # a Hann window spreads the power of a tone of amplitude 1 to 1.5 * (N / 4) ** 2
        magnitude = gather(power).sqrt() * (4 / self.N_FFT / math.sqrt(1.5))
        return Analysis(magnitude, deviation.clamp(-widths, widths))

    def _spectra(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [..., N_FFT] under a Hann window and under its derivative, both from one transform, [..., F]."""
        plain = torch.fft.rfft(frames)[..., : self.bins + 1]
        below = torch.cat([plain[..., 1:2].conj(), plain[..., :-2]], -1)
        here, above = plain[..., :-1], plain[..., 1:]
        return here / 2 - (below + above) / 4, (below - above) * (-0.5j * math.pi / self.N_FFT)
