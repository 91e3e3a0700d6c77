"""A recipe of four quick stages, run in a temporary folder to test the machinery."""

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from recipes.runner import main
from recipes.stages import Job, Recipe, stage


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Settings of the `square` stage."""

    power: int = 2
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Toy:
    """The conf of the toy recipe."""

    corpus: str = "corpus"
    numbers: Numbers = field(default_factory=Numbers)
    delay: float = 0.0
    title: str = "sums"

    @property
    def sets(self) -> dict[str, tuple[str, ...]]:
        """What `{set}` stands for."""
        return {"set": ("train", "test")}


@stage(reads=("{corpus}",), writes=("data/{set}",))
def data(job: Job[Toy]) -> None:
    """Copy the numbers."""
    for name in job.names["set"]:
        job.output("data/{set}", set=name).mkdir()
        text = (job.input("{corpus}") / f"{name}.txt").read_text()
        (job.output("data/{set}", set=name) / "numbers.txt").write_text(text)


@stage(reads=("data/train",), writes=("exp/{tag}/powers",), conf=("numbers",), settings=("delay",))
def powers(job: Job[Toy]) -> None:
    """One file per number; goes on at the first that is missing."""
    out = job.output("exp/{tag}/powers")
    out.mkdir(exist_ok=True)
    for number in map(int, (job.input("data/train") / "numbers.txt").read_text().split()):
        if not (out / str(number)).exists():
            time.sleep(job.conf.delay)
            (out / str(number)).write_text(str(number**job.conf.numbers.power * job.conf.numbers.scale))
            with Path("work.log").open("a") as log:
                log.write(f"{number} {os.getpid()}\n")


@stage(reads=("exp/{tag}/powers",), writes=("exp/{tag}/sum.txt",))
def total(job: Job[Toy]) -> None:
    """Add them up, in parallel jobs."""
    values = job.map(read_number, sorted(job.input("exp/{tag}/powers").iterdir()), "numbers")
    job.output("exp/{tag}/sum.txt").write_text(str(sum(values)))


@stage(reads=("exp/{tag}/sum.txt", "data/test"), writes=("report.md",), conf=("title",))
def report(job: Job[Toy]) -> None:
    """Write the result."""
    job.output("report.md").write_text(f"{job.conf.title}: {job.input('exp/{tag}/sum.txt').read_text()}\n")


def read_number(path: Path) -> float:
    """The number in a file."""
    return float(path.read_text())


RECIPE = Recipe(name="toy1", conf=Toy, stages=(data, powers, total, report))

if __name__ == "__main__":
    sys.exit(main(RECIPE, sys.argv[1:]))
