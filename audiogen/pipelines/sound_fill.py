"""Filling grids of spectrogram codes, window after window of what the model sees at a time.

Windows overlap: each continues what is there already, and every item draws its own random numbers, which go on from
window to window.
Shapes: B items, F rows and T columns of the grid, W columns of a window, E width of an embedding, D width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.checkpoints.nano_sound import SoundSystem
from audiogen.decoding import ItemNoise, Step, Trace, decode
from audiogen.pipelines.batches import OnStep, Progress, batches, items_at_once
from audiogen.pipelines.chunks import Window, windows
from audiogen.pipelines.fill import Filled, unrelated
from audiogen.pipelines.sound_evidence import Evidence
from audiogen.pipelines.sound_settings import SoundSettings

CONTEXT = 0.3
"""Share of a window that is there already: the last 3 s of what it continues."""
SLACK = 1
"""Columns that a window may have more than the model's items: 10 s are 53.8 columns, of which it learnt 53."""


@dataclass(frozen=True)
class Job:
    """A grid to fill, and what for."""

    codes: Tensor
    """[F, T] int64; what stands under the mask does not matter."""
    mask: Tensor
    """[F, T] bool, True = to be generated."""
    embedding: Tensor
    """[E]: what it is to sound like; zeros: like any sound."""
    seed: int
    evidence: Evidence | None = None
    """None: there is none. Jobs that are filled together all have it, or none has."""

    @property
    def is_conditioned(self) -> bool:
        return bool(self.embedding.any())


class SoundFiller:
    """Fills the grids of requests that differ only in condition, seed and grid.

    Args:
        settings: of all of them; text and seed are the jobs'.
        on_step: told of every pass.
    """

    def __init__(self, system: SoundSystem, settings: SoundSettings, on_step: OnStep | None = None):
        self.system = system
        self.settings = settings
        self._on_step = on_step

    def __call__(self, jobs: Sequence[Job]) -> list[Filled]:
        """Generate the masked cells of every job; all others come back as they are.

        Jobs with the same windows are decoded together. What becomes of one does not depend on the others.
        """
        kinds = [(windows_of(job.mask.any(dim=0), self.system), job.is_conditioned) for job in jobs]
        config = self.system.model.config
        together = batches(kinds, items_at_once(self.system.device, config.columns * config.rows * config.dim))
        progress = Progress(sum(self._passes(*kinds[group[0]]) for group in together), self._on_step)
        filled: dict[int, Filled] = {}
        for group in together:
            made = self._fill([jobs[place] for place in group], *kinds[group[0]], progress)
            filled |= zip(group, made, strict=True)
        return [filled[place] for place in range(len(jobs))]

    @torch.no_grad()
    def _fill(self, jobs: list[Job], span: tuple[Window, ...], conditioned: bool, progress: Progress) -> list[Filled]:
        model, device = self.system.model, self.system.device
        left = torch.stack([job.mask for job in jobs]).to(device)
        codes = torch.stack([job.codes for job in jobs]).to(device).masked_fill(left, model.mask_token)
        condition = model.condition(torch.stack([job.embedding for job in jobs]))
        noise = ItemNoise([unrelated(job.seed, "codes") for job in jobs], device)
        plan, trace = self.system.plan(**self._plan(conditioned)), Trace.like(codes)
        passes = sum(stage.steps for stage in plan)
        for window in span:
            columns = window.frames(codes.shape[-1]).to(device)
            part, mask, before = codes[..., columns], left[..., columns], progress.done
            found = Trace.like(part)

            def record(step: Step, found: Trace = found, before: int = before) -> None:
                found.record(step)
                progress.tell(before + step.number + 1)

            told = [one.evidence(columns.cpu()) for one in jobs if one.evidence is not None]
            evidence = torch.stack(told).to(device) if told else None
            codes[..., columns] = decode(model, part, mask, condition, plan, noise, record, evidence=evidence)
            left[..., columns] = False
            trace.insert(found, columns)
            progress.tell(before + passes)
        return Filled.each(codes, trace)

    def _plan(self, conditioned: bool) -> dict[str, float]:
        """Settings of the plan; without a condition guidance has nothing to do, and would ask the model twice."""
        off = {} if conditioned else {"guidance": 1.0, "guidance_end": None}
        return {**self.settings.plan, **off}

    def _passes(self, span: tuple[Window, ...], conditioned: bool) -> int:
        return len(span) * sum(stage.steps for stage in self.system.plan(**self._plan(conditioned)))


def windows_of(todo: Tensor, system: SoundSystem) -> tuple[Window, ...]:
    """Windows in which every column of `todo` [T] bool is seen, each behind CONTEXT of what is there already."""
    size = system.model.config.columns + SLACK
    return windows(todo, size, math.ceil(CONTEXT * size))
