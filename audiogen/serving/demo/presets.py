"""Named settings of the controls: the presets of `audiogen.prompts`, and those that a user saves."""

import json
import threading
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from audiogen.errors import InputError
from audiogen.files import atomic_write, make_folder
from audiogen.prompts.presets import DEFAULT, PRESETS
from audiogen.serving.demo.controls import DEFAULTS, MOST_LEVELS, Value, Values, checked

FILE = "vamp_presets.json"
LONGEST_NAME = 40
MOST_PRESETS = 100

_CONTROLS: Mapping[str, Values] = {
    "small": {"periodic": 5},
    "small-beat": {"beats": 50},
    DEFAULT: {},
    "medium-beat": {"periodic": 13, "beats": 50},
    "large": {"periodic": 13, "dropout": 0.2},
    "large-beat": {"periodic": 0, "beats": 80},
    "timbre": {"periodic": 2, "levels": 1},
    "loop": {"periodic": 1, "levels": MOST_LEVELS, "loop": 0.5},
    "new": {"periodic": 0},
}
"""Name of a preset -> what differs from the defaults of the controls, so that these make its prompt."""
BUILT_IN: Mapping[str, Values] = {PRESETS[name].title: values for name, values in _CONTROLS.items()}
"""By title."""
FIRST = PRESETS[DEFAULT].title
"""What the page opens with: the defaults of the controls."""


class Presets:
    """The presets of one user, in one JSON file: {name: {control: value}}.

    Names are keys in that file and never become names of files.
    """

    def __init__(self, folder: Path):
        self.path = folder / FILE
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Of all presets: built-in first, then the user's in alphabetical order."""
        return [*BUILT_IN, *sorted(self._read())]

    def get(self, name: str) -> dict[str, Value]:
        """The value of every control.

        Raises:
            InputError: no such preset, or its values were made wrong by hand.
        """
        known = {**self._read(), **BUILT_IN}
        if name not in known:
            raise InputError(f"expected a preset that exists, got {name!r}. Choose one of the list.")
        return checked(known[name])

    def save(self, name: str, values: Values) -> str:
        """Keep `values` under a name of the user's choice; the name as it is kept.

        Raises:
            InputError: an empty or built-in name, values out of range, too many presets, or no way to write the file.
        """
        name = clean_name(name)
        chosen = {key: value for key, value in checked(values).items() if value != DEFAULTS[key]}
        with self._lock:
            saved = {**self._read(), name: chosen}
            if len(saved) > MOST_PRESETS:
                raise InputError(f"expected at most {MOST_PRESETS} presets, got one more. Delete some first.")
            self._write(saved)
        return name

    def delete(self, name: str | None) -> None:
        """Forget a preset of the user's.

        Raises:
            InputError: it is built in, or there is none of that name.
        """
        with self._lock:
            saved = self._read()
            if name not in saved:
                raise InputError(f"expected a preset that you saved, got {name!r}. Only those can be deleted.")
            del saved[name]
            self._write(saved)

    def _read(self) -> dict[str, Values]:
        try:
            saved = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(name): dict(values) for name, values in saved.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise InputError(
                f"{self.path}: expected presets as JSON, got a file that cannot be read ({error}). "
                "Correct it, or move it away."
            ) from error

    def _write(self, saved: Mapping[str, Values]) -> None:
        make_folder(self.path.parent)
        with atomic_write(self.path) as temporary:
            temporary.write_text(json.dumps(saved, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def clean_name(name: str | None) -> str:
    """A name for a preset: one line of printable characters, spaces collapsed, not too long.

    Raises:
        InputError: nothing is left of it, or a built-in preset has it.
    """
    printable = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in name or "")
    cleaned = " ".join(printable.split())[:LONGEST_NAME].strip()
    if not any(letter.isalnum() for letter in cleaned):
        raise InputError(f"expected a name for the preset, got {name!r}. Type a few letters.")
    if cleaned.lower() in {built_in.lower() for built_in in BUILT_IN}:
        raise InputError(f"expected a name of your own, got {cleaned!r}, which is built in. Choose another.")
    return cleaned
