"""What `audiogen eval tts` does: speak test sentences, let a recogniser hear them, set the recordings beside them."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.files import atomic_write, make_folder
from audiogen.metrics.speech import Summary, evaluate

if TYPE_CHECKING:
    from audiogen.pipelines.tts import TTS

SENTENCES = Path(__file__).parents[1] / "metrics" / "sentences_en.txt"
"""Twenty sentences for a first look, one per line."""
TOGETHER = 16
"""Texts that are spoken in one batch."""


@dataclass(frozen=True)
class TestSet:
    """Sentences to speak, and the recordings of a human where there are any."""

    name: str
    texts: dict[str, str]
    """utt_id -> text."""
    recordings: dict[str, Path]
    """utt_id -> audio file; empty, or one for each text."""


@dataclass(frozen=True)
class Result:
    """One row of the table."""

    test_set: str
    system: str
    """recordings, or the model's name."""
    summary: Summary
    rtf: float | None = None
    """Compute seconds per second of audio, batches of 16; None for recordings."""

    def to_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        rtf = {} if self.rtf is None else {"rtf": round(self.rtf, 4)}
        return {"set": self.test_set, "system": self.system, **self.summary.to_json(), **rtf}


def read_test_set(path: str | Path, limit: int | None = None) -> TestSet:
    """A Kaldi data dir (text, and wav.scp with paths relative to it), or a text file with one sentence per line.

    Args:
        limit: use only the first ones.
    Raises:
        InputError: nothing there, no sentence in it, or recordings that do not belong to the texts.
    """
    path = Path(path)
    if not path.is_dir():
        lines = [line.strip() for line in _read(path).splitlines() if line.strip()][:limit]
        texts = {f"{path.stem}-{number:04d}": line for number, line in enumerate(lines, 1)}
        return _checked(TestSet(path.stem, texts, {}), path)
    texts = dict(_records(path / "text", limit))
    scp = path / "wav.scp"
    recordings = {utt_id: path / file for utt_id, file in _records(scp)} if scp.is_file() else {}
    missing = sorted(set(texts) - set(recordings)) if recordings else []
    if missing:
        raise InputError(
            f"{scp}: expected a recording of each text, got none of {missing[0]}. Add it, or remove its text."
        )
    absent = [utt_id for utt_id in texts if recordings and not recordings[utt_id].is_file()]
    if absent:
        raise InputError(
            f"{scp}: expected a file for each recording, got none at {recordings[absent[0]]} ({absent[0]}). "
            "Paths are relative to the data dir."
        )
    return _checked(TestSet(path.name, texts, {utt_id: recordings[utt_id] for utt_id in texts if recordings}), path)


def _checked(test_set: TestSet, path: Path) -> TestSet:
    if not test_set.texts:
        raise InputError(f"{path}: expected sentences, got none. Give a data dir or a file with one sentence per line.")
    return test_set


def _records(path: Path, limit: int | None = None) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(_read(path).splitlines()[:limit], 1):
        key, _, value = line.strip().partition(" ")
        if not value:
            raise InputError(f"{path}:{number}: expected an utterance id and a value, got {line!r}. Correct the line.")
        yield key, value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a UTF-8 text file, got: {error}. Check its name and encoding.") from error


def evaluate_tts(
    tts: "TTS",
    test_sets: Sequence[TestSet],
    *,
    name: str,
    output: str | Path | None = None,
    seed: int = 0,
    jobs: int = 1,
    on_progress: Callable[[str, float], None] | None = None,
) -> list[Result]:
    """Speak and score each set; where a set has recordings, they are scored by the same recogniser, as the row before.

    Args:
        name: what the model is called in the results.
        output: folder for the sounds, one JSON line per utterance, and scores.json; nothing is kept without one.
        seed: of every utterance.
        jobs: processes that recognise.
        on_progress: is called with what is being done and the share of it that is done.
    Raises:
        InputError: nothing can be written to `output`; it is seen before the work begins.
    """
    if output is not None:
        make_folder(output)
    results = []
    for test_set in test_sets:
        spoken, seconds = _speak(tts, test_set, seed, _reporter(on_progress, f"speaking {test_set.name}"))
        if test_set.recordings:
            heard = _hear(test_set, test_set.recordings, jobs, _reporter(on_progress, f"recordings of {test_set.name}"))
            results.append(Result(test_set.name, "recordings", heard))
        heard = _hear(test_set, spoken, jobs, _reporter(on_progress, f"hearing {test_set.name}"))
        results.append(Result(test_set.name, name, heard, seconds / heard.seconds))
        if output is not None:
            _keep(Path(output), test_set, spoken, results)
    return results


def table(results: Sequence[Result]) -> tuple[tuple[str, ...], Sequence[tuple[str, ...]]]:
    """Head and rows for people."""
    rows = []
    for result in results:
        summary = result.summary
        bad = ", ".join(f"{count} {problem}" for problem, count in summary.problems.items() if count)
        rtf = "" if result.rtf is None else f"{result.rtf:.3f}"
        count = str(len(summary.utterances))
        rows.append((result.test_set, result.system, count, str(summary.wer), str(summary.cer), bad or "none", rtf))
    return ("set", "system", "N", "WER [95 %]", "CER [95 %]", "problems", "RTF"), rows


def _speak(tts: "TTS", test_set: TestSet, seed: int, report: Callable[[float], None]) -> tuple[dict[str, Audio], float]:
    """The sounds, and the seconds that making them took. Texts of similar length share a batch."""
    order = sorted(test_set.texts, key=lambda utt_id: len(test_set.texts[utt_id]))
    spoken: dict[str, Audio] = {}
    start = time.perf_counter()
    for first in range(0, len(order), TOGETHER):
        batch = order[first : first + TOGETHER]
        spoken.update(zip(batch, tts([test_set.texts[utt_id] for utt_id in batch], seed=seed), strict=True))
        report(len(spoken) / len(order))
    return spoken, time.perf_counter() - start


def _hear(
    test_set: TestSet, sounds: dict[str, Audio] | dict[str, Path], jobs: int, report: Callable[[float], None]
) -> Summary:
    todo = [(utt_id, text, sounds[utt_id]) for utt_id, text in test_set.texts.items()]
    return evaluate(todo, jobs=jobs, on_progress=lambda done: report(done / len(todo)))


def _reporter(on_progress: Callable[[str, float], None] | None, what: str) -> Callable[[float], None]:
    return lambda share: on_progress(what, share) if on_progress else None


def _keep(output: Path, test_set: TestSet, spoken: dict[str, Audio], results: list[Result]) -> None:
    folder = output / test_set.name
    make_folder(folder / "wav")
    for utt_id, audio in spoken.items():
        audio.save(folder / "wav" / f"{utt_id}.wav")
    for result in results:
        if result.test_set == test_set.name:
            result.summary.save(folder / ("recordings.jsonl" if result.system == "recordings" else "tts.jsonl"))
    with atomic_write(output / "scores.json") as temporary:
        temporary.write_text(json.dumps([result.to_json() for result in results], indent=2) + "\n", encoding="utf-8")
