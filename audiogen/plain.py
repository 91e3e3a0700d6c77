"""Plain values, as YAML and JSON hold them, into typed frozen dataclasses and back.

What is misspelt, missing or of another type is an error, before anything runs.
"""

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from audiogen.errors import InputError, nearest

C = TypeVar("C")


def from_plain(cls: type[C], values: Mapping[str, Any], where: str, base: C | None = None) -> C:
    """The dataclass `cls` of `values`, nested dataclasses included.

    What `values` leaves out is as in `base`, or has its default. So is what a nested group leaves out: a group changes
    single values of the group's default, whose other values may differ from the defaults of its class.

    Args:
        where: names the source of the values; every error begins with it.
    Raises:
        InputError: an unknown or missing name, or a value of another type.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: expected names and values, got {values!r}. Correct it.")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise InputError(
                f"{where}: expected a known name, got {name!r}. The nearest: {nearest(str(name), fields)}."
            )
    defaults = {name: getattr(base, name) if base else _default(field) for name, field in fields.items()}
    if missing := [name for name, value in defaults.items() if value is dataclasses.MISSING and name not in values]:
        raise InputError(f"{where}: expected a value for {', '.join(missing)}, got none. Add it.")
    given = {name: _convert(hints[name], value, f"{where}: {name}", defaults[name]) for name, value in values.items()}
    return cls(**{**defaults, **given})


def to_plain(value: Any) -> Any:
    """The inverse of `from_plain`: dataclasses, tuples and paths as dicts, lists and text."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _convert(hint: Any, value: Any, where: str, default: Any = None) -> Any:
    """`value` as the annotated type `hint`: a dataclass, tuple, dict, union, Literal, Path or plain scalar."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, value, where, default if isinstance(default, hint) else None)  # type: ignore[arg-type]
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, where)
    if origin is typing.Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list | tuple):
        return _convert_tuple(arguments, value, where)
    if origin is dict and isinstance(value, Mapping):
        return {
            _convert(arguments[0], key, where): _convert(arguments[1], item, f"{where}.{key}")
            for key, item in value.items()
        }
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is float and not isinstance(value, bool) and _is_number(value):
        return float(value)  # YAML 1.1 reads 1e-3 as text
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    expected = " or ".join(map(repr, arguments)) if origin is typing.Literal else getattr(hint, "__name__", str(hint))
    raise InputError(f"{where}: expected {expected}, got {value!r}. Correct it.")


def _convert_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    options = tuple(option for option in options if option is not type(None))
    for option in options[:-1]:
        try:
            return _convert(option, value, where)
        except InputError:
            continue  # the last option's own message is the one to show
    return _convert(options[-1], value, where)


def _convert_tuple(arguments: tuple[Any, ...], value: Iterable[Any], where: str) -> tuple[Any, ...]:
    items = list(value)
    hints = (arguments[0],) * len(items) if arguments[-1] is Ellipsis else arguments
    if len(hints) != len(items):
        raise InputError(f"{where}: expected {len(hints)} values, got {len(items)}: {items}. Correct the list.")
    return tuple(
        _convert(hint, item, f"{where}[{index}]") for index, (hint, item) in enumerate(zip(hints, items, strict=True))
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
