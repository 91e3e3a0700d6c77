"""Layers of a transformer that listens to a text: pre-norm self-attention, cross-attention and feed-forward.

As in the official MusicGen and MAGNeT checkpoints (Copet et al. 2023, arXiv:2306.05284), whose parameter names they
have; golden magnet SPEC 3. The sum of what the branches add is float32 in any precision.
Shapes: B batch, S positions, L text positions, D width, H heads.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EXPANSION = 4
"""Width of the feed-forward over the model's width."""
WAVELENGTH_BASE = 10000.0


def frame_positions(start: int, count: int, dim: int, device: torch.device) -> Tensor:
    """Sinusoids [count, D] float32 of the positions from `start` on: D/2 cosines, then D/2 sines."""
    half = dim // 2
    exponents = torch.arange(half, device=device, dtype=torch.float32) / (half - 1)
    positions = torch.arange(start, start + count, device=device, dtype=torch.float32)
    phases = positions[:, None] / WAVELENGTH_BASE**exponents
    return torch.cat((phases.cos(), phases.sin()), dim=-1)


def hide(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """What attention adds to its scores: 0 where `allowed` (bool), -inf elsewhere."""
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill(~allowed, -math.inf)


class LayerNorm(nn.LayerNorm):
    """Computed in float32, returned in the type of the gain."""

    def forward(self, hidden: Tensor) -> Tensor:
        gain, offset = self.weight.float(), self.bias.float()
        return F.layer_norm(hidden.float(), self.normalized_shape, gain, offset, self.eps).to(self.weight.dtype)


class Cache:
    """Keys and values [B, S, 2D] of one layer's self-attention, for the positions that a stream has seen."""

    def __init__(self) -> None:
        self.length = 0
        self._room: Tensor | None = None

    def append(self, keys_values: Tensor) -> Tensor:
        """Add those of new positions [B, s, 2D]; returns all so far. Room doubles when it is used up."""
        end = self.length + keys_values.shape[1]
        if self._room is None or end > self._room.shape[1]:
            room = keys_values.new_empty(len(keys_values), max(2 * end, 128), keys_values.shape[2])
            if self._room is not None:
                room[:, : self.length] = self._room[:, : self.length]
            self._room = room
        self._room[:, self.length : end] = keys_values
        self.length = end
        return self._room[:, :end]


class Attention(nn.Module):
    """Multi-head attention without biases; rows of `in_proj_weight` make queries, then keys, then values."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.dim, self.heads = dim, heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim).uniform_(-(dim**-0.5), dim**-0.5))
        self.out_proj = nn.Linear(dim, dim, bias=False)

    def mix(self, query: Tensor, keys_values: Tensor, bias: Tensor | None) -> Tensor:
        """Queries [B, S, D], keys and values [B, L, 2D], bias broadcastable to [B, H, S, L] -> [B, S, D]."""
        query, key, value = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2) for x in (query, *keys_values.chunk(2, -1))
        )
        bias = None if bias is None else bias.to(query.dtype)
        mixed = F.scaled_dot_product_attention(query, key, value, bias)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class SelfAttention(Attention):
    """Among the positions of the sequence, those in the cache included."""

    def forward(self, hidden: Tensor, bias: Tensor | None, cache: Cache | None) -> Tensor:
        query, keys_values = F.linear(hidden, self.in_proj_weight).split((self.dim, 2 * self.dim), dim=-1)
        return self.mix(query, keys_values if cache is None else cache.append(keys_values), bias)


class CrossAttention(Attention):
    """To the text, whose keys and values are `memory`."""

    def memory(self, text: Tensor) -> Tensor:
        """Text [B, L, D] -> [B, L, 2D]. It is not normed."""
        return F.linear(text, self.in_proj_weight[self.dim :])

    def forward(self, hidden: Tensor, memory: Tensor, bias: Tensor | None) -> Tensor:
        return self.mix(F.linear(hidden, self.in_proj_weight[: self.dim]), memory, bias)


class Block(nn.Module):
    """Self-attention, cross-attention and feed-forward, each behind a norm, each added to its input."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.self_attn = SelfAttention(dim, heads)
        self.cross_attention = CrossAttention(dim, heads)
        self.linear1 = nn.Linear(dim, EXPANSION * dim, bias=False)
        self.linear2 = nn.Linear(EXPANSION * dim, dim, bias=False)
        self.norm1, self.norm_cross, self.norm2 = LayerNorm(dim), LayerNorm(dim), LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, hidden: Tensor, memory: Tensor, memory_bias: Tensor | None, bias: Tensor | None, cache: Cache | None
    ) -> Tensor:
        """Vectors of positions [B, S, D] -> the same, knowing of each other and of the text.

        Args:
            hidden: [B, S, D] float32.
            memory: [B, L, 2D], from `CrossAttention.memory`.
            memory_bias, bias: added to the scores of cross-attention and self-attention, as in `Attention.mix`.
            cache: what went before `hidden`, which is added to it.
        """
        hidden = hidden + self.dropout(self.self_attn(self.norm1(hidden), bias, cache))
        hidden = hidden + self.dropout(self.cross_attention(self.norm_cross(hidden), memory, memory_bias))
        return hidden + self.dropout(self.linear2(F.gelu(self.linear1(self.norm2(hidden)))))
