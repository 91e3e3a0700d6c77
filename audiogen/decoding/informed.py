"""A model that is told what else speaks for a code in a cell: p is the model's, times exp(evidence), made to sum to 1.

Shapes: B batch, K levels, k levels of the stage, T frames, M frames that logits are asked of, V vocab_size, D width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.decoding.condition import Condition
from audiogen.decoding.decoder import MaskedModel
from audiogen.decoding.plan import Stage


@dataclass(frozen=True)
class Informed:
    """A `MaskedModel` for `decode`; guidance acts on what the model says alone."""

    model: MaskedModel
    evidence: Tensor
    """[B, K, T, V] float32, log-likelihoods up to a constant of each cell; 0 where nothing else is known."""

    @property
    def mask_token(self) -> int:
        """As in `MaskedModel`."""
        return self.model.mask_token

    def prepare(self, codes: Tensor, mask: Tensor, condition: Condition, stage: Stage) -> Condition:
        """As in `MaskedModel`."""
        return self.model.prepare(codes, mask, condition, stage)

    def hidden(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor) -> Tensor:
        """[B, T, D + k * V]: vectors, and behind them what `head` adds to their logits."""
        vectors = self.model.hidden(codes, condition, stage, time)
        told = self.evidence[:, list(stage.levels)].transpose(1, 2).flatten(2)
        return torch.cat((vectors.float(), told.repeat(len(vectors) // len(told), 1, 1)), dim=-1)

    def head(self, hidden: Tensor, stage: Stage) -> Tensor:
        """As in `MaskedModel`."""
        size = len(stage.levels) * self.evidence.shape[-1]
        vectors, told = hidden.split((hidden.shape[-1] - size, size), dim=-1)
        logits = self.model.head(vectors, stage)
        return logits.float() + told.unflatten(2, (len(stage.levels), -1)).transpose(1, 2)
