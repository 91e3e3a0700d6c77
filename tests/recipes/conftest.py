"""A toy recipe in a temporary folder, where the tests of the machinery run."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.runner import main
from recipes.stages import Recipe


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The toy recipe; the working folder is a fresh one with its corpus and conf."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.chdir(tmp_path)
    Path("corpus").mkdir()
    Path("corpus/train.txt").write_text("1 2 3")
    Path("corpus/test.txt").write_text("4")
    Path("conf").mkdir()
    Path("conf/small.yaml").write_text("numbers: {power: 2}\n")
    return importlib.import_module("toy1").RECIPE


@pytest.fixture
def run(toy: Recipe) -> Callable[..., int]:
    """Runs the toy recipe with options; gives the exit status."""
    return lambda *options: main(toy, ["--conf", "conf/small.yaml", *options])
