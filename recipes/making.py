"""Sounds of held-out captions, and what they cost: seconds of single captions, and passes of the networks.

A folder of sounds has a FLAC file per caption; a folder of costs has `costs.jsonl`, one `Cost` per line.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from torch import nn

from audiogen.audio import Audio
from audiogen.files import atomic_write

Maker = Callable[[Sequence[str], Sequence[int]], tuple[list[Audio], float]]
"""B captions and B seeds -> B sounds, and the passes of one."""


class Network(Protocol):
    """Whose passes are counted: its last norm sees each grid that it reads once."""

    @property
    def out_norm(self) -> nn.Module: ...


@dataclass(frozen=True)
class Batch:
    """Captions that become sounds together, wherever there is room: it can be pickled if its maker can."""

    make: Maker
    texts: tuple[str, ...]
    seeds: tuple[int, ...]
    paths: tuple[Path, ...]
    """FLAC files to be."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one sound took that was made alone."""

    id: str
    passes: float
    """How often a network read the grid; guidance counts twice, and so does a second network where it is asked."""
    seconds: float
    """From caption to samples, per 10 s of sound."""


def batches(make: Maker, captions: Mapping[str, str], folder: Path, size: int, seed: int) -> list[Batch]:
    """The captions, by their ids, that have no sound in `folder` yet; each has its own seed."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [
        (text, seed + number, folder / f"{name}.flac")
        for number, (name, text) in enumerate(captions.items())
        if not (folder / f"{name}.flac").exists()
    ]
    return [Batch(make, *zip(*missing[start : start + size], strict=True)) for start in range(0, len(missing), size)]


def make_batch(batch: Batch) -> None:
    """Make the sounds of a batch."""
    audios, _ = batch.make(batch.texts, batch.seeds)
    for audio, path in zip(audios, batch.paths, strict=True):
        audio.save(path)


def measure(make: Maker, captions: Mapping[str, str], folder: Path, count: int, seed: int) -> None:
    """What the first `count` captions cost, one by one, into `folder`, unless it is known."""
    if (folder / "costs.jsonl").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    costs = []
    for number, (name, text) in enumerate(islice(captions.items(), count)):
        if not number:
            make([text], [seed])  # the first of all calls takes longer
        started = time.perf_counter()
        (audio,), passes = make([text], [seed + number])
        seconds = 10 * (time.perf_counter() - started) / audio.duration
        costs.append(Cost(id=name, passes=passes, seconds=round(seconds, 3)))
    with atomic_write(folder / "costs.jsonl") as path:
        path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in costs), encoding="utf-8")


def read_costs(folder: Path) -> dict[str, Cost]:
    """Costs by id of the caption; none where none were measured."""
    path = folder / "costs.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    costs = [Cost(**json.loads(line)) for line in lines]
    return {one.id: one for one in costs}


@contextmanager
def counted(models: Sequence[Network]) -> Iterator[list[int]]:
    """Rows of each pass of the models, which read a grid once per row: guidance doubles the rows or the passes."""
    rows: list[int] = []
    hooks = [
        model.out_norm.register_forward_hook(lambda _module, _given, found: rows.append(len(found))) for model in models
    ]
    try:
        yield rows
    finally:
        for hook in hooks:
            hook.remove()
