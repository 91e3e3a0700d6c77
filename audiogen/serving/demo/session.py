"""What one open page has on the server: its input, the takes made from it with their codes, and the way back.

Everything is bounded: old takes go first. Files of a session lie in a folder of its own.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.pipelines.loops import sidecar_of, write_wav
from audiogen.pipelines.take import Take
from audiogen.prompts import Grid
from audiogen.prompts.beats import TrackedBeats
from audiogen.serving.demo.request import Request

MOST_TAKES = 24
MOST_SECONDS = 900.0
"""Of all takes together: half a gigabyte in stereo, codes included."""
MOST_INPUTS = 10
"""That can be undone."""
MOST_PASSES = 4
"""Of an endless vamp that can still be kept."""


@dataclass(frozen=True, eq=False)
class Input:
    """What is vamped: a loaded sound, or a take that was made the input."""

    audio: Audio
    given: Take | Path
    """What `Vamp` gets: a take, whose codes it uses, or the file as it was uploaded, by which a replay knows it."""
    name: str
    path: Path
    """A WAV of it, for the page."""
    song: int
    """Number of the loaded sound that it goes back to."""
    grid: Grid
    """Of its codes; what it hears is the sound as it was loaded, which is what prompts follow."""

    @property
    def beats(self) -> TrackedBeats:
        """For the picture; none where none is heard."""
        try:
            return self.grid.beats
        except InputError:
            return TrackedBeats((), (), None)


@dataclass(frozen=True, eq=False)
class Version:
    """A take with its files."""

    id: int
    name: str
    take: Take
    prompt: str
    """Text of it, as it was asked for."""
    path: Path
    song: int

    @property
    def sidecar(self) -> Path:
        """Its settings as JSON."""
        return sidecar_of(self.path)


@dataclass(eq=False)
class Endless:
    """A vamp that goes on for ever."""

    start: int | None
    """Id of the take it began with; None: the input."""
    request: Request
    takes: Iterator[Take]
    last: Take | None = None
    passes: list[tuple[int, Take]] = field(default_factory=list)
    """The last few, numbered from 1: they can be kept while they are heard."""

    def next(self) -> tuple[int, Take]:
        """Make one more."""
        self.last = next(self.takes)
        number = self.passes[-1][0] + 1 if self.passes else 1
        self.passes = [*self.passes, (number, self.last)][-MOST_PASSES:]
        return self.passes[-1]


@dataclass
class Session:
    """One open page."""

    root: Path
    """Folder of the server for all sessions."""
    input: Input | None = None
    versions: list[Version] = field(default_factory=list)
    """Takes, oldest first."""
    before: list[Input] = field(default_factory=list)
    """Inputs to go back to, the last one first to come."""
    endless: Endless | None = None
    """What plays on at the moment."""
    _last_number: int = 0

    @cached_property
    def folder(self) -> Path:
        """For this session's files; made when it is first needed."""
        return Path(tempfile.mkdtemp(prefix="session-", dir=self.root))

    def close(self) -> None:
        """Remove the files of a page that is gone."""
        if "folder" in self.__dict__:
            shutil.rmtree(self.folder, ignore_errors=True)

    def loaded(self) -> Input:
        """The input.

        Raises:
            InputError: there is none yet.
        """
        if self.input is None:
            raise InputError("expected a sound to vamp, got none. Choose an example, or upload or record a sound.")
        return self.input

    def load(self, audio: Audio, given: Take | Path, name: str, grid: Grid) -> Input:
        """Make a new sound the input; `given` is what `Vamp` gets."""
        number = self._number()
        path = write_wav(audio, self.folder / f"source-{number}.wav")
        return self._set_input(Input(audio, given, name, path, number, grid))

    def keep(self, take: Take, prompt: str, name: str | None = None) -> Version:
        """Remember a take of the input, and write its files."""
        song = self.loaded().song
        number = self._number()
        ordinal = 1 + sum(version.song == song for version in self.versions)
        path = take.save(self.folder / f"take-{number}.wav", bpm_in_name=True)
        version = Version(number, name or f"Take {ordinal}", take, prompt, path, song)
        self.versions.append(version)
        self._forget()
        return version

    def version(self, number: int) -> Version:
        """A take by its id.

        Raises:
            InputError: it was forgotten.
        """
        for version in self.versions:
            if version.id == number:
                return version
        raise InputError(
            f"expected one of the last {MOST_TAKES} takes, got one that was forgotten. Choose a newer one."
        )

    def use(self, number: int, grid: Grid) -> Input:
        """Make a take the input, with its codes.

        Raises:
            InputError: it was forgotten.
        """
        version = self.version(number)
        return self._set_input(Input(version.take, version.take, version.name, version.path, version.song, grid))

    def undo(self) -> Input:
        """Go back to the input before.

        Raises:
            InputError: there is none.
        """
        if not self.before:
            raise InputError("expected an input to go back to, got the first one. There is nothing to undo.")
        self.input = self.before.pop()
        return self.input

    @property
    def shown(self) -> list[Version]:
        """Takes of the same sound as the input."""
        return [version for version in self.versions if self.input and version.song == self.input.song]

    def _number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _set_input(self, new: Input) -> Input:
        if self.input is not None:
            self.before = [*self.before, self.input][-MOST_INPUTS:]
        self.input = new
        return new

    def _forget(self) -> None:
        def too_much() -> bool:
            seconds = sum(version.take.duration for version in self.versions)
            return len(self.versions) > MOST_TAKES or (seconds > MOST_SECONDS and len(self.versions) > 1)

        while too_much():
            oldest = self.versions.pop(0)
            if oldest.path not in {one.path for one in [*self.before, self.input] if one}:
                oldest.path.unlink(missing_ok=True)
                oldest.sidecar.unlink(missing_ok=True)
