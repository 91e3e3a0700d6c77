"""A recipe is a tuple of numbered stages; each declares what it reads, what it writes and which conf keys it uses.

Names of files and folders are templates: braces stand for a conf value, as in `exp/{tag}/codec`, or for several, as in
`data/{set}`, which is one path for every data set. They are relative to the recipe's folder, where `run.sh` runs.
"""

import itertools
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from recipes.executors import Executor, Local
from recipes.fingerprint import code_digest
from recipes.progress import track

C = TypeVar("C")
T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a recipe."""

    name: str
    """How `--stage` may call it; the function's name with dashes."""
    title: str
    """First line of the function's docstring, for the log."""
    function: "Callable[[Job[Any]], None]"
    reads: tuple[str, ...]
    """Templates of files and folders that must be there before the stage starts."""
    writes: tuple[str, ...]
    """Templates of files and folders that the stage makes."""
    conf: tuple[str, ...]
    """Top-level conf keys that change the result; the function can see no others."""
    settings: tuple[str, ...]
    """Top-level conf keys that the function may see but that do not change the result, such as the device."""
    code: tuple[str, ...]
    """Modules whose code changes the result, beside the function itself."""

    def code_digest(self) -> str:
        return code_digest(self.function, self.code)

    def inputs(self, names: Mapping[str, Any]) -> list[str]:
        """What the stage reads, templates filled in."""
        return [path for template in self.reads for path in expand(template, names)]

    def outputs(self, names: Mapping[str, Any]) -> list[str]:
        """What the stage writes, templates filled in."""
        return [path for template in self.writes for path in expand(template, names)]


def stage(
    *,
    reads: Sequence[str] = (),
    writes: Sequence[str],
    conf: Sequence[str] = (),
    settings: Sequence[str] = (),
    code: Sequence[str] = (),
) -> "Callable[[Callable[[Job[Any]], None]], Stage]":
    """Turn a function of a `Job` into a `Stage`; see there for the arguments."""

    def wrap(function: "Callable[[Job[Any]], None]") -> Stage:
        return Stage(
            name=function.__name__.replace("_", "-"),
            title=(function.__doc__ or "").strip().split("\n")[0].rstrip("."),
            function=function,
            reads=tuple(reads),
            writes=tuple(writes),
            conf=tuple(conf),
            settings=tuple(settings),
            code=tuple(code),
        )

    return wrap


@dataclass(frozen=True, kw_only=True)
class Recipe(Generic[C]):
    """A name, a conf dataclass and the stages in their order; stage numbers count from 1."""

    name: str
    conf: type[C]
    """Has a property `sets: dict[str, tuple[str, ...]]`: braces that stand for several values -> these values."""
    stages: tuple[Stage, ...]

    def numbered(self) -> Iterator[tuple[int, Stage]]:
        return enumerate(self.stages, start=1)


@dataclass(frozen=True, kw_only=True)
class Job(Generic[C]):
    """What a stage's function gets to work with."""

    conf: C
    """The recipe's conf; only the keys that the stage declares can be read."""
    names: Mapping[str, Any]
    """Values for the braces of templates."""
    inputs: frozenset[str]
    work: Mapping[str, Path]
    """Where each output is made; renamed to its final name when the stage has succeeded."""
    executor: Executor = field(default_factory=Local)

    def input(self, template: str, **names: str) -> Path:
        """Path of a declared input."""
        path = template.format(**{**self.names, **names})
        assert path in self.inputs, f"the stage does not declare that it reads {path}"
        return Path(path)

    def output(self, template: str, **names: str) -> Path:
        """Path under which to make a declared output; holds what an earlier, killed run of the same job left there."""
        path = template.format(**{**self.names, **names})
        assert path in self.work, f"the stage does not declare that it writes {path}"
        return self.work[path]

    def map(self, function: Callable[[T], R], items: Sequence[T], what: str) -> list[R]:
        """`function` of every item, `nj` at a time where `--cmd` says, with a progress bar that counts `what`."""
        return list(track(self.executor.map(function, items), len(items), what))

    def map_each(self, function: Callable[[T], R], items: Mapping[K, Sequence[T]], what: str) -> dict[K, list[R]]:
        """`map` over the items of all lists at once; results by the lists' keys."""
        results = iter(self.map(function, [one for several in items.values() for one in several], what))
        return {key: list(itertools.islice(results, len(several))) for key, several in items.items()}

    def call(self, function: Callable[[T], R], item: T) -> R:
        """One long piece of work, such as a training, as a single job where `--cmd` says."""
        return next(iter(self.executor.map(function, [item])))


def expand(template: str, names: Mapping[str, Any]) -> list[str]:
    """`template` with its braces filled in; once for each value of the braces that stand for several."""
    several = [name for name in sorted(braces(template)) if isinstance(names[name], tuple)]
    choices = itertools.product(*(names[name] for name in several))
    return [template.format(**{**names, **dict(zip(several, choice, strict=True))}) for choice in choices]


def braces(template: str) -> set[str]:
    """Names in the braces of a template."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}
