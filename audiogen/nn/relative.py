"""Relative positions as T5 has them: a learned number per head and bucket of distances, added to attention.

Paper: Raffel et al. 2020, arXiv:1910.10683, section 2.1. Buckets are those of VampNet (golden vampnet SPEC 3): 16 for
keys before the query and 16 for keys after it; in each half the distances 0..7 have one to themselves, the others share
8 that widen with the logarithm up to a distance of 128.
Shapes: B batch, T frames.
"""

import math

import torch
from torch import Tensor, nn

BUCKETS = 32
EXACT = BUCKETS // 4
"""Distances below this have a bucket each."""
MAX_DISTANCE = 128


def distances(frames: int, device: torch.device | str = "cpu") -> Tensor:
    """Relative positions [T, T] int64: key (column) minus query (row)."""
    places = torch.arange(frames, device=device)
    return places[None, :] - places[:, None]


def wrapped(relative: Tensor, length: Tensor) -> Tensor:
    """Relative positions on a circle of `length` frames: the shorter way round, in -length // 2 .. length // 2.

    Both ways are equally short at half of an even length; that is counted as before the query.
    """
    half = length // 2
    return (relative + half) % length - half


def buckets(relative: Tensor) -> Tensor:
    """The bucket 0..31 of each relative position, int64."""
    half = BUCKETS // 2
    distance = relative.abs()
    octave = torch.log(distance.clamp(min=1).float() / EXACT) / math.log(MAX_DISTANCE / EXACT)
    far = (EXACT + (octave * (half - EXACT)).long()).clamp(max=half - 1)
    return torch.where(distance < EXACT, distance, far) + half * (relative > 0)


class RelativeBias(nn.Embedding):
    """What is added to the attention scores of each head, by relative position; starts standard normal."""

    def __init__(self, heads: int):
        super().__init__(BUCKETS, heads)

    def forward(self, relative: Tensor) -> Tensor:
        """Relative positions [..., T, T] -> [..., heads, T, T] float32."""
        added = super().forward(buckets(relative)).float().movedim(-1, -3)
        return added.contiguous()  # attention would copy it in every layer: half of its time
