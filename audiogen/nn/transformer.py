"""A bidirectional transformer that knows the diffusion time: rotary attention, gated MLP, time-dependent norms.

The stack of MaskGCT (Wang et al. 2024, arXiv:2409.00750): a Llama without causal mask; golden maskgct SPEC 3.
Parameter names are those of its checkpoints.
Shapes: B batch, S positions, D width, d width of one head.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.errors import InputError
from audiogen.nn.norm import AdaptiveRMSNorm
from audiogen.nn.positions import Rotation, rotate, rotation, sinusoids

EXPANSION = 4
"""Width of every MLP over the model's width."""


def two_layer_mlp(dim: int) -> nn.Sequential:
    """D -> 4D -> D with SiLU, biases included: the MLP of the time embedding and of conditions."""
    return nn.Sequential(nn.Linear(dim, EXPANSION * dim), nn.SiLU(), nn.Linear(EXPANSION * dim, dim))


class Attention(nn.Module):
    """Multi-head self-attention over all visible positions, rotary positions on queries and keys."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.o_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, hidden: Tensor, turn: Rotation, visible_keys: Tensor | None) -> Tensor:
        query = rotate(self._split(self.q_proj(hidden)), turn)
        key = rotate(self._split(self.k_proj(hidden)), turn)
        value = self._split(self.v_proj(hidden))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=visible_keys)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))

    def _split(self, hidden: Tensor) -> Tensor:
        """[B, S, D] -> [B, heads, S, d]."""
        return hidden.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class GatedMLP(nn.Module):
    """down(SiLU(gate(x)) * up(x)), without biases."""

    def __init__(self, dim: int):
        super().__init__()
        self.gate_proj = nn.Linear(dim, EXPANSION * dim, bias=False)
        self.up_proj = nn.Linear(dim, EXPANSION * dim, bias=False)
        self.down_proj = nn.Linear(EXPANSION * dim, dim, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(hidden)) * self.up_proj(hidden))


class Block(nn.Module):
    """Attention and MLP, each after a time-dependent norm, each added to its input."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.self_attn = Attention(dim, heads)
        self.mlp = GatedMLP(dim)
        self.input_layernorm = AdaptiveRMSNorm(dim)
        self.post_attention_layernorm = AdaptiveRMSNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, time: Tensor, turn: Rotation, visible_keys: Tensor | None) -> Tensor:
        attended = self.self_attn(self.input_layernorm(hidden, time), turn, visible_keys)
        hidden = hidden + self.dropout(attended)
        return hidden + self.dropout(self.mlp(self.post_attention_layernorm(hidden, time)))


@dataclass(frozen=True)
class Prefix:
    """Vectors in front of the frames; the first frame has the rotary position `length`."""

    vectors: Tensor  # [B, P, D]
    valid: Tensor  # [B, P] bool, False on padding
    length: Tensor  # [B] int64

    @classmethod
    def empty(cls, frames: Tensor) -> "Prefix":
        """No prefix for frames [B, T, D]."""
        batch, _, dim = frames.shape
        return cls(
            frames.new_zeros(batch, 0, dim),
            torch.zeros(batch, 0, dtype=torch.bool, device=frames.device),
            torch.zeros(batch, dtype=torch.int64, device=frames.device),
        )


class TimeTransformer(nn.Module):
    """Blocks and a final norm, all told the diffusion time, and the MLP that conditions go through (`cond_mlp`).

    `dropout` acts on what every attention and MLP adds, in training only.
    """

    def __init__(self, dim: int, layers: int, heads: int, dropout: float = 0.0):
        super().__init__()
        if dim % (2 * heads):
            raise InputError(
                f"TimeTransformer: expected a width that splits into {heads} heads of even width, got {dim}. "
                f"Choose a multiple of {2 * heads}."
            )
        self.dim = dim
        self.head_dim = dim // heads
        self.diff_step_mlp = two_layer_mlp(dim)
        self.cond_mlp = two_layer_mlp(dim)
        self.layers = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        self.norm = AdaptiveRMSNorm(dim)

    def forward(self, hidden: Tensor, visible: Tensor, positions: Tensor, time: Tensor) -> Tensor:
        """Contextual vectors of every position.

        Args:
            hidden: [B, S, D] input vectors.
            visible: [B, S] bool, False on positions nobody may attend to; they are computed all the same.
            positions: [B, S] rotary positions.
            time: [B] diffusion time, 1 (all masked) .. 0 (done).
        Returns:
            [B, S, D], after the final norm.
        """
        clock = self.diff_step_mlp(sinusoids(time, self.dim))
        turn = rotation(positions, self.head_dim)
        visible_keys = None if bool(visible.all()) else visible[:, None, None, :]
        for layer in self.layers:
            hidden = layer(hidden, clock, turn, visible_keys)
        return self.norm(hidden, clock)

    def over_frames(self, frames: Tensor, prefix: Prefix, visible: Tensor, time: Tensor) -> Tensor:
        """Contextual vectors of `frames` [B, T, D], which attend to the prefix and to the `visible` [B, T] ones.

        Frames outside the stretch that some item of the batch sees are not computed, and come back as 0.
        """
        first, last = _occupied(visible)
        inputs = torch.cat((prefix.vectors.type_as(frames), frames[:, first:last]), dim=1)
        seen = torch.cat((prefix.valid, visible[:, first:last]), dim=1)
        before = torch.arange(prefix.vectors.shape[1], device=frames.device).expand(len(frames), -1)
        after = prefix.length[:, None] + torch.arange(first, last, device=frames.device)
        outputs = self(inputs, seen, torch.cat((before, after), dim=1), time)[:, before.shape[1] :]
        return F.pad(outputs, (0, 0, first, frames.shape[1] - last))


def _occupied(visible: Tensor) -> tuple[int, int]:
    """First frame, and the one after the last, that any item of `visible` [B, T] sees."""
    frames = visible.any(dim=0).nonzero()
    return (int(frames[0]), int(frames[-1]) + 1) if len(frames) else (0, visible.shape[1])


def initialise(model: nn.Module, std: float = 0.02) -> None:
    """Linear, convolution and embedding weights N(0, std), biases and padding rows 0 (golden maskgct SPEC 6.4)."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Embedding):
            nn.init.normal_(module.weight, std=std)
        if isinstance(module, nn.Linear | nn.Conv1d) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            with torch.no_grad():
                module.weight[module.padding_idx].zero_()
