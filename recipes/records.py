"""What is known about a stage between runs: `.done/<stage>.json`, and `<stage>.running.json` from start to end or kill.

Outputs are made under working names and renamed when the stage has succeeded, so a file that is there is whole:

1. `running.json` is written with state "running"; the stage works, and after a kill goes on, in the working names.
2. The state becomes "finishing"; outputs are renamed. A kill here is mended at the next start, by renaming the rest.
3. `<stage>.json` is written and `running.json` removed.
"""

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from audiogen.errors import InputError
from audiogen.files import atomic_write
from recipes.fingerprint import Fingerprint, Snapshot, snapshot
from recipes.stages import Recipe, Stage, braces

FOLDER = Path(".done")

State = Literal["running", "finishing", "done"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run of one stage."""

    state: State
    fingerprint: Fingerprint
    outputs: tuple[str, ...]
    command: str
    revision: str
    """Git revision of the code; "-dirty" when files were changed."""
    machine: str
    """What it ran on: processors, not names."""
    started: str
    """Local time, ISO 8601."""
    seconds: float = 0.0
    """How long the stage took; of the last part when it was killed before."""

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            values = {**vars(self), "fingerprint": self.fingerprint.to_json()}
            temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Record | None":
        """The record at `path`; None when there is none.

        Raises:
            InputError: the file is not a record.
        """
        if not path.exists():
            return None
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            fingerprint = Fingerprint.from_json(values.pop("fingerprint"))
            return cls(**{**values, "fingerprint": fingerprint, "outputs": tuple(values["outputs"])})
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"expected a stage record in {path}, got something else ({error}). Remove it to run the stage again."
            ) from error


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a stage stands."""

    kind: Literal["done", "changed", "half-way", "new"]
    reasons: tuple[str, ...] = ()
    """Why it must run again."""
    record: Record | None = None
    """Its last completed run."""


class History:
    """Records of one recipe's stages in the current folder."""

    def __init__(self, recipe: Recipe[Any], conf_values: Mapping[str, Any], names: Mapping[str, Any]) -> None:
        """`conf_values` are plain values by top-level conf key; `names` fill the braces of templates."""
        self.recipe, self.conf_values, self.names = recipe, conf_values, names

    def path(self, stage: Stage, suffix: str = ".json") -> Path:
        """Where the record of `stage` is; stages whose outputs carry the conf's tag have one record per tag."""
        tagged = any("tag" in braces(template) for template in stage.writes)
        return FOLDER / (f"{self.names['tag']}.{stage.name}{suffix}" if tagged else f"{stage.name}{suffix}")

    def fingerprint(self, stage: Stage) -> Fingerprint:
        """State of what `stage` depends on now; what is missing has no snapshot."""
        earlier = self._snapshots(stage)
        paths = [path for path in stage.inputs(self.names) if Path(path).exists()]
        return Fingerprint(
            conf={key: self.conf_values[key] for key in stage.conf},
            code=stage.code_digest(),
            inputs={path: snapshot(Path(path), earlier.get(path)) for path in paths},
        )

    def status(self, stage: Stage) -> Status:
        """Whether `stage` must run, and why."""
        self._finish(stage)
        done, running = Record.read(self.path(stage)), Record.read(self.path(stage, ".running.json"))
        now = self.fingerprint(stage)
        missing = [path for path in stage.outputs(self.names) if not Path(path).exists()]
        if done and not missing:
            changes = now.changes(done.fingerprint)
            if not changes:
                return Status(kind="done", record=done)
        else:
            changes = [f"{path} is not there" for path in missing] if done else []
        if running and not now.changes(running.fingerprint):
            return Status(kind="half-way", reasons=("was stopped half-way, goes on",), record=done)
        return Status(kind="changed" if done else "new", reasons=tuple(changes) or ("has not run",), record=done)

    def start(self, stage: Stage, record: Record, *, resume: bool) -> dict[str, Path]:
        """Note that `stage` runs; the working names of its outputs, emptied unless it goes on where it was."""
        work = {path: working_name(Path(path)) for path in stage.outputs(self.names)}
        for path in work.values():
            if not resume:
                remove(path)
            path.parent.mkdir(parents=True, exist_ok=True)
        record.write(self.path(stage, ".running.json"))
        return work

    def finish(self, stage: Stage, record: Record) -> None:
        """Give the outputs of `stage` their final names and note that it is done."""
        replace(record, state="finishing").write(self.path(stage, ".running.json"))
        self._finish(stage)

    @contextmanager
    def lock(self, stage: Stage) -> Iterator[None]:
        """Keep a second run away from `stage`; a killed run holds no lock.

        Raises:
            InputError: another run works on this stage.
        """
        FOLDER.mkdir(exist_ok=True)
        with self.path(stage, ".lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(
                    f"another run is working on stage {stage.name} in this folder. Wait for it, or stop it."
                ) from error
            yield

    def _finish(self, stage: Stage) -> None:
        running = Record.read(self.path(stage, ".running.json"))
        if running is None or running.state != "finishing":
            return
        for path in map(Path, running.outputs):
            if working_name(path).exists():
                _replace(working_name(path), path)
        replace(running, state="done").write(self.path(stage))
        self.path(stage, ".running.json").unlink()

    def _snapshots(self, stage: Stage) -> dict[str, Snapshot]:
        records = (Record.read(self.path(stage, suffix)) for suffix in (".json", ".running.json"))
        return {path: old for record in records if record for path, old in record.fingerprint.inputs.items()}


def past_runs(tag: str) -> dict[str, Record]:
    """Completed runs of the stages of one tag and of those that all tags share: stage name -> record, oldest first."""
    runs = {}
    for path in FOLDER.glob("*.json"):
        prefix, _, name = path.stem.rpartition(".")
        if prefix in ("", tag) and (record := Record.read(path)):
            runs[name] = record
    return dict(sorted(runs.items(), key=lambda run: run[1].started))


def working_name(path: Path) -> Path:
    """Name under which `path` is made; keeps what follows the first dot, by which libraries choose the format."""
    stem, dot, suffix = path.name.partition(".")
    return path.with_name(f"{stem}.part{dot}{suffix}")


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _replace(new: Path, path: Path) -> None:
    """Rename `new` to `path`; a folder cannot be renamed over a full one, so that one moves aside first."""
    aside = path.with_name(f"{path.name}.old")
    remove(aside)
    if path.exists():
        path.rename(aside)
    new.rename(path)
    remove(aside)
