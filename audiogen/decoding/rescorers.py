"""Who may give the second opinion of `audiogen.decoding.rescoring`: another model, of either kind.

Paper: Ziv et al. 2024, arXiv:2401.04577 (MAGNeT), "Model rescorer". Temperature and guidance of the second model are
not in the paper; at their defaults, 1, it is read as it was trained.
Shapes: B batch, K levels, k levels of the stage, T frames, V vocab_size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from audiogen.decoding.condition import Condition
from audiogen.decoding.decoder import MaskedModel
from audiogen.decoding.guidance import guide
from audiogen.decoding.rescoring import Draft
from audiogen.errors import InputError


class CausalModel(Protocol):
    """What rescoring asks of an autoregressive network."""

    def logits(self, codes: Tensor, condition: Condition) -> Tensor:
        """[B, K, T] codes, the mask token where not known -> [B, K, T, V] of each code, given those before it."""
        ...


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """How the second model is read."""

    condition: Condition
    """From the second model's `condition()`, for the same items."""
    temperature: float = 1.0
    """Divides the logits."""
    guidance_scale: float = 1.0
    """1 is off: no second pass is run."""

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise InputError(f"Rescorer: expected a temperature above 0, got {self.temperature}.")

    def probability(self, logits_of: Callable[[Condition], Tensor], condition: Condition, tokens: Tensor) -> Tensor:
        """Of `tokens` [B, k, T] under the guided logits [B, k, T, V]; 0 for mask tokens, which nobody predicts."""
        logits = logits_of(condition).float()
        if self.guidance_scale != 1:
            logits = guide(logits, logits_of(condition.null()).float(), self.guidance_scale)
        probabilities = (logits / self.temperature).softmax(dim=-1)
        known = tokens < logits.shape[-1]
        found = probabilities.gather(-1, tokens.masked_fill(~known, 0)[..., None])[..., 0]
        return found.masked_fill(~known, 0.0)


@dataclass(frozen=True, kw_only=True)
class CausalRescorer(_Reading):
    """An autoregressive model reads the filled grid once, teacher-forced: a code is judged by those before it.

    It sees its special token in the levels that are to come.
    """

    model: CausalModel

    @torch.no_grad()
    def __call__(self, draft: Draft) -> Tensor:
        """As `Rescorer`."""
        levels = draft.stage.levels

        def logits_of(condition: Condition) -> Tensor:
            return self.model.logits(draft.filled, condition)[:, levels]

        return self.probability(logits_of, self.condition, draft.filled[:, levels])


@dataclass(frozen=True, kw_only=True)
class MaskedRescorer(_Reading):
    """Another masked model, a larger one for instance: how probable it finds the tokens where it sees masks, too.

    It is shown the masked grid, not the filled one: masked models learn nothing about codes that they see.
    """

    model: MaskedModel

    @torch.no_grad()
    def __call__(self, draft: Draft) -> Tensor:
        """As `Rescorer`."""
        prepared = self.model.prepare(draft.seen, draft.mask, self.condition, draft.stage)

        def logits_of(condition: Condition) -> Tensor:
            return self.model.head(self.model.hidden(draft.seen, condition, draft.stage, draft.time), draft.stage)

        return self.probability(logits_of, prepared, draft.filled[:, draft.stage.levels])


@torch.no_grad()
def log_likelihood(model: CausalModel, codes: Tensor, condition: Condition) -> Tensor:
    """Mean log-probability [B] of the codes [B, K, T], each given those before it: a score of whole candidates."""
    log_probability = model.logits(codes, condition).float().log_softmax(dim=-1)
    return log_probability.gather(-1, codes[..., None])[..., 0].mean(dim=(1, 2))
