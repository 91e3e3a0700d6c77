"""Rescoring: a second opinion on which of the drawn tokens are worth keeping.

Paper: Ziv et al. 2024, arXiv:2401.04577 (MAGNeT), "Model rescorer" (golden magnet SPEC 11). The tokens of a pass are
drawn as ever; what ranks them becomes p = w * p_rescorer + (1 - w) * p_model. The paper's w is our 1 - w.
Who may give the second opinion: `audiogen.decoding.rescorers`.
Shapes: B batch, K levels, k levels of the stage, T frames.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.decoding.plan import Stage
from audiogen.decoding.schedule import Setting, progress_at, value_at
from audiogen.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A pass whose tokens are drawn, but not chosen among yet."""

    stage: Stage
    index: int
    """Of the pass in its stage, from 0."""
    mask: Tensor
    """[B, K, T] bool, the cells to be generated in this request."""
    seen: Tensor
    """[B, K, T] int64, what the model saw: the mask token where nothing was known."""
    filled: Tensor
    """[B, K, T] int64, the same with every token that was drawn; levels of later stages hold the mask token."""

    @property
    def time(self) -> Tensor:
        """[B], as `MaskedModel.hidden` gets it."""
        return torch.full((len(self.seen),), 1 - progress_at(self.index, self.stage.steps), device=self.seen.device)


Rescorer = Callable[[Draft], Tensor]
"""The probabilities [B, k, T] of what stands in the cells of the stage's levels in `Draft.filled`."""


@dataclass(frozen=True)
class Rescoring:
    """Who else ranks the tokens, and how much that counts."""

    rescorer: Rescorer
    weight: Setting = 0.5
    """w: 0 is off, and costs nothing; 1 ranks by the rescorer alone."""
    steps: int | None = None
    """Passes of every stage that are rescored, from its first; None: all. Never the last, which keeps everything."""

    def __post_init__(self) -> None:
        if not all(0 <= value_at(self.weight, step, 1) <= 1 for step in (0, 1)):
            raise InputError(f"Rescoring: expected a weight between 0 (off) and 1, got {self.weight}.")
        if self.steps is not None and self.steps < 0:
            raise InputError(f"Rescoring: expected steps of 0 (off) or more, or None (all), got {self.steps}.")

    def weight_at(self, stage: Stage, index: int) -> float:
        """w in pass `index` (0-based) of `stage`."""
        count = stage.steps - 1 if self.steps is None else min(self.steps, stage.steps - 1)
        return value_at(self.weight, index, stage.steps) if index < count else 0.0

    def mix(self, confidence: Tensor, cells: Tensor, draft: Draft) -> Tensor:
        """The confidence [B, k, T] after rescoring; that of `cells` [B, k, T] changes, in which tokens were drawn."""
        weight = self.weight_at(draft.stage, draft.index)
        if weight == 0:
            return confidence
        logarithmic = draft.stage.confidence.kind == "log_probability"
        own = confidence.exp() if logarithmic else confidence
        mixed = weight * self.rescorer(draft) + (1 - weight) * own
        if logarithmic:  # no -inf: sums over spans must stay comparable
            mixed = mixed.clamp(min=torch.finfo(mixed.dtype).tiny).log()
        return torch.where(cells, mixed, confidence)
