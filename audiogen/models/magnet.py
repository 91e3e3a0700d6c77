"""MAGNeT: music from a text by masked generation, level by level, spans of three frames at a time.

Paper: Ziv et al. 2024, arXiv:2401.04577. "Restricted context" -> `context`: at levels above 0 a frame attends only to
its neighbours, since finer levels describe fine detail. Behaviour and parameter names are those of the official
checkpoints (golden magnet SPEC 3 and 6). The network is `audiogen.models.conditioned`; here is which frames see which.
Ours, off in official use: padded frames in a batch (`valid`).
Shapes: B batch, K levels, k levels of the stage, T frames, V vocab_size, L text positions, D width, H heads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Self

import torch
from torch import Tensor

from audiogen.decoding.condition import Condition
from audiogen.decoding.confidence import Confidence
from audiogen.decoding.guidance import Guidance
from audiogen.decoding.plan import Plan, Stage
from audiogen.decoding.sampling import Sampling
from audiogen.decoding.schedule import Linear, float32_cosine, stretched
from audiogen.errors import InputError
from audiogen.models.conditioned import ConditionedConfig, ConditionedTransformer
from audiogen.nn.attention import attend, attend_near, hide, near
from audiogen.nn.conditioned import frame_positions
from audiogen.nn.graphs import Graphed


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
        self._run: Callable[..., Tensor] = self._hidden

    def accelerate(self) -> Self:
        """As there; on a GPU, passes are recorded and replayed, too."""
        super().accelerate()
        self._run = Graphed(self._hidden)
        return self

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
        condition = self.ready(condition)
        frames, context = codes.shape[2], self.config.context
        if stage.levels[0] > 0 and 0 <= context < frames:
            return condition.update({"band": hide(near(valid, context), self.dtype)})
        if bool(valid.all()):
            return condition
        itself = torch.eye(frames, dtype=torch.bool, device=codes.device)  # for padding: nobody may see nothing
        return condition.update({"bias": hide(valid[:, None] | itself, self.dtype)[:, None]})

    def hidden(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor | None = None) -> Tensor:
        """Contextual vectors [B, T, D]; `condition` as `prepare` returns it. The model does not see the `time`."""
        positions = frame_positions(codes.shape[2], self.config.dim, codes.device)
        given = [condition.tensors.get(name) for name in ("memory_bias", "bias", "band")]
        return self._run(codes, positions, condition["memory"], *given)

    def _hidden(
        self,
        codes: Tensor,
        positions: Tensor,
        memory: Tensor,
        memory_bias: Tensor | None,
        bias: Tensor | None,
        band: Tensor | None,
    ) -> Tensor:
        sight = partial(attend, bias=bias) if band is None else partial(attend_near, bias=band)
        return self.contextual(self.embed(codes, positions), memory, memory_bias, sight)

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


def magnet_plan(
    steps: Sequence[int] = (20, 10, 10, 10),
    temperature: float = 3.0,
    top_p: float = 0.9,
    top_k: int = 0,
    guidance: tuple[float, float] = (10.0, 1.0),
    guidance_every: int = 1,
    span: int = 3,
    arrangement: Literal["nonoverlap", "stride1"] = "nonoverlap",
    scoring: Literal["max", "prod"] = "max",
    annealed: bool = True,
    greedy_steps: int = 0,
) -> Plan:
    """A stage per level (golden magnet SPEC 6 and 7). Defaults: the official ones for 10 seconds of music.

    Ours differs from the reference where nobody would want what it does: frames behind the last whole span are
    generated too (there the grid is cut, 500 frames to 498); a prompt may be anywhere; top-k and top-p together both
    act; random numbers are drawn for what is to be generated and belong to tokens. To compare codes, cut the grid, draw
    from `GridNoise`, and with top-p set `Sampling.noise_by_rank`. As there, one span at least is left to the last step,
    where the temperature has fallen to 0.01; where guidance ends at 1, that step asks the model once.

    Args:
        steps: of the levels from 0 on; a level without steps must not be asked for.
        temperature: before the first step. It falls to 0 in the last, so that the first has `temperature` * (n-1) / n.
        top_p: among what the temperature leaves; 1 is off.
        top_k: 0 is off. With it, the confidence is taken among the tokens that may be drawn.
        guidance: scale where everything is masked, and where nothing is; 1 is off.
        guidance_every: steps from one pass without text to the next; above 1 an approximation (`Guidance.every`).
        span: frames that are masked together; as in the model's training.
        arrangement: spans side by side, or "stride1": at any frame, overlapping.
        scoring: a span is as sure as its surest cell, or "prod": as all of them together. Overlapping spans always are.
        annealed: False keeps `temperature` in all steps.
        greedy_steps: last steps of every level that take the most probable codes.
    Raises:
        InputError: a setting that has no meaning.
    """
    if scoring not in ("max", "prod"):
        raise InputError(f'magnet_plan: expected scoring="max" or scoring="prod", got {scoring!r}.')
    surest = scoring == "max" and arrangement == "nonoverlap"
    stages = [
        Stage(
            levels=(level,),
            steps=count,
            schedule=stretched(float32_cosine, count),
            span=span,
            arrangement=arrangement,
            keep_one_masked=True,
            sampling=Sampling(
                temperature=Linear(temperature, late=True) if annealed else temperature,
                temperature_floor=0.01,
                top_k=top_k,
                top_p=top_p,
                filter_tempered=True,
                greedy_steps=greedy_steps,
            ),
            confidence=Confidence(kind="log_probability", filtered=top_k > 0, over_span="max" if surest else "sum"),
            guidance=Guidance(scale=guidance[0], scale_end=guidance[1], every=guidance_every),
        )
        for level, count in enumerate(steps)
    ]
    return Plan(tuple(stages))
