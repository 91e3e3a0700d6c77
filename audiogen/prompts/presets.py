"""Prompts that musicians use most, by name: the one table that the command line and the demo read.

Values: those of the reference demo (golden vampnet features, "Presets"), without its bugs; its "compression prompt" of
n is `levels(n)`.
"""

from dataclasses import dataclass

from audiogen.errors import InputError, nearest
from audiogen.prompts.base import Prompt
from audiogen.prompts.text import parse

DEFAULT = "medium"


@dataclass(frozen=True)
class Preset:
    """A prompt with a name."""

    title: str
    """As the demo shows it."""
    prompt: str
    """Text of the prompt."""
    meaning: str
    """What it does to the sound."""


PRESETS = {
    "small": Preset("small variation", "periodic(5) & levels(4)", "Close to the source; ornaments change."),
    "small-beat": Preset(
        "small variation (follow the beat)",
        "(periodic(7) | beats(after=0.05)) & levels(4)",
        "As small, and every beat keeps its attack.",
    ),
    "medium": Preset("medium variation", "periodic(7) & levels(4)", "The same piece, played differently."),
    "medium-beat": Preset(
        "medium variation (follow the beat)",
        "(periodic(13) | beats(after=0.05)) & levels(4)",
        "The rhythm stays; what is between the beats is new.",
    ),
    "large": Preset(
        "large variation", "periodic(13) & levels(4) & ~dropout(0.2)", "A new piece with hints of the source."
    ),
    "large-beat": Preset(
        "large variation (follow the beat)",
        "beats(after=0.08) & levels(4)",
        "New sounds in the source's rhythm: only the attacks are kept.",
    ),
    "timbre": Preset("timbre transfer", "periodic(2) & levels(1)", "The same notes with other sounds."),
    "loop": Preset("close the loop", "loop(seconds=0.5)", "Only the seam changes: the end flows into the start."),
    "new": Preset("unconditional", "nothing()", "Nothing is kept: the model plays what it likes."),
}
"""Name -> preset."""


def preset(name: str) -> Prompt:
    """The prompt of a preset.

    Raises:
        InputError: no such name; the message lists the nearest ones.
    """
    if name not in PRESETS:
        raise InputError(f"expected the name of a preset, got {name!r}. The nearest: {nearest(name, PRESETS)}.")
    return parse(PRESETS[name].prompt)
