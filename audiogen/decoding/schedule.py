"""How much stays masked, and how settings change from the first step of a stage to its last.

Paper: Chang et al. 2022 (MaskGIT), arXiv:2202.04200, "Masking Design". Training draws mask rates from the same curve.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Schedule = Callable[[float], float]
"""Share of a stage's units still masked: 1 at progress 0, 0 at progress 1."""


def mask_rate(time: Tensor) -> Tensor:
    """Share masked at diffusion time `time` (1 = start, 0 = done): sin(time * pi / 2), in the precision of `time`."""
    return torch.sin(time * (math.pi / 2))


def cosine(progress: float) -> float:
    """cos(progress * pi / 2), computed as MaskGCT does: float32, by the sine of the time that is left.

    The obvious float64 cosine gives other counts at whole numbers (golden maskgct SPEC 1.7).
    """
    return float(mask_rate(torch.tensor(1 - progress, dtype=torch.float32)))


def float32_cosine(progress: float) -> float:
    """cos(progress * pi / 2), computed as VampNet and MAGNeT do: in float32, where cos(pi / 3) is just below a half.

    2300 cells become 1149 and 166 become 82 (golden vampnet SPEC 4, "Schedule numbers"; golden magnet SPEC trap 12).
    """
    return max(float(torch.cos(torch.tensor(progress, dtype=torch.float32) * math.pi / 2)), 0.0)


def linear(progress: float) -> float:
    """1 - progress: the same number of units is fixed in every step."""
    return 1 - progress


def stretched(schedule: Schedule, steps: int) -> Schedule:
    """`schedule` run through in `steps` - 1 steps, so that the last step has nothing left to give back (MAGNeT).

    To be read between steps only. The places are float32, as the reference's: counts depend on it (see above).
    """
    places = [*torch.linspace(0, 1, steps).tolist(), 1.0]
    return lambda progress: schedule(places[round(progress * steps)])


def progress_at(step: int, steps: int) -> float:
    """Share of a stage that is done before step `step` (0-based); multiplied, not divided: see `cosine`."""
    return 1.0 if step == steps else step * (1 / steps)


@dataclass(frozen=True)
class Linear:
    """A setting that moves from `start` to `end` in equal steps.

    `late` reads it where the step ends (it then reaches `end` in the last step), not where it begins (it then has the
    value `start` in the first).
    """

    start: float
    end: float = 0.0
    late: bool = False

    def at(self, step: int, steps: int) -> float:
        left = 1 - progress_at(step + self.late, steps)
        return self.end + (self.start - self.end) * left


Setting = float | Linear
"""A number for all steps of a stage, or one that moves with them."""


def value_at(setting: Setting, step: int, steps: int) -> float:
    """What `setting` is in step `step` (0-based) of `steps`."""
    return setting.at(step, steps) if isinstance(setting, Linear) else setting


def masked_counts(schedule: Schedule, step: int, steps: int, units: Tensor) -> Tensor:
    """How many of `units` [B] stay masked after step `step`, rounded down in float32; none after the last step."""
    if step == steps - 1:
        return torch.zeros_like(units)
    rate = torch.tensor(schedule(progress_at(step + 1, steps)), dtype=torch.float32, device=units.device)
    return (rate * units).floor().long()
