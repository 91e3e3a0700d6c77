"""A transformer over grids of codes that listens to a text: what MAGNeT and its autoregressive twin share.

Papers: Copet et al. 2023, arXiv:2306.05284 (MusicGen); Ziv et al. 2024, arXiv:2401.04577 (MAGNeT). Architecture,
parameter names and initialisation are those of the official checkpoints (golden magnet SPEC 3).
Shapes: B batch, K levels, k levels asked for, S positions, L text positions, V vocab_size, D width, H heads.

What a model sees of the text is computed once, in `condition`, for all layers: keys and values of the cross-attention.
A text's padding is zeros, which attention counts (SPEC trap 2). Of the null condition, which is all zeros, attention
makes zeros: it is a text of no positions here, which costs nothing. Ours: attention does not count what `Condition.cat`
appends, so that an item is the same alone and in a batch.

Precision: logits of a model `.to(torch.bfloat16)`, or under autocast, stay within 2 % of the largest float32 logit,
0.4 % in the root mean square (random weights of the official size: 0.5 % and 0.1 %). Positions, norms and the residual
sum are float32 in both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast

import torch
from torch import Tensor, nn

from audiogen.decoding.condition import Condition
from audiogen.errors import InputError
from audiogen.nn.attention import Attend, hide
from audiogen.nn.conditioned import Block, Cache, LayerNorm
from audiogen.nn.packed import PackedLinear, packable


@dataclass(frozen=True, kw_only=True)
class ConditionedConfig:
    """Defaults: the official small models, 420.4 M parameters."""

    levels: int = 4
    """K; the codec's."""
    vocab_size: int = 2048
    """V, codes per level; the mask token is V itself, so that embedding tables have V + 1 rows."""
    dim: int = 1024
    """D."""
    layers: int = 24
    heads: int = 16
    condition_dim: int = 768
    """Width of the text encoder's states; that of t5-base."""
    dropout: float = 0.0
    """In training, on what every branch adds."""

    def __post_init__(self) -> None:
        if self.dim % (2 * self.heads):
            raise InputError(
                f"{type(self).__name__}: expected a dim that splits into {self.heads} heads of even width, "
                f"got {self.dim}. Choose a multiple of {2 * self.heads}."
            )


