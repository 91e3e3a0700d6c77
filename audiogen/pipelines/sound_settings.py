"""`SoundSettings`: everything that is asked of `Sound` for one result, as plain values."""

from dataclasses import dataclass
from typing import Any, Literal

from audiogen.errors import InputError
from audiogen.pipelines.take import MAX_SEED, Limits, check_limits

MOST_SECONDS = 3600.0
LIMITS: Limits = {
    "seconds": (0.1, MOST_SECONDS),
    "seed": (0, MAX_SEED),
    "cutoff": (0, 1e6),
    "strength": (0.01, 1),
    "steps": (1, 1000),
    "temperature": (1e-3, 100),
    "confidence_temperature": (0, 1000),
    "guidance": (0, 100),
    "top_k": (0, 2**20),
    "top_p": (1e-3, 1),
}
"""Of `SoundSettings`."""
PLAN = ("steps", "temperature", "confidence_temperature", "guidance", "top_k", "top_p")
"""Settings that are arguments of `audiogen.models.specmaskgit.specmaskgit_plan`."""
Task = Literal["make", "inpaint", "extend", "vary"]


@dataclass(frozen=True, kw_only=True)
class SoundSettings:
    """One sound, as plain values: what the sidecar keeps and `replay` repeats.

    None stands for what the model comes with, where nothing else is said.

    Raises:
        InputError: a number outside of LIMITS, or settings that exclude each other.
    """

    task: Task = "make"
    """A new sound; regions of a sound made anew; its missing upper band; or a variation of it."""
    text: str | None = ""
    """The caption; "" for any sound: the model is then asked without condition; None: what the input sounds like."""
    seconds: float = 10.0
    """Length of a new sound."""
    seed: int = 0
    regions: tuple[tuple[float, ...], ...] = ()
    """What is inpainted: start and end in seconds, or also lowest and highest frequency in Hz."""
    cutoff: float | None = None
    """Hz up to which a sound that is extended has anything; None: as found in its spectrum."""
    zero_shot: bool = False
    """Extend by the model of codes alone, as in the paper, and not by what is predicted of the spectrogram, too."""
    strength: float = 0.5
    """Share of the cells that a variation makes anew."""
    steps: int | None = None
    """Passes of the model."""
    temperature: float | None = None
    """Divides the logits: above 1 is bolder, below 1 more usual."""
    confidence_temperature: float | None = None
    """Noise on the choice of the surest cells: a large one fixes cells in random order."""
    guidance: float | None = None
    """How strongly the condition is followed; 1 is off."""
    top_k: int | None = None
    """Draw from so many most probable codes; 0 is off."""
    top_p: float | None = None
    """Draw from the most probable codes up to this total probability; 1 is off."""

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        if bool(self.regions) != (self.task == "inpaint"):
            got = f"regions to {self.task}" if self.regions else "none"
            raise InputError(
                f"expected regions for inpainting, and for nothing else, got {got}. Name one, as (1.5, 2) in seconds."
            )
        if self.zero_shot and self.task != "extend":
            raise InputError(f"expected zero_shot only to extend a sound, got it to {self.task}. Leave it out.")

    @property
    def plan(self) -> dict[str, Any]:
        """The settings of decoding that were given."""
        return {name: value for name in PLAN if (value := getattr(self, name)) is not None}
