"""Packages that only some commands need: imported when they are, with an error that names the extra to install."""

from importlib import import_module
from types import ModuleType

from audiogen.errors import InputError


def need(module: str, extra: str) -> ModuleType:
    """Import `module`, which comes with `audiogen[extra]`.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise InputError(
            f"expected the package {error.name!r}, which this needs, got an installation without it. "
            f"Run: pip install 'audiogen[{extra}]'"
        ) from error
