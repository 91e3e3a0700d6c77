"""What a training step hides, in the reference's random order, and the loss on it.

MaskGCT's corruption: golden maskgct SPEC 6; VampNet's: golden vampnet SPEC 7; MAGNeT's and its twin's loss: golden
magnet SPEC 9 and 10; SpecMaskGIT's is MaskGIT's (arXiv:2202.04200, "MVTM in Training"). The mask rate is the curve
that decoding follows (`audiogen.decoding.schedule.mask_rate`). All randomness comes from the generator or the seed that
is passed in.
Shapes: B batch, K levels, T frames (of the padded batch), V vocab_size.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from audiogen.decoding.confidence import least_confident
from audiogen.decoding.plan import Stage
from audiogen.decoding.schedule import mask_rate
from audiogen.errors import InputError, nearest

SMALLEST_TIME = 1e-5
SEMANTIC_RATE_FLOOR = 0.2
"""Text to semantic never hides less than this share on average; semantic to acoustic has no floor."""


@dataclass(frozen=True)
class MaskDraw:
    """What one training step hides."""

    stage: Stage  # names the level that is predicted
    time: Tensor  # [B] diffusion time
    rate: Tensor  # [B] probability of hiding a cell
    prompt_length: Tensor  # [B] frames at the start that are kept whole
    mask: Tensor  # [B, K, T] bool, True = hidden from the model

    def to(self, device: torch.device | str) -> "MaskDraw":
        """The same draw on another device; draws are made on the CPU, whose random stream is the same everywhere."""
        moved = {name: getattr(self, name).to(device) for name in ("time", "rate", "prompt_length", "mask")}
        return replace(self, **moved)

    def scored(self, valid: Tensor | None = None) -> Tensor:
        """[B, 1, T] bool: cells of the predicted level that count in the loss; `valid` [B, T] leaves out padding."""
        scored = self.mask[:, self.stage.levels]
        return scored if valid is None else scored & valid[:, None].bool()


def draw_semantic_mask(batch: int, frames: int, generator: Generator, prompt_dropout: float = 0.15) -> MaskDraw:
    """Text to semantic: `batch` items of `frames` frames; `prompt_dropout` is the chance that nobody gets a prompt."""
    time = _draw_time(batch, generator)
    rate = mask_rate(time).clamp(min=SEMANTIC_RATE_FLOOR)
    prompt = _draw_prompt(batch, frames, int(0.4 * frames), generator, prompt_dropout)
    mask = _draw_cells(rate, prompt, frames, generator)
    return MaskDraw(Stage(levels=(0,)), time, rate, prompt, mask[:, None])


def draw_acoustic_mask(
    batch: int,
    frames: int,
    levels: int,
    generator: Generator,
    prompt_dropout: float = 0.15,
    level_schedule: str = "linear",
    first_level: Literal[0, 1] = 0,
) -> MaskDraw:
    """Semantic to acoustic: one level for the whole batch; levels below it are shown, those above only in the prompt.

    `first_level` is 1 for a model that leaves level 0 to another one (the official 12-level model).
    """
    time = _draw_time(batch, generator)
    level = draw_level(levels, generator, level_schedule, first_level)
    rate = mask_rate(time)
    prompt = _draw_prompt(batch, frames, frames // 2, generator, prompt_dropout)
    mask = torch.zeros(batch, levels, frames, dtype=torch.bool)
    mask[:, level] = _draw_cells(rate, prompt, frames, generator)
    mask[:, level + 1 :] = _after_prompt(prompt, frames)[:, None]
    return MaskDraw(Stage(levels=(level,)), time, rate, prompt, mask)


def draw_level(levels: int, generator: Generator, schedule: str = "linear", first_level: Literal[0, 1] = 0) -> int:
    """The level that a step trains. Coarser levels are drawn more often, but for "uniform" (golden maskgct SPEC 6.2).

    Raises:
        InputError: an unknown schedule, or no level to draw.
    """
    if levels <= first_level:
        raise InputError(f"draw_level: expected more than {first_level} levels, got {levels}. Train level 0 as well.")
    rank = torch.arange(levels - first_level)
    if schedule == "uniform":
        return int(torch.randint(first_level, levels, (1,), generator=generator))
    if schedule == "linear":
        weights = (levels - rank).float()
        weights = weights / weights.sum()
    elif schedule == "cosine":
        weights = torch.cos(rank.double() / levels * (math.pi / 2))
    else:
        known = nearest(schedule, ("linear", "cosine", "uniform"))
        raise InputError(f"draw_level: expected a schedule out of {known}, got {schedule!r}. Change the configuration.")
    weights = torch.cat((weights.new_zeros(first_level), weights))
    return int(torch.multinomial(weights, 1, generator=generator))


def _draw_time(batch: int, generator: Generator) -> Tensor:
    return torch.rand(batch, generator=generator).clamp(SMALLEST_TIME, 1.0)


def _draw_prompt(batch: int, frames: int, longest: int, generator: Generator, dropout: float) -> Tensor:
    """Prompt lengths [B], below `longest`; one draw decides for the whole batch whether there are prompts at all."""
    if not bool(torch.rand(1, generator=generator) > dropout):
        return torch.zeros(batch, dtype=torch.int64)
    shortest = min(frames // 4, 5)
    return torch.randint(shortest, max(longest, shortest + 1), (batch,), generator=generator)


def _draw_cells(rate: Tensor, prompt: Tensor, frames: int, generator: Generator) -> Tensor:
    """[B, T] bool: cells after the prompt, each hidden with probability `rate` [B]; at least one per item."""
    drawn = torch.bernoulli(rate[:, None].repeat(1, frames), generator=generator).bool()
    mask = drawn & _after_prompt(prompt, frames)
    first = torch.arange(frames) == prompt[:, None]
    return mask | (first & ~mask.any(dim=1, keepdim=True))


def _after_prompt(prompt: Tensor, frames: int) -> Tensor:
    """[B, T] bool: frames from `prompt` [B] on."""
    return torch.arange(frames) >= prompt[:, None]


def sobol(batch: int, step: int, seed: int) -> Tensor:
    """What share of each item a training step shows, [B] in 0..1 (VampNet's r).

    A scrambled Sobol sequence over all items of all steps, which covers 0..1 more evenly than independent draws.
    """
    sequence = torch.quasirandom.SobolEngine(1, scramble=True, seed=seed)
    return sequence.fast_forward(step * batch).draw(batch)[:, 0]


def draw_cell_mask(shown: Tensor, levels: int, frames: int, generator: Generator, condition_levels: int = 0) -> Tensor:
    """VampNet: cells of all levels together, each hidden with probability cos(shown * pi / 2).

    Args:
        shown: [B] in 0..1, from `sobol`; 0 hides everything.
        condition_levels: the first levels, which are never hidden.
    Returns:
        [B, K, T] bool, True = hidden from the model.
    """
    rate = mask_rate(1 - shown)[:, None, None].expand(-1, levels, frames)
    mask = torch.bernoulli(rate, generator=generator).bool()
    mask[:, :condition_levels] = False
    return mask


def draw_grid_mask(rate: Tensor, places: Tensor, generator: Generator) -> Tensor:
    """SpecMaskGIT: a share `rate` [B] of each item's `places` [B, K, T] bool, rounded, one at least; [B, K, T] bool."""
    counts = (rate * places.flatten(1).sum(dim=1)).round().long().clamp(min=1)
    return least_confident(torch.rand(places.shape, generator=generator), places, counts)


@cache
def span_starts(frames: int, span: int) -> Tensor:
    """How many spans hide 0, 1, .. 100 % of `frames` frames on average, [101] int64.

    `u` different starts, at any frames, leave a share C(frames - span, u) / C(frames, u) uncovered.
    """
    taken = torch.arange(frames - 1, dtype=torch.float64)
    uncovered = torch.cumprod((frames - span - taken).clamp(min=0) / (frames - taken), dim=0)
    covered = F.pad(1 - uncovered, (1, 0))
    return torch.searchsorted(covered, torch.arange(101, dtype=torch.float64) / 100)


def draw_span_mask(rate: Tensor, frames: int, span: int, generator: Generator) -> Tensor:
    """Spans that start anywhere and may overlap, so many that about a share `rate` [B] is hidden: [B, T] bool."""
    if span == 1:
        count = (frames * rate).round()
    else:
        count = span_starts(frames, span)[(100 * rate).round().long()]
    # positions whose argsort is small, not those with the smallest numbers: as likely, and the reference's choice
    order = torch.rand(len(rate), frames, generator=generator).argsort(dim=1)
    starts = order < count.clamp(min=1)[:, None]
    return F.pad(starts, (span - 1, 0)).unfold(1, span, 1).any(dim=-1)


def draw_magnet_mask(batch: int, frames: int, levels: int, level: int, span: int, generator: Generator) -> MaskDraw:
    """MAGNeT: spans of one level for the whole batch (`draw_level`, "uniform"), and all of the levels above it."""
    time = 1 - torch.rand(batch, generator=generator)
    rate = mask_rate(time)
    mask = torch.zeros(batch, levels, frames, dtype=torch.bool)
    mask[:, level] = draw_span_mask(rate, frames, span, generator)
    mask[:, level + 1 :] = True
    return MaskDraw(Stage(levels=(level,)), time, rate, torch.zeros(batch, dtype=torch.int64), mask)


def masked_cross_entropy(logits: Tensor, targets: Tensor, mask: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean negative log-likelihood over the cells of `mask`, in float32; 0 when there are none.

    Args:
        logits: [B, K, T, V].
        targets: [B, K, T] int64, the true codes.
        mask: [B, K, T] bool, the cells that count.
        label_smoothing: share of the target that is spread evenly over the vocabulary.
    """
    total = F.cross_entropy(logits[mask].float(), targets[mask], reduction="sum", label_smoothing=label_smoothing)
    return total / mask.sum().clamp(min=1)


def cross_entropy_per_level(logits: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """`masked_cross_entropy` of each level by itself, [K]; their mean weighs all levels alike (MusicGen's loss)."""
    levels = zip(*(x.split(1, dim=1) for x in (logits, targets, mask)), strict=True)
    return torch.stack([masked_cross_entropy(*level) for level in levels])
