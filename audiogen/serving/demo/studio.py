"""What the tab Vamp does with a session, without the page around it.

Pictures for the page are plain values: files are `{"path": …}`, which gradio turns into addresses.
"""

import base64
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from torch import Tensor

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.metrics.plot import save_spectrograms
from audiogen.pipelines.loops import write_wav
from audiogen.pipelines.take import Take
from audiogen.pipelines.vamp import Vamp
from audiogen.prompts import Grid, mask, parse
from audiogen.serving.demo.controls import read_regions
from audiogen.serving.demo.errors import sentence
from audiogen.serving.demo.inlets import Sent
from audiogen.serving.demo.request import Request
from audiogen.serving.demo.session import Endless, Input, Session, Version

LONGEST = 300.0
"""Seconds of a sound that the page takes; the command line has no limit."""

DONE = {"bars": None, "pitch": 0.0, "stretch": 1}
"""What is done to the input of an endless vamp once, before its first pass."""

OnProgress = Callable[[int, int], None]
"""Told after every pass: passes done, passes planned."""


class Studio:
    """Vamps for all sessions, with one model."""

    def __init__(self, vamp: Vamp):
        self.vamp = vamp

    def load(self, session: Session, path: str) -> Input:
        """Make a sound file the input.

        Raises:
            InputError: no sound, or too long.
        """
        audio = read_sound(path)
        return session.load(audio, Path(path), Path(path).stem, self.grid(audio))

    def receive(self, session: Session, sent: Sent) -> Input:
        """Make a take of another tab the input: with its codes, where they are those of this model's codec.

        Raises:
            InputError: too long.
        """
        if not self.vamp.knows(sent.take):
            return self.load(session, str(sent.path))
        return session.load(sent.take, sent.take, sent.path.stem, self.grid(sent.take))

    def grid(self, audio: Audio) -> Grid:
        """Of the codes of a sound, for pictures of prompts."""
        codec = self.vamp.system.codec
        if isinstance(audio, Take):
            return Grid(codec.levels, audio.codes.shape[-1], codec.frame_rate, audio.origin)
        return Grid(codec.levels, max(1, math.ceil(audio.duration * codec.frame_rate - 1e-6)), codec.frame_rate, audio)

    def use(self, session: Session, number: int) -> Input:
        """Make a take the input, with its codes.

        Raises:
            InputError: it was forgotten.
        """
        return session.use(number, self.grid(session.version(number).take))

    def make(
        self, session: Session, request: Request, seed: int, variations: int, on_step: OnProgress | None = None
    ) -> list[Version]:
        """Vamp the input; its takes are remembered.

        Raises:
            InputError: no input, or one that `Vamp` refuses, as it does settings and prompts.
        """
        takes = self.takes(session.loaded().given, request, seed, variations, on_step)
        return [session.keep(take, request.prompt) for take in takes]

    def takes(
        self, audio: Audio | Path, request: Request, seed: int, variations: int, on_step: OnProgress | None = None
    ) -> list[Take]:
        """Vamp a sound, or its file.

        Raises:
            InputError: one that `Vamp` refuses, as it does settings and prompts.
        """
        return self.vamp(
            audio, parse(request.prompt), seed=seed, variations=variations, on_step=on_step, **request.settings
        )

    def more(self, session: Session, start: int | None, request: Request, seed: int) -> tuple[int, Take]:
        """The next pass of the endless vamp, and its number; it begins with the take `start`, or with the input.

        A request that has changed meanwhile counts from the next pass on.

        Raises:
            InputError: as `make`.
        """
        running = session.endless
        if running is None or running.start != start or running.request != request:
            going_on = running.last if running and running.start == start else None
            first = going_on or (session.version(start).take if start else session.loaded().given)
            settings = {**request.settings, **(DONE if going_on else {})}
            passes = self.vamp.endless(first, parse(request.prompt), seed=seed, **settings)
            kept = running.passes if running and going_on else []
            running = session.endless = Endless(start, request, iter(passes), going_on, kept)
        return running.next()


