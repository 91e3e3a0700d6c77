"""Readers of data sets of sounds: the project's data pack, speech, and the public layouts of four others.

Every reader takes the name of a data set and its conf, and gives its recordings with captions, licences, and the split
or fold that the data set itself names. Recordings that are listed but not there are counted and left out of AudioCaps,
whose videos vanish; anywhere else they are an error.
"""

import csv
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from audiogen.audio import FORMATS
from audiogen.errors import InputError
from recipes.data import read_data_dir
from recipes.sounds import NO_LICENCE, Corpus, Sound, spread, with_split
from recipes.sources import SPLITS, read_lines
from recipes.wordings import names

logger = logging.getLogger(__name__)

SPLIT_NAMES = {
    **dict.fromkeys(("train", "development"), "train"),
    **dict.fromkeys(("val", "validation"), "dev"),
    **dict.fromkeys(("test", "eval", "evaluation"), "test"),
}
"""Names of splits in public data sets -> ours."""
LICENCES = (
    ("publicdomain/zero", "CC0-1.0"), ("/by/3.0", "CC-BY-3.0"), ("/by/4.0", "CC-BY-4.0"),
    ("/by-nc/3.0", "CC-BY-NC-3.0"), ("/by-nc/4.0", "CC-BY-NC-4.0"), ("sampling+", "Sampling-Plus-1.0"),
)  # fmt: skip
"""Part of an address of a licence -> its name."""
FEW_WORDS = 3
"""Up to so many words of speech are quoted in a caption."""

Reader = Callable[[str, Corpus], list[Sound]]


def read_corpus(name: str, corpus: Corpus) -> list[Sound]:
    """The recordings of a data set that are used, each with its split.

    Raises:
        InputError: the data set is not there or damaged, or has no recording under the licences.
    """
    there = READERS[corpus.layout](name, corpus)
    found = [sound for sound in there if sound.licence in corpus.licences]
    if not found:
        known = ", ".join(sorted({sound.licence for sound in there})) or "no recording at all"
        raise InputError(
            f"corpora.{name}.licences: expected some of {known}, got {', '.join(corpus.licences)}. "
            "Name one that is there."
        )
    logger.info("%s: %d of %d recordings are under %s", name, len(found), len(there), ", ".join(corpus.licences))
    return spread([with_split(sound, corpus) for sound in found], corpus.most)


def read_pack(name: str, corpus: Corpus) -> list[Sound]:
    """A folder with `metadata.jsonl` (id, file, licence, duration, caption; category, fold, kind where there are)."""
    rows = read_lines(corpus.folder / "metadata.jsonl", ("id", "file", "licence", "duration", "caption"))
    return [
        Sound(
            id=f"{name}-{row['id']}",
            kind=name,
            path=_there(corpus.folder / row["file"]),
            licence=row["licence"],
            category=row.get("category") or "",
            seconds=row["duration"],
            attribution=row.get("attribution") or "",
            link=row.get("source_url") or "",
            captions=(row["caption"],),
            fold=row.get("fold"),
        )
        for row in rows
        if not corpus.kinds or row.get("kind") in corpus.kinds
    ]


def read_speech(name: str, corpus: Corpus) -> list[Sound]:
    """Kaldi data dirs `train`, `dev` and `test`: a person who speaks, or says a word or two."""
    return [
        Sound(
            id=f"{name}-{one.utt_id}",
            kind=name,
            path=one.audio,
            licence=corpus.licence,
            category="speech",
            seconds=one.duration,
            captions=said_of_speech(corpus.speaker, one.text),
            split=split,
        )
        for split in SPLITS
        for one in read_data_dir(corpus.folder / split)
    ]


def said_of_speech(speaker: str, text: str) -> tuple[str, ...]:
    """Captions of a person who says this text."""
    if len(text.split()) <= FEW_WORDS:
        word = text.lower().strip(" .!?")
        return (f"{speaker} saying {word}", f"{speaker} says {word}", f"the word {word} spoken by {speaker}")
    return (
        f"{speaker} speaking", f"{speaker} talking", f"{speaker} reading a sentence aloud", f"the voice of {speaker}",
        f"speech of {speaker}",
    )  # fmt: skip


def read_esc50(name: str, corpus: Corpus) -> list[Sound]:
    """ESC-50: `meta/esc50.csv` and `audio`; CC BY-NC as a whole, and CC BY the part that is ESC-10."""
    rows = _read_table(corpus.folder / "meta" / "esc50.csv", ("filename", "fold", "category", "esc10"))
    return [
        Sound(
            id=f"{name}-{Path(row['filename']).stem}",
            kind=name,
            path=_there(corpus.folder / "audio" / row["filename"]),
            licence="CC-BY-3.0" if row["esc10"] == "True" else "CC-BY-NC-3.0",
            category=row["category"],
            seconds=5.0,
            captions=names(row["category"]),
            fold=int(row["fold"]),
        )
        for row in rows
    ]


