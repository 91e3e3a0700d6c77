"""What a user can cause, and the hint that goes with an unknown name."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Wrong input: the message says what was expected, what came, and what to do."""


class NotBundledError(InputError):
    """A bundled model's name, in a package that came without its weights."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """The known names closest to `name`, comma-separated; all of them, sorted, when none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=count, cutoff=0.4)
    return ", ".join(close or names)
