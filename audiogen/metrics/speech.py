"""How intelligible speech is: word and character error rates of an offline recogniser, and utterances that went wrong.

The recogniser is pocketsphinx with the general US English model that comes with it, so that figures need no download.
It is a weak recogniser (about one word in four of clean read speech is wrong): figures mean something only beside those
of the original recordings, heard by the same recogniser. Its language model guesses words, so the character error rate
belongs beside the word error rate.

Reference and recognised text are normalised alike: lower case, no punctuation, numbers and abbreviations as words.
"""

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from audiogen.audio import Audio
from audiogen.conditioning.english import words as spoken_words
from audiogen.conditioning.text import PAUSES, phonemize
from audiogen.errors import InputError
from audiogen.extras import need
from audiogen.files import atomic_write

RATE = 16_000
"""Hz that the recogniser's model was trained at."""
RESAMPLES, CONFIDENCE = 1_000, 0.95
"""Bootstrap: how often the utterances are drawn anew, and the share of results that the interval holds."""
FRAME = 0.02
"""Seconds of one level measurement."""
SECONDS_PER_PHONE, EDGE_SECONDS = 0.09, 0.2
"""Read English: the recordings of egs/kathleen take 0.075 to 0.15 s per phone (99 % of them)."""
LONGEST, SHORTEST = 2.0, 0.45
"""Shares of the expected duration beyond which something was said twice or not at all."""
SILENT_LEVEL = -50.0
"""dBFS of the loud parts (90th percentile of frames) below which nobody hears anything."""
EDGE_LEVEL = -12.0
"""dB against the loud parts: first or last frames above it are cut off. Of the same recordings all are below -18."""
CLIPPED_LEVEL, CLIPPED_SHARE = 0.999, 1e-3
"""Samples at full scale, and the share of them that is heard as distortion."""
PROBLEMS = ("silent", "clipped", "cut_off", "repeated")
"""cut_off: starts or ends in mid-sound, or is far too short; repeated: words are said again, or it is far too long."""


@dataclass(frozen=True)
class Heard:
    """One utterance, recognised and compared with its text."""

    utt_id: str
    text: str
    """What should have been said, normalised."""
    heard: str
    """What the recogniser understood, normalised."""
    words: int
    """Words of `text`."""
    word_errors: int
    """Words replaced, left out or added."""
    characters: int
    character_errors: int
    seconds: float
    problems: tuple[str, ...]
    """Those of `PROBLEMS` that it has."""


