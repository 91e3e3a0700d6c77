"""Kaldi data directories: `wav.scp text utt2spk`, and optional `spk2utt utt2dur`: sorted text files keyed by utterance.

A path in `wav.scp` is absolute, or relative to the folder that the `wav.scp` is in, so that a data directory can be
moved together with its audio. Commands ("|" at the end of a line) and parts of recordings (`segments`) are refused.
"""

import itertools
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from audiogen.errors import InputError

logger = logging.getLogger(__name__)

MAX_MESSAGES = 20
"""Problems that one error lists; it says how many more there are."""


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One line of each file."""

    utt_id: str
    audio: Path
    """Absolute path of the sound file."""
    text: str
    speaker: str
    duration: float
    """Seconds."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a data directory holds."""

    utterances: int
    speakers: int
    hours: float

    def __str__(self) -> str:
        return f"{self.utterances} utterances, {self.speakers} speakers, {self.hours:.3f} h"


def validate_data_dir(data_dir: Path, *, decode: bool = False) -> Summary:
    """Check every file of a data directory against the others and against the audio; its size, also logged.

    With `decode` every sample of the audio is read, otherwise only the headers.

    Raises:
        InputError: lists the problems as `file:line: expected …, got …`.
    """
    problems: list[str] = []
    tables = _read_tables(data_dir, problems)
    _check_keys(data_dir, tables, problems)
    _check_speakers(data_dir, tables["utt2spk"], _read_table(data_dir / "spk2utt", problems, optional=True), problems)
    _check_segments(data_dir, problems)
    seconds = _check_audio(data_dir, tables["wav.scp"], tables["utt2dur"], decode, problems)
    _raise(problems)
    speakers = {line.value for line in tables["utt2spk"].values()}
    summary = Summary(utterances=len(tables["wav.scp"]), speakers=len(speakers), hours=seconds / 3600)
    logger.info("%s: %s", data_dir, summary)
    return summary


def read_data_dir(data_dir: Path) -> list[Utterance]:
    """The utterances of a validated data directory, in its order."""
    problems: list[str] = []
    tables = _read_tables(data_dir, problems)
    _check_keys(data_dir, tables, problems)
    _raise(problems)
    utterances = []
    for utt_id, line in tables["wav.scp"].items():
        audio, stated = _audio_path(data_dir, line.value), tables["utt2dur"].get(utt_id)
        utterances.append(
            Utterance(
                utt_id=utt_id,
                audio=audio,
                text=tables["text"][utt_id].value,
                speaker=tables["utt2spk"][utt_id].value,
                duration=float(stated.value) if stated else audio_duration(audio),
            )
        )
    return utterances


def write_data_dir(utterances: Iterable[Utterance], data_dir: Path) -> None:
    """Write a data directory, sorted as Kaldi sorts (by code point), with audio paths relative to it.

    Raises:
        InputError: an utterance id occurs twice, or an id or text would not survive the format.
    """
    ordered = sorted(utterances, key=lambda utterance: utterance.utt_id)
    for one, two in itertools.pairwise(ordered):
        if one.utt_id == two.utt_id:
            raise InputError(f"expected different utterance ids, got {one.utt_id!r} twice. Rename one of them.")
    for utterance in ordered:
        _check_line(utterance)
    data_dir.mkdir(parents=True, exist_ok=True)
    columns: dict[str, Callable[[Utterance], str]] = {
        "wav.scp": lambda utterance: os.path.relpath(utterance.audio.resolve(), data_dir.resolve()),
        "text": lambda utterance: utterance.text,
        "utt2spk": lambda utterance: utterance.speaker,
        "utt2dur": lambda utterance: f"{utterance.duration:.4f}",
    }
    for name, column in columns.items():
        _write_lines(data_dir / name, (f"{utterance.utt_id} {column(utterance)}" for utterance in ordered))
    by_speaker: dict[str, list[str]] = defaultdict(list)
    for utterance in ordered:
        by_speaker[utterance.speaker].append(utterance.utt_id)
    _write_lines(data_dir / "spk2utt", (f"{speaker} {' '.join(ids)}" for speaker, ids in sorted(by_speaker.items())))


@dataclass(frozen=True)
class _Line:
    number: int
    value: str


def _read_tables(data_dir: Path, problems: list[str]) -> dict[str, dict[str, _Line]]:
    """The files that have one line per utterance."""
    tables = {name: _read_table(data_dir / name, problems) for name in ("wav.scp", "text", "utt2spk")}
    return {**tables, "utt2dur": _read_table(data_dir / "utt2dur", problems, optional=True)}


def _read_table(path: Path, problems: list[str], *, optional: bool = False) -> dict[str, _Line]:
    """Key -> rest of its line; what is wrong with the file goes to `problems`."""
    if optional and not path.exists():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path}: expected a UTF-8 text file, got: {error}")
        return {}
    if lines and not lines[-1]:
        lines.pop()
    if not lines:
        problems.append(f"{path}: expected one line per utterance, got an empty file")
    table: dict[str, _Line] = {}
    previous = ""
    for number, line in enumerate(lines, start=1):
        key, space, value = line.partition(" ")
        if not key or not space or not value.strip():
            problems.append(f"{path}:{number}: expected `<id> <value>`, got {line!r}")
        elif key in table:
            problems.append(
                f"{path}:{number}: expected each id once, got {key} again (first in line {table[key].number})"
            )
        elif key < previous:
            problems.append(f"{path}:{number}: expected lines sorted by id (LC_ALL=C sort), got {key} after {previous}")
        if key:
            table.setdefault(key, _Line(number, value.strip()))
            previous = key
    return table