def read_fsd50k(name: str, corpus: Corpus) -> list[Sound]:
    """FSD50K: `FSD50K.ground_truth`, `FSD50K.metadata`, `FSD50K.dev_audio` and `FSD50K.eval_audio`.

    The first of a clip's labels is the one that says most.
    """
    found = []
    for part in ("dev", "eval"):
        rows = _read_table(corpus.folder / "FSD50K.ground_truth" / f"{part}.csv", ("fname", "labels"))
        facts = _read_json(corpus.folder / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json")
        for row in rows:
            label = row["labels"].split(",")[0]
            clip = facts.get(row["fname"], {})
            found.append(
                Sound(
                    id=f"{name}-{row['fname']}",
                    kind=name,
                    path=_there(corpus.folder / f"FSD50K.{part}_audio" / f"{row['fname']}.wav"),
                    licence=licence_of(clip.get("license", "")),
                    category=label.lower(),
                    attribution=clip.get("uploader", ""),
                    link=f"https://freesound.org/s/{row['fname']}/",
                    captions=names(label),
                    split=SPLIT_NAMES[row.get("split") or part],
                )
            )
    return found


def read_clotho(name: str, corpus: Corpus) -> list[Sound]:
    """Clotho: `clotho_captions_<split>.csv`, `clotho_metadata_<split>.csv` and a folder of files for each split."""
    found = []
    for split in ("development", "validation", "evaluation"):
        rows = _read_table(corpus.folder / f"clotho_captions_{split}.csv", ("file_name", "caption_1"))
        listed = _read_table(corpus.folder / f"clotho_metadata_{split}.csv", ("file_name",), encoding="latin-1")
        facts = {row["file_name"]: row for row in listed}
        for row in rows:
            clip = facts.get(row["file_name"], {})
            captions = (row.get(f"caption_{number}") for number in range(1, 6))
            found.append(
                Sound(
                    id=f"{name}-{split}-{_plain(Path(row['file_name']).stem)}",
                    kind=name,
                    path=_there(corpus.folder / split / row["file_name"]),
                    licence=licence_of(clip.get("license", "")),
                    attribution=clip.get("manufacturer", ""),
                    link=clip.get("sound_link", ""),
                    captions=tuple(map(_caption, filter(None, captions))),
                    split=SPLIT_NAMES[split],
                )
            )
    return found


def read_audiocaps(name: str, corpus: Corpus) -> list[Sound]:
    """AudioCaps: `train.csv`, `val.csv` and `test.csv`, or in `dataset`; audio files anywhere below the folder.

    A file is called by the id of its caption, or by that of its video, alone or with the start: `<id>_<start>`.
    """
    folder = corpus.folder / "dataset" if (corpus.folder / "dataset").is_dir() else corpus.folder
    files = {path.stem: path for path in sorted(corpus.folder.rglob("*")) if path.suffix.lower() in FORMATS}
    found, missing = [], 0
    for part in ("train", "val", "test"):
        clips: dict[tuple[str, str], list[dict[str, str]]] = {}
        rows = _read_table(folder / f"{part}.csv", ("audiocap_id", "youtube_id", "start_time", "caption"))
        for row in rows:
            clips.setdefault((row["youtube_id"], row["start_time"]), []).append(row)
        for (video, start), said in clips.items():
            keys = (f"{video}_{start}", video, f"Y{video}", *(row["audiocap_id"] for row in said))
            path = next((files[key] for key in keys if key in files), None)
            if path is None:
                missing += 1
                continue
            found.append(
                Sound(
                    id=f"{name}-{_plain(video)}_{start}",
                    kind=name,
                    path=path,
                    licence=corpus.licence,
                    link=f"https://www.youtube.com/watch?v={video}",
                    captions=tuple(_caption(row["caption"]) for row in said),
                    split=SPLIT_NAMES[part],
                )
            )
    if missing:
        logger.warning("%s: no files of %d of %d clips, which are left out", name, missing, missing + len(found))
    return found


READERS: Mapping[str, Reader] = {
    "pack": read_pack,
    "speech": read_speech,
    "esc50": read_esc50,
    "fsd50k": read_fsd50k,
    "clotho": read_clotho,
    "audiocaps": read_audiocaps,
}
"""Layout -> what reads it."""


def licence_of(address: str) -> str:
    """The name of a licence of which a data set gives the address."""
    return next((name for part, name in LICENCES if part in address.lower()), NO_LICENCE)


def _there(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"expected the audio file {path}, got none. Download the data set again.")
    return path


def _caption(text: str) -> str:
    """A sentence as a caption: without its full stop, and beginning small."""
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:]


def _plain(text: str) -> str:
    """A name that can be a file's."""
    return re.sub(r"[^\w-]+", "_", text).strip("_")


def _read_table(path: Path, needed: Iterable[str], encoding: str = "utf-8") -> list[dict[str, str]]:
    """The rows of a CSV file with a heading."""
    try:
        with path.open(encoding=encoding, newline="") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
            heading = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV file, got: {error}. Download the data set.") from error
    if missing := [name for name in needed if name not in heading]:
        raise InputError(
            f"{path}: expected columns {', '.join(needed)}, got none called {missing[0]}. Download it again."
        )
    return rows


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a JSON object, got: {error}. Download the data set.") from error
