"""Plain values, as JSON holds them, into configuration dataclasses: what is misspelt or of another type is an error."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from audiogen.errors import InputError, nearest

C = TypeVar("C")

HEADER = ("model_type", "audiogen_version")
"""What every config.json says beside the model's own fields."""


def from_plain(cls: type[C], values: Mapping[str, Any], where: str) -> C:
    """The dataclass `cls`, nested ones included; what `values` leaves out has its default.

    Args:
        where: names the source of the values in errors.
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
    required = [field.name for field in fields.values() if _required(field)]
    if missing := [name for name in required if name not in values]:
        raise InputError(f"{where}: expected a value for {', '.join(missing)}, got none. Add it.")
    return cls(**{name: _value(hints[name], value, f"{where}: {name}") for name, value in values.items()})


def without_header(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json without the names that `save_model` adds."""
    return {name: value for name, value in config.items() if name not in HEADER}


def _required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, value, where)  # type: ignore[arg-type]
    if typing.get_origin(hint) is tuple and isinstance(value, list | tuple):
        item = typing.get_args(hint)[0]
        return tuple(_value(item, one, where) for one in value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (hint is float and number) or (type(value) is hint):
        return hint(value)
    raise InputError(f"{where}: expected {getattr(hint, '__name__', hint)}, got {value!r}. Correct it.")
