"""What every test shares: one thread, no progress bars, a fixtures folder."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from command import Run, runner

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """tests/fixtures."""
    return Path(__file__).parent / "fixtures"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """`run("tts", "It speaks.", ...)` is the command line, in this process."""
    return runner(monkeypatch, capfdbinary)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A test that lets a recipe send its log to standard error does not do so for the tests after it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
