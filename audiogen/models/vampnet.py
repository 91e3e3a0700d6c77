"""VampNet: music by masked generation, a few coarse levels first, then all finer ones at once.

Paper: Flores Garcia et al. 2023, arXiv:2307.04686. "Masked Acoustic Token Modeling" -> `VampNet`; the coarse model and
the coarse-to-fine model are the same network, the second with `condition_levels`. Behaviour and parameter names are
those of the official checkpoints (golden vampnet SPEC 2 and 3).
Ours, off in official use: `circular` (positions wrap, so that the end flows into the start), padding in a batch, and
bfloat16 on any device.
Shapes: B batch, K levels, k levels of the stage, T frames, V vocab_size, E codebook_dim, D width, H heads.

A token's vector is what the codec's codebook holds for it, so a model belongs to one codec:

    model.use_codebooks(codec.codebooks()[: model.config.levels])
    codes = decode(model, codes, mask, model.condition(len(codes)), vampnet_plan(range(4)), seed)

Precision: logits of a model `.to(torch.bfloat16)`, or under autocast, stay within 3 % of the largest float32 logit,
0.5 % in the root mean square (random weights of the official size: 0.8 % and 0.14 %). Norms and the residual sum are
float32 in both, on a CPU the position bias too.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.decoding.condition import Condition
from audiogen.decoding.confidence import Confidence
from audiogen.decoding.plan import Plan, Stage
from audiogen.decoding.sampling import Sampling
from audiogen.decoding.schedule import Linear, float32_cosine
from audiogen.errors import InputError, nearest
from audiogen.nn.lora import LoRALinear
from audiogen.nn.norm import RMSNorm
from audiogen.nn.quantize import WeightNormConv1d
from audiogen.nn.relative import RelativeBias, distances, wrapped

EXPANSION = 4
"""Width of the feed-forward, value and gate together, over the model's width."""


@dataclass(frozen=True, kw_only=True)
class VampNetConfig:
    """Defaults: the official coarse checkpoint, 335.9 M parameters."""

    levels: int = 4
    """K of the grid that the model sees."""
    condition_levels: int = 0
    """First levels, which are given and never predicted: 0 in the coarse model, its levels in the fine one."""
    vocab_size: int = 1024
    """V, codes per level; the mask token is V."""
    codebook_dim: int = 8
    """E, numbers per row of the codec's codebooks."""
    dim: int = 1280
    """D."""
    layers: int = 20
    heads: int = 20
    dropout: float = 0.1
    """In training: on attention weights, behind the gate, and on what every branch adds."""
    lora_rank: int = 8
    """Of the adapters in all linear layers but the keys'; 0: none."""
    control_dims: dict[str, int] = field(default_factory=dict)
    """Controls that `condition` takes: name -> numbers per frame."""

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise InputError(f"VampNetConfig: expected a dim divisible by heads, got {self.dim} and {self.heads}.")
        if not 0 <= self.condition_levels < self.levels:
            raise InputError(
                f"VampNetConfig: expected condition_levels in 0..{self.levels - 1}, got {self.condition_levels}. "
                "At least one level must be left to predict."
            )

    @property
    def predicted(self) -> tuple[int, ...]:
        """The levels that the model generates."""
        return tuple(range(self.condition_levels, self.levels))


class CodeEmbedding(nn.Module):
    """Codes to vectors, by way of the codec's codebooks; each level has its own row for the mask token."""

    def __init__(self, config: VampNetConfig):
        super().__init__()
        self.special = nn.ParameterDict({"MASK": nn.Parameter(torch.randn(config.levels, config.codebook_dim))})
        self.out_proj = nn.Conv1d(config.levels * config.codebook_dim, config.dim, 1)

    def latents(self, codes: Tensor, codebooks: Tensor) -> Tensor:
        """Codes [B, K, T] and codebooks [K, V, E] -> the rows, level by level, [B, K * E, T]."""
        rows = torch.cat([codebooks, self.special["MASK"][:, None]], dim=1)
        first = torch.arange(len(rows), device=codes.device) * rows.shape[1]
        return F.embedding(codes + first[:, None], rows.flatten(0, 1)).transpose(2, 3).flatten(1, 2)

    def forward(self, codes: Tensor, codebooks: Tensor) -> Tensor:
        """Codes [B, K, T] -> [B, T, D]."""
        latents = self.latents(codes, codebooks).to(self.out_proj.weight.dtype)
        return self.out_proj(latents).transpose(1, 2)


