"""What music is made from: recordings with a `metadata.jsonl`, and folk tunes as MIDI; chosen by licence, and split.

A source is in one split only. Tunes of the same title go together, because collections repeat them with small changes.
"""

import json
import logging
import os
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from audiogen.errors import InputError, nearest

logger = logging.getLogger(__name__)

SPLITS = ("train", "dev", "test")
TUNES_LICENCE = "GPL-3.0"
"""Of the encoding of the Nottingham tunes."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One recording, or one tune."""

    id: str
    kind: str
    """loop, one_shot, texture, recording, or tune."""
    path: Path
    """Sound file; of a tune, the zip file that holds `<id>.mid`."""
    licence: str
    category: str = ""
    """Of a one-shot: bd, sn, hat, …"""
    seconds: float = 0.0
    """0 for a tune."""
    tempo: float | None = None
    """Beats per minute, where known."""
    beats: float | None = None
    """How many the whole file has, where it is a loop with a tempo."""
    attribution: str = ""
    link: str = ""
    group: str = ""
    """Sources of one group are in one split; the id where there is none."""


def read_samples(folder: Path, licences: Sequence[str]) -> list[Source]:
    """The recordings under one of the licences that `folder/metadata.jsonl` lists.

    Raises:
        InputError: the list is missing or is none, or no recording has such a licence.
    """
    rows = read_lines(folder / "metadata.jsonl", ("id", "kind", "file", "licence", "duration"))
    found = [
        Source(
            id=row["id"],
            kind=row["kind"],
            path=folder / row["file"],
            licence=row["licence"],
            category=row.get("category") or "",
            seconds=row["duration"],
            tempo=row.get("bpm"),
            beats=row.get("beats"),
            attribution=row.get("attribution") or "",
            link=row.get("source_url") or "",
        )
        for row in rows
        if row["licence"] in licences
    ]
    if not found:
        known = ", ".join(sorted({row["licence"] for row in rows}))
        raise InputError(f"licences: expected some of {known}, got {', '.join(licences)}. Name one that is there.")
    for source in found:
        if not source.path.is_file():
            raise InputError(
                f"{folder / 'metadata.jsonl'}: expected the file {source.path}, got none. Download it again."
            )
    logger.info("%s: %d of %d recordings are under %s", folder, len(found), len(rows), ", ".join(licences))
    return found


def read_tunes(folder: Path) -> list[Source]:
    """The tunes that `folder/tunes.jsonl` lists and `folder/midi.zip` holds.

    Raises:
        InputError: one of the two is missing.
    """
    rows = read_lines(folder / "tunes.jsonl", ("id", "title"))
    archive = folder / "midi.zip"
    if not archive.is_file():
        raise InputError(f"expected MIDI files in {archive}, got no such file. Download it again.")
    return [
        Source(
            id=row["id"],
            kind="tune",
            path=archive,
            licence=TUNES_LICENCE,
            attribution=row.get("source_note") or "",
            group="".join(filter(str.isalnum, row["title"].lower())),
        )
        for row in rows
    ]


def split(
    sources: Iterable[Source], held_out: Mapping[str, Sequence[str]], tunes_held_out: float
) -> dict[str, list[Source]]:
    """The sources of each split: dev and test have those `held_out` names and a share of the tunes, train the rest.

    Raises:
        InputError: `held_out` names another split, or what is not there, or one source twice.
    """
    sources = list(sources)
    where = {name: split_name for split_name, names in held_out.items() for name in names}
    counts = Counter(name for names in held_out.values() for name in names)
    ids = {source.id for source in sources}
    if unknown := held_out.keys() - set(SPLITS[1:]):
        raise InputError(f"held_out: expected dev and test, got {', '.join(unknown)}. Rename it.")
    if twice := [name for name, count in counts.items() if count > 1]:
        raise InputError(f"held_out: expected each source once, got {', '.join(twice)} twice. Remove one.")
    if ids and (missing := where.keys() - ids):
        name = min(missing)
        raise InputError(f"held_out: expected sources that are there, got {name}. The nearest: {nearest(name, ids)}.")
    parts: dict[str, list[Source]] = {name: [] for name in SPLITS}
    for source in sources:
        name = _tune_split(source.group, tunes_held_out) if source.kind == "tune" else where.get(source.id, "train")
        parts[name].append(source)
    return parts


def _tune_split(group: str, share: float) -> str:
    """By a hash of the title, so that a tune that is added moves no other."""
    place = zlib.crc32(group.encode()) / 2**32
    return "test" if place < share else "dev" if place < 2 * share else "train"


def write_sources(sources: Iterable[Source], path: Path) -> None:
    """One JSON object per line, sorted by id; paths are relative to the folder of `path`."""
    lines = []
    for source in sorted(sources, key=lambda source: source.id):
        relative = os.path.relpath(source.path.resolve(), path.parent.resolve())
        lines.append(json.dumps({**asdict(source), "path": relative}, ensure_ascii=False) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def read_sources(path: Path) -> list[Source]:
    """What `write_sources` wrote; paths are absolute."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [replace(Source(**row), path=Path(os.path.abspath(path.parent / row["path"]))) for row in rows]


def describe(parts: Mapping[str, Sequence[Source]]) -> str:
    """A page: what each split has of each kind and licence, and the credits."""
    counts: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for name, sources in parts.items():
        for source in sources:
            counts[name, source.kind, source.licence].append(source.seconds)
    lines = ["# Sources", "", "| split | kind | licence | number | minutes |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {name} | {kind} | {licence} | {len(seconds)} | {sum(seconds) / 60:.2f} |"
        for (name, kind, licence), seconds in counts.items()
    ]
    lines += ["", "## Credits", ""]
    recordings = [source for sources in parts.values() for source in sources if source.kind != "tune"]
    for source in sorted(recordings, key=lambda source: source.id):
        lines.append(f"- {source.id}: {source.attribution}, {source.licence}, {source.link}")
    if any(source.kind == "tune" for sources in parts.values() for source in sources):
        lines.append(
            f"- Tunes: Nottingham Music Database (Eric Foxley), MIDI by jukedeck, {TUNES_LICENCE}; not copied."
        )
    return "\n".join(lines) + "\n"


def read_lines(path: Path, needed: Sequence[str]) -> list[dict]:
    """The objects of a JSONL file, each with the needed names."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: expected a list with one JSON object per line, got: {error}. Download it."
        ) from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or (missing := [name for name in needed if name not in row]):
            got = ", ".join(missing) + " missing" if isinstance(row, dict) else repr(row)
            raise InputError(f"{path}:{number}: expected {', '.join(needed)}, got {got}. Download it again.")
    return rows
