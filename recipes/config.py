"""A recipe's conf: a YAML file and the options of `--set` as one typed dataclass, checked before anything runs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from audiogen.errors import InputError, nearest
from audiogen.plain import from_plain

C = TypeVar("C")


def load_conf(cls: type[C], path: str | Path, overrides: Iterable[str] = ()) -> C:
    """Read `path` into the dataclass `cls`; each override is `key=value` or `group.key=value` and wins over the file.

    Raises:
        InputError: the file cannot be read, or holds an unknown key, a missing key or a value of the wrong type.
    """
    path = Path(path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise InputError(
            f"--conf: expected a readable YAML file, got {path}: {error.strerror}.{_siblings(path)}"
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"--conf: expected YAML, got {path}: {error}. Mend the file.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected `key: value` lines, got a {type(values).__name__}. Mend the file.")
    for override in overrides:
        _apply(values, override)
    try:
        return from_plain(cls, values, str(path))
    except InputError as error:
        raise InputError(f"{error} `--set KEY=VALUE` changes one value.") from error


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise InputError(f"--set: expected key=value, got {override!r}. Example: --set codec.fit.steps=1000.")
    *groups, last = key.split(".")
    for group in groups:
        values = values.setdefault(group, {})
        if not isinstance(values, dict):
            raise InputError(
                f"--set {override}: expected a group of keys at {group!r}, got one value. Use --set {group}=VALUE."
            )
    try:
        values[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override}: expected a YAML value after '=', got {text!r}. Quote it.") from error


def _siblings(path: Path) -> str:
    names = [str(other) for other in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    return f" Nearest: {nearest(str(path), names)}." if names else " Give the path of a YAML file."