def _check_keys(data_dir: Path, tables: Mapping[str, Mapping[str, _Line]], problems: list[str]) -> None:
    """Every file lists the utterances of `wav.scp`, no more and no fewer."""
    wanted = tables["wav.scp"]
    for name, table in tables.items():
        if not table:
            continue  # an optional file that is not there, or one whose reading failed and is reported already
        for key in wanted.keys() - table.keys():
            problems.append(f"{data_dir / name}: expected a line for {key} (wav.scp:{wanted[key].number}), got none")
        for key in table.keys() - wanted.keys():
            problems.append(f"{data_dir / name}:{table[key].number}: expected an id of wav.scp, got {key}")


def _check_speakers(
    data_dir: Path, utt2spk: Mapping[str, _Line], spk2utt: Mapping[str, _Line], problems: list[str]
) -> None:
    """`spk2utt` says the same as `utt2spk`."""
    inverse = {utt_id: speaker for speaker, line in spk2utt.items() for utt_id in line.value.split()}
    for utt_id, line in utt2spk.items():
        if spk2utt and inverse.pop(utt_id, None) != line.value:
            problems.append(
                f"{data_dir / 'utt2spk'}:{line.number}: expected {utt_id} under {line.value} in spk2utt, got it not"
            )
    for utt_id, speaker in inverse.items():
        if utt2spk:
            problems.append(
                f"{data_dir / 'spk2utt'}:{spk2utt[speaker].number}: expected utterances of utt2spk, got {utt_id}"
            )


def _check_segments(data_dir: Path, problems: list[str]) -> None:
    """A `segments` file, if there is one, names whole recordings only."""
    for utt_id, line in _read_table(data_dir / "segments", problems, optional=True).items():
        fields = line.value.split()
        if len(fields) != 3 or fields[0] != utt_id or not _agree(fields[1], 0.0):
            place = f"{data_dir / 'segments'}:{line.number}"
            problems.append(
                f"{place}: expected a whole recording, got a part of one. Cut the audio into utterances first."
            )


def _check_audio(
    data_dir: Path, scp: Mapping[str, _Line], utt2dur: Mapping[str, _Line], decode: bool, problems: list[str]
) -> float:
    """Every sound file can be read and is as long as `utt2dur` says, to a millisecond; the seconds of all together."""
    total = 0.0
    for utt_id, line in scp.items():
        place = f"{data_dir / 'wav.scp'}:{line.number}"
        if line.value.endswith("|"):
            problems.append(
                f"{place}: expected a sound file, got a command ({line.value}). Run it and name its output."
            )
            continue
        try:
            seconds = audio_duration(_audio_path(data_dir, line.value), decode=decode)
        except InputError as error:
            problems.append(f"{place}: {error}")
            continue
        total += seconds
        stated = utt2dur.get(utt_id)
        if stated and not _agree(stated.value, seconds):
            place = f"{data_dir / 'utt2dur'}:{stated.number}"
            problems.append(f"{place}: expected {seconds:.4f} s, the audio's length, got {stated.value}")
    return total


def audio_duration(path: Path, *, decode: bool = False) -> float:
    """Seconds of a sound file by its header, or by its samples with `decode`.

    Raises:
        InputError: the file is missing, empty or not a sound file.
    """
    import soundfile

    if not path.is_file():
        raise InputError(f"expected a sound file, got no file at {path}")
    try:
        if decode:
            samples, sample_rate = soundfile.read(path, always_2d=True)
            frames = len(samples)
        else:
            info = soundfile.info(path)
            frames, sample_rate = info.frames, info.samplerate
    except soundfile.LibsndfileError as error:
        raise InputError(f"expected a sound file, got {path}: {error}") from error
    if not frames:
        raise InputError(f"expected sound, got 0 samples in {path}")
    return float(frames / sample_rate)


def _raise(problems: list[str]) -> None:
    if problems:
        more = f"\n… and {len(problems) - MAX_MESSAGES} more" if len(problems) > MAX_MESSAGES else ""
        raise InputError("\n".join(problems[:MAX_MESSAGES]) + more)


def _agree(stated: str, seconds: float) -> bool:
    try:
        return abs(float(stated) - seconds) < 1e-3
    except ValueError:
        return False


def _audio_path(data_dir: Path, value: str) -> Path:
    return Path(os.path.abspath(data_dir / value))


def _check_line(utterance: Utterance) -> None:
    for what, value, spaces in (
        ("an id", utterance.utt_id, False),
        ("a speaker", utterance.speaker, False),
        ("a text", utterance.text, True),
    ):
        if not value.strip() or any(character.isspace() and (character != " " or not spaces) for character in value):
            rule = "on one line" if spaces else "without white space"
            raise InputError(f"{utterance.utt_id!r}: expected {what} {rule}, got {value!r}. Mend the corpus.")


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
