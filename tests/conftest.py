"""What every test shares: one thread, no progress bars, a fixtures folder."""

import os
from pathlib import Path

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """tests/fixtures."""
    return Path(__file__).parent / "fixtures"
