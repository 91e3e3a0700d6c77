"""A conf is read from YAML and `--set`; what is wrong in either is named."""

from dataclasses import dataclass, field

import pytest

from audiogen.errors import InputError
from recipes.config import load_conf


@dataclass(frozen=True, kw_only=True)
class Part:
    """A nested group."""

    steps: int
    rate: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A small conf."""

    part: Part = field(default_factory=lambda: Part(steps=1))
    limit: int | None = 3
    mode: str = "fast"
    shares: dict[str, float] = field(default_factory=dict)
    flag: bool = False


def test_overrides_win_over_the_file(tmp_path):
    (tmp_path / "a.yaml").write_text("part: {steps: 2, rate: 0.5}\nflag: true\n")
    whole = load_conf(Whole, tmp_path / "a.yaml", ["part.steps=7", "limit=null", "shares.a=0.5"])
    assert whole == Whole(part=Part(steps=7, rate=0.5), flag=True, limit=None, shares={"a": 0.5})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("steps", "expected key=value"),
        ("flag.x=1", "expected a group of keys at 'flag'"),
        ("mode=[", "expected a YAML value"),
    ],
)
def test_wrong_overrides_are_named(tmp_path, override, message):
    (tmp_path / "a.yaml").write_text("flag: true\n")
    with pytest.raises(InputError, match=message):
        load_conf(Whole, tmp_path / "a.yaml", [override])


@pytest.mark.parametrize("text", ["part: [", "- 1\n- 2\n", "\xff\xfe"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=r"a\.yaml: expected|expected YAML"):
        load_conf(Whole, tmp_path / "a.yaml")


def test_a_wrong_value_names_the_file_the_key_and_the_way_out(tmp_path):
    (tmp_path / "a.yaml").write_text("part: {rate: fast}\n")
    with pytest.raises(InputError, match=r"a\.yaml: part: rate: expected float, got 'fast'.*--set KEY=VALUE"):
        load_conf(Whole, tmp_path / "a.yaml")
