"""Where in time: rotary positions of frames and the sinusoidal embedding of the diffusion time.

Papers: Su et al. 2021, arXiv:2104.09864 (rotary); Vaswani et al. 2017, arXiv:1706.03762 (sinusoids).
Shapes: B batch, S positions, D width, d width of one head.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

WAVELENGTH_BASE = 10000.0


class Rotation(NamedTuple):
    """Cosines and sines of every position's angles, [B, 1, S, d] each, ready to turn queries and keys."""

    cos: Tensor
    sin: Tensor


def rotation(positions: Tensor, head_dim: int) -> Rotation:
    """Rotary angles p * 10000^(-2i/d) of `positions` [B, S], each used for channels i and i + d/2."""
    exponents = torch.arange(0, head_dim, 2, device=positions.device, dtype=torch.float32) / head_dim
    angles = positions[:, None, :, None].float() * (1.0 / WAVELENGTH_BASE**exponents)
    angles = torch.cat((angles, angles), dim=-1)
    return Rotation(angles.cos(), angles.sin())


def rotate(heads: Tensor, rotation: Rotation) -> Tensor:
    """Turn queries or keys [B, heads, S, d]; channel i is paired with channel i + d/2."""
    first, second = heads.chunk(2, dim=-1)
    turned = heads * rotation.cos + torch.cat((-second, first), dim=-1) * rotation.sin
    return turned.type_as(heads)


def sinusoids(time: Tensor, dim: int) -> Tensor:
    """Embedding of `time` [B] in 0..1 as it is: dim/2 sines, then dim/2 cosines, [B, dim]."""
    half = dim // 2
    index = torch.arange(half, device=time.device, dtype=torch.float32)
    angles = time.float()[:, None] * torch.exp(index * -(math.log(WAVELENGTH_BASE) / (half - 1)))
    return torch.cat((angles.sin(), angles.cos()), dim=-1)
