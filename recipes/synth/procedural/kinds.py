"""What a class of sounds is made of: knobs with words, a function that plays them, and phrases that say them.

A sound is a point in the space of its knobs: each has a place from 0 to 1, which becomes a value for the ear and, near
either end, a word for the caption. The same numbers thus make the sound and what is said of it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from recipes.synth.voice import Samples

Values = Mapping[str, float]
"""Knob -> its value, in the unit that the playing function takes."""
Play = Callable[[Values, float, np.random.Generator], Samples]
"""Values, seconds and noise -> [S] at `shaping.RATE`, at any level."""

ENDS = (0.35, 0.65)
"""Places below and above which a knob has a word: in the middle, where ears differ, nothing is said."""


@dataclass(frozen=True)
class Knob:
    """One parameter: geometric between two ends, and the words for both."""

    low: float
    high: float
    few: str
    """Said of a low value."""
    many: str
    """Said of a high one."""

    def value(self, place: float) -> float:
        """Of a place in 0..1."""
        return float(self.low * (self.high / self.low) ** place)

    def word(self, place: float) -> str:
        """What is said of a place; nothing in the middle."""
        return self.few if place < ENDS[0] else self.many if place > ENDS[1] else ""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One class of sounds."""

    name: str
    """As in ESC-10 and ESC-50, where they have the class."""
    play: Play
    knobs: Mapping[str, Knob] = field(default_factory=lambda: MappingProxyType({}))
    names: tuple[str, ...]
    """Ways to call it."""
    phrases: tuple[str, ...]
    """Ways to say more of it, with knobs in braces for their words; the first has all of them."""

    def values(self, places: Values) -> dict[str, float]:
        """What `play` is given for these places of the knobs."""
        return {name: knob.value(places[name]) for name, knob in self.knobs.items()}

    def say(self, phrase: int, words: Mapping[str, str]) -> str:
        """A phrase with these words; where there is none, one of the names."""
        template = self.phrases[phrase % len(self.phrases)]
        if any(words[name] for name in self.knobs if f"{{{name}}}" in template):
            return sentence(template, words)
        return self.names[phrase % len(self.names)]

    def words(self, places: Values) -> dict[str, str]:
        """What is said of them."""
        return {name: knob.word(places[name]) for name, knob in self.knobs.items()}


def sentence(template: str, words: Mapping[str, str]) -> str:
    """The template with its words, or without those that are empty; "a" is "an" before a vowel."""
    text = " ".join(template.format(**words).split())
    return re.sub(r"\b([Aa])n? (?=(\w))", lambda found: f"{found[1]}{'n' * (found[2] in 'aeiou')} ", text)
