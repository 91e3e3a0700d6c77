"""How classes of sounds are called: in captions for training, and in captions that no training clip has.

A wording is a name in a frame, as in "a recording of a barking dog". Which wordings are held out follows from their
letters alone, so that it is the same in every run and for every data set.
"""

import zlib
from collections.abc import Collection

from audiogen.errors import InputError
from recipes.synth.procedural.catalogue import KINDS

FRAMES = (
    "{}", "the sound of {}", "a recording of {}", "the noise of {}", "sound of {}", "you can hear {}", "there is {}",
    "an audio clip of {}", "this is {}", "somewhere there is {}", "audio of {}", "a clip of {}",
)  # fmt: skip
IMITATIONS = ("an imitation of {}", "{}, imitated by a synthesizer", "a synthetic sound of {}")
"""Frames of what is no recording, where there are recordings of the same class."""
JOINTS = ("{} and {}", "{} with {}", "{} while there is {}")
BEHIND = ("{} with {} in the background", "{} over {}")
"""Two sounds, the second of them softer."""
HELD_OUT = 3
"""One wording in so many is for testing alone."""


def names(category: str) -> tuple[str, ...]:
    """Ways to call a class, whose name may have underscores."""
    if category in KINDS:
        return KINDS[category].names
    words = " ".join(category.replace("_", " ").lower().split())
    return (words,)


def is_held_out(text: str) -> bool:
    """Whether a wording is for testing alone."""
    return zlib.crc32(text.encode()) % HELD_OUT == 0


def training_wordings(category: str) -> tuple[str, ...]:
    """All wordings of a class that are not held out."""
    return tuple(text for text in _wordings(category) if not is_held_out(text))


def held_out_wordings(category: str, count: int, seen: Collection[str]) -> tuple[str, ...]:
    """`count` wordings of a class that are held out, and are not among the captions that were `seen` in training.

    Raises:
        InputError: there are not so many.
    """
    found = [text for text in _wordings(category) if is_held_out(text) and text not in seen]
    if len(found) < count:
        raise InputError(
            f"expected {count} or more held-out wordings of {category!r}, got {len(found)}. Ask for fewer captions."
        )
    return tuple(found[index * len(found) // count] for index in range(count))


def framed(text: str) -> tuple[str, ...]:
    """A caption in all frames for training."""
    return tuple(worded for frame in FRAMES if not is_held_out(worded := frame.format(text)))


def _wordings(category: str) -> list[str]:
    return [frame.format(name) for name in names(category) for frame in FRAMES]