class ControlEncoder(nn.Module):
    """Curves per frame (loudness, chroma, ...) to vectors that are added to the codes' ones."""

    def __init__(self, dims: Mapping[str, int], dim: int):
        super().__init__()
        self.ctrl_encoders = nn.ModuleDict({name: nn.Linear(size, dim) for name, size in dims.items()})

    def forward(self, controls: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Tensor:
        """Controls [B, c, T] and masks [B, T] by name, 0 where a control is not given -> [B, T, D]."""
        vectors = [
            self.ctrl_encoders[name](control.transpose(1, 2)) * masks[name][..., None]
            for name, control in controls.items()
        ]
        return torch.stack(vectors).sum(dim=0)


class Attention(nn.Module):
    """Multi-head self-attention over all frames; `bias` is added to the scaled scores."""

    def __init__(self, config: VampNetConfig, has_bias_table: bool):
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.w_qs = LoRALinear(config.dim, config.dim, config.lora_rank)
        self.w_ks = nn.Linear(config.dim, config.dim, bias=False)
        self.w_vs = LoRALinear(config.dim, config.dim, config.lora_rank)
        self.fc = LoRALinear(config.dim, config.dim, config.lora_rank)
        if has_bias_table:
            self.relative_attention_bias = RelativeBias(config.heads)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """[B, T, D] and bias [B, H, T, T] -> [B, T, D]."""
        query, key, value = (self._split(project(hidden)) for project in (self.w_qs, self.w_ks, self.w_vs))
        if query.is_cuda:
            bias = bias.to(query.dtype)  # its kernels take no other; those of the CPU add float32 to scores of any type
        mixed = F.scaled_dot_product_attention(query, key, value, bias, self.dropout if self.training else 0.0)
        return self.fc(mixed.transpose(1, 2).flatten(2))

    def _split(self, hidden: Tensor) -> Tensor:
        """[B, T, D] -> [B, H, T, d]."""
        return hidden.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """w_2(value * gelu(gate)); the value is the first half of what w_1 makes, the gate the second."""

    def __init__(self, config: VampNetConfig):
        super().__init__()
        self.w_1 = LoRALinear(config.dim, EXPANSION * config.dim, config.lora_rank)
        self.w_2 = LoRALinear(EXPANSION * config.dim // 2, config.dim, config.lora_rank)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        value, gate = self.w_1(hidden).chunk(2, dim=-1)
        return self.w_2(self.drop(value * F.gelu(gate, approximate="tanh")))


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm, each added to its input."""

    def __init__(self, config: VampNetConfig, has_bias_table: bool):
        super().__init__()
        self.norm_1 = RMSNorm(config.dim)
        self.self_attn = Attention(config, has_bias_table)
        self.norm_3 = RMSNorm(config.dim)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        hidden = hidden + self.dropout(self.self_attn(self.norm_1(hidden), bias))
        return hidden + self.dropout(self.feed_forward(self.norm_3(hidden)))


class Transformer(nn.Module):
    """Blocks and a final norm. The table of position biases is in the first block and serves all."""

    def __init__(self, config: VampNetConfig):
        super().__init__()
        self.layers = nn.ModuleList(Block(config, has_bias_table=index == 0) for index in range(config.layers))
        self.norm = RMSNorm(config.dim)

    def bias(self, relative: Tensor) -> Tensor:
        """Relative positions [B, T, T] -> what is added to the scores, [B, H, T, T] float32."""
        return cast(Block, self.layers[0]).self_attn.relative_attention_bias(relative)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """[B, T, D] -> [B, T, D]. What the blocks add is summed up in float32, also where they compute in less."""
        hidden = hidden.float()
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return self.norm(hidden)


class Classifier(nn.Module):
    """Vectors to logits. Official output channels are token-major: channel = token * predicted levels + level."""

    def __init__(self, config: VampNetConfig):
        super().__init__()
        self.shape = (config.vocab_size, len(config.predicted))
        self.layers = nn.ModuleList([WeightNormConv1d(config.dim, math.prod(self.shape), 1)])

    def forward(self, hidden: Tensor, rows: Sequence[int]) -> Tensor:
        """[B, T, D] and k places among the predicted levels -> logits [B, k, T, V], V adjacent in memory."""
        layer = cast(WeightNormConv1d, self.layers[0])
        direction = layer.weight_v.float()
        weight = layer.weight_g.float() * direction / direction.norm(dim=(1, 2), keepdim=True)
        weight = weight[..., 0].view(*self.shape, -1).transpose(0, 1)[list(rows)]
        bias = layer.bias.view(self.shape).T[list(rows)]
        logits = F.linear(hidden, weight.flatten(0, 1).to(hidden.dtype), bias.flatten().to(hidden.dtype))
        return logits.unflatten(-1, (len(rows), -1)).transpose(1, 2)


class VampNet(nn.Module):
    """A grid of codes with holes -> logits of what is in the holes. A `MaskedModel` for `audiogen.decoding.decode`."""

    codebooks: Tensor | None
    """[K, V, E], the codec's; not stored with the model."""

    def __init__(self, config: VampNetConfig, codebooks: Tensor | None = None):
        super().__init__()
        self.config = config
        self.embedding = CodeEmbedding(config)
        self.transformer = Transformer(config)
        self.classifier = Classifier(config)
        if config.control_dims:
            self.ctrl_encoder = ControlEncoder(config.control_dims, config.dim)
        self.register_buffer("codebooks", None, persistent=False)
        if codebooks is not None:
            self.use_codebooks(codebooks)

    @property
    def mask_token(self) -> int:
        return self.config.vocab_size

    def use_codebooks(self, codebooks: Tensor) -> None:
        """Take the codebooks [K, V, E] of the codec whose codes are to be generated.

        Raises:
            InputError: they are not of this model's levels and sizes.
        """
        expected = (self.config.levels, self.config.vocab_size, self.config.codebook_dim)
        if codebooks.shape != expected:
            raise InputError(
                f"VampNet: expected codebooks [K, V, E] of {list(expected)}, got {list(codebooks.shape)}. "
                "Use the codec that this model was trained on, and its first K levels."
            )
        self.codebooks = codebooks.detach().to(self.embedding.out_proj.weight.device)

    def condition(
        self,
        batch: int,
        circular: bool = False,
        valid: Tensor | None = None,
        controls: Mapping[str, Tensor] | None = None,
        control_masks: Mapping[str, Tensor] | None = None,
    ) -> Condition:
        """What generation depends on besides the given cells.

        Args:
            batch: B.
            circular: positions wrap modulo the number of frames, so that the end flows into the start.
            valid: [B, T] bool, False on padding at the end; None: no padding.
            controls: name of `config.control_dims` -> [B, c, T].
            control_masks: name -> [B, T], 0 where that control is not given; None: given everywhere.
        Raises:
            InputError: a control that the model does not have, or of another size.
        """
        device = self.embedding.out_proj.weight.device
        tensors = {"circular": torch.full((batch,), circular, device=device)}
        if valid is not None:
            tensors["valid"] = valid.bool()
        if not controls:
            return Condition(tensors)
        vectors = self._controls(controls, control_masks or {})
        return Condition({**tensors, "controls": vectors}, {"controls": torch.zeros_like(vectors)})

    def _controls(self, controls: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Tensor:
        dims = self.config.control_dims
        for name, control in controls.items():
            if name not in dims:
                raise InputError(
                    f"VampNet: expected a control of this model, got {name!r}. "
                    f"The nearest: {nearest(name, dims) or 'none, it was trained without'}."
                )
            if control.ndim != 3 or control.shape[1] != dims[name]:
                raise InputError(
                    f"VampNet: expected the control {name!r} as [B, {dims[name]}, T], got {list(control.shape)}."
                )
        everywhere = {name: torch.ones_like(control[:, 0]) for name, control in controls.items()}
        return self.ctrl_encoder(controls, {**everywhere, **masks})

    def prepare(self, codes: Tensor, mask: Tensor, condition: Condition, stage: Stage) -> Condition:
        """`condition` with the position bias [B, H, T, T], which is the same in every pass; -inf hides padding."""
        self._check_grid(codes, condition)
        valid = condition["valid"] if "valid" in condition else torch.ones_like(codes[:, 0], dtype=torch.bool)
        relative, circular = distances(codes.shape[2], codes.device)[None], condition["circular"]
        if circular.any():
            around = wrapped(relative, valid.sum(dim=1)[:, None, None])
            relative = torch.where(circular[:, None, None], around, relative)
        bias = self.transformer.bias(relative)
        if not valid.all():
            bias = bias.masked_fill(~valid[:, None, None], -math.inf)
        return condition.update({"bias": bias.expand(len(codes), -1, -1, -1)})

    def hidden(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor | None = None) -> Tensor:
        """Contextual vectors [B, T, D]; `condition` as `prepare` returns it. The model does not see the `time`."""
        if self.codebooks is None:
            raise InputError("VampNet: expected the codec's codebooks, got none. Call use_codebooks first.")
        vectors = self.embedding(codes, self.codebooks)
        if "controls" in condition:
            vectors = vectors + condition["controls"]
        return self.transformer(vectors, condition["bias"])

    def head(self, hidden: Tensor, stage: Stage) -> Tensor:
        """[B, T, D] -> logits [B, k, T, V] of the levels that `stage` generates."""
        first = self.config.condition_levels
        if not set(stage.levels) <= set(self.config.predicted):
            raise InputError(
                f"VampNet: expected a stage of the levels {first}..{self.config.levels - 1}, got {stage.levels}. "
                "The others are given, or are another model's."
            )
        return self.classifier(hidden, [level - first for level in stage.levels])

    def logits(self, codes: Tensor, condition: Condition, stage: Stage) -> Tensor:
        """One pass from codes to logits, for training and inspection.

        Args:
            codes: [B, K, T] int64, the mask token V where the code is hidden.
            condition: from `condition()`.
            stage: names the levels to compute, all of them predicted ones.
        Returns:
            [B, k, T, V] logits.
        Raises:
            InputError: a grid, condition or stage that does not fit the model, or no codebooks.
        """
        prepared = self.prepare(codes, codes == self.mask_token, condition, stage)
        return self.head(self.hidden(codes, prepared, stage), stage)

    def _check_grid(self, codes: Tensor, condition: Condition) -> None:
        if codes.ndim != 3 or codes.shape[1] != self.config.levels:
            raise InputError(
                f"VampNet: expected codes [B, K={self.config.levels}, T], got {list(codes.shape)}. "
                f"Encode with the codec this model was trained with, or keep its first {self.config.levels} levels."
            )
        if len(condition["circular"]) != len(codes):
            raise InputError(
                f"VampNet: expected a condition for {len(codes)} items, as the codes have, "
                f"got one for {len(condition['circular'])}. Build it for the whole batch."
            )


def vampnet_plan(
    levels: Sequence[int],
    steps: int = 36,
    temperature: float = 1.0,
    confidence_temperature: float = 10.5,
    top_p: float = 1.0,
    typical_mass: float = 1.0,
    typical_min_tokens: int = 64,
    greedy_steps: int = 0,
) -> Plan:
    """All `levels` together in one stage. The reference's fine model takes 2 steps.

    Its typical filtering (mass 0.15) never has any effect, so that it is off here; ours works when it is asked for.
    """
    return Plan(
        (
            Stage(
                levels=tuple(levels),
                steps=steps,
                schedule=float32_cosine,
                keep_one_masked=True,
                fix_each_step=True,
                sampling=Sampling(
                    temperature=temperature,
                    top_p=top_p,
                    typical_mass=typical_mass,
                    typical_min_tokens=typical_min_tokens,
                    greedy_steps=greedy_steps,
                ),
                confidence=Confidence(kind="log_probability", temperature=Linear(confidence_temperature, late=True)),
            ),
        )
    )
