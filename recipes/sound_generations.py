"""Sounds from held-out captions, in many ways: each is a row of the result table.

Shapes: B captions, F rows and T columns of the grid.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from audiogen.audio import Audio
from audiogen.checkpoints.nano_sound import SoundSystem, load_sound, load_specmaskgit
from audiogen.decoding import decode
from audiogen.training.clips import read_clips
from recipes.judging import play
from recipes.making import counted
from recipes.progress import track
from recipes.sound_rows import CODEC, Variant


@dataclass(frozen=True)
class SoundMaker:
    """Makes sounds in one way; loads the system where it is first called."""

    variant: Variant
    system: Path
    """Packed."""
    model: Path | None
    """Folder of a SpecMaskGIT in the place of the system's own."""
    device: str

    def __call__(self, texts: Sequence[str], seeds: Sequence[int]) -> tuple[list[Audio], float]:
        """As `make`."""
        return make(_system(self.system, self.model, self.device), self.variant, texts, seeds)


@functools.lru_cache(maxsize=1)
def _system(folder: Path, model: Path | None, device: str) -> SoundSystem:
    """Rows that follow each other use the same one."""
    system = load_sound(folder, device)
    used = system if model is None else replace(system, model=load_specmaskgit(model, device))
    used.model.accelerate()
    return used


@torch.inference_mode()
def make(
    system: SoundSystem, variant: Variant, texts: Sequence[str], seeds: Sequence[int]
) -> tuple[list[Audio], float]:
    """Sounds of the system's length from B texts, and the passes of one."""
    model, codec = system.model, system.codec
    columns = round(system.decoding.seconds * codec.frame_rate)
    grid = torch.full((len(texts), codec.levels, columns), model.mask_token, device=system.device)
    condition = model.condition(system.embedder.embed_text(list(texts)))
    with counted([model]) as rows:
        codes = decode(
            model, grid, torch.ones_like(grid, dtype=torch.bool), condition, system.plan(**variant.settings), seeds
        )
    samples = codec.decode(codes).float().cpu()
    return [Audio(one, codec.sample_rate) for one in samples], sum(rows) / len(texts)


def copies(archive: Path, codec: Path, sets: Mapping[str, Sequence[str]], folder: Path) -> None:
    """What the codec makes of held-out clips, in `folder`/<set>/codec; `sets` has the ids of each set's clips."""
    codes = read_clips(archive)
    for name, clips in sets.items():
        (folder / name / CODEC).mkdir(parents=True, exist_ok=True)
        for clip in track(clips, len(clips), f"clips of {name} through the codec"):
            play(codes[clip], codec).save(folder / name / CODEC / f"{clip}.flac")
