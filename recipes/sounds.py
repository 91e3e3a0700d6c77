"""Recordings of sounds and what is said of them, as one list for all data sets.

A recording is in one split only: by the folds that the conf names, by its data set's own splits, or, where it has
neither, by a hash of its id. `recipes.sound_corpora` makes the list.
"""

import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from audiogen.errors import InputError
from audiogen.plain import from_plain
from recipes.sources import SPLITS, Source

FREE = ("CC0-1.0", "PDM-1.0", "PD-USGov")
"""Licences that ask for nothing."""
NO_LICENCE = "unknown"

Layout = Literal["pack", "speech", "esc50", "fsd50k", "clotho", "audiocaps"]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """One data set of the conf: where it is, how it is laid out, and what of it is used."""

    folder: Path
    """Relative to the conf's `data`."""
    layout: Layout = "pack"
    """pack: `metadata.jsonl` and files; speech: Kaldi data dirs train, dev and test; others: public data sets."""
    licences: tuple[str, ...] = FREE
    """Of the recordings that are used."""
    licence: str = NO_LICENCE
    """Of all recordings, where the lists do not say."""
    kinds: tuple[str, ...] = ()
    """Of a pack, only rows with one of these `kind`s; none: all."""
    speaker: str = "a person"
    """Who speaks, in captions of speech."""
    most: int = 0
    """Recordings per split at most, spread over all; 0: all."""
    folds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Split (dev, test) -> official folds; all others are for training."""
    held_out: float = 0.0
    """Share of the recordings that dev has, and test, where neither folds nor splits are given."""

    def __post_init__(self) -> None:
        if unknown := self.folds.keys() - set(SPLITS[1:]):
            raise InputError(f"folds: expected dev and test, got {', '.join(unknown)}. Rename it.")
        if not 0 <= self.held_out <= 0.5:
            raise InputError(f"held_out: expected a share of 0 to 0.5, got {self.held_out}. Change it.")


@dataclass(frozen=True, kw_only=True)
class Sound(Source):
    """One recording; its `kind` is the name of its data set."""

    captions: tuple[str, ...] = ()
    """What its data set says of it."""
    fold: int | None = None
    """The official one, if any."""
    split: str = ""
    """One of SPLITS; empty until it is decided, where the data set has none."""


def with_split(sound: Sound, corpus: Corpus) -> Sound:
    """The recording with the split that it is in."""
    if corpus.folds:
        found = next((name for name, folds in corpus.folds.items() if sound.fold in folds), SPLITS[0])
    else:
        found = sound.split or _by_hash(sound.id, corpus.held_out)
    return replace(sound, split=found)


def _by_hash(name: str, share: float) -> str:
    """So that a recording that is added moves no other."""
    place = zlib.crc32(name.encode()) / 2**32
    return "test" if place < share else "dev" if place < 2 * share else "train"


def spread(sounds: Sequence[Sound], most: int) -> list[Sound]:
    """At most `most` recordings of each split, evenly from all over the list; all where it is 0."""
    if not most:
        return list(sounds)
    chosen = []
    for name in SPLITS:
        part = [sound for sound in sounds if sound.split == name]
        count = min(most, len(part))
        chosen += [part[index * len(part) // count] for index in range(count)]
    return chosen


def write_sounds(sounds: Iterable[Sound], path: Path) -> None:
    """One JSON object per line, sorted by id; paths are relative to the folder of `path`."""
    lines = []
    for sound in sorted(sounds, key=lambda sound: sound.id):
        relative = os.path.relpath(sound.path.resolve(), path.parent.resolve())
        lines.append(json.dumps({**asdict(sound), "path": relative}, ensure_ascii=False) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def read_sounds(path: Path) -> list[Sound]:
    """What `write_sounds` wrote; paths are absolute."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        from_plain(Sound, {**row, "path": os.path.abspath(path.parent / row["path"])}, f"{path}:{number}")
        for number, row in enumerate(rows, start=1)
    ]


def credits(parts: Mapping[str, Sequence[Sound]]) -> str:
    """A page: how many recordings of which licence a model was made with, and whom those thank that ask for it."""
    sounds = sorted((sound for part in parts.values() for sound in part), key=lambda sound: sound.id)
    counts: dict[tuple[str, str, str], int] = {}
    for name, part in parts.items():
        for sound in part:
            place = (sound.kind, sound.licence, name)
            counts[place] = counts.get(place, 0) + 1
    lines = ["# Credits", "", "| data set | licence | split | recordings |", "| --- | --- | --- | --- |"]
    lines += [f"| {kind} | {licence} | {name} | {count} |" for (kind, licence, name), count in sorted(counts.items())]
    asking = [sound for sound in sounds if sound.licence not in FREE]
    if asking:
        lines += [
            "",
            "These recordings were cut, resampled, changed in pitch and length, and mixed; none of them is copied.",
            "",
        ]
    lines += [f"- {sound.id}: {sound.attribution or sound.kind}, {sound.licence}, {sound.link}" for sound in asking]
    return "\n".join(lines) + "\n"
