"""More steps must not make results worse: what changes from fewer steps to more, and whether it is more than chance.

The rule: of every prompt, the mean of each figure that should be small, such as a vamp's mel distance to its source,
and the Fréchet distance to the sources are compared between each two numbers of steps, on the same clips. The run fails
where the figure at more steps is larger by more than chance explains: by more than t times the standard error of the
difference, t being the quantile of Student's distribution (clips - 1 degrees of freedom) at 1 - 0.01 / comparisons. So
a run without any real change fails in one case of a hundred at most, however many prompts there are.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import torch

from audiogen.extras import need
from audiogen.files import atomic_write
from recipes.figures import Compared, resampled_frechet

S = TypeVar("S", bound=Compared)

LEVEL = 0.01
"""Chance that a run fails without reason."""


class CurveError(RuntimeError):
    """Results with more steps are worse."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one figure of one prompt does between two numbers of steps."""

    prompt: str
    figure: str
    fewer: int
    more: int
    """Steps."""
    before: float
    """At fewer steps."""
    after: float
    error: float
    """Standard error of after - before."""
    clips: int

    def __str__(self) -> str:
        return (
            f"{self.prompt}: {self.figure} {self.before:.3f} at {self.fewer} steps, {self.after:.3f} at {self.more} "
            f"(standard error of the difference {self.error:.3f}, {self.clips} clips)"
        )


def changes(prompt: str, scored: Mapping[int, Sequence[S]], losses: Mapping[str, Callable[[S], float]]) -> list[Change]:
    """All changes of one prompt.

    Args:
        scored: the same clips at each number of steps.
        losses: name of a figure -> what it is of a clip, the smaller the better.
    """
    distances = {steps: resampled_frechet(clips) for steps, clips in scored.items()}
    found = []
    for fewer, more in itertools.combinations(sorted(scored), 2):
        count = len(scored[more])
        figures = {}
        for name, loss in losses.items():
            before, after = (torch.tensor([loss(clip) for clip in scored[steps]]).double() for steps in (fewer, more))
            figures[name] = (before.mean(), after.mean(), (after - before).std() / count**0.5)
        one, other = distances[fewer], distances[more]
        figures["Fréchet distance"] = (one[0], other[0], (other - one)[1:].std())
        found += [
            Change(
                prompt=prompt,
                figure=figure,
                fewer=fewer,
                more=more,
                before=float(before),
                after=float(after),
                error=float(error),
                clips=count,
            )
            for figure, (before, after, error) in figures.items()
        ]
    return found


def worse(found: Sequence[Change]) -> list[Change]:
    """The changes for the worse that chance does not explain."""
    stats = need("scipy.stats", "train")
    return [
        change
        for change in found
        if change.after - change.before > stats.t.ppf(1 - LEVEL / len(found), change.clips - 1) * change.error
    ]


def check(found: Sequence[Change]) -> None:
    """See that more steps make nothing worse.

    Raises:
        CurveError: names every figure that became worse.
    """
    if bad := worse(found):
        raise CurveError(
            "expected results that are as good or better with more steps, got worse ones: "
            + "; ".join(map(str, bad))
            + ". Train longer, or choose other settings in `decoding`. --stage results shows the figures as they are."
        )


def write_changes(found: Sequence[Change], path: Path) -> None:
    """One JSON object per line."""
    with atomic_write(path) as temporary:
        temporary.write_text("".join(json.dumps(asdict(change)) + "\n" for change in found), encoding="utf-8")


def read_changes(path: Path) -> list[Change]:
    """What `write_changes` wrote."""
    return [Change(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
