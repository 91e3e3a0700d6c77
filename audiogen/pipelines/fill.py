"""Filling a grid of codes: the coarse model window by window, then the fine model on what it made.

Reference behaviour: golden vampnet SPEC 6 (`coarse_vamp`, `coarse_to_fine`). Differs from it: windows overlap, every
item draws its own random numbers, which go on from window to window, and what a prompt keeps is kept in all levels.
Shapes: B items, R rounds, K levels, T frames, W frames of a window.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.checkpoints.vampnet import VampSystem
from audiogen.decoding import ItemNoise, Noise, Plan, Step, Trace, decode
from audiogen.models.vampnet import VampNet
from audiogen.pipelines.batches import OnStep, Progress, batches, items_at_once
from audiogen.pipelines.chunks import Window, windows

COARSE_SECONDS, FINE_SECONDS = 10.0, 3.0
"""What the models were trained on, and see at a time."""
COARSE_CONTEXT, FINE_CONTEXT = 2.0, 0.5
"""Seconds of what is there already that a window begins with."""


@dataclass(frozen=True)
class Item:
    """A grid to fill."""

    codes: Tensor
    """[K, T] int64; what stands under the mask does not matter."""
    rounds: Tensor
    """[R, K, T] bool, True = to be generated in that round."""
    seed: int

    @property
    def mask(self) -> Tensor:
        """[K, T] bool: generated in any round. The fine levels are, once, after the last one."""
        return self.rounds.any(dim=0)


@dataclass(frozen=True)
class Filled:
    """What became of an item."""

    codes: Tensor
    """[K, T] int64."""
    trace: Trace
    """[1, K, T]; the passes of the fine model are numbered behind those of the coarse one."""

    @classmethod
    def each(cls, codes: Tensor, trace: Trace) -> "list[Filled]":
        """The items of a batch: codes [B, K, T] and their record."""
        return [cls(one.cpu(), record) for one, record in zip(codes, trace.items(), strict=True)]


@dataclass(frozen=True)
class _Part:
    """One of the two models and how it is used."""

    model: VampNet
    plan: Plan
    size: int
    """Frames that it sees at a time."""
    context: int
    """Of these, what is there already."""
    first_pass: int
    """Number of its first pass in the trace."""

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.plan)


@dataclass(frozen=True)
class _Sweep:
    """One model over the whole grid."""

    part: str
    round: int | None
    """Whose mask it fills; None: that of all rounds."""
    windows: tuple[Window, ...]


class Filler:
    """Fills grids with the two models of `system`.

    Args:
        coarse_plan: how the coarse model decodes; the fine one decodes as it was tuned.
        circular: the end of the grids flows into their start.
        on_step: told of every pass.
    """

    def __init__(self, system: VampSystem, coarse_plan: Plan, circular: bool = False, on_step: OnStep | None = None):
        rate = system.codec.frame_rate
        coarse = _Part(
            system.coarse, coarse_plan, math.ceil(COARSE_SECONDS * rate), math.ceil(COARSE_CONTEXT * rate), 0
        )
        fine = _Part(
            system.fine,
            system.decoding.fine_plan(),
            math.ceil(FINE_SECONDS * rate),
            math.ceil(FINE_CONTEXT * rate),
            coarse.steps,
        )
        self.parts = {"coarse": coarse, "fine": fine}
        self.device = system.device
        self.circular = circular
        self.on_step = on_step
        self._progress = Progress(0, None)

    def __call__(self, items: Sequence[Item]) -> list[Filled]:
        """Generate the masked cells of every item; all others come back as they are.

        Items with the same windows are decoded together. What becomes of one does not depend on the others.
        """
        sweeps = [self._sweeps(item) for item in items]
        numbers = max(part.size * part.model.config.dim for part in self.parts.values())
        together = batches(sweeps, items_at_once(self.device, numbers))
        passes = [len(sweep.windows) * self.parts[sweep.part].steps for group in together for sweep in sweeps[group[0]]]
        self._progress = Progress(sum(passes), self.on_step)
        filled: dict[int, Filled] = {}
        for group in together:
            filled |= zip(group, self._fill([items[place] for place in group], sweeps[group[0]]), strict=True)
        return [filled[place] for place in range(len(items))]

    def _sweeps(self, item: Item) -> tuple[_Sweep, ...]:
        rounds = [_Sweep("coarse", index, self._windows("coarse", mask)) for index, mask in enumerate(item.rounds)]
        return (*rounds, _Sweep("fine", None, self._windows("fine", item.mask)))

    def _windows(self, name: str, mask: Tensor) -> tuple[Window, ...]:
        """Where the model `name` has cells of `mask` [K, T] to generate."""
        part = self.parts[name]
        todo = mask[list(part.model.config.predicted)].any(dim=0)
        return windows(todo, part.size, part.context, self.circular)

    def _fill(self, items: list[Item], sweeps: tuple[_Sweep, ...]) -> list[Filled]:
        codes = torch.stack([item.codes for item in items]).to(self.device)
        noise = ItemNoise([unrelated(item.seed, "codes") for item in items], self.device)
        trace = Trace.like(codes)
        for sweep in sweeps:
            part = self.parts[sweep.part]
            masks = [item.mask if sweep.round is None else item.rounds[sweep.round] for item in items]
            left = torch.zeros_like(codes, dtype=torch.bool)
            predicted = list(part.model.config.predicted)
            left[:, predicted] = torch.stack(masks).to(self.device)[:, predicted]
            codes.masked_fill_(left, part.model.mask_token)
            for window in sweep.windows:
                self._generate(part, codes, left, trace, window.frames(codes.shape[-1]).to(self.device), noise)
        return Filled.each(codes, trace)

    def _generate(self, part: _Part, codes: Tensor, left: Tensor, trace: Trace, frames: Tensor, noise: Noise) -> None:
        """Fill what is `left` [B, K, T] of `codes` and `trace` [B, K, T] in `frames` [W], in place."""
        seen = slice(part.model.config.levels)
        window, mask = codes[:, seen, frames], left[:, seen, frames]
        found = Trace.like(window)
        whole = len(frames) == codes.shape[-1]
        condition = part.model.condition(len(codes), circular=self.circular and whole)
        before = self._progress.done

        def record(step: Step) -> None:
            found.record(step)
            self._progress.tell(before + step.number + 1)

        codes[:, seen, frames] = decode(part.model, window, mask, condition, part.plan, noise, record)
        left[:, seen, frames] = False
        trace.insert(found, frames, part.first_pass)
        self._progress.tell(before + part.steps)


def unrelated(seed: int, purpose: str) -> int:
    """A seed whose random numbers have nothing to do with those of `seed` for other purposes."""
    return random.Random(f"{seed}/{purpose}").getrandbits(62)
