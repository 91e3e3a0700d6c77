"""Long music without drift: its loudness, in blocks of five seconds, stays near that of its first block.

Windows that follow each other may each be a little louder than the one before; over minutes that adds up. Only what is
off by more than TOLERANCE is brought back, by one gain per block, so that music keeps the dynamics that it has.
Shapes: C channels, S and s samples.
"""

import math

import torch
from torch import Tensor

from audiogen.audio import Audio

BLOCK = 5.0
"""Seconds."""
TOLERANCE = 0.75
"""dB from the reference that are left as they are."""
MOST_GAIN = 12.0
"""dB: what is quieter than this is meant to be."""
RAMP = 0.2
"""Seconds in which one block's gain becomes the next one's."""


class Steady:
    """Levels one sound that arrives in parts.

    The first block that is not silent sets the reference and comes out at once, others when they are complete.

    Args:
        reference: LUFS; None: that of the first block.
    """

    def __init__(self, sample_rate: int, reference: float | None = None):
        self.sample_rate = sample_rate
        self.reference = reference
        self._size = round(BLOCK * sample_rate)
        self._gain_db = 0.0
        self._block = torch.zeros(1, 0)  # the samples of the block so far

    def __call__(self, samples: Tensor) -> Tensor:
        """Samples [C, S] that follow those of the last call -> levelled ones [C, s]."""
        done = [samples[:, :0]]
        while samples.shape[-1]:
            room = self._size - self._block.shape[-1]
            part, samples = samples[:, :room], samples[:, room:]
            self._block = torch.cat([self._block, part], dim=-1) if self._block.numel() else part
            if self.reference is None:
                done.append(part)
            if self._block.shape[-1] == self._size:
                done.append(self._finish())
        return torch.cat(done, dim=-1)

    def flush(self) -> Tensor:
        """The last block [C, s], which may be short: less than half of one keeps the gain of the block before."""
        return self._finish() if self._block.numel() else self._block

    def _finish(self) -> Tensor:
        """The block, levelled, where it has not come out yet."""
        block, self._block = self._block, self._block[:, :0]
        loudness = Audio(block, self.sample_rate).loudness()
        if self.reference is None:
            self.reference = loudness if math.isfinite(loudness) else None
            return block[:, :0]
        known = math.isfinite(loudness) and block.shape[-1] >= self._size // 2
        return block * self._ramp(block.shape[-1], self._needed(loudness) if known else self._gain_db)

    def _needed(self, loudness: float) -> float:
        """dB that bring `loudness` within TOLERANCE of the reference, at most MOST_GAIN."""
        assert self.reference is not None
        off = loudness - self.reference
        return min(max(min(max(off, -TOLERANCE), TOLERANCE) - off, -MOST_GAIN), MOST_GAIN)

    def _ramp(self, length: int, gain_db: float) -> Tensor:
        """Factors [length] from the gain so far to `gain_db`, which is that of the end."""
        share = (torch.arange(1, length + 1) / (RAMP * self.sample_rate)).clamp(max=1)
        curve = self._gain_db + (gain_db - self._gain_db) * share
        self._gain_db = gain_db
        return 10 ** (curve / 20)
