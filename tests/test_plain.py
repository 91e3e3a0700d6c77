"""Plain values become typed ones, and what is wrong with them is named."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from audiogen.errors import InputError
from audiogen.plain import from_plain, to_plain


@dataclass(frozen=True, kw_only=True)
class Part:
    """A nested group."""

    steps: int
    rate: float = 0.1
    betas: tuple[float, float] = (0.8, 0.99)


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Every kind of value that a configuration may have."""

    part: Part = field(default_factory=lambda: Part(steps=1, betas=(0.5, 0.5)))
    parts: tuple[Part, ...] = ()
    path: Path = Path("here")
    limit: int | None = None
    mode: Literal["fast", "slow"] = "fast"
    shares: dict[str, float] = field(default_factory=dict)
    flag: bool = False


def test_plain_values_become_typed_ones_and_back():
    values = {
        "part": {"steps": 3, "rate": "1e-3", "betas": [1, 2]},
        "parts": [{"steps": 1}, {"steps": 2}],
        "path": "there",
        "limit": 4,
        "mode": "slow",
        "shares": {"a": 1},
        "flag": True,
    }
    whole = from_plain(Whole, values, "test")
    assert whole.part == Part(steps=3, rate=0.001, betas=(1.0, 2.0))
    assert whole.parts == (Part(steps=1), Part(steps=2))
    assert whole.path == Path("there")
    assert (whole.limit, whole.mode, whole.shares, whole.flag) == (4, "slow", {"a": 1.0}, True)
    assert from_plain(Whole, to_plain(whole), "test") == whole


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"prt": {}}, "test: expected a known name, got 'prt'. The nearest: part"),
        ({"part": {"stps": 1}}, "test: part: expected a known name, got 'stps'. The nearest: steps"),
        ({"parts": [{"rate": 1}]}, "test: parts[0]: expected a value for steps"),
        ({"part": {"steps": 1.5}}, "test: part: steps: expected int, got 1.5"),
        ({"part": {"steps": True}}, "expected int, got True"),
        ({"part": {"steps": 1, "rate": "fast"}}, "expected float, got 'fast'"),
        ({"part": {"steps": 1, "betas": [1]}}, "expected 2 values, got 1"),
        ({"part": 3}, "part: expected names and values, got 3"),
        ({"mode": "medium"}, "expected 'fast' or 'slow', got 'medium'"),
        ({"limit": "x"}, "limit: expected int, got 'x'"),
        ({"flag": "perhaps"}, "flag: expected bool"),
        ({"shares": {"a": "x"}}, "shares.a: expected float"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(InputError) as caught:
        from_plain(Whole, values, "test")
    assert message in str(caught.value)


def test_a_group_changes_single_values_of_its_default():
    assert from_plain(Whole, {"part": {"rate": 1}}, "test").part == Part(steps=1, rate=1.0, betas=(0.5, 0.5))
    assert from_plain(Whole, {"parts": [{"steps": 2}]}, "test").parts == (Part(steps=2),)
