"""What a press of the button asks for, and the controls of it that are not part of the prompt."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from audiogen.checkpoints.vampnet import VampDecoding
from audiogen.serving.demo.controls import Slider

SETTINGS = (
    Slider("steps", "Steps", "Passes of the coarse model: more is slower and more careful.", 1, 128, 1, 36),
    Slider("temperature", "Temperature", "Above 1 is bolder, below 1 more usual.", 0.1, 4, 0.05, 1),
    Slider("top_p", "Top p", "Draw only from the most probable codes up to this share. 1 is off.", 0.05, 1, 0.01, 1),
    Slider("typical_mass", "Typical mass",
           "Draw only from codes of typical surprise up to this share. 1 is off.", 0.05, 1, 0.01, 1),
    Slider("greedy_steps", "Greedy steps",
           "So many last passes take the most probable code instead of drawing.", 0, 128, 1, 0),
    Slider("feedback", "Feedback", "Rounds, each of which vamps what the last one made.", 1, 8, 1, 1),
    Slider("pitch", "Pitch (semitones)", "Shift the input first.", -12, 12, 1, 0),
    Slider("stretch", "Stretch", "Times as long: new frames are made between the old ones.", 1, 8, 1, 1),
    Slider("bars", "Bars",
           "Cut the input to its first bars, from the first downbeat on. 0 takes all of it.", 0, 64, 1, 0),
)  # fmt: skip
"""Their defaults are those of a system that was not tuned; see `settings_of`."""
VARIATIONS = Slider("variations", "Variations", "How many takes to make at once.", 1, 4, 1, 2)
KEPT = "Keep original samples", "Where all codes are kept, use the input's own samples, cross-faded at the seams."


def settings_of(decoding: VampDecoding) -> tuple[Slider, ...]:
    """`SETTINGS` that start as a system fills its grid, but for the steps: a page is to answer soon."""
    known = {one.name: getattr(decoding, one.name, one.default) for one in SETTINGS if one.name != "steps"}
    return tuple(replace(one, default=known.get(one.name, one.default)) for one in SETTINGS)


@dataclass(frozen=True)
class Request:
    """How to vamp: the prompt's text and the settings, checked by `Vamp`; None: as the system does it."""

    prompt: str
    steps: int = 36
    temperature: float | None = None
    top_p: float | None = None
    typical_mass: float | None = None
    greedy_steps: int = 0
    feedback: int = 1
    pitch: float = 0.0
    stretch: int = 1
    bars: int = 0
    keep_original: bool = False

    @property
    def settings(self) -> Mapping[str, Any]:
        """Keyword arguments of `Vamp`, all but the prompt."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "prompt"}
        return {**given, "bars": self.bars or None}
