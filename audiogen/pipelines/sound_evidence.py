"""Which codes go with what is known of a cell, the bands below a cutoff, the frames beside a gap, or expected of it.

Ours. In the paper (Comunità et al. 2024, arXiv:2406.17672) a cell is either known or not; here one that is partly new
is more likely to get a code whose patch is like the part that is not, and, where new bands are predicted, like these.
Shapes: F rows and T columns of the grid, P the side of a patch, V vocab_size, M mel bands, L mel frames.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.codecs.spectrogram import SpectrogramCodec

WEIGHT = 1000.0
"""Log-likelihood per unit of mean squared difference of a whole patch; the unit of a spectrogram is 50 dB."""
EXPECTED_WEIGHT = 300.0
"""The same of what is predicted, not known."""
BORDER = 1
"""Mel bands and frames beside what is new that are not trusted: their filters and windows hear it."""


@dataclass(frozen=True)
class Evidence:
    """A spectrogram of which a part is known."""

    codec: SpectrogramCodec
    mel: Tensor
    """[M, L], as the codec has it, of whole columns."""
    new: Tensor
    """[M, L] bool, where it is not known."""
    expected: Tensor | None = None
    """[M, L], what is predicted where it is new; None: nothing is."""

    @torch.no_grad()
    def __call__(self, columns: Tensor) -> Tensor:
        """Log-likelihood of every code in the cells of some columns [t] int64, up to a constant: [F, t, V] float32.

        0 in cells of which nothing is known or expected. A sound of hours is asked window by window.
        """
        size = self.codec.config.patch
        weight, there = WEIGHT * (~near(self.new)).float(), self.mel
        if self.expected is not None:
            weight, there = weight + EXPECTED_WEIGHT * self.new, torch.where(self.new, self.expected, there)
        weight, there = (_cells(one, size)[:, columns.to(one.device)].flatten(2) for one in (weight, there))
        patches = patches_of(self.codec)
        # of sum(weight * (patch - there)^2), the part that depends on the code
        difference = weight @ patches.square().transpose(1, 2) - 2 * (weight * there) @ patches.transpose(1, 2)
        return -difference / size**2


def near(new: Tensor) -> Tensor:
    """[M, L] bool -> the same with the BORDER around it."""
    return F.max_pool2d(new[None].float(), 2 * BORDER + 1, stride=1, padding=BORDER)[0] > 0


def _cells(picture: Tensor, size: int) -> Tensor:
    """[M, L] -> [F, T, P, P], a view."""
    return picture.unfold(0, size, size).unfold(1, size, size)


@lru_cache(maxsize=2)
@torch.no_grad()
def patches_of(codec: SpectrogramCodec) -> Tensor:
    """What a code looks like in each row among its like, [F, V, P * P]."""
    size, rows, codes = codec.config.patch, codec.config.rows, torch.arange(codec.vocab_size)
    patches = []
    for some in codes.to(codec.log_mel.window.device).split(64):
        mel = codec.spectrogram(some[:, None, None].expand(-1, rows, 3))
        patches.append(mel[..., size : 2 * size].unflatten(1, (rows, size)).transpose(0, 1).flatten(2))
    return torch.cat(patches, dim=1)
