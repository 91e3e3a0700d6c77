"""SpecMaskGIT: sounds from a caption by masked generation of spectrogram patches, all of them at once.

Paper: Comunità et al. 2024, arXiv:2406.17672. From it: a grid of 5 x 53 patches for 10 s, in 1024 codes; a ViT of about
170 M parameters that sees all of them; a CLAP embedding as the condition, so that training hears sounds only and
generation reads captions; classifier-free guidance, a cosine schedule, up to 16 steps, annealed noise on the
confidence. Its code is not public. That the embedding stands in the place of the mask token ("conditional mask") is
what others report of it. What is not known is as in MaskGIT (Chang et al. 2022, arXiv:2202.04200), whose sizes give
those 170 M: 24 layers of width 768 with 8 heads, dropout 0.1, noise of 4.5.
Ours: norms come first, one more right after the embeddings, and linear layers have no biases; a learnt vector per row
and sinusoids along the columns, so that a grid may have any length; other ways for the condition to enter; padded
columns in a batch (`valid`).
Shapes: B batch, F rows (K levels of the grid), k rows of the stage, T columns, S = F * T cells, V vocab_size, E width
of an embedding, D width, H heads, N layers.

Precision: logits of a model `.to(torch.bfloat16)`, or under autocast, stay within 3 % of the largest float32 logit.
Positions, norms and the residual sum are float32 in both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Self, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.decoding.condition import Condition
from audiogen.decoding.confidence import Confidence
from audiogen.decoding.guidance import Guidance
from audiogen.decoding.plan import Plan, Stage
from audiogen.decoding.sampling import Sampling
from audiogen.decoding.schedule import Linear
from audiogen.errors import InputError, nearest
from audiogen.nn.attention import Attend, attend, hide
from audiogen.nn.conditioned import EXPANSION, LayerNorm, SelfAttention, frame_positions
from audiogen.nn.graphs import Graphed
from audiogen.nn.packed import PackedLinear, packable

STD = 0.02
"""Deviation of all weights before training, and of the sinusoids (MaskGIT's)."""
SHAPED = 4
"""Vectors that shape one block where the condition enters by the norms: scale and shift of either."""
Entry = Literal["masked", "prefix", "norms"]


@dataclass(frozen=True, kw_only=True)
class SpecMaskGITConfig:
    """Defaults: the paper's size, 171.9 M parameters."""

    rows: int = 5
    """F, bands of 16 mel bins; the codec's levels."""
    columns: int = 53
    """T of a training item, and of what the model makes well at a time: 9.8 s. Grids of any length are computed."""
    vocab_size: int = 1024
    """V; the mask token is V itself."""
    dim: int = 768
    """D."""
    layers: int = 24
    heads: int = 8
    condition_dim: int = 512
    """E; that of CLAP."""
    entry: Entry = "masked"
    """Where the condition enters. masked: on masked cells, as is reported of the paper; prefix: a position before all
    cells; norms: it scales and shifts what every norm makes."""
    dropout: float = 0.1
    """In training, on what every branch adds."""

    def __post_init__(self) -> None:
        if self.dim % (2 * self.heads):
            raise InputError(
                f"SpecMaskGITConfig: expected a dim that splits into {self.heads} heads of even width, got {self.dim}. "
                f"Choose a multiple of {2 * self.heads}."
            )
        if min(self.rows, self.columns, self.vocab_size, self.layers, self.condition_dim) < 1:
            raise InputError(f"SpecMaskGITConfig: expected sizes of 1 or more, got {self}. Correct them.")
        if self.entry not in get_args(Entry):
            known = nearest(self.entry, get_args(Entry))
            raise InputError(f"SpecMaskGITConfig: expected entry to be of {known}, got {self.entry!r}. Rename it.")


class Block(nn.Module):
    """Self-attention and feed-forward, each behind a norm, each added to its input."""

    def __init__(self, config: SpecMaskGITConfig):
        super().__init__()
        dim = config.dim
        self.self_attn = SelfAttention(dim, config.heads)
        self.linear1: nn.Linear | PackedLinear = nn.Linear(dim, EXPANSION * dim, bias=False)
        self.linear2: nn.Linear | PackedLinear = nn.Linear(EXPANSION * dim, dim, bias=False)
        self.norm1, self.norm2 = LayerNorm(dim), LayerNorm(dim)
        self.dropout = nn.Dropout(config.dropout)
        if config.entry == "norms":
            self.shaping = nn.Linear(dim, SHAPED * dim, bias=False)

    def pack(self) -> None:
        """Lay the weights out for generation on this CPU, in place."""
        self.self_attn.pack()
        self.linear1, self.linear2 = PackedLinear(self.linear1.weight), PackedLinear(self.linear2.weight)

    def forward(self, hidden: Tensor, sight: Attend, shaping: Tensor | None) -> Tensor:
        """Vectors of positions [B, S, D] float32 -> the same, knowing of each other.

        Args:
            sight: who sees whom.
            shaping: [B, 4, D], scale and shift of the first norm's result, then of the second's; None: as they are.
        """
        normed = _shaped(self.norm1(hidden), shaping, 0)
        hidden = hidden + self.dropout(self.self_attn(normed, sight, None))
        normed = _shaped(self.norm2(hidden), shaping, 2)
        return hidden + self.dropout(self.linear2(F.gelu(self.linear1(normed))))


def _shaped(normed: Tensor, shaping: Tensor | None, first: int) -> Tensor:
    if shaping is None:
        return normed
    return normed * (1 + shaping[:, None, first]) + shaping[:, None, first + 1]


class SpecMaskGIT(nn.Module):
    """A grid of codes with holes -> logits of what is in the holes. A `MaskedModel` for `audiogen.decoding.decode`."""

    def __init__(self, config: SpecMaskGITConfig):
        super().__init__()
        self.config = config
        self.tokens = nn.Embedding(config.vocab_size + 1, config.dim)
        self.row_positions = nn.Embedding(config.rows, config.dim)
        self.project = nn.Linear(config.condition_dim, config.dim, bias=False)
        self.in_norm = LayerNorm(config.dim)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.out_norm = LayerNorm(config.dim)
        self.out: nn.Linear | PackedLinear = nn.Linear(config.dim, config.vocab_size, bias=False)
        self._initialise()
        self._run: Callable[..., Tensor] = self._hidden

    def _initialise(self) -> None:
        """Truncated normal weights, as MaskGIT has them; a condition that shapes norms begins by changing nothing."""
        for name, weight in self.named_parameters():
            if name.endswith("shaping.weight"):
                nn.init.zeros_(weight)
            elif weight.ndim > 1:
                nn.init.trunc_normal_(weight, std=STD, a=-2 * STD, b=2 * STD)

    @property
    def mask_token(self) -> int:
        return self.config.vocab_size

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return self.out_norm.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.out_norm.weight.device

    def accelerate(self) -> Self:
        """The same model, faster: weights laid out for this CPU, or passes that a GPU records and replays.

        To be called once, last: such a model can be neither trained, moved nor saved.
        """
        self.requires_grad_(False)
        if packable(self.out_norm.weight):
            for block in self.blocks:
                cast(Block, block).pack()
            self.out = PackedLinear(self.out.weight)
        self._run = Graphed(self._hidden)
        return self

    def condition(self, embedding: Tensor, valid: Tensor | None = None) -> Condition:
        """What generation depends on besides the given cells; its null is what an embedding of zeros gives.

        Args:
            embedding: [B, E], of a caption or of a sound; zeros: nothing is asked for.
            valid: [B, T] bool, False on padded columns at the end; None: no padding.
        Raises:
            InputError: an embedding of another width.
        """
        width = self.config.condition_dim
        if embedding.ndim != 2 or embedding.shape[1] != width:
            raise InputError(
                f"SpecMaskGIT: expected embeddings [B, {width}], got {list(embedding.shape)}. "
                "Use the embedder that this model was trained with."
            )
        given = self.project(embedding.to(self.device, self.dtype))
        if self.config.entry == "norms":
            given = torch.cat([cast(Block, block).shaping(F.silu(given)) for block in self.blocks], dim=-1)
        condition = Condition({"given": given}, {"given": torch.zeros_like(given)})
        return condition if valid is None else condition.update({"valid": valid.to(self.device, torch.bool)})

    def prepare(self, codes: Tensor, mask: Tensor, condition: Condition, stage: Stage) -> Condition:
        """`condition` with what hides padded columns, the same in every pass."""
        self._check_grid(codes, condition)
        if "valid" not in condition or bool(condition["valid"].all()):
            return condition
        seen = condition["valid"].repeat_interleave(self.config.rows, dim=1)
        if self.config.entry == "prefix":
            seen = F.pad(seen, (1, 0), value=True)
        return condition.update({"bias": hide(seen, self.dtype)[:, None, None]})

    def hidden(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor | None = None) -> Tensor:
        """Contextual vectors [B, T, F * D]; `condition` as `prepare` returns it. The model does not see the `time`."""
        columns = frame_positions(codes.shape[2], self.config.dim, codes.device)
        return self._run(codes, columns, condition["given"], condition.tensors.get("bias"))

    def _hidden(self, codes: Tensor, columns: Tensor, given: Tensor, bias: Tensor | None) -> Tensor:
        hidden = self._contextual(codes, columns, given, bias, self.config.layers)
        return self.out_norm(hidden).flatten(2)

    def _contextual(self, codes: Tensor, columns: Tensor, given: Tensor, bias: Tensor | None, depth: int) -> Tensor:
        """What `depth` blocks make of the cells, [B, T, F, D] float32; row by row in each column."""
        hidden, shaping = self._enter(codes.transpose(1, 2), columns, given)
        sight = partial(attend, bias=bias)
        for index, block in enumerate(self.blocks[:depth]):
            hidden = block(hidden, sight, None if shaping is None else shaping[:, index])
        return hidden[:, -codes[0].numel() :].unflatten(1, (codes.shape[2], -1))

    def _enter(self, codes: Tensor, columns: Tensor, given: Tensor) -> tuple[Tensor, Tensor | None]:
        """Codes [B, T, F] -> what the first block sees, [B, S, D] float32, and what shapes the norms, [B, N, 4, D]."""
        cells = self.tokens(codes).float() + STD * columns[:, None] + self.row_positions.weight.float()
        shaping = None
        if self.config.entry == "norms":
            shaping = given.unflatten(1, (self.config.layers, SHAPED, -1))
        elif self.config.entry == "masked":
            cells = cells + (codes == self.mask_token)[..., None] * given[:, None, None].float()
        seen = cells.flatten(1, 2)
        if self.config.entry == "prefix":
            seen = torch.cat((given[:, None].float(), seen), dim=1)
        return self.in_norm(seen).float(), shaping

    def head(self, hidden: Tensor, stage: Stage) -> Tensor:
        """[B, T, F * D] -> logits [B, k, T, V] of the rows that `stage` generates."""
        rows = self.config.rows
        if max(stage.levels) >= rows:
            raise InputError(
                f"SpecMaskGIT: expected a stage of the rows 0..{rows - 1}, got {stage.levels}. "
                "Change the plan, or use a model with more rows."
            )
        return self.out(hidden.unflatten(2, (rows, -1))[:, :, list(stage.levels)].transpose(1, 2))

    def logits(self, codes: Tensor, condition: Condition, stage: Stage) -> Tensor:
        """One pass from codes to logits, for training and inspection.

        Args:
            codes: [B, F, T] int64, the mask token V where the code is hidden.
            condition: from `condition()`.
            stage: names the rows to compute.
        Returns:
            [B, k, T, V] logits.
        Raises:
            InputError: a grid, condition or stage that does not fit the model.
        """
        prepared = self.prepare(codes, codes == self.mask_token, condition, stage)
        return self.head(self.hidden(codes, prepared, stage), stage)

    def representation(self, codes: Tensor, condition: Condition | None = None, layer: int | None = None) -> Tensor:
        """What the model knows of a sound, cell by cell: what the paper probes with a linear classifier.

        Args:
            codes: [B, F, T] int64, of a sound; hidden cells are allowed.
            condition: from `condition()`; None: none is given.
            layer: blocks that it goes through, 0..N; None: all of them and the last norm.
        Returns:
            [B, T, F * D].
        Raises:
            InputError: a grid or condition that does not fit the model, or a layer that it does not have.
        """
        layers = self.config.layers
        if layer is not None and not 0 <= layer <= layers:
            raise InputError(f"SpecMaskGIT: expected a layer of 0..{layers}, got {layer}. Choose one of these.")
        if condition is None:
            condition = self.condition(torch.zeros(len(codes), self.config.condition_dim))
        stage = Stage(levels=tuple(range(self.config.rows)))
        prepared = self.prepare(codes, codes == self.mask_token, condition, stage)
        if layer is None:
            return self.hidden(codes, prepared, stage)
        columns = frame_positions(codes.shape[2], self.config.dim, codes.device)
        given, bias = prepared["given"], prepared.tensors.get("bias")
        return self._contextual(codes, columns, given, bias, layer).flatten(2)

    def _check_grid(self, codes: Tensor, condition: Condition) -> None:
        rows, items = self.config.rows, len(condition["given"])
        if codes.ndim != 3 or codes.shape[1] != rows or not codes.shape[2]:
            raise InputError(
                f"SpecMaskGIT: expected codes [B, F={rows}, T], got {list(codes.shape)}. "
                "Encode with the codec that this model was trained with."
            )
        if items != len(codes):
            raise InputError(
                f"SpecMaskGIT: expected a condition for {len(codes)} items, as the codes have, got one for {items}. "
                "Build it for the whole batch."
            )


def specmaskgit_plan(
    steps: int = 16,
    temperature: float = 1.0,
    guidance: float = 3.0,
    guidance_end: float | None = None,
    confidence_temperature: float = 4.5,
    top_k: int = 0,
    top_p: float = 1.0,
    guidance_every: int = 1,
    rows: int = 5,
) -> Plan:
    """All rows together in one stage. Steps and schedule are the paper's, the noise is MaskGIT's, guidance is ours.

    As in MaskGIT, every step fixes one cell at least, and one is left to the last.

    Args:
        steps: the paper: no more than 16.
        temperature: divides the logits.
        guidance: null + scale * (cond - null), 1 is off: where everything is masked.
        guidance_end: the scale where nothing is masked any more; None: the same.
        confidence_temperature: scales the noise on log-probabilities that decides which cells stay; it falls to 0.
        top_k, top_p: 0 and 1 are off.
        guidance_every: steps from one pass without condition to the next; above 1 an approximation (`Guidance.every`).
        rows: F, of the model.
    Raises:
        InputError: a setting that has no meaning.
    """
    stage = Stage(
        levels=tuple(range(rows)),
        steps=steps,
        keep_one_masked=True,
        fix_each_step=True,
        sampling=Sampling(temperature=temperature, top_k=top_k, top_p=top_p),
        confidence=Confidence(kind="log_probability", temperature=Linear(confidence_temperature, late=True)),
        guidance=Guidance(scale=guidance, scale_end=guidance_end, every=guidance_every),
    )
    return Plan((stage,))
