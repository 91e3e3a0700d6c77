"""The model card (README.md) of a bundled model: what it is, from which data and how it was made, what was measured."""

import json
from dataclasses import dataclass
from pathlib import Path

from audiogen.files import atomic_write
from recipes.progress import clock
from recipes.results import Section, score_table


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a card says that no stage measures."""

    licence: str = "mit"
    """Of the weights."""
    summary: str = ""
    """One sentence per model: what it does."""
    data: str = ""
    """What it was trained on, with licence and consent."""
    provenance: str = ""
    """What of a run was not made by its commands: given with `--set`, since it is true of that run alone."""
    legend: str = (
        "Brackets are 95 % intervals. `recordings` is the original speech, `codec` the same through the codec, `tts` "
        "synthesised text; error rates by pocketsphinx."
    )
    """What the names in the table of figures mean."""
    limits: str = ""
    """What it cannot do, and what it must not be used for."""
    tags: tuple[str, ...] = ("text-to-speech",)
    languages: tuple[str, ...] = ("en",)


def write_card(folder: Path, name: str, card: Card, section: Section, recipe: str) -> None:
    """Write README.md into the model folder `folder`; `recipe` is where its recipe is in the repository."""
    with atomic_write(folder / "README.md") as path:
        path.write_text(render_card(folder, name, card, section, recipe), encoding="utf-8")


def render_card(folder: Path, name: str, card: Card, section: Section, recipe: str) -> str:
    """The card of the model in `folder`, with the figures and runs of `section`."""
    commands = dict.fromkeys(run.command for run in section.runs.values())
    revisions = dict.fromkeys(run.revision for run in section.runs.values())
    machines = dict.fromkeys(run.machine for run in section.runs.values())
    taken = sum(run.seconds for run in section.runs.values())
    header = {
        "license": card.licence,
        "language": list(card.languages),
        "library_name": "audiogen",
        "tags": list(card.tags),
    }
    parts = [
        "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in header.items()) + "---",
        f"# {name}",
        card.summary,
        _size(folder),
        f"## Training data\n\n{card.data}" if card.data else "",
        "## How it was made\n",
        f"By the recipe {recipe}, conf `{section.tag}`, in {clock(taken)} (h:mm:ss, all stages), "
        f"on {', '.join(machines)}, revision {', '.join(revisions)}:",
        "```sh\n" + "\n".join(commands) + "\n```",
        card.provenance,
        "## Measured\n\n" + "\n".join(score_table(section.scores)),
        card.legend,
        f"## Limits\n\n{card.limits}" if card.limits else "",
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _size(folder: Path) -> str:
    from safetensors import safe_open

    count, kinds = 0, set()
    with safe_open(folder / "model.safetensors", "pt") as weights:
        for key in weights.keys():  # noqa: SIM118 - safe_open is no dict
            tensor = weights.get_slice(key)
            size = 1
            for length in tensor.get_shape():
                size *= length
            count += size
            kinds.add(tensor.get_dtype())
    megabytes = (folder / "model.safetensors").stat().st_size / 2**20
    return f"{count / 1e6:.2f} million numbers ({', '.join(sorted(kinds))}), {megabytes:.1f} MiB."
