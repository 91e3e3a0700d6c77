"""What a stage's result depends on, in a form that can be compared: files, configuration values and code."""

import ast
import hashlib
import importlib.util
import inspect
import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LISTING_ONLY_ABOVE = 256 * 2**20
"""Bytes; of a larger folder only names and sizes are compared, because reading it would cost more than it saves."""


@dataclass(frozen=True)
class Snapshot:
    """State of one input file or folder."""

    listing: str
    """Hash of names, sizes and times of change: cheap, and equal only if nothing was touched."""
    content: str
    """Hash of names and bytes (names and sizes for a big folder): the same after a copy or a `touch`."""


@dataclass(frozen=True)
class Fingerprint:
    """Everything a stage declares to depend on."""

    conf: dict[str, Any]
    code: str
    inputs: dict[str, Snapshot]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Fingerprint":
        inputs = {name: Snapshot(**snapshot) for name, snapshot in values["inputs"].items()}
        return cls(conf=values["conf"], code=values["code"], inputs=inputs)

    def changes(self, earlier: "Fingerprint") -> list[str]:
        """What differs from `earlier`, for the log; empty when a result made then still holds."""
        reasons = [f"conf {change}" for change in _conf_changes(earlier.conf, self.conf)]
        if self.code != earlier.code:
            reasons.append("its code")
        names = sorted(self.inputs.keys() | earlier.inputs.keys())
        contents = ((name, self.inputs.get(name), earlier.inputs.get(name)) for name in names)
        return reasons + [
            f"input {name}" for name, new, old in contents if not new or not old or new.content != old.content
        ]


def snapshot(path: Path, earlier: Snapshot | None = None) -> Snapshot:
    """State of a file or folder; reads no content when the listing is still that of `earlier`."""
    files = sorted(_files(path))
    stats = [(name, file.stat()) for name, file in files]
    listing = _digest(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)
    if earlier and earlier.listing == listing:
        return earlier
    if path.is_dir() and sum(stat.st_size for _, stat in stats) > LISTING_ONLY_ABOVE:
        return Snapshot(listing, _digest(f"{name} {stat.st_size}" for name, stat in stats))
    return Snapshot(listing, _digest(f"{name} {_file_digest(file)}" for name, file in files))


def code_digest(function: Callable[..., Any], modules: Iterable[str]) -> str:
    """Hash of a function and of whole modules, as syntax trees without docstrings: comments and layout do not count.

    The modules are found by name and not imported.
    """
    sources = [textwrap.dedent(inspect.getsource(function))]
    for name in modules:
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec else None
        assert origin, f"stage {function.__name__} names the module {name}, which does not exist"
        sources.append(Path(origin).read_text(encoding="utf-8"))
    return _digest(ast.dump(_without_docstrings(ast.parse(source))) for source in sources)


def _conf_changes(old: Any, new: Any, key: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _conf_changes(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
    elif old != new:
        yield f"{key}: {json.dumps(old)} -> {json.dumps(new)}"


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_dir():
        for file in path.rglob("*"):
            if file.is_file():
                yield file.relative_to(path).as_posix(), file
    else:
        yield "", path


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    return tree
