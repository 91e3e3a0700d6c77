"""Which units are sure enough to be kept: what ranks them, and the choice of those that are masked again.

Shapes: B batch, K levels of the stage, T frames, U units per level, N cells, V vocab_size.
A unit is `span` neighbouring frames of one level (span 1: a cell); they are fixed and masked together. Overlapping
spans are no units but ways to choose cells.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.decoding.schedule import Setting
from audiogen.errors import InputError

CERTAIN = 1e4
"""Log-probability, if that were possible, that fixed cells add to a span: spans with fewer of them come first."""


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """What ranks the units of a stage."""

    kind: Literal["probability", "log_probability"] = "probability"
    """Of the drawn token. It matters where noise is added, or where spans are summed."""
    temperature: Setting = 0.0
    """Scales the Gumbel noise that is added; 0 draws none."""
    filtered: bool = True
    """The probability is taken among the tokens that may be drawn, rather than among all."""
    tempered: bool = True
    """The probability is taken after the sampling temperature, rather than before."""
    over_span: Literal["max", "sum"] = "max"
    """A span of several cells is as sure as its surest cell, or as all of them together."""

    def __post_init__(self) -> None:
        if self.kind not in ("probability", "log_probability"):
            raise InputError(f'Confidence: expected kind="probability" or "log_probability", got {self.kind!r}.')
        if self.over_span not in ("max", "sum"):
            raise InputError(f'Confidence: expected over_span="max" or "sum", got {self.over_span!r}.')


def log_probability(logits: Tensor, tokens: Tensor) -> Tensor:
    """Of `tokens` [N] under softmax(logits [N, V]), [N]."""
    return logits.log_softmax(dim=-1).gather(-1, tokens[:, None])[:, 0]


def any_in_unit(cells: Tensor, span: int) -> Tensor:
    """Bool cells [B, K, T] -> units [B, K, U], U = ceil(T / span): True where any cell is."""
    return _by_unit(cells, span, fill=False).any(dim=-1)


def cells_of(units: Tensor, span: int, frames: int) -> Tensor:
    """Units [B, K, U] -> cells [B, K, T]."""
    return units.repeat_interleave(span, dim=-1)[..., :frames]


def of_units(confidence: Tensor, cells: Tensor, span: int, over_span: str) -> Tensor:
    """Confidence of cells [B, K, T] -> of units [B, K, U]; only `cells` [B, K, T] count."""
    if over_span == "max":
        return _by_unit(confidence.masked_fill(~cells, -math.inf), span, fill=-math.inf).amax(dim=-1)
    return _by_unit(confidence.masked_fill(~cells, 0.0), span, fill=0.0).sum(dim=-1)


def _by_unit(values: Tensor, span: int, fill: float) -> Tensor:
    """[B, K, T] -> [B, K, U, span]."""
    short = -values.shape[-1] % span
    return F.pad(values, (0, short), value=fill).unflatten(-1, (-1, span))


def least_confident(confidence: Tensor, masked: Tensor, counts: Tensor) -> Tensor:
    """The `counts` [B] least confident of each item's `masked` units, [B, K, U] bool. Ties: the earlier unit."""
    ranked = confidence.masked_fill(~masked, math.inf)
    return (_ranks(ranked) < counts[:, None, None]) & masked


def least_confident_spans(confidence: Tensor, masked: Tensor, valid: Tensor, counts: Tensor, span: int) -> Tensor:
    """The cells under the least confident spans, which start at every frame and overlap.

    Source: golden magnet SPEC 7. The union of the spans has about `counts` [B] cells, up to a span more or fewer. Cells
    that are not masked any more may be among them: how else would a span cover a hole that is smaller than itself?

    Args:
        confidence: [B, K, T] of cells, whose sum is that of a span; what is not `masked` counts as `CERTAIN`.
        masked: [B, K, T] bool.
        valid: [B, K, T] bool; spans do not reach beyond it.
        counts: [B]; 0 chooses nothing.
        span: frames of a span.
    Returns:
        [B, K, T] bool.
    """
    cells = torch.where(masked, confidence, CERTAIN).masked_fill(~valid, math.inf)
    short = max(0, span - cells.shape[-1])
    spans = F.pad(cells, (0, short), value=math.inf).unfold(-1, span, 1).sum(dim=-1)
    around = F.pad(_ranks(spans), (span - 1, span - 1), value=spans[0].numel())
    first = around.unfold(-1, span, 1).amin(dim=-1)[..., : cells.shape[-1]]  # rank of the first span over each cell
    every = torch.arange(spans[0].numel() + 1, device=first.device).expand(len(first), -1).contiguous()
    covered = torch.searchsorted(first.flatten(1).sort(dim=1).values, every).tolist()
    taken = [_spans_over(count, by, span) for count, by in zip(counts.tolist(), covered, strict=True)]
    return first < torch.tensor(taken, device=first.device)[:, None, None]


def _spans_over(count: int, covered: list[int], span: int) -> int:
    """How many spans to take so that they cover about `count` cells; the first n cover `covered[n]`.

    The reference bisects, rounds halves to even numbers, and stays with the last number it has tried.
    """
    if count == 0:
        return 0
    count = max(count, span)
    low, high = count // span, min(count - span + 1, len(covered) - 1)
    taken = middle = round((low + high) / 2)
    while low < middle < high:
        taken = middle
        low, high = (low, middle) if covered[middle] > count else (middle, high)
        middle = round((low + high) / 2)
    return taken


def _ranks(values: Tensor) -> Tensor:
    """The place of each value in its item [B, ...], 0 for the smallest. Ties: the earlier one."""
    order = values.flatten(1).argsort(dim=1, stable=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).view_as(values)
