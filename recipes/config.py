"""A recipe's YAML as typed, frozen dataclasses: what is misspelt or of the wrong type fails before anything runs."""

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from audiogen.errors import InputError, nearest

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
    return build(cls, values, str(path))


def build(cls: type[C], values: Mapping[str, Any], where: str, base: C | None = None) -> C:
    """Make the dataclass `cls` from plain values, nested dataclasses included; `where` opens each error message.

    What `values` leaves out is as in `base`, or has its default. So is what a nested group leaves out: a group in YAML
    changes single values of the group's default, whose other values may differ from the defaults of its class.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise InputError(f"{where}: unknown key {name!r}. Nearest known: {nearest(str(name), fields)}.")
    defaults = {name: getattr(base, name) if base else _default(field) for name, field in fields.items()}
    missing = [name for name, default in defaults.items() if default is dataclasses.MISSING and name not in values]
    if missing:
        raise InputError(
            f"{where}: expected a value for {', '.join(missing)}, got none. Add it, or pass --set {missing[0]}=VALUE."
        )
    given = {name: convert(hints[name], value, f"{where}: {name}", defaults[name]) for name, value in values.items()}
    return cls(**{**defaults, **given})


def convert(hint: Any, value: Any, where: str, default: Any = None) -> Any:
    """`value` as the annotated type `hint`: a dataclass, tuple, dict, union, Literal, Path or plain scalar.

    Raises:
        InputError: the value is not of that type.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return build(hint, value, where, default if isinstance(default, hint) else None)  # type: ignore[arg-type]
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, where)
    if origin is typing.Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return _convert_tuple(arguments, value, where)
    if origin is dict and isinstance(value, Mapping):
        return {
            convert(arguments[0], key, where): convert(arguments[1], item, f"{where}.{key}")
            for key, item in value.items()
        }
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is float and not isinstance(value, bool) and _is_number(value):
        return float(value)  # YAML 1.1 reads 1e-3 as text
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    expected = " or ".join(map(repr, arguments)) if origin is typing.Literal else getattr(hint, "__name__", str(hint))
    raise InputError(f"{where}: expected {expected}, got {value!r}. Mend the YAML file or the --set option.")


def to_plain(value: Any) -> Any:
    """The inverse of `build`: dataclasses, tuples and paths as dicts, lists and text that JSON and YAML can hold."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise InputError(f"--set: expected key=value, got {override!r}. Example: --set codec.steps=1000.")
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


def _convert_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    options = tuple(option for option in options if option is not type(None))
    for option in options[:-1]:
        try:
            return convert(option, value, where)
        except InputError:
            continue  # the last option's own message is the one to show
    return convert(options[-1], value, where)


def _convert_tuple(arguments: tuple[Any, ...], value: Iterable[Any], where: str) -> tuple[Any, ...]:
    items = list(value)
    hints = (arguments[0],) * len(items) if arguments[-1] is Ellipsis else arguments
    if len(hints) != len(items):
        raise InputError(f"{where}: expected {len(hints)} values, got {len(items)}: {items}. Mend the list.")
    return tuple(
        convert(hint, item, f"{where}[{index}]") for index, (hint, item) in enumerate(zip(hints, items, strict=True))
    )


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _default(field: dataclasses.Field[Any]) -> Any:
    """The field's default, or MISSING."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _siblings(path: Path) -> str:
    names = [str(other) for other in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
    return f" Nearest: {nearest(str(path), names)}." if names else " Give the path of a YAML file."
