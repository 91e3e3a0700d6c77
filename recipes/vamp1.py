"""Vamping loops: a music codec, and VampNet on its codes.

`data/` holds the lists of sources, `dump/<conf>/` the clips, `exp/<conf>/` everything else.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiogen.errors import InputError
from recipes.clips import KINDS
from recipes.sources import SPLITS
from recipes.stages import Job, Recipe, stage

logger = logging.getLogger(__name__)

HELD_OUT = SPLITS[1:]


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """How many clips of which kind; the loops that are held out come to dev and test as they are."""

    train: dict[str, int] = field(default_factory=lambda: {"loops": 850, "tunes": 300, "real": 350})
    dev: dict[str, int] = field(default_factory=lambda: {"loops": 24, "tunes": 8})
    test: dict[str, int] = field(default_factory=lambda: {"loops": 12, "tunes": 4})
    seconds: tuple[float, float] = (4.0, 12.0)
    """Shortest and longest clip."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, counts in (("train", self.train), ("dev", self.dev), ("test", self.test)):
            known = KINDS if name == "train" else KINDS[:2]
            if unknown := counts.keys() - set(known):
                raise InputError(
                    f"render.{name}: expected numbers of {', '.join(known)}, got {', '.join(unknown)}. Rename it."
                )


@dataclass(frozen=True, kw_only=True)
class Vamp1:
    """The conf of this recipe."""

    samples: Path | None = None
    """Folder with recordings and their `metadata.jsonl`; None: only generated loops."""
    tunes: Path | None = None
    """Folder with `tunes.jsonl` and `midi.zip`; None: only generated loops."""
    licences: tuple[str, ...] = ("CC0-1.0", "PDM-1.0")
    """Of the recordings that are used."""
    held_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Split (dev, test) -> ids of recordings."""
    tunes_held_out: float = 0.05
    """Share of the tunes that dev has, and test."""
    render: RenderConfig = field(default_factory=RenderConfig)
    cluster: dict[str, Any] = field(default_factory=dict)
    """Options of the jobs with `--cmd slurm` (submitit's) or `--cmd ray`."""

    def __post_init__(self) -> None:
        for kind, folder in (("real", self.samples), ("tunes", self.tunes)):
            if folder is None and any(counts.get(kind) for counts in (self.render.train, self.render.test)):
                name = "samples" if kind == "real" else kind
                raise InputError(
                    f"render: expected 0 clips of {kind} without a folder of {name}. Give --set {name}=DIR."
                )

    @property
    def sets(self) -> dict[str, tuple[str, ...]]:
        """What the recipe reads, its splits, and the kinds of its training clips."""
        folders = tuple(str(folder) for folder in (self.samples, self.tunes) if folder)
        kinds = tuple(kind for kind in KINDS if self.render.train.get(kind))
        return {"source": folders, "split": SPLITS, "held_out": HELD_OUT, "kind": kinds}


@stage(
    reads=("{source}",),
    writes=("data/{split}.jsonl", "data/SOURCES.md"),
    conf=("samples", "tunes", "licences", "held_out", "tunes_held_out"),
    code=("recipes.sources",),
)
def data(job: Job[Vamp1]) -> None:
    """Data preparation: which recordings and tunes each split has."""
    from recipes.sources import Source, describe, read_samples, read_tunes, split, write_sources

    sources: list[Source] = []
    if job.conf.samples:
        sources += read_samples(job.conf.samples, job.conf.licences)
    if job.conf.tunes:
        sources += read_tunes(job.conf.tunes)
    parts = split(sources, job.conf.held_out, job.conf.tunes_held_out)
    for name, part in parts.items():
        write_sources(part, job.output("data/{split}.jsonl", split=name))
    page = describe(parts)
    job.output("data/SOURCES.md").write_text(page, encoding="utf-8")
    logger.info("%s", page.partition("\n## ")[0])


@stage(
    reads=("data/{split}.jsonl", "{source}"),
    writes=("dump/{tag}/train/{kind}", "dump/{tag}/{held_out}"),
    conf=("render",),
    code=(
        "recipes.clips",
        *(f"recipes.synth.{name}" for name in ("drums", "instruments", "loops", "mix", "styles", "tunes", "voice")),
    ),
)
def render(job: Job[Vamp1]) -> None:
    """Clips: generated loops, folk tunes, and recordings that are changed and mixed."""
    from recipes.clips import held_out_loops, make_clip, orders, write_list

    conf = job.conf.render
    for number, (name, counts) in enumerate((("train", conf.train), ("dev", conf.dev), ("test", conf.test))):
        folders = _folders(job, name)
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        sources = job.input("data/{split}.jsonl", split=name)
        made = orders(counts, sources, folders, conf.seconds, (conf.seed, number))
        if name != "train":
            made += held_out_loops(sources, folders["loops"], conf.seconds)
        clips = job.map(make_clip, made, f"clips of {name}")
        for folder in dict.fromkeys(folders.values()):
            listed = [clip for clip, order in zip(clips, made, strict=True) if order.folder == folder]
            write_list(listed, folder)
            seconds = sum(clip.seconds for clip in listed)
            logger.info("%s: %d clips, %.2f h", folder, len(listed), seconds / 3600)


def _folders(job: Job[Vamp1], name: str) -> dict[str, Path]:
    """Kind of a clip -> where the clips of a split are made."""
    if name == "train":
        return {kind: job.output("dump/{tag}/train/{kind}", kind=kind) for kind in job.names["kind"]}
    return dict.fromkeys(KINDS, job.output("dump/{tag}/{held_out}", held_out=name))


RECIPE = Recipe(name="vamp1", conf=Vamp1, stages=(data, render))
