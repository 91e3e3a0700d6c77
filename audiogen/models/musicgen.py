"""MusicGen: MAGNeT's autoregressive twin, frame after frame, every level one step behind the coarser one.

Paper: Copet et al. 2023, arXiv:2306.05284. "Codebook interleaving patterns" -> the delay pattern, in which the code of
level k at frame t stands at step 1 + t + k of a sequence of T + K steps; all other cells hold the special token V.
Behaviour and parameter names are those of the official checkpoints (golden magnet SPEC 3 and 10). The network is
`audiogen.models.conditioned`; this file adds that a step sees only those before it.
Shapes: B batch, K levels, T frames, S steps of a sequence, s steps of a part of it, V vocab_size, L text positions.

The reference's teacher forcing feeds only the first T + 1 steps, and so predicts no code of level k in the last k
frames; ours feeds all of them. Where both predict they say the same, since a step sees none after it: the reference's
cells are `DelayPattern(K).within(T, T + 1)`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.decoding.condition import Condition
from audiogen.decoding.delay import DelayPattern
from audiogen.errors import InputError
from audiogen.models.conditioned import ConditionedConfig, ConditionedTransformer
from audiogen.nn.conditioned import Cache, hide


@dataclass(frozen=True, kw_only=True)
class MusicGenConfig(ConditionedConfig):
    """Defaults: facebook/musicgen-small."""


class MusicGen(ConditionedTransformer):
    """Codes -> logits of each code given those before it."""

    @property
    def pattern(self) -> DelayPattern:
        return DelayPattern(self.config.levels)

    def logits(self, codes: Tensor, condition: Condition) -> Tensor:
        """Of every code, given the codes at earlier steps of the delay pattern; for training and rescoring.

        Args:
            codes: [B, K, T] int64; V where a code is not known.
            condition: from `condition()`.
        Returns:
            [B, K, T, V] logits.
        Raises:
            InputError: a grid or condition that does not fit the model.
        """
        sequence = self.pattern.delayed(codes, self.mask_token)
        return self.pattern.predictions(self.sequence_logits(sequence, condition), codes.shape[2])

    def sequence_logits(self, sequence: Tensor, condition: Condition) -> Tensor:
        """Of the codes that follow each step of a delayed sequence: [B, K, S] -> [B, K, S, V]."""
        self.check_codes(sequence, condition)
        hidden = self.contextual(sequence, self.ready(condition), self.causal_bias(0, sequence))
        return self.scores(hidden, range(self.config.levels))

    def causal_bias(self, start: int, sequence: Tensor) -> Tensor | None:
        """What hides later steps, when `sequence` [B, K, s] follows `start` others: [s, start + s], None for s = 1."""
        count = sequence.shape[2]
        if count == 1:
            return None
        steps = torch.arange(start + count, device=sequence.device)
        return hide(steps <= steps[start:, None], self.dtype)

    def start(self, condition: Condition, batch: int) -> "MusicGenStream":
        """A stream of `batch` items that has seen nothing yet; one item's condition serves any number.

        Raises:
            InputError: a condition for several items, but not for `batch`.
        """
        given = len(condition["memory"])
        if given not in (1, batch):
            raise InputError(
                f"MusicGen: expected a condition for {batch} items, got one for {given}. Build it for the whole batch."
            )
        tensors = {name: tensor.expand(batch, *tensor.shape[1:]) for name, tensor in condition.tensors.items()}
        return MusicGenStream(self, self.ready(Condition(tensors)))


class MusicGenStream:
    """A sequence in the making: it holds the keys and values of the steps so far, the model keeps nothing."""

    def __init__(self, model: MusicGen, condition: Condition):
        self._model = model
        self._condition = condition
        self._caches = [Cache() for _ in range(model.config.layers)]

    @property
    def length(self) -> int:
        """Steps so far."""
        return self._caches[0].length

    @torch.no_grad()
    def __call__(self, sequence: Tensor) -> Tensor:
        """The next steps of the delayed sequence [B, K, s] -> logits of the codes that follow each, [B, K, s, V].

        Raises:
            InputError: codes of other levels, or of another batch than the stream was started for.
        """
        model = self._model
        model.check_codes(sequence, self._condition)
        bias = model.causal_bias(self.length, sequence)
        hidden = model.contextual(sequence, self._condition, bias, self._caches)
        return model.scores(hidden, range(model.config.levels))
