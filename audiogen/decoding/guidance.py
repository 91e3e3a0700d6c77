"""Classifier-free guidance: away from what the model says when it ignores the condition.

Papers: Ho & Salimans 2022, arXiv:2207.12598; Lin et al. 2024, arXiv:2305.08891 (rescaling).
One convention everywhere: null + scale * (conditioned - null), so 1 is off. Papers that write
conditioned + w * (conditioned - null) have scale = w + 1.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from audiogen.errors import InputError

SpreadOver = Literal["item", "batch"]


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """How strongly, and on what, guidance acts."""

    scale: float = 1.0
    """1 is off: no second pass is run."""
    scale_end: float | None = None
    """Scale where nothing is left masked; in between it follows the share still masked. None keeps `scale`."""
    rescale: float = 0.0
    """Share, 0..1, to which the result is brought back to the spread that the conditioned pass has."""
    every: int = 1
    """An approximation, off at 1: the second pass is run in the first step of a stage and every so many steps. In those
    between, the condition is taken to make the same difference as in the last one, which leaves one pass.
    """
    on: Literal["logits", "hidden"] = "logits"
    """What is guided: the logits, or the vectors from which the model's head makes them."""
    spread_over: SpreadOver = "item"
    """Where `rescale` takes standard deviations; "batch" is the reference MaskGCT, whose items influence each other."""

    def __post_init__(self) -> None:
        if not 0 <= self.rescale <= 1:
            raise InputError(f"Guidance: expected rescale between 0 (off) and 1, got {self.rescale}. Change the plan.")
        if self.every < 1:
            raise InputError(
                f"Guidance: expected every to be 1 (each step) or more, got {self.every}. Change the plan."
            )
        if self.on not in ("logits", "hidden"):
            raise InputError(f'Guidance: expected on="logits" or on="hidden", got {self.on!r}. Change the plan.')
        if self.spread_over not in ("item", "batch"):
            raise InputError(f'Guidance: expected spread_over="item" or "batch", got {self.spread_over!r}.')

    def scale_at(self, mask_rate: float) -> float:
        """The scale of a step that begins with a share `mask_rate` of the stage still masked."""
        end = self.scale if self.scale_end is None else self.scale_end
        return end + (self.scale - end) * mask_rate


def guide(conditioned: Tensor, null: Tensor, scale: float) -> Tensor:
    """Away from `null`, towards and past `conditioned`; scale 1 gives `conditioned`."""
    return null + scale * (conditioned - null)


def rescale(guided: Tensor, conditioned: Tensor, share: float, target: Tensor, over: SpreadOver) -> Tensor:
    """Bring `guided` back to the spread of `conditioned`, by a share of the way.

    Args:
        guided, conditioned: [B, ..., T, C], hidden vectors or logits.
        share: 0 leaves `guided` as it is, 1 gives it the standard deviation of `conditioned`.
        target: bool, broadcastable to [B, ..., T, 1]: the places that count.
        over: one standard deviation per item, or one for the batch.
    """
    ratio = _spread(conditioned, target, over) / _spread(guided, target, over)
    return share * (guided * ratio) + (1 - share) * guided


def _spread(values: Tensor, target: Tensor, over: SpreadOver) -> Tensor:
    """Unbiased standard deviation of the values at `target`, over all axes (but the first, per item)."""
    axes = tuple(range(0 if over == "batch" else 1, values.ndim))
    counts = target.expand_as(values).sum(dim=axes, keepdim=True)
    mean = values.masked_fill(~target, 0).sum(dim=axes, keepdim=True) / counts.clamp(min=1)
    squares = (values - mean).masked_fill(~target, 0).square().sum(dim=axes, keepdim=True)
    return torch.sqrt(squares / (counts - 1).clamp(min=1)).clamp(min=torch.finfo(values.dtype).tiny)
