"""A plan: everything that distinguishes one system's decoding from another's, as data."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from audiogen.decoding.confidence import Confidence
from audiogen.decoding.guidance import Guidance
from audiogen.decoding.sampling import Sampling
from audiogen.decoding.schedule import Schedule, cosine
from audiogen.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Which levels are generated together, in how many steps, and how."""

    levels: tuple[int, ...]
    """Levels of the grid, 0 is coarsest; their cells compete for being kept."""
    steps: int = 1
    """Decoder passes, unless everything is fixed earlier."""
    schedule: Schedule = cosine
    """Share of the stage's units that stay masked, by progress."""
    schedule_total: int | None = None
    """Units that `schedule` is a share of, the same for every item; None: those that the item has to generate.

    The reference VampNet takes the mask tokens of the whole batch, so that items influence each other.
    """
    span: int = 1
    """Frames that are fixed and masked together; a last one may be shorter."""
    arrangement: Literal["nonoverlap", "stride1"] = "nonoverlap"
    """Where spans start: at multiples of their length, or at every frame, so that they overlap.

    Where they overlap, the schedule counts cells, the spans that stay masked cover about as many, and cells that were
    fixed already may be generated again with what is beside them.
    """
    keep_one_masked: bool = False
    """Never finish before the last step, however few units there are."""
    fix_each_step: bool = False
    """Fix at least one unit in every step."""
    sampling: Sampling = field(default_factory=Sampling)
    confidence: Confidence = field(default_factory=Confidence)
    guidance: Guidance = field(default_factory=Guidance)

    def __post_init__(self) -> None:
        if not self.levels or min(self.levels) < 0 or len(set(self.levels)) < len(self.levels):
            raise InputError(f"Stage: expected one or more different levels from 0, got {self.levels}.")
        if self.steps < 1 or self.span < 1:
            raise InputError(f"Stage: expected steps and span of 1 or more, got {self.steps} and {self.span}.")
        if self.arrangement not in ("nonoverlap", "stride1"):
            raise InputError(f'Stage: expected arrangement="nonoverlap" or "stride1", got {self.arrangement!r}.')
        if self.arrangement == "stride1" and self.confidence.over_span != "sum":
            raise InputError(
                f'Stage: expected over_span="sum" for spans that overlap, got {self.confidence.over_span!r}. '
                "Set it in the stage's confidence."
            )
        if self.schedule_total is not None and self.schedule_total < 1:
            raise InputError(f"Stage: expected schedule_total of 1 or more, or None, got {self.schedule_total}.")

    @property
    def unit(self) -> int:
        """Frames that the schedule counts as one and that are ranked as one."""
        return 1 if self.arrangement == "stride1" else self.span


@dataclass(frozen=True)
class Plan:
    """Stages, in the order in which they run."""

    stages: tuple[Stage, ...]

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    def __len__(self) -> int:
        return len(self.stages)
