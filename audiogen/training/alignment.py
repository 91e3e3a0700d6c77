"""Which phone is spoken when: forced alignment by pocketsphinx, with the pronunciations of our own front end.

Its US English acoustic model comes with the package (BSD); it takes 0.1 s per sentence.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.conditioning.text import ARPABET, PAUSES, PHONE_IDS, SILENCE, Phonemes, phonemize

logger = logging.getLogger(__name__)

RATE = 16000
FRAME = 0.01
"""Seconds per frame of the aligner."""
PADDING = 0.2
"""Seconds of near-silence added at both ends: the aligner looks for pauses there only if there is room for one."""
FRAME_RATE = 50
"""Hz, of codes."""


@dataclass(frozen=True)
class Segment:
    """One phone, pause or punctuation mark and its time in seconds; marks without a pause have no duration."""

    phone: str
    start: float
    end: float


class Aligner:
    """Phones to times; one instance per process."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(lm=None, samprate=RATE, loglevel="FATAL", bestpath=False, fwdflat=False)
        self._words: dict[tuple[str, ...], str] = {}

    def __call__(self, phonemes: Phonemes, audio: Audio) -> list[Segment] | None:
        """Segments that cover the audio without gaps, or None where the text does not fit the sound."""
        words, marks = _words_and_marks(phonemes)
        pcm = self._pcm(audio)
        try:
            self._decoder.set_align_text(" ".join(self._name(phones) for phones in words))
            self._decode(pcm)
            self._decoder.set_alignment()
            self._decode(pcm)
        except RuntimeError:  # pocketsphinx found no path
            return None
        alignment = self._decoder.get_alignment()
        if alignment is None:
            return None
        timed = [(word.name, [(phone.start, phone.duration) for phone in word]) for word in alignment]
        return _segments(timed, words, marks, audio.duration)

    def _name(self, phones: tuple[str, ...]) -> str:
        if phones not in self._words:
            name = self._words[phones] = f"w{len(self._words)}"
            self._decoder.add_word(name, " ".join(ARPABET[phone] for phone in phones), True)
        return self._words[phones]

    def _pcm(self, audio: Audio) -> bytes:
        samples = audio.mono().resample(RATE).samples[0].numpy()
        pad = np.zeros(round(PADDING * RATE), np.float32)
        samples = np.concatenate([pad, samples, pad])
        samples = samples + np.random.default_rng(0).normal(0, 1e-4, len(samples))  # digital silence has no features
        return (samples.clip(-1, 1) * 32767).astype(np.int16).tobytes()

    def _decode(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, no_search=False, full_utt=True)
        self._decoder.end_utt()


def _words_and_marks(phonemes: Phonemes) -> tuple[list[tuple[str, ...]], list[str | None]]:
    """The phones of each word, and the mark behind each word if there is one."""
    words: list[list[str]] = [[] for _ in phonemes.words]
    marks: list[str | None] = [None] * len(words)
    last = 0
    for phone, word in zip(phonemes.phones, phonemes.word_of, strict=True):
        if word < 0:
            marks[last] = phone
        else:
            words[word].append(phone)
            last = word
    return [tuple(word) for word in words], marks


def _segments(
    timed: list[tuple[str, list[tuple[int, int]]]],
    words: list[tuple[str, ...]],
    marks: list[str | None],
    duration: float,
) -> list[Segment] | None:
    """Aligner frames to segments: a pause takes the mark it stands at, or `SILENCE`; a mark without pause is empty."""

    def seconds(frame: int) -> float:
        return min(max(frame * FRAME - PADDING, 0.0), duration)

    segments = [Segment(SILENCE, 0.0, 0.0)]
    index = -1
    for name, phones in timed:
        start, end = seconds(phones[0][0]), seconds(phones[-1][0] + phones[-1][1])
        if name.startswith("<"):  # <sil>, <s>, </s>: sound without a word
            previous = segments[-1]
            segments[-1:] = (
                [Segment(previous.phone, previous.start, end)]
                if previous.phone in (SILENCE, *PAUSES)
                else [previous, Segment(SILENCE, start, end)]
            )
            continue
        index += 1
        if index >= len(words) or len(words[index]) != len(phones):
            return None
        for phone, (first, length) in zip(words[index], phones, strict=True):
            segments.append(Segment(phone, seconds(first), seconds(first + length)))
        if mark := marks[index]:
            segments.append(Segment(mark, end, end))
    if index + 1 != len(words):
        return None
    segments[-1] = Segment(segments[-1].phone, segments[-1].start, duration)
    return segments


def align(cuts: Path, out: Path) -> None:
    """A manifest with text -> the same with phone times; utterances that cannot be aligned are left out and counted."""
    from lhotse import CutSet
    from lhotse.supervision import AlignmentItem

    aligner = Aligner()
    aligned, lost = [], []
    for cut in CutSet.from_file(cuts):
        supervision = cut.supervisions[0]
        segments = aligner(phonemize(supervision.text), Audio.read(cut.recording.sources[0].source))
        if segments is None:
            lost.append(cut.id)
            continue
        items = [AlignmentItem(s.phone, round(s.start, 3), round(s.end - s.start, 3)) for s in segments]
        aligned.append(cut.map_supervisions(lambda s, items=items: s.with_alignment("phone", items)))
    CutSet.from_cuts(aligned).to_file(out)
    logger.info("aligned %d cuts, left out %d: %s", len(aligned), len(lost), " ".join(lost[:10]))


def phone_frames(cut: Any, frames: int) -> tuple[Tensor, Tensor]:
    """Phone ids [P] and durations [P] of an aligned cut; the durations are whole code frames and add up to `frames`."""
    items = cut.supervisions[0].alignment["phone"]
    ids = torch.tensor([PHONE_IDS[item.symbol] for item in items])
    ends = torch.tensor([item.end for item in items], dtype=torch.float64).mul(FRAME_RATE).round().long()
    ends[-1] = frames
    return ids, torch.diff(ends.clamp(max=frames), prepend=ends.new_zeros(1))


def frame_phones(cut: Any, frames: int) -> Tensor:
    """The phone id of each of `frames` code frames, [T]."""
    ids, durations = phone_frames(cut, frames)
    return ids.repeat_interleave(durations)
