"""Sound from held-out captions, with what it cost: seconds of single captions, and passes of the networks.

A folder of results has a FLAC file per clip and `made.jsonl`, one `Made` per line; a folder that has it is whole.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from torch import nn

from audiogen.audio import Audio
from audiogen.files import atomic_write
from recipes.progress import track

Maker = Callable[[Sequence[str], Sequence[int]], tuple[list[Audio], float]]
"""B captions and B seeds -> B sounds, and the passes of one."""


class Network(Protocol):
    """Whose passes are counted: its last norm sees each grid that it reads once."""

    @property
    def out_norm(self) -> nn.Module: ...


@dataclass(frozen=True, kw_only=True)
class Made:
    """One clip that was made."""

    id: str
    passes: float
    """How often a network read the grid; guidance counts twice, and so does a second network where it is asked."""
    seconds: float | None
    """From caption to samples, per 10 s of sound, of a clip that was made alone; None: it was made in a batch."""


def read_made(folder: Path) -> list[Made]:
    """What was made in a folder."""
    return [Made(**json.loads(line)) for line in (folder / "made.jsonl").read_text(encoding="utf-8").splitlines()]


def make_each(
    make: Maker, captions: Mapping[str, str], folder: Path, *, batch_size: int, timed: int, seed: int
) -> None:
    """A clip of every caption, by its id, into `folder`.

    The first `timed` are made one by one, and timed; each clip has its own seed.
    """
    if (folder / "made.jsonl").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    names, texts = list(captions), list(captions.values())
    alone = [slice(number, number + 1) for number in range(min(timed, len(names)))]
    batches = alone + [slice(start, start + batch_size) for start in range(len(alone), len(names), batch_size)]
    make(texts[:1], [seed])  # the first of all calls takes longer
    made = []
    for batch in track(batches, len(batches), f"batches of {folder.name}"):
        started = time.perf_counter()
        audios, passes = make(texts[batch], [seed + number for number in range(len(names))[batch]])
        seconds = 10 * (time.perf_counter() - started) / audios[0].duration if batch in alone else None
        for name, audio in zip(names[batch], audios, strict=True):
            audio.save(folder / f"{name}.flac")
            made.append(Made(id=name, passes=passes, seconds=seconds and round(seconds, 3)))
    with atomic_write(folder / "made.jsonl") as path:
        path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in made), encoding="utf-8")


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
