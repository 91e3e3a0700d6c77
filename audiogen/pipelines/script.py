"""A text as lines to speak: stretches that are decoded in one go, with their phones, durations and the pauses between.

Sentences are lines. Of a long text the first line is only the beginning of the first sentence, so that a listener hears
something soon; every other line is then decoded while the one before is played.
Shapes: P phones.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.conditioning.text import PAUSES, PHONE_IDS, SILENCE, phonemize, split_sentences
from audiogen.errors import InputError
from audiogen.models.duration import whole_frames

FIRST_LINE = 60
"""Characters of the first line of a long text, at most: about 3.5 s of speech."""
LONG_TEXT = 200
"""Characters of a text, or of its first sentence, from which on it counts as long."""
SHORT_LINE = 66
"""Characters up to which a line without an end mark is a heading, not part of a sentence that was too long."""
MIN_CLAUSE = 15
"""Characters that the first line has at least, if it ends at a comma."""
PAUSE_FRAMES = {",": 4, ".": 13, "!": 13, "?": 13}
"""Silence after a line that ends with this mark, in frames of 20 ms. Recordings of single sentences do not show it."""
MIN_SPEED, MAX_SPEED = 0.25, 4.0
_LEADING, _TRAILING = (2.0, 6.0), (3.0, 15.0)
"""Frames of silence at the start and the end of a line: at least, at most."""
_CLAUSE_END = re.compile(r"[,;:—–]\s+")
_CONJUNCTION = re.compile(r"\s+(?=(?:and|but|or|which|that|who|because|when|while|with|as|to|of|in|on|at|from)\s)")

NaturalFrames = Callable[[Tensor], Tensor]
"""Ids [P] -> frames [P], float: how long each phone lasts at the voice's own pace."""


@dataclass(frozen=True)
class Line:
    """A stretch of text that is decoded in one go."""

    phones: tuple[str, ...]
    """Silence, then symbols of `PHONES`; the last is a pause mark."""
    left_out: tuple[str, ...]
    """What cannot be said, before this line or in it."""

    @property
    def ids(self) -> Tensor:
        """[P] int64."""
        return torch.tensor([PHONE_IDS[phone] for phone in self.phones])

    @property
    def pause(self) -> int:
        """Frames of silence that follow, unless the line is the last."""
        return PAUSE_FRAMES[self.phones[-1]]


@dataclass(frozen=True, eq=False)
class TimedLine:
    """A line with its place in time."""

    line: Line
    pause: int
    """Frames of silence before it."""
    durations: Tensor
    """[P] int64 frames, at least one in all."""


def read_lines(text: str) -> Iterator[Line]:
    """The lines of `text`, one by one, so that the first is there before the last was looked at.

    Raises:
        InputError: nothing in the text can be spoken.
    """
    left_out: list[str] = []
    first_error, found = None, False
    for part, complete in _parts(text):
        try:
            said = phonemize(part)
        except InputError as error:  # a line of emoji, of another script
            first_error = first_error or error
            left_out.append(part)
            continue
        phones = said.phones if complete else (*said.phones[:-1], ",")
        yield Line((SILENCE, *phones), (*left_out, *said.left_out))
        left_out, found = [], True
    if not found and first_error:
        raise first_error
    if not found:
        phonemize(text)  # says what is wrong with a text without any characters


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Stretches of the text, and whether each is a sentence to its end."""
    sentences = [sentence for sentence in split_sentences(text) if sentence]
    if not sentences:
        return
    first, long = sentences[0], len(text) > LONG_TEXT
    if long and len(first) > FIRST_LINE:
        at = _first_cut(first)
        yield first[:at].strip(), False
        sentences[0] = first[at:].strip()
    for number, sentence in enumerate(sentences, start=1):
        ended = sentence.rstrip("\"'”’)]").endswith((".", "!", "?", "。", "！", "？"))
        yield sentence, ended or len(sentence) <= SHORT_LINE or number == len(sentences)


def _first_cut(sentence: str) -> int:
    """Where the first line of a long text ends: behind a clause, else before a small word, else between words."""
    for boundary in (_CLAUSE_END, _CONJUNCTION):
        ends = [match.end() for match in boundary.finditer(sentence, 0, FIRST_LINE)]
        if ends and ends[-1] >= MIN_CLAUSE:
            return ends[-1]
    space = sentence.rfind(" ", 0, FIRST_LINE)
    return space + 1 if space > 0 else FIRST_LINE


def timed(
    lines: Iterator[Line], natural: NaturalFrames, frame_rate: float, speed: float, seconds: float | None
) -> Iterator[TimedLine]:
    """The lines with their times, one by one; with `seconds`, all are measured before the first comes back.

    Raises:
        InputError: the text cannot be spoken in so much or so little time.
    """
    if seconds is not None:
        yield from _fitted(list(lines), natural, frame_rate, seconds)
        return
    pause = 0
    for line in lines:
        frames = _natural(line, natural) / speed
        yield TimedLine(line, round(pause / speed), whole_frames(frames, max(1, round(float(frames.sum())))))
        pause = line.pause


def _fitted(lines: list[Line], natural: NaturalFrames, frame_rate: float, seconds: float) -> Iterator[TimedLine]:
    """Everything shorter or longer by the same factor, pauses included, so that the sum is `seconds`."""
    frames = [_natural(line, natural) for line in lines]
    pauses = [0, *(line.pause for line in lines[:-1])]
    spans = torch.tensor([float(span) for pair in zip(pauses, (f.sum() for f in frames), strict=True) for span in pair])
    usual = float(spans.sum()) / frame_rate
    total = round(seconds * frame_rate)
    if not usual / MAX_SPEED <= seconds <= usual / MIN_SPEED or total < len(lines):
        raise InputError(
            f"expected {usual / MAX_SPEED:.1f} to {usual / MIN_SPEED:.1f} seconds for this text, got {seconds:g}. "
            f"At the voice's own pace it takes {usual:.1f} s."
        )
    whole = whole_frames(spans, total).tolist()
    for line, own, pause, length in zip(lines, frames, whole[0::2], whole[1::2], strict=True):
        yield TimedLine(line, pause, whole_frames(own, max(1, length)))


def _natural(line: Line, natural: NaturalFrames) -> Tensor:
    """Frames [P], float64: as predicted, but no sound without time, and neither long silence at the ends nor none."""
    frames = natural(line.ids).double().cpu()
    sounds = torch.tensor([phone not in (SILENCE, *PAUSES) for phone in line.phones])
    frames = torch.where(sounds, frames.clamp(min=1), frames)
    frames[0] = frames[0].clamp(*_LEADING)
    frames[-1] = frames[-1].clamp(*_TRAILING)
    return frames
