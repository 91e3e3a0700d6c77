"""Music from held-out captions, in many ways: each is a row of the result table.

A folder of results has a FLAC file per clip and `made.jsonl`, one `Made` per line; a folder that has it is whole.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.checkpoints.musicgen import MagnetSystem, MusicGenSystem
from audiogen.decoding import Condition, Plan, Rescoring, decode
from audiogen.decoding.hybrid import Beginning, hybrid
from audiogen.decoding.rescorers import CausalRescorer
from audiogen.errors import InputError
from audiogen.files import atomic_write
from audiogen.models.magnet import Magnet
from audiogen.models.musicgen import MusicGen
from recipes.progress import track


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to make music; what is None is as in the system's settings."""

    ablation: str = ""
    """The model of this name, which was trained for a comparison; empty: the system's."""
    steps: tuple[int, ...] | None = None
    """Of each level."""
    guidance: tuple[float, float] | None = None
    """Where everything is masked, and where nothing is."""
    rescore: float = 0.0
    """Weight of the twin's opinion."""
    hybrid: float = 0.0
    """Seconds at the start that the twin makes; the whole length: the twin alone."""

    def __post_init__(self) -> None:
        if self.ablation and (self.rescore or self.hybrid):
            raise InputError(
                f"variant of the ablation {self.ablation}: expected one without a twin, got rescore {self.rescore} "
                f"and hybrid {self.hybrid}. Only the system has a twin."
            )


@dataclass(frozen=True, kw_only=True)
class Made:
    """One clip that was made."""

    id: str
    passes: float
    """How often a network read the grid; guidance counts twice, and so does the twin where it is asked."""
    seconds: float | None
    """From caption to samples, per 10 s of sound, of a clip that was made alone; None: it was made in a batch."""


def read_made(folder: Path) -> list[Made]:
    """What was made in a folder."""
    return [Made(**json.loads(line)) for line in (folder / "made.jsonl").read_text(encoding="utf-8").splitlines()]


def make_all(
    system: MagnetSystem,
    variant: Variant,
    captions: Mapping[str, str],
    folder: Path,
    *,
    batch_size: int,
    timed: int,
    seed: int,
) -> None:
    """A clip of every caption, by its id, into `folder`.

    The first `timed` are made one by one, and timed; each clip has its own seed and is the same alone and in a batch.
    """
    if (folder / "made.jsonl").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    names, texts = list(captions), list(captions.values())
    alone = [slice(number, number + 1) for number in range(min(timed, len(names)))]
    batches = alone + [slice(start, start + batch_size) for start in range(len(alone), len(names), batch_size)]
    make(system, variant, texts[:1], [seed])  # the first of all calls takes longer
    made = []
    for batch in track(batches, len(batches), f"batches of {folder.name}"):
        started = time.perf_counter()
        seeds = [seed + number for number in range(len(names))[batch]]
        audios, passes = make(system, variant, texts[batch], seeds)
        seconds = 10 * (time.perf_counter() - started) / system.duration if batch in alone else None
        for name, audio in zip(names[batch], audios, strict=True):
            audio.save(folder / f"{name}.flac")
            made.append(Made(id=name, passes=passes, seconds=seconds and round(seconds, 3)))
    with atomic_write(folder / "made.jsonl") as path:
        path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in made), encoding="utf-8")


@torch.inference_mode()
def make(
    system: MagnetSystem, variant: Variant, texts: Sequence[str], seeds: Sequence[int]
) -> tuple[list[Audio], float]:
    """Clips of the system's duration from B texts, and the passes of one."""
    codec, twin, condition = system.codec, system.twin, system.condition(texts)
    frames = round(system.duration * codec.frame_rate)
    overrides = {name: value for name in ("steps", "guidance") if (value := getattr(variant, name)) is not None}
    plan = system.decoding.plan(**overrides)
    with counted([system.model, *([twin.model] if twin else [])]) as rows:
        if variant.rescore or variant.hybrid:
            assert twin is not None, "variants of models without a twin have neither"
            codes = _with_twin(system, twin, variant, condition, texts, plan, frames, seeds)
        else:
            grid = torch.full((len(texts), system.model.config.levels, frames), system.model.mask_token)
            grid = grid.to(system.device)
            codes = decode(system.model, grid, torch.ones_like(grid, dtype=torch.bool), condition, plan, seeds)
    samples = codec.decode(codes).float().cpu()
    return [Audio(one, codec.sample_rate) for one in samples], sum(rows) / len(texts)


def _with_twin(
    system: MagnetSystem,
    twin: MusicGenSystem,
    variant: Variant,
    condition: Condition,
    texts: Sequence[str],
    plan: Plan,
    frames: int,
    seeds: Sequence[int],
) -> Tensor:
    """Codes [B, K, T] of which the twin makes the beginning, or judges the rest, or both."""
    its_condition = twin.condition(texts)
    beginning = Beginning(
        model=twin.model,
        condition=its_condition,
        frames=round(variant.hybrid * system.codec.frame_rate),
        sampling=twin.decoding.sampling,
        guidance_scale=twin.decoding.guidance_scale,
    )
    rescorer = CausalRescorer(model=twin.model, condition=its_condition)
    rescoring = Rescoring(rescorer, weight=variant.rescore) if variant.rescore else None
    return hybrid(beginning, system.model, None, condition, frames, plan, seeds, rescoring=rescoring)


@contextmanager
def counted(models: Sequence[Magnet | MusicGen]) -> Iterator[list[int]]:
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
