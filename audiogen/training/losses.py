"""Spectral losses for codecs.

Shapes: B batch, S samples, T frames, M bands.
"""

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

    def energy(self, one: Tensor, other: Tensor, target: Tensor) -> Tensor:
        """Energy distance of what is random to `target`, from two draws of it, all [B, S] -> scalar.

        Gritsenko et al. 2020, arXiv:2008.01160, "A spectral energy distance": the mean distance of the draws to the
        target, less half of their distance to each other. A distance alone is least for a sound without chance, which
        is in the middle of all noises and is none of them; this is least for draws that differ as real sounds do. It
        is no distance of one sound to itself: for noise that is right it is half of the distance of two noises.
        """
        distances = []
        for scale in self.scales:
            a, b, real = (self.spectrum(sound, *scale) for sound in (one, other, target))
            distances.append(((a - real).abs() + (b - real).abs() - (a - b).abs()).mean() / 2)
        return torch.stack(distances).mean()


TEXTURE_WINDOWS = ((4, 8), (8, 16), (16, 32))
"""Bands and frames."""


def texture_distance(mel: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the local means and spreads of two spectrograms [B, M, T] -> scalar.

    Sounds like rain are told by such statistics, not by their details (McDermott & Simoncelli 2011, "Sound texture
    perception via statistics of the auditory periphery"), which a code has no room for anyway: the spread asks for
    details of the right size, where the mean difference of single values is least without any.
    """
    distance = torch.zeros((), device=mel.device)
    for window in TEXTURE_WINDOWS:
        for one, other in zip(_statistics(mel, window), _statistics(target, window), strict=True):
            distance = distance + (one - other).abs().mean()
    return distance / (2 * len(TEXTURE_WINDOWS))


def _statistics(mel: Tensor, window: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation in windows that overlap by half; a short spectrogram is one window long."""
    stride = (window[0] // 2, window[1] // 2)
    window = (window[0], min(window[1], mel.shape[-1]))
    mean = F.avg_pool2d(mel, window, stride)
    square = F.avg_pool2d(mel.square(), window, stride)
    return mean, ((square - mean.square()).clamp(min=0) + 1e-4).sqrt()  # without the constant, silence has no gradient
