"""What happened in a decode: a report after every pass, and the record of when each cell was fixed.

Shapes: B batch, K levels, k levels of the stage, T frames.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.decoding.plan import Stage


@dataclass(frozen=True)
class Step:
    """One decoder pass, as `on_step` gets it."""

    stage: Stage
    index: int
    """Of this pass in its stage, from 0."""
    number: int
    """Of this pass in the plan, from 0. Stages that finish early, or have nothing to do, leave numbers out."""
    planned: int
    """Passes in the plan, at most."""
    tokens: Tensor
    """[B, k, T] int64, drawn in this pass; the mask token where none was drawn."""
    confidence: Tensor
    """[B, k, T] what ranks cells, before noise, 0 where no token was drawn."""
    ranking: Tensor
    """[B, k, U] what ranked the units, noise included; -inf where no token was drawn."""
    before: Tensor
    """[B, k, T] bool, masked before this pass."""
    after: Tensor
    """[B, k, T] bool, masked after it."""
    codes: Tensor
    """[B, K, T] int64 after it, the mask token where masked."""

    @property
    def fixed(self) -> Tensor:
        """[B, k, T] bool: the cells that this pass fixed."""
        return self.before & ~self.after


@dataclass(frozen=True)
class Trace:
    """The pass at which each cell was fixed, and how sure the model was of it. Fill it with `on_step=trace.record`."""

    step: Tensor
    """[B, K, T] int64, `Step.number`; -1 on cells that were given."""
    confidence: Tensor
    """[B, K, T] float32, `Step.confidence` when the cell was fixed; NaN on cells that were given."""

    @classmethod
    def like(cls, codes: Tensor) -> "Trace":
        """An empty record of a grid [B, K, T]."""
        return cls(torch.full_like(codes, -1), torch.full_like(codes, float("nan"), dtype=torch.float32))

    def insert(self, part: "Trace", frames: Tensor, first_pass: int = 0) -> None:
        """Note the cells that were fixed in a decode of the first levels of `frames` [W] alone.

        Args:
            part: its record, [B, k, W].
            first_pass: what its pass 0 is here.
        """
        levels, fixed = slice(part.step.shape[1]), part.step >= 0
        for whole, found in ((self.step, part.step + first_pass), (self.confidence, part.confidence)):
            whole[:, levels, frames] = torch.where(fixed, found, whole[:, levels, frames])

    def items(self) -> list["Trace"]:
        """The records [1, K, T] of single items, on the CPU."""
        return [Trace(self.step[[row]].cpu(), self.confidence[[row]].cpu()) for row in range(len(self.step))]

    def record(self, step: Step) -> None:
        """Note the cells that `step` fixed."""
        for row, level in enumerate(step.stage.levels):
            fixed = step.fixed[:, row]
            self.step[:, level][fixed] = step.number
            self.confidence[:, level][fixed] = step.confidence[:, row][fixed].float()
