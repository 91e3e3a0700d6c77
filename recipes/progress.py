"""Progress of long work: a bar with the time left on a terminal, a plain log line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")
logger = logging.getLogger(__name__)

LINE_EVERY = 30.0
"""Seconds between two log lines when the output is not a terminal."""


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yield the items, showing how many of `total` are done and how long the rest will take."""
    console = Console(stderr=True)
    return _bar(items, total, what, console) if console.is_terminal else _lines(items, total, what)


def log_to_stderr(recipe: str) -> None:
    """Send log lines such as `2026-01-31T12:00:00 (tts1) Stage 6: …` to standard error."""
    handler = _CurrentStderr()
    handler.setFormatter(logging.Formatter(f"%(asctime)s ({recipe}) %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def clock(seconds: float) -> str:
    """Seconds as `1:02:03` or `2:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _CurrentStderr(logging.Handler):
    """Writes to whatever `sys.stderr` is now: a progress bar replaces it while it is on the screen."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")
        sys.stderr.flush()


def _bar(items: Iterable[T], total: int, what: str, console: Console) -> Iterator[T]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        for item in items:
            yield item
            progress.advance(task)


def _lines(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    start = shown = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - shown >= LINE_EVERY:
            left = (now - start) / done * (total - done)
            logger.info("%s: %d of %d, %s left", what, done, total, clock(left))
            shown = now
