"""MAGNeT: music from a text by masked generation, level by level, spans of three frames at a time.

Paper: Ziv et al. 2024, arXiv:2401.04577. "Restricted context" -> `context`: at levels above 0 a frame attends only to
its neighbours, since finer levels describe fine detail. Behaviour and parameter names are those of the official
checkpoints (golden magnet SPEC 3 and 6). The network is `audiogen.nn.conditioned`; here is which frames see which.
Ours, off in official use: padded frames in a batch (`valid`).
Shapes: B batch, K levels, k levels of the stage, T frames, V vocab_size, L text positions, D width, H heads.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.decoding.condition import Condition
from audiogen.decoding.plan import Stage
from audiogen.errors import InputError
from audiogen.nn.conditioned import ConditionedConfig, ConditionedTransformer, hide


@dataclass(frozen=True, kw_only=True)
class MagnetConfig(ConditionedConfig):
    """Defaults: facebook/magnet-small-10secs."""

    context: int = 5
    """Frames each side that levels above 0 attend to: 5 frames are 100 ms at 50 Hz. -1: all frames."""
    span: int = 3
    """Frames that were masked together in training."""
    frame_rate: float = 50.0
    """Hz, of the codec's codes."""


class Magnet(ConditionedTransformer):
    """A grid of codes with holes -> logits of what is in the holes. A `MaskedModel` for `audiogen.decoding.decode`."""

    config: MagnetConfig

    def __init__(self, config: MagnetConfig):
        super().__init__(config)

    @property
    def mask_token(self) -> int:
        return self.config.vocab_size

    def condition(self, text_states: Tensor, text_mask: Tensor, valid: Tensor | None = None) -> Condition:
        """What generation depends on besides the given cells.

        Args:
            text_states: [B, L, condition_dim], the text encoder's.
            text_mask: [B, L], False (0) on padding, and everywhere on an item without text.
            valid: [B, T] bool, False on padded frames at the end; None: no padding.
        Raises:
            InputError: states of another width, or a mask of another shape.
        """
        condition = super().condition(text_states, text_mask)
        return condition if valid is None else condition.update({"valid": valid.bool()})

    def prepare(self, codes: Tensor, mask: Tensor, condition: Condition, stage: Stage) -> Condition:
        """`condition` with who sees whom, the same in every pass; the stage's first level decides about `context`."""
        self.check_codes(codes, condition)
        valid = condition["valid"] if "valid" in condition else torch.ones_like(codes[:, 0], dtype=torch.bool)
        restricted = stage.levels[0] > 0 and self.config.context >= 0
        if not restricted and bool(valid.all()):
            return self.ready(condition)
        frames = torch.arange(codes.shape[2], device=codes.device)
        distance = (frames[:, None] - frames).abs()
        near = distance <= (self.config.context if restricted else len(frames))
        allowed = near & valid[:, None] | (distance == 0)  # padding sees itself, since nobody may see nothing
        return self.ready(condition).update({"bias": hide(allowed, self.dtype)[:, None]})

    def hidden(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor | None = None) -> Tensor:
        """Contextual vectors [B, T, D]; `condition` as `prepare` returns it. The model does not see the `time`."""
        return self.contextual(codes, condition, condition.tensors.get("bias"))

    def head(self, hidden: Tensor, stage: Stage) -> Tensor:
        """[B, T, D] -> logits [B, k, T, V] of the levels that `stage` generates."""
        if max(stage.levels) >= self.config.levels:
            raise InputError(
                f"Magnet: expected a stage of the levels 0..{self.config.levels - 1}, got {stage.levels}. "
                "Change the plan, or use a model with more levels."
            )
        return self.scores(hidden, stage.levels)

    def logits(self, codes: Tensor, condition: Condition, stage: Stage) -> Tensor:
        """One pass from codes to logits, for training and inspection.

        Args:
            codes: [B, K, T] int64, the mask token V where the code is hidden.
            condition: from `condition()`.
            stage: names the levels to compute; its first level decides about restricted context.
        Returns:
            [B, k, T, V] logits.
        Raises:
            InputError: a grid, condition or stage that does not fit the model.
        """
        prepared = self.prepare(codes, codes == self.mask_token, condition, stage)
        return self.head(self.hidden(codes, prepared, stage), stage)