class ConditionedTransformer(nn.Module):
    """Codes and a text to contextual vectors and logits. Which positions see which is the models' own affair."""

    def __init__(self, config: ConditionedConfig):
        super().__init__()
        self.config: ConditionedConfig = config
        dim = config.dim
        self.emb = nn.ModuleList(nn.Embedding(config.vocab_size + 1, dim) for _ in range(config.levels))
        blocks = (Block(dim, config.heads, config.dropout) for _ in range(config.layers))
        self.transformer = nn.ModuleDict({"layers": nn.ModuleList(blocks)})
        self.out_norm = LayerNorm(dim)
        self.linears = nn.ModuleList(nn.Linear(dim, config.vocab_size, bias=False) for _ in range(config.levels))
        description = nn.ModuleDict({"output_proj": nn.Linear(config.condition_dim, dim)})
        self.condition_provider = nn.ModuleDict({"conditioners": nn.ModuleDict({"description": description})})
        self._initialise()

    def _initialise(self) -> None:
        """Truncated normal weights, smaller in deeper layers (golden magnet SPEC 3, "Initialisation")."""
        for module in (*self.emb, *self.linears):
            _truncated_normal(module, self.config.dim)
        for depth, block in enumerate(self.blocks, start=1):
            for module in block.modules():
                if isinstance(module, nn.Linear):
                    _truncated_normal(module, 2 * depth * module.in_features)

    @property
    def mask_token(self) -> int:
        """V: the code that is hidden from MAGNeT, and what stands where the twin's delay pattern has no code."""
        return self.config.vocab_size

    @property
    def blocks(self) -> list[Block]:
        return cast(list[Block], self.transformer["layers"])

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return self.out_norm.weight.dtype

    def condition(self, text_states: Tensor, text_mask: Tensor) -> Condition:
        """What generation depends on besides the codes.

        Args:
            text_states: [B, L, condition_dim], the text encoder's.
            text_mask: [B, L], False (0) on padding, and everywhere on an item without text.
        Raises:
            InputError: states of another width, or a mask of another shape.
        """
        width = self.config.condition_dim
        if text_states.ndim != 3 or text_states.shape[2] != width or text_mask.shape != text_states.shape[:2]:
            raise InputError(
                f"{type(self).__name__}: expected text states [B, L, {width}] and their mask [B, L], got "
                f"{list(text_states.shape)} and {list(text_mask.shape)}. Use the text encoder it was trained with."
            )
        project = self.get_submodule("condition_provider.conditioners.description.output_proj")
        return self.condition_on(project(text_states.to(self.dtype)) * text_mask[..., None])

    def condition_on(self, text: Tensor) -> Condition:
        """`condition` on text states [B, L, D] that are projected already, zeros where there is no text."""
        text = text.to(self.dtype)
        memory = torch.stack([block.cross_attention.memory(text) for block in self.blocks], dim=2)
        counted = torch.ones(text.shape[:2], dtype=torch.bool, device=text.device)
        return Condition({"memory": memory, "counted": counted}, {"memory": memory[:, :0]})

    def ready(self, condition: Condition) -> Condition:
        """`condition` with what hides text positions that some items of the batch do not have."""
        counted = condition["counted"]
        if counted.all():
            return condition
        return condition.update({"memory_bias": hide(counted, self.dtype)[:, None, None]})

    def accelerate(self) -> Self:
        """Make ready for fast generation on this device, in place: a CPU's bfloat16 weights are packed.

        To be called once, last: such a model can be neither trained, moved nor saved.
        """
        self.requires_grad_(False)
        if packable(self.out_norm.weight):
            for block in self.blocks:
                block.pack()
            for level, head in enumerate(self.linears):
                self.linears[level] = PackedLinear(cast(Tensor, head.weight))
        return self

    def embed(self, codes: Tensor, positions: Tensor) -> Tensor:
        """Codes [B, K, S] at `positions` [S, D], of `frame_positions` -> [B, S, D] float32."""
        return sum((table(codes[:, level]).float() for level, table in enumerate(self.emb)), start=positions)

    def contextual(
        self,
        hidden: Tensor,
        memory: Tensor,
        memory_bias: Tensor | None,
        attend: Attend,
        caches: Sequence[Cache] | None = None,
    ) -> Tensor:
        """Vectors of every position, after the last norm. The residual sum is float32 in any precision.

        Args:
            hidden: [B, S, D], from `embed`.
            memory, memory_bias: of the condition, as `ready` returns it.
            attend: who sees whom.
            caches: one per layer, for `hidden` that follows what they hold; None: it is all there is.
        Returns:
            [B, S, D].
        """
        for index, block in enumerate(self.blocks):
            hidden = block(hidden, memory[:, :, index], memory_bias, attend, caches[index] if caches else None)
        return self.out_norm(hidden)

    def scores(self, hidden: Tensor, levels: Sequence[int]) -> Tensor:
        """[B, S, D] -> logits [B, k, S, V] of `levels`."""
        return torch.stack([self.linears[level](hidden) for level in levels], dim=1)

    def check_codes(self, codes: Tensor, condition: Condition) -> None:
        """Raises InputError unless codes [B, K, S] and condition are of this model and of one batch."""
        name, levels, items = type(self).__name__, self.config.levels, len(condition["memory"])
        if codes.ndim != 3 or codes.shape[1] != levels:
            raise InputError(
                f"{name}: expected codes [B, K={levels}, T], got {list(codes.shape)}. "
                f"Encode with the codec this model was trained with, or keep its first {levels} levels."
            )
        if items != len(codes):
            raise InputError(
                f"{name}: expected a condition for {len(codes)} items, as the codes have, got one for {items}. "
                "Build it for the whole batch."
            )


def _truncated_normal(module: nn.Module, precision: int) -> None:
    """Weights with variance 1 / `precision`, cut at three standard deviations."""
    std = precision**-0.5
    nn.init.trunc_normal_(cast(Tensor, module.weight), std=std, a=-3 * std, b=3 * std)
