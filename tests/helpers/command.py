"""Running the command line in this process, and what wrong input has to look like."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from audiogen import cli


@dataclass(frozen=True)
class Ran:
    code: int
    out: bytes
    err: str

    @property
    def json(self):
        return json.loads(self.out)


Run = Callable[..., Ran]


def runner(monkeypatch, capfdbinary) -> Run:
    """Runs the command; `stdin` is what it can read."""

    def run(*args: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["audiogen", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfdbinary.readouterr()
        return Ran(int(stopped.value.code or 0), out, err.decode())

    return run


def check_error(ran: Ran, *parts: str) -> None:
    """One line that says what was wrong; nothing on standard output."""
    assert ran.code == 2, ran.err
    assert ran.err.startswith("audiogen: ")
    assert ran.err.count("\n") == 1, ran.err
    assert "Traceback" not in ran.err
    assert ran.out == b""
    for part in parts:
        assert part in ran.err
