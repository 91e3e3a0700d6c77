"""Layers of a transformer that listens to a text: pre-norm self-attention, cross-attention and feed-forward.

As in the official MusicGen and MAGNeT checkpoints (Copet et al. 2023, arXiv:2306.05284), whose parameter names they
have; golden magnet SPEC 3. The sum of what the branches add is float32 in any precision.
Shapes: B batch, S positions, L text positions, R positions that a stream has room for, D width, H heads.
"""

from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.nn.attention import Attend, attend
from audiogen.nn.packed import PackedLinear

EXPANSION = 4
"""Width of the feed-forward over the model's width."""
WAVELENGTH_BASE = 10000.0


@lru_cache(maxsize=8)
def frame_positions(count: int, dim: int, device: torch.device) -> Tensor:
    """Sinusoids [count, D] float32 of the first positions: D/2 cosines, then D/2 sines. Kept, not to be changed."""
    half = dim // 2
    exponents = torch.arange(half, device=device, dtype=torch.float32) / (half - 1)
    positions = torch.arange(count, device=device, dtype=torch.float32)
    phases = positions[:, None] / WAVELENGTH_BASE**exponents
    return torch.cat((phases.cos(), phases.sin()), dim=-1)


class LayerNorm(nn.LayerNorm):
    """Computed in float32, returned in the type of the gain."""

    def forward(self, hidden: Tensor) -> Tensor:
        gain, offset = self.weight.float(), self.bias.float()
        return F.layer_norm(hidden.float(), self.normalized_shape, gain, offset, self.eps).to(self.weight.dtype)


@dataclass(frozen=True)
class Cache:
    """Where one layer's self-attention keeps the keys and values of what a stream has seen, for one call."""

    room: Tensor
    """[B, R, 2D]; what is not seen yet must be finite, since attention multiplies it by 0."""
    places: Tensor
    """[s] int64, where the call's positions belong."""
    seen: int
    """Positions from the first on that attention looks at."""

    def extend(self, keys_values: Tensor) -> Tensor:
        """Put those of the call's positions [B, s, 2D] into the room; returns all that are looked at."""
        self.room.index_copy_(1, self.places, keys_values.to(self.room.dtype))
        return self.room[:, : self.seen]


class Attention(nn.Module):
    """Multi-head attention without biases; rows of `in_proj_weight` make queries, then keys, then values."""

    products: tuple[slice, ...]
    """Of these three, the ones that are always computed together."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.dim, self.heads = dim, heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim).uniform_(-(dim**-0.5), dim**-0.5))
        self.out_proj: nn.Linear | PackedLinear = nn.Linear(dim, dim, bias=False)
        self.packed = nn.ModuleList()

    def pack(self) -> None:
        """Lay the weights out for generation on this CPU, in place."""
        self.packed.extend(PackedLinear(self.rows(which)) for which in range(len(self.products)))
        del self.in_proj_weight
        self.out_proj = PackedLinear(self.out_proj.weight)

    def project(self, hidden: Tensor, which: int) -> Tensor:
        """[B, S, D] -> the queries, keys, values that `products[which]` names, one after the other on the last axis."""
        if len(self.packed):
            return self.packed[which](hidden)
        return F.linear(hidden, self.rows(which))

    def rows(self, which: int) -> Tensor:
        """The weight that `project` uses."""
        return self.in_proj_weight.unflatten(0, (3, self.dim))[self.products[which]].flatten(0, 1)

    def mix(self, query: Tensor, keys_values: Tensor, attend: Attend) -> Tensor:
        """Queries [B, S, D], keys and values [B, L, 2D] -> [B, S, D]."""
        split = (x.unflatten(-1, (self.heads, -1)) for x in (query, *keys_values.chunk(2, -1)))
        return self.out_proj(attend(*split).flatten(2))


class SelfAttention(Attention):
    """Among the positions of the sequence, those in the cache included."""

    products = (slice(0, 3),)

    def forward(self, hidden: Tensor, attend: Attend, cache: Cache | None) -> Tensor:
        query, keys_values = self.project(hidden, 0).split((self.dim, 2 * self.dim), dim=-1)
        return self.mix(query, keys_values if cache is None else cache.extend(keys_values), attend)


class CrossAttention(Attention):
    """To the text, whose keys and values are `memory`."""

    products = (slice(0, 1), slice(1, 3))

    def memory(self, text: Tensor) -> Tensor:
        """Text [B, L, D] -> [B, L, 2D]. It is not normed."""
        return self.project(text, 1)

    def forward(self, hidden: Tensor, memory: Tensor, bias: Tensor | None) -> Tensor:
        return self.mix(self.project(hidden, 0), memory, partial(attend, bias=bias))


class Block(nn.Module):
    """Self-attention, cross-attention and feed-forward, each behind a norm, each added to its input."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.self_attn = SelfAttention(dim, heads)
        self.cross_attention = CrossAttention(dim, heads)
        self.linear1: nn.Linear | PackedLinear = nn.Linear(dim, EXPANSION * dim, bias=False)
        self.linear2: nn.Linear | PackedLinear = nn.Linear(EXPANSION * dim, dim, bias=False)
        self.norm1, self.norm_cross, self.norm2 = LayerNorm(dim), LayerNorm(dim), LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def pack(self) -> None:
        """Lay the weights out for generation on this CPU, in place."""
        self.self_attn.pack()
        self.cross_attention.pack()
        self.linear1, self.linear2 = PackedLinear(self.linear1.weight), PackedLinear(self.linear2.weight)

    def forward(
        self, hidden: Tensor, memory: Tensor, memory_bias: Tensor | None, attend: Attend, cache: Cache | None
    ) -> Tensor:
        """Vectors of positions [B, S, D] -> the same, knowing of each other and of the text.

        Args:
            hidden: [B, S, D] float32.
            memory: [B, L, 2D], from `CrossAttention.memory`. None of a text (L = 0) adds nothing, as a text of zeros
                would, whose values are zeros: attention to it is not computed.
            memory_bias: added to the scores of cross-attention, broadcastable to [B, H, S, L].
            attend: who sees whom in self-attention.
            cache: what went before `hidden`, which is added to it.
        """
        hidden = hidden + self.dropout(self.self_attn(self.norm1(hidden), attend, cache))
        if memory.shape[1]:
            hidden = hidden + self.dropout(self.cross_attention(self.norm_cross(hidden), memory, memory_bias))
        return hidden + self.dropout(self.linear2(F.gelu(self.linear1(self.norm2(hidden)))))
