"""Held-out captions: what is asked of a trained system, and the held-out clip that each answer is compared with."""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from audiogen.errors import InputError
from audiogen.files import atomic_write
from audiogen.plain import from_plain
from recipes.sound_clips import PROCEDURAL, Description
from recipes.wordings import held_out_wordings


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One caption."""

    id: str
    set: str
    """The data set, or procedural, that the clip is of."""
    text: str
    category: str
    """What the judge should hear; empty where it knows no such classes."""
    clip: str
    """Id of a held-out clip that is called so, too."""


def ask(test: Sequence[Description], seen: Collection[str], judged: str, per_class: int) -> list[Asked]:
    """Held-out wordings of each class of the judged data set, and the captions of held-out procedural clips.

    Args:
        seen: captions of training clips, none of which is asked.
        per_class: wordings of each class; they are compared with the clips of the class in turn.
    Raises:
        InputError: the held-out clips have none of the judged data set, or a class has fewer wordings.
    """
    found = []
    known = [one for one in test if one.kind == judged and one.category]
    if not known:
        raise InputError(f"judged: expected a data set with held-out clips of known classes, got {judged}. Rename it.")
    for category in sorted({one.category for one in known}):
        clips = [one.id for one in known if one.category == category]
        for number, text in enumerate(held_out_wordings(category, per_class, seen)):
            name = f"{category}-{number:02}"
            clip = clips[number % len(clips)]
            found.append(Asked(id=name, set=judged, text=text, category=category, clip=clip))
    if judged != PROCEDURAL:
        found += [
            Asked(id=one.id, set=PROCEDURAL, text=one.captions[0], category="", clip=one.id)
            for one in test
            if one.kind == PROCEDURAL
        ]
    return found


def write_asked(asked: Sequence[Asked], path: Path) -> None:
    """One JSON object per line."""
    with atomic_write(path) as temporary:
        temporary.write_text("".join(json.dumps(asdict(one)) + "\n" for one in asked), encoding="utf-8")


def read_asked(path: Path) -> list[Asked]:
    """What `write_asked` wrote."""
    return [from_plain(Asked, json.loads(line), str(path)) for line in path.read_text(encoding="utf-8").splitlines()]