def read_sound(path: str, longest: float = LONGEST) -> Audio:
    """A sound file that was uploaded; its length is looked at before it is read.

    Raises:
        InputError: no sound, or longer than `longest` seconds.
    """
    try:
        duration = soundfile.info(path).duration
    except soundfile.LibsndfileError:
        duration = 0.0  # reading it says what is wrong
    if duration > longest:
        raise InputError(
            f"expected at most {longest / 60:g} minutes of sound, got {duration / 60:.1f}. "
            "Cut a part out of it; the command line takes any length."
        )
    try:
        return Audio.read(path)
    except InputError as error:
        raise InputError(str(error).replace(path, Path(path).name)) from error  # not where the server keeps it


def player_value(session: Session, show: int | None = None) -> dict[str, Any]:
    """What the player shows: versions of the sound, its beats, and which of them is to be drawn; None: the input."""
    source = session.input
    if source is None:
        return {}
    beats = source.beats
    tempo = f"{beats.tempo:.0f} bpm" if beats.tempo else "no beat is heard"
    about = f"{source.audio.duration:.2f} s, {source.audio.sample_rate} Hz, {tempo}"
    first = {"id": "source", "name": f"Input: {source.name}", "file": file_value(source.path), "about": about}
    return {
        "source": str(source.path),
        "song": source.song,
        "duration": source.audio.duration,
        "sample_rate": source.audio.sample_rate,
        "beats": _rounded(beats.times),
        "downbeats": _rounded(beats.downbeats),
        "can_undo": bool(session.before),
        "show": "source" if show is None else show,
        "tracks": [first, *map(_track, session.shown)],
    }


def _track(version: Version) -> dict[str, Any]:
    take = version.take
    return {
        "id": version.id,
        "name": version.name,
        "file": file_value(version.path),
        "settings": file_value(version.sidecar),
        "seed": take.seed,
        "about": ". ".join([f"{take.duration:.2f} s, seed {take.seed}, kept: {version.prompt}", *take.notes]),
    }


def pass_value(session: Session, number: int, take: Take) -> dict[str, Any]:
    """A pass of the endless vamp, for the player."""
    path = write_wav(take, session.folder / f"pass-{number % 8}-{take.seed}.wav")
    return {
        "id": number,
        "name": f"Pass {number}",
        "file": file_value(path),
        "seed": take.seed,
        "about": f"seed {take.seed}",
    }


def mask_value(session: Session, text: str, regions: str, unit: str, seed: int) -> dict[str, Any]:
    """What a prompt keeps of the input, cell by cell, and the regions in seconds; or what is wrong with it."""
    if session.input is None:
        return {}
    try:
        drawn = read_regions(regions) if unit == "seconds" else ()
        cells = mask(parse(text), session.input.grid, seed)[0]
    except InputError as error:
        return {"error": sentence(error)}
    return {**_mask(cells, "will be made new"), "regions": [list(region) for region in drawn]}


def made_value(version: Version) -> dict[str, Any]:
    """What was kept in a take and what was made."""
    return _mask(version.take.mask, "were made new")


def _mask(cells: Tensor, verb: str) -> dict[str, Any]:
    levels, frames = cells.shape
    return {
        "levels": levels,
        "frames": frames,
        "bits": base64.b64encode(np.packbits(cells.numpy().ravel()).tobytes()).decode(),
        "about": f"{float(cells.float().mean()):.0%} of {levels} levels × {frames} frames {verb}",
    }


def draw(session: Session, number: int | None) -> Path | None:
    """Spectrogram of a take with what was kept and made, or that of the input; drawn once."""
    if number is None:
        source = session.input
        if source is None:
            return None
        path = source.path.with_suffix(".png")
        return path if path.exists() else save_spectrograms(path, {source.name: source.audio})
    version = session.version(number)
    path = version.path.with_suffix(".png")
    return path if path.exists() else version.take.save_plot(path)


def file_value(path: Path) -> dict[str, Any]:
    """A file for the page."""
    return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def _rounded(times: tuple[float, ...]) -> list[float]:
    return [round(time, 4) for time in times]
