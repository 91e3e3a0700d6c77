"""Speech of each system as a Kaldi data dir with its audio, so that scoring and tools such as VERSA can read it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiogen.audio import Audio
from audiogen.errors import InputError
from recipes.data import Utterance, read_data_dir

if TYPE_CHECKING:
    from audiogen.pipelines.tts import TTS

    from audiogen.codecs import Codec

BATCH = 8
"""Sentences that are spoken together."""


@dataclass(frozen=True)
class Sentence:
    """A text to speak."""

    utt_id: str
    text: str


def one_take_each(data_dir: Path) -> list[Utterance]:
    """The first recording of each sentence, so that sentences with several takes do not count more."""
    first: dict[str, Utterance] = {}
    for utterance in read_data_dir(data_dir):
        first.setdefault(utterance.text, utterance)
    return list(first.values())


def read_sentences(path: Path) -> list[Sentence]:
    """One sentence per line; empty lines do not count.

    Raises:
        InputError: the file cannot be read or has no sentence.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a UTF-8 text file, got: {error}") from error
    sentences = [line.strip() for line in lines if line.strip()]
    if not sentences:
        raise InputError(f"{path}: expected one sentence per line, got none.")
    return [Sentence(f"{path.stem}_{number:04}", text) for number, text in enumerate(sentences, start=1)]


def resynthesise(codec: "Codec", utterances: Sequence[Utterance], folder: Path) -> Iterator[Utterance]:
    """The recordings after encoding and decoding; goes on at the first that is missing."""
    from audiogen.metrics.codec import compare

    for utterance in utterances:
        path = folder / "wav" / f"{utterance.utt_id}.wav"
        if not path.exists():
            _save(compare(codec, Audio.read(utterance.audio)).decoded, path)
        yield replace(utterance, audio=path, duration=Audio.read(path).duration)


def speak(tts: "TTS", sentences: Sequence[Sentence], folder: Path, seed: int) -> Iterator[Utterance]:
    """The sentences spoken, each with its own seed; goes on at the first batch that is missing."""
    for start in range(0, len(sentences), BATCH):
        batch = sentences[start : start + BATCH]
        paths = [folder / "wav" / f"{sentence.utt_id}.wav" for sentence in batch]
        if not all(path.exists() for path in paths):
            for path, audio in zip(paths, tts([sentence.text for sentence in batch], seed=seed), strict=True):
                _save(audio, path)
        for sentence, path in zip(batch, paths, strict=True):
            yield Utterance(
                utt_id=sentence.utt_id,
                audio=path,
                text=sentence.text,
                speaker="tts",
                duration=Audio.read(path).duration,
            )


def _save(audio: Audio, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.save(path)
