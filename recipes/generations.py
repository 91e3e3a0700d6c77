"""Music from held-out captions, in many ways: each is a row of the result table."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.checkpoints.musicgen import MagnetSystem, MusicGenSystem
from audiogen.checkpoints.nano_music import load_nano_music, with_magnet
from audiogen.decoding import Condition, Plan, Rescoring, decode
from audiogen.decoding.hybrid import Beginning, hybrid
from audiogen.decoding.rescorers import CausalRescorer
from audiogen.errors import InputError
from audiogen.pipelines.precision import dtype_of
from recipes.making import counted


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


@dataclass(frozen=True)
class MusicMaker:
    """Makes music in one way; loads the system where it is first called."""

    variant: Variant
    system: Path
    """Packed."""
    magnet: Path | None
    """Folder of a MAGNeT in the place of the system's own."""
    device: str
    dtype: str

    def __call__(self, texts: Sequence[str], seeds: Sequence[int]) -> tuple[list[Audio], float]:
        """As `make`."""
        return make(_system(self.system, self.magnet, self.device, self.dtype), self.variant, texts, seeds)


@functools.lru_cache(maxsize=1)
def _system(folder: Path, magnet: Path | None, device: str, dtype: str) -> MagnetSystem:
    """Rows that follow each other use the same one."""
    system = load_nano_music(folder, device, dtype_of(dtype))
    used = system if magnet is None else with_magnet(system, magnet)
    used.model.accelerate()
    if used.twin is not None:
        used.twin.model.accelerate()
    return used


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
