"""`MusicSettings`: everything that is asked of `Music` for one piece, as plain values.

Shapes: K levels.
"""

from dataclasses import dataclass
from typing import Any

from audiogen.checkpoints.musicgen import MagnetDecoding
from audiogen.decoding import Plan
from audiogen.errors import InputError
from audiogen.pipelines.take import MAX_SEED, Limits, check_limits

MOST_SECONDS = 3600.0
LIMITS: Limits = {
    "seconds": (0, MOST_SECONDS),
    "seed": (0, MAX_SEED),
    "hybrid": (0, MOST_SECONDS),
    "rescore": (0, 1),
    "rescore_steps": (0, 1000),
    "temperature": (1e-3, 100),
    "top_p": (1e-3, 1),
    "top_k": (0, 2**20),
}
"""Of `MusicSettings`."""
STEPS, GUIDANCE = (1, 1000), (0.0, 100.0)
"""Limits of each of these numbers."""
KEEP_ALL = "everything()"


@dataclass(frozen=True, kw_only=True)
class MusicSettings:
    """One piece of music, as plain values: what the sidecar keeps and `replay` repeats.

    A piece begins with what is kept of its input, if it has one, and `seconds` of new sound follow. None stands for
    what the model comes with.

    Raises:
        InputError: a number outside of LIMITS, or settings that exclude each other.
    """

    text: str
    """The caption; "" for music of any kind: the model is then asked without condition."""
    seconds: float = 10.0
    """New sound behind the input; the length of the piece where there is no input; 0 only changes the input."""
    seed: int = 0
    prompt: str = KEEP_ALL
    """What is kept of the input, as `audiogen.prompts.parse` reads it."""
    keep_original: bool = False
    """Where all levels are kept the result has the input's own samples, instead of decoded ones."""
    hybrid: float = 0.0
    """The first seconds of what is new that the autoregressive twin makes; 0: none."""
    rescore: float = 0.0
    """How much the rescorer counts in which codes are kept: 0 is off, 1 is all. (The paper's w is 1 - this.)"""
    rescore_steps: int | None = None
    """First passes of every level that are rescored; None: all."""
    steps: int | tuple[int, ...] | None = None
    """Passes for each level, coarsest first; of one number, the coarsest's, the others follow in proportion."""
    temperature: float | None = None
    """Before the first pass of a level; it falls to 0. Above 1 is bolder."""
    top_p: float | None = None
    """Draw from the most probable codes up to this total probability; 1 is off."""
    top_k: int | None = None
    """Draw from so many most probable codes; 0 is off."""
    guidance: float | tuple[float, float] | None = None
    """How strongly the caption is followed, 1 is off: while nothing is known, and when nearly all is; or throughout."""

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        for name, (least, most) in (("steps", STEPS), ("guidance", GUIDANCE)):
            for number in _several(getattr(self, name)):
                if not least <= number <= most:
                    raise InputError(f"expected {name} in {least}..{most}, got {number}. Change it.")
        if self.seconds and self.hybrid > self.seconds:
            raise InputError(
                f"expected hybrid of at most the {self.seconds:g} seconds that are made, got {self.hybrid:g}. "
                "Ask for more seconds, or for less of them by the twin."
            )

    def plan(self, decoding: MagnetDecoding) -> Plan:
        """How the masked model decodes.

        Raises:
            InputError: steps for more or fewer levels than the model has.
        """
        names = ("temperature", "top_p", "top_k")
        given: dict[str, Any] = {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.guidance is not None:
            scales = _several(self.guidance)
            given["guidance"] = (scales[0], scales[-1])
        if self.steps is not None:
            given["steps"] = _per_level(self.steps, decoding.steps)
        return decoding.plan(**given)


def _several(setting: Any) -> tuple[Any, ...]:
    """A setting that is one number, several, or not given."""
    return () if setting is None else setting if isinstance(setting, tuple) else (setting,)


def _per_level(steps: int | tuple[int, ...], usual: tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(steps, int):
        return tuple(max(1, round(count * steps / usual[0])) for count in usual)
    if len(steps) != len(usual):
        raise InputError(
            f"expected steps for each of the {len(usual)} levels, or one number, got {len(steps)}. "
            f"As the model comes: {','.join(map(str, usual))}"
        )
    return steps
