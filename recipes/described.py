"""Clips with what is said of them: a folder of clips with `captions.jsonl` beside its list, a description per line."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from audiogen.errors import InputError
from audiogen.files import atomic_write
from audiogen.plain import from_plain
from recipes.clips import Clip, write_list

LIST = "captions.jsonl"
DescriptionT = TypeVar("DescriptionT")


def write_lists(made: Sequence[tuple[Clip, Any]], folder: Path) -> None:
    """The list of the clips in `folder`, and that of their descriptions, which are dataclasses."""
    with atomic_write(folder / LIST) as path:
        path.write_text("".join(json.dumps(asdict(said)) + "\n" for _, said in made), encoding="utf-8")
    write_list([clip for clip, _ in made], folder)


def read_described(kind: type[DescriptionT], folder: Path) -> list[DescriptionT]:
    """The descriptions in `folder`, of the dataclass `kind`.

    Raises:
        InputError: no such list, or a line that is none.
    """
    path = folder / LIST
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"expected captions in {path}, got: {error!r}. Run the stage render.") from error
    return [from_plain(kind, row, f"{path}:{number}") for number, row in enumerate(rows, start=1)]
