"""Functions for worker processes, which import them by name."""

import os
import time
from pathlib import Path


def square(number: int) -> int:
    """A result that shows its item."""
    return number * number


def inverse(number: int) -> float:
    """Fails for 0."""
    return 1 / number


def process_id(item: int) -> int:
    """Where the item was worked on."""
    return os.getpid()


def threads(item: int) -> int:
    """That an item is computed with."""
    import torch

    return torch.get_num_threads()


def worker(item: int) -> tuple[int, str]:
    """Who computes an item, and where numba keeps what it compiles there."""
    time.sleep(0.2)
    return os.getpid(), os.environ["NUMBA_CACHE_DIR"]


def sleep_beside(path: str) -> None:
    """Write the process id to `path`, then take long."""
    part = Path(f"{path}.part")
    part.write_text(str(os.getpid()))
    part.rename(path)
    time.sleep(60)
