"""The controls that make a prompt: what each is called, what it means, and the prompt that they amount to.

Hints (periodic, beats, onsets, random) are frames of which the coarse levels are kept; regions, beginning and end say
where all codes are kept; the loop asks for the seam to be made new, so that the end flows into the start.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import cast, get_args

from audiogen.errors import InputError
from audiogen.prompts import (
    Beats,
    Dropout,
    Inpaint,
    Levels,
    Loop,
    Nothing,
    Onsets,
    Periodic,
    Prefix,
    Prompt,
    Random,
    Suffix,
)  # fmt: skip
from audiogen.prompts.regions import Unit

Value = float | str
Values = Mapping[str, Value]
"""A value for each of CONTROLS, by name."""

MOST_REGIONS = 64
MOST_LEVELS = 14
"""That a codec of ours or of others has; a smaller one keeps all of its own."""
UNITS = get_args(Unit)


@dataclass(frozen=True)
class Slider:
    """A number to choose."""

    name: str
    label: str
    meaning: str
    least: float
    most: float
    step: float
    default: float

    def check(self, value: object) -> float:
        """`value` as a number in range.

        Raises:
            InputError: it is not.
        """
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.least <= value <= self.most:
            raise InputError(
                f"{self.label}: expected a number from {self.least:g} to {self.most:g}, got {value!r}. Move its slider."
            )
        return int(value) if self.step == 1 else float(value)


@dataclass(frozen=True)
class Text:
    """Regions, as they are typed or drawn."""

    name: str
    label: str
    meaning: str
    default: str = ""

    def check(self, value: object) -> str:
        """`value` as well-formed text.

        Raises:
            InputError: it is not.
        """
        return format_regions(read_regions(str(value)))


@dataclass(frozen=True)
class Choice:
    """One of several words."""

    name: str
    label: str
    meaning: str
    choices: tuple[str, ...]
    default: str

    def check(self, value: object) -> str:
        """`value`, one of the choices.

        Raises:
            InputError: it is not.
        """
        if value not in self.choices:
            raise InputError(f"{self.label}: expected {' or '.join(self.choices)}, got {value!r}. Choose one of them.")
        return str(value)


Control = Slider | Text | Choice

HINTS = (
    Slider("periodic", "Periodic",
           "Keep every n-th frame as a hint; a frame is about 20 ms. 1 keeps all, more is freer, 0 is off.",
           0, 64, 1, 7),
    Slider("levels", "Levels",
           "How many coarse levels a hint keeps. Fewer leave the timbre freer; 4 hold melody and rhythm.",
           1, MOST_LEVELS, 1, 4),
    Slider("beats", "Beats (ms)",
           "Keep this long after each beat that is heard: the rhythm stays. 0 is off.", 0, 400, 10, 0),
    Slider("every", "Every n-th beat", "Of those, keep only every n-th beat.", 1, 8, 1, 1),
    Slider("onsets", "Onsets (frames)",
           "Keep this many frames before and from the start of every note or hit. 0 is off.", 0, 20, 1, 0),
    Slider("random", "Random", "Keep this share of all frames, chosen at random. 0 is off.", 0, 1, 0.01, 0),
    Slider("dropout", "Dropout", "Let go of this share of the hints again, at random: looser.", 0, 1, 0.01, 0),
)  # fmt: skip
PLACES = (
    Text("regions", "Regions to make new",
         "Drag over the waveform, or type: 1.5-2.25, 4-5. All outside is kept. Empty: the whole sound is made new."),
    Choice("unit", "Unit of the regions", "Bars and beats count from 1, both ends included: 2-3, 5.", UNITS, UNITS[0]),
    Slider("prefix", "Beginning kept (s)", "Keep all codes of the first seconds. 0 is off.", 0, 30, 0.1, 0),
    Slider("suffix", "End kept (s)", "Keep all codes of the last seconds. 0 is off.", 0, 30, 0.1, 0),
    Slider("loop", "Loop seam (s)",
           "Make this long around the seam new, hearing a ring: the end flows into the start. 0 is off.",
           0, 4, 0.1, 0),
)  # fmt: skip
CONTROLS: tuple[Control, ...] = (*HINTS, *PLACES)
BY_NAME = {control.name: control for control in CONTROLS}
DEFAULTS: Values = {control.name: control.default for control in CONTROLS}


def checked(values: Values) -> dict[str, Value]:
    """A value for every control: those given, checked, and defaults for the rest.

    Raises:
        InputError: an unknown name, or a value out of its range.
    """
    unknown = sorted(set(values) - set(BY_NAME))
    if unknown:
        raise InputError(f"expected the controls {', '.join(BY_NAME)}, got {', '.join(unknown)}. Check the spelling.")
    return {name: control.check(values.get(name, control.default)) for name, control in BY_NAME.items()}


def prompt_of(values: Values) -> Prompt:
    """What the controls ask to keep.

    Raises:
        InputError: a value out of its range, or regions that cannot be read.
    """
    chosen = checked(values)

    def number(name: str) -> float:
        return float(chosen[name])

    hints: list[Prompt] = []
    if number("periodic"):
        hints.append(Periodic(int(number("periodic"))))
    if number("beats"):
        hints.append(Beats(after=number("beats") / 1000, every=int(number("every"))))
    if number("onsets"):
        hints.append(Onsets(int(number("onsets"))))
    if number("random"):
        hints.append(Random(number("random")))
    kept: list[Prompt] = []
    if regions := read_regions(str(chosen["regions"])):
        kept.append(Inpaint(regions, unit=cast(Unit, chosen["unit"])))
    if number("prefix"):
        kept.append(Prefix(number("prefix")))
    if number("suffix"):
        kept.append(Suffix(number("suffix")))
    if hints:
        hint = _any(hints) & Levels(int(number("levels")))
        kept.append(hint & ~Dropout(number("dropout")) if number("dropout") else hint)
    prompt = _any(kept)
    return prompt & Loop(number("loop")) if number("loop") else prompt


def _any(prompts: Iterable[Prompt]) -> Prompt:
    found = list(prompts)
    return reduce(or_, found) if found else Nothing()


def read_regions(text: str) -> tuple[tuple[float, float], ...]:
    """Regions of text like "1.5-2.25, 4-5"; a single number is one bar or beat.

    Raises:
        InputError: other text, or too many regions.
    """
    regions = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        found = re.fullmatch(r"(\d+(?:\.\d*)?)(?:\s*[-–]\s*(\d+(?:\.\d*)?))?", part)
        if not found:
            raise InputError(f"Regions: expected start-end pairs such as 1.5-2.25, 4-5, got {part[:40]!r}. Correct it.")
        regions.append((float(found[1]), float(found[2] or found[1])))
    if len(regions) > MOST_REGIONS:
        raise InputError(f"Regions: expected at most {MOST_REGIONS}, got {len(regions)}. Join some of them.")
    return tuple(regions)


def format_regions(regions: Iterable[tuple[float, float]]) -> str:
    """The text that `read_regions` reads; to milliseconds, rounded down so as not to leave the sound."""
    return ", ".join(f"{_milliseconds(start)}-{_milliseconds(end)}" for start, end in regions)


def _milliseconds(seconds: float) -> str:
    return f"{math.floor(seconds * 1000 + 1e-6) / 1000:.6g}"
