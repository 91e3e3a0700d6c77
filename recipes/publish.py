"""What recipes end with: packed models with their cards, as they are shipped, and RESULTS.md."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recipes.card import write_card
from recipes.records import past_runs
from recipes.results import read_section, render
from recipes.stages import Job


def bundle_models(job: Job[Any], system: str, names: Sequence[str]) -> list[Path]:
    """Copies of the folders `names` in the input `system`, each with its card; returns where they are."""
    section = read_section(job.input("exp/{tag}/score"), past_runs(job.names["tag"]))
    folders = []
    for name in names:
        folder = job.output(f"{{bundle}}/{name}")
        shutil.copytree(job.input(system) / name, folder, dirs_exist_ok=True)
        write_card(folder, name, job.conf.card, section, recipe="/".join(Path.cwd().parts[-3:]))
        folders.append(folder)
    return folders


def write_results(job: Job[Any], items: str = "utterances") -> None:
    """The page from the score files of every conf that was run; `items` are what its figures are means over."""
    folders = sorted(job.input("exp/{tag}/score").parent.parent.glob("*/score"))
    sections = [read_section(folder, past_runs(folder.parent.name)) for folder in folders]
    page = render(job.conf.title, job.conf.introduction, sections, items)
    job.output("{results}").write_text(page, encoding="utf-8")