@dataclass(frozen=True)
class Rate:
    """An error rate with its 95 % interval over utterances."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Summary:
    """A set of utterances."""

    utterances: tuple[Heard, ...]
    wer: Rate
    """Word errors per word of the texts."""
    cer: Rate
    """Character errors per character of the texts."""
    seconds: float
    problems: dict[str, int]
    """How many utterances have each of `PROBLEMS`."""

    @classmethod
    def of(cls, utterances: Iterable[Heard]) -> Self:
        """Add up; all of the figures follow from the utterances."""
        heard = tuple(utterances)
        counts = Counter(problem for utterance in heard for problem in utterance.problems)
        return cls(
            heard,
            error_rate([one.word_errors for one in heard], [one.words for one in heard]),
            error_rate([one.character_errors for one in heard], [one.characters for one in heard]),
            sum(one.seconds for one in heard),
            {problem: counts[problem] for problem in PROBLEMS},
        )

    def to_json(self) -> dict[str, Any]:
        """The figures, without the utterances."""
        return {
            "utterances": len(self.utterances),
            "seconds": round(self.seconds, 2),
            "wer": asdict(self.wer),
            "cer": asdict(self.cer),
            "problems": self.problems,
        }

    def save(self, path: str | Path) -> None:
        """One JSON object per utterance and line."""
        with atomic_write(path) as temporary:
            lines = (json.dumps(asdict(utterance), ensure_ascii=False) for utterance in self.utterances)
            temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def evaluate(
    utterances: Iterable[tuple[str, str, Audio | str | Path]],
    *,
    jobs: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> Summary:
    """Recognise and score.

    Args:
        utterances: (utt_id, text, audio or its file).
        jobs: processes that recognise; 1 is this one.
        on_progress: is called with the number of utterances done so far.
    Raises:
        InputError: no utterance, a file that cannot be read, or a text with nothing to say.
    """
    todo = list(utterances)
    if not todo:
        raise InputError("expected utterances to score, got none. Give at least one.")
    done: list[Heard] = []
    if jobs == 1:
        for utterance in todo:
            done.append(score(*utterance))
            if on_progress:
                on_progress(len(done))
        return Summary.of(done)
    with multiprocessing.get_context("spawn").Pool(min(jobs, len(todo))) as pool:
        for heard in pool.imap(_score, ((utt_id, text, _portable(audio)) for utt_id, text, audio in todo)):
            done.append(heard)
            if on_progress:
                on_progress(len(done))
    return Summary.of(done)


def score(utt_id: str, text: str, audio: Audio | str | Path) -> Heard:
    """Recognise one utterance and compare it with its text."""
    wanted = normalize(text)
    if not wanted:
        raise InputError(f"{utt_id}: expected a text with words, got {text!r}. Correct the text or leave it out.")
    sound = (audio if isinstance(audio, Audio) else Audio.read(audio)).mono()
    heard = recognize(sound)
    jiwer = need("jiwer", "metrics")
    by_word = jiwer.process_words(wanted, heard)
    by_character = jiwer.process_characters(wanted, heard)
    return Heard(
        utt_id,
        wanted,
        heard,
        len(wanted.split()),
        by_word.substitutions + by_word.deletions + by_word.insertions,
        len(wanted),
        by_character.substitutions + by_character.deletions + by_character.insertions,
        round(sound.duration, 3),
        problems(sound, text, heard),
    )


def _portable(audio: Audio | str | Path) -> tuple[np.ndarray, int] | str | Path:
    """What can be sent to another process; tensors would each hold a file open."""
    return (audio.samples.numpy(), audio.sample_rate) if isinstance(audio, Audio) else audio


def _score(utterance: tuple[str, str, tuple[np.ndarray, int] | str | Path]) -> Heard:
    utt_id, text, sent = utterance
    return score(utt_id, text, Audio(torch.from_numpy(sent[0]), sent[1]) if isinstance(sent, tuple) else sent)


def normalize(text: str) -> str:
    """Lower-case words with single spaces; numbers and abbreviations as they are said, spelled letters one by one."""
    return " ".join(spoken_words(text))


def recognize(audio: Audio) -> str:
    """What pocketsphinx understands, normalised; "" where it hears no words."""
    samples = audio.mono().resample(RATE).samples[0].clamp(-1, 1)
    if _loud(_levels(samples.numpy(), RATE)) < SILENT_LEVEL:
        return ""
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw((samples * 32767).short().numpy().tobytes(), no_search=False, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return normalize(hypothesis.hypstr) if hypothesis else ""


@lru_cache(maxsize=1)
def _decoder() -> Any:
    """One per process: loading takes half a second, and a decoder is not safe to share between threads.

    Cepstral means are those of each utterance, so that no result depends on the utterances before it.
    """
    return need("pocketsphinx", "metrics").Decoder(samprate=RATE, cmn="batch", loglevel="FATAL")


def error_rate(errors: Sequence[int], totals: Sequence[int]) -> Rate:
    """Errors per unit over all utterances, with a percentile bootstrap interval over utterances (fixed seed)."""
    above, below = np.asarray(errors, dtype=float), np.asarray(totals, dtype=float)
    draws = np.random.default_rng(0).integers(0, len(above), (RESAMPLES, len(above)))
    rates = above[draws].sum(1) / below[draws].sum(1)
    low, high = np.quantile(rates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Rate(float(above.sum() / below.sum()), float(low), float(high))


def problems(audio: Audio, text: str, heard: str) -> tuple[str, ...]:
    """Which of `PROBLEMS` an utterance has."""
    samples = audio.mono().samples[0].numpy()
    levels = _levels(samples, audio.sample_rate)
    if _loud(levels) < SILENT_LEVEL:
        return ("silent",)
    share = audio.duration / expected_seconds(text)
    found = {
        "clipped": float(np.mean(np.abs(samples) >= CLIPPED_LEVEL)) > CLIPPED_SHARE,
        "cut_off": max(levels[0], levels[-1]) - _loud(levels) > EDGE_LEVEL or share < SHORTEST,
        "repeated": share > LONGEST or _says_again(normalize(text).split(), heard.split()),
    }
    return tuple(name for name in PROBLEMS if found.get(name))


def expected_seconds(text: str) -> float:
    """How long reading the text aloud takes, roughly."""
    phones = phonemize(text).phones
    return EDGE_SECONDS + SECONDS_PER_PHONE * sum(phone not in PAUSES for phone in phones)


def _says_again(wanted: list[str], heard: list[str]) -> bool:
    """Whether three words in a row are heard more often than the text has them."""
    triples = Counter(zip(heard, heard[1:], heard[2:], strict=False))
    expected = Counter(zip(wanted, wanted[1:], wanted[2:], strict=False))
    return any(count > max(1, expected[triple]) for triple, count in triples.items())


def _levels(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Root mean squares in dBFS of frames of 20 ms; the last frame ends where the sound ends."""
    window = min(round(FRAME * sample_rate), len(samples))
    frames = samples[: len(samples) // window * window].reshape(-1, window)
    power = np.mean(np.square(np.concatenate([frames, samples[None, -window:]]), dtype=np.float64), axis=1)
    return np.asarray(10 * np.log10(power + 1e-12))


def _loud(levels: np.ndarray) -> float:
    return float(np.percentile(levels, 90))
