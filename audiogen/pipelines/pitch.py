"""Pitch shift without a change of length: a phase vocoder stretches the sound, and resampling takes the length back.

Paper: Laroche and Dolson 1999, "Improved phase vocoder time-scale modification of audio", as in torchaudio.
"""

import math
from fractions import Fraction

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.pipelines.blocks import by_blocks

FINEST = 300
"""Largest denominator of the ratio of frequencies: within a cent of every semitone."""
WINDOW = 0.046
"""Seconds of a short-time spectrum, about: a power of two of samples."""


def shift(audio: Audio, semitones: float) -> Audio:
    """`audio` (one channel) higher by `semitones`, or lower where they are negative; as long as it was."""
    ratio = Fraction(2 ** (semitones / 12)).limit_denominator(FINEST)
    size = 2 ** max(4, round(math.log2(WINDOW * audio.sample_rate)))

    def block(place: slice) -> Tensor:
        return _shift(audio.samples[:, place], ratio, size)

    return Audio(by_blocks(block, audio.samples.shape[-1], audio.sample_rate), audio.sample_rate)


def _shift(samples: Tensor, ratio: Fraction, size: int) -> Tensor:
    """[1, S] -> [1, S]."""
    from torchaudio.functional import phase_vocoder, resample

    length, hop = samples.shape[-1], size // 4
    window = torch.hann_window(size)
    spectrum = torch.stft(samples, size, hop, window=window, return_complex=True, pad_mode="constant")
    advance = torch.linspace(0, math.pi * hop, spectrum.shape[1])[:, None]
    stretched = phase_vocoder(spectrum, float(1 / ratio), advance)
    longer = torch.istft(stretched, size, hop, window=window, length=math.ceil(length * ratio))
    return resample(longer, ratio.numerator, ratio.denominator)[:, :length]
