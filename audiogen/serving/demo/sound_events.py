"""What the tab Sound does, without the page around it."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from audiogen.errors import InputError
from audiogen.pipelines import identity
from audiogen.pipelines.batches import OnStep
from audiogen.pipelines.chunks import frames_in
from audiogen.pipelines.loops import sidecar_of
from audiogen.pipelines.sound import Sound
from audiogen.pipelines.sound_regions import read_region
from audiogen.pipelines.take import Take
from audiogen.serving.demo import painting, seeds
from audiogen.serving.demo.inlets import Sent
from audiogen.serving.demo.studio import read_sound

LONGEST = 120
"""Seconds of a sound, given or made; the command line has no such limit."""
MOST_CHARACTERS = 500
MOST_RESULTS = 4
Shown = tuple[Any, str, str, int, str, list[Sent], Sent]
"""What a request puts on the page: choices, sound, settings, seed, a line about it, all results, the chosen one."""
Answer = tuple[list[str], int]
"""What a program gets: a WAV and its JSON settings per result, and the seed of the first."""


@dataclass(frozen=True)
class _Asked:
    """What all requests have."""

    caption: str
    settings: dict[str, Any]
    """Keyword arguments of `Sound`: seed, steps, guidance."""
    started: float

    @classmethod
    def of(cls, caption: str, steps: float, guidance: float, seed: float | None) -> "_Asked":
        """From the controls; the seed is drawn, where it is to be.

        Raises:
            InputError: the caption is too long, or the seed none.
        """
        if len(caption) > MOST_CHARACTERS:
            raise InputError(f"expected a caption of at most {MOST_CHARACTERS} characters, got {len(caption)}. Cut it.")
        settings = {"seed": seeds.drawn(seed), "steps": int(steps), "guidance": guidance}
        return cls(caption.strip(), settings, time.perf_counter())


@dataclass(frozen=True)
class Events:
    """The handlers of the tab."""

    sound: Sound
    folder: Path

    # ------------------------------------------------------------------------------------------------------- the page

    def make(
        self, caption: str, seconds: float, variations: float, steps: float, guidance: float, seed: float | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Shown:  # fmt: skip
        """New sounds of a caption."""
        asked = _Asked.of(caption, steps, guidance, seed)
        return self._shown(self._made(seconds, variations, asked, _told(progress)), asked)

    def inpaint(
        self, path: str | None, results: list[Sent] | None, cells: list[str] | None, caption: str,
        steps: float, guidance: float, seed: float | None, start: float | None, end: float | None, low: float | None,
        high: float | None, progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Shown:  # fmt: skip
        """The marked `cells`, and what lies from `start` to `end` (seconds) and from `low` to `high` (Hz), anew."""
        asked = _Asked.of(caption, steps, guidance, seed)
        source, codec = self._source(path, results), self.sound.codec
        audio = source if isinstance(source, Take) else read_sound(str(source), LONGEST)
        marked = painting.painted(cells, codec.levels, frames_in(audio.duration, codec.frame_rate))
        regions = [
            *painting.regions(marked, codec, audio.duration), *_typed(start, end, low, high, codec.row_edges[-1])
        ]  # fmt: skip
        if not regions:
            raise InputError("expected something painted on the spectrogram, or numbers, got neither. Mark a part.")
        return self._shown([self._inpainted(source, regions, asked, _told(progress))], asked)

    def extend(
        self, path: str | None, results: list[Sent] | None, cutoff: float | None, caption: str, steps: float,
        guidance: float, seed: float | None, progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Shown:  # fmt: skip
        """The frequencies that a sound lacks."""
        asked = _Asked.of(caption, steps, guidance, seed)
        return self._shown([self._extended(self._source(path, results), cutoff, asked, _told(progress))], asked)

    def vary(
        self, path: str | None, results: list[Sent] | None, strength: float, variations: float, caption: str,
        steps: float, guidance: float, seed: float | None, progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Shown:  # fmt: skip
        """Variations of a sound."""
        asked, count = _Asked.of(caption, steps, guidance, seed), _count(variations)
        source, told = self._source(path, results), _told(progress)
        takes = self.sound.variations(source, count, strength, asked.caption or None, on_step=told, **asked.settings)
        return self._shown(takes, asked)

    def draw(self, path: str | None) -> tuple[dict[str, Any], None]:
        """What is painted on, of a sound; nothing is marked in it yet."""
        if path is None:
            return {}, None
        audio = read_sound(path, LONGEST)
        place = Path(tempfile.mkdtemp(prefix="picture-", dir=self.folder)) / "spectrogram.png"
        return painting.picture(audio, self.sound.codec, place), None

    def paint(self, event: gr.EventData) -> list[str]:
        """Cells were marked: a text of 0 and 1 for each row."""
        return [str(row) for row in event.cells]

    def choose(self, results: list[Sent] | None, number: int) -> tuple[str, str, Sent]:
        """Another one of the results."""
        if not results:
            raise InputError("expected a result to choose, got none. Make one first.")
        sent = results[number]
        return str(sent.path), str(sidecar_of(sent.path)), sent

    def use(self, sent: Sent | None) -> str:
        """The result becomes what is mended."""
        if sent is None:
            raise InputError("expected a result to go on with, got none. Make one first.")
        return str(sent.path)

    # ------------------------------------------------------------------------------------------------------- programs

    def answer(
        self, caption: str, seconds: float, steps: float, guidance: float, seed: float, variations: float
    ) -> Answer:
        """`/sound`."""
        asked = _Asked.of(caption, steps, guidance, seed)
        return self._answer(self._made(seconds, variations, asked), asked)

    def answer_inpaint(
        self, audio: str | None, regions: str, caption: str, steps: float, guidance: float, seed: float
    ) -> Answer:
        """`/sound_inpaint`; regions are as "1.5:2, 3:4:500:4000"."""
        asked, given = _Asked.of(caption, steps, guidance, seed), [read_region(one) for one in regions.split(",")]
        return self._answer([self._inpainted(self._source(audio), given, asked)], asked)

    def answer_extend(
        self, audio: str | None, cutoff: float, caption: str, steps: float, guidance: float, seed: float
    ) -> Answer:
        """`/sound_extend`; a cutoff of 0 is found."""
        asked = _Asked.of(caption, steps, guidance, seed)
        return self._answer([self._extended(self._source(audio), cutoff, asked)], asked)

    # ----------------------------------------------------------------------------------------------------------- both

    def _made(self, seconds: float, variations: float, asked: _Asked, on_step: OnStep | None = None) -> list[Take]:
        if seconds > LONGEST:
            raise InputError(f"expected at most {LONGEST} seconds, got {seconds:g}. The command line makes more.")
        count = _count(variations)
        return self.sound(asked.caption, seconds=seconds, variations=count, on_step=on_step, **asked.settings)

    def _inpainted(
        self, source: Take | Path, regions: Sequence[Sequence[float]], asked: _Asked, on_step: OnStep | None = None
    ) -> Take:
        return self.sound.inpaint(source, regions, asked.caption or None, on_step=on_step, **asked.settings)

    def _extended(
        self, source: Take | Path, cutoff: float | None, asked: _Asked, on_step: OnStep | None = None
    ) -> Take:
        return self.sound.extend_bandwidth(source, cutoff or None, asked.caption, on_step=on_step, **asked.settings)

    def _source(self, path: str | None, results: Sequence[Sent] | None = None) -> Take | Path:
        """The sound that was given: a result of this page, if it is one, so that its history is kept."""
        if path is None:
            raise InputError("expected a sound to mend, got none. Upload or record one, or use a result.")
        read_sound(path, LONGEST)  # not too long, and a message without the place where the server keeps it
        found = identity.of_file(Path(path))
        same = (sent.take for sent in results or [] if sent.path.is_file() and identity.of_file(sent.path) == found)
        return next(same, Path(path))

    def _saved(self, takes: Sequence[Take]) -> list[Sent]:
        folder = Path(tempfile.mkdtemp(prefix="sound-", dir=self.folder))
        return [Sent(take, take.save(folder / f"sound-{take.seed}.wav")) for take in takes]

    def _answer(self, takes: Sequence[Take], asked: _Asked) -> Answer:
        files = [str(path) for sent in self._saved(takes) for path in (sent.path, sidecar_of(sent.path))]
        return files, asked.settings["seed"]

    def _shown(self, takes: Sequence[Take], asked: _Asked) -> Shown:
        sent, used = self._saved(takes), asked.settings["seed"]
        names = [(f"{index + 1} (seed {take.seed})", index) for index, take in enumerate(takes)]
        choices = gr.Radio(choices=names, value=0, visible=len(sent) > 1)
        first, taken = sent[0], time.perf_counter() - asked.started
        facts = [f"{first.take.duration:.1f} s of sound, made in {taken:.1f} s, seed {used}", *first.take.notes]
        return choices, str(first.path), str(sidecar_of(first.path)), used, ". ".join(facts), sent, first


def _told(progress: gr.Progress) -> OnStep:
    return lambda done, planned: progress((done, planned), desc="Making", unit="passes")


def _count(variations: float) -> int:
    if variations != int(variations) or not 1 <= variations <= MOST_RESULTS:
        raise InputError(f"expected 1 to {MOST_RESULTS} variations, got {variations:g}. Ask for fewer.")
    return int(variations)


def _typed(
    start: float | None, end: float | None, low: float | None, high: float | None, highest: float
) -> list[tuple[float, ...]]:
    """The region that the fields say; all of them empty or 0 is none.

    Raises:
        InputError: no end in seconds.
    """
    if not (start or end or low or high):
        return []
    if not end:
        raise InputError("expected where the region ends, got nothing in To (seconds). Fill it in, or clear all four.")
    return [(start or 0.0, end, low or 0.0, high or highest)] if low or high else [(start or 0.0, end)]
