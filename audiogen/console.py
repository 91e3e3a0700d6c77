"""What the command shows: results on standard output, progress bars and notes on standard error."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """A bar per description on standard error, if that is a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda what, share: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(what: str, share: float) -> None:
            task = tasks.setdefault(what, None)
            if task is None:
                task = tasks[what] = bars.add_task(what, total=1.0)
            bars.update(task, completed=share)

        yield report


def print_json(value: Any) -> None:
    """A result as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_facts(facts: dict[str, Any], as_json: bool) -> None:
    """Names and values, one to a line, or as JSON."""
    if as_json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = f"{value:.4g}" if isinstance(value, float) else "not defined" if value is None else value
        typer.echo(f"{name:{width}}  {shown}")


def print_takes(takes: list[dict[str, Any]], as_json: bool) -> None:
    """Facts about every result as JSON; or else only what its user should know."""
    if as_json:
        print_json(takes)
        return
    for note in dict.fromkeys(note for take in takes for note in take["notes"]):
        typer.echo(f"audiogen: {note}", err=True)


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as what is in them."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        typer.echo("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
