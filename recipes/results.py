"""RESULTS.md from score files: each number stands beside the command and revision that printed it.

A score file is `<set>.<system>.json`, as the scoring stage writes it. The page carries a checksum of itself, so that
`check_results` finds numbers that were edited by hand.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiogen.errors import InputError
from recipes.progress import clock
from recipes.records import Record

COLUMNS = {
    "wer": "WER",
    "cer": "CER",
    "stoi": "STOI",
    "pesq": "PESQ-wb",
    "bad": "bad utterances",
    "mel_loss": "mel distance",
    "si_sdr": "SI-SDR (dB)",
    "frechet": "Fréchet distance",
    "copied": "codes copied",
    "tempo_right": "tempo right",
    "metre_right": "metre right",
    "key_right": "key right",
    "lead_right": "instrument right",
    "class_right": "class right",
    "similarity": "similarity to caption",
    "band_lsd": "LSD of the missing band (dB)",
    "gap_mel": "mel distance in the gap (dB)",
    "probed": "probe right",
    "tempo_kept": "tempo within 3 %",
    "onset_f": "onset F",
    "passes": "passes",
    "seconds": "s per 10 s",
}
"""Figure of a score file -> heading, in the order of the table; the others follow by name."""

SYSTEMS = ("recordings", "codec", "tts")
"""In the order of the table: from the best that can be reached on. Others follow by name, numbers in it by size."""

SEAL = "<!-- written by the results stage, do not edit; sha256 of the lines above: "


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measured value with its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        interval = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{interval}" if interval or self.value % 1 else f"{self.value:.0f}"


@dataclass(frozen=True, kw_only=True)
class Score:
    """The summary of one system on one set."""

    set: str
    system: str
    utterances: int
    """How many were scored; of music, clips."""
    figures: dict[str, Figure]

    def write(self, path: Path) -> None:
        figures = {name: vars(figure) for name, figure in self.figures.items()}
        path.write_text(json.dumps({**vars(self), "figures": figures}, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Score":
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**values, "figures": {name: Figure(**figure) for name, figure in values["figures"].items()}})


@dataclass(frozen=True, kw_only=True)
class Section:
    """Everything about one conf."""

    tag: str
    scores: Sequence[Score]
    runs: Mapping[str, Record]
    """Stage name -> its last completed run."""
    remarks: Sequence[str] = ()
    """Sentences that a stage wrote about the scores."""


def read_section(folder: Path, runs: Mapping[str, Record]) -> Section:
    """The score files in `folder`, which is `exp/<tag>/score`, and its remarks, one a line of `remarks.txt`."""
    scores = [Score.read(path) for path in folder.glob("*.json")]
    scores.sort(key=lambda score: (score.set, _place(score.system)))
    remarks = folder / "remarks.txt"
    sentences = remarks.read_text(encoding="utf-8").splitlines() if remarks.exists() else ()
    return Section(tag=folder.parent.name, scores=scores, runs=runs, remarks=tuple(sentences))


def render(title: str, introduction: str, sections: Sequence[Section], items: str = "utterances") -> str:
    """The page: for each conf the figures, and the command and revision of each stage; sealed."""
    note = f"Brackets are 95 % intervals: bootstrap over {items}."
    parts = [f"# {title}\n\n{introduction.strip()} {note}\n", *(_render_section(section) for section in sections)]
    body = "\n".join(parts)
    return f"{body}{SEAL}{_digest(body)} -->\n"


def _render_section(section: Section) -> str:
    stages = [
        [name, run.revision, run.started, clock(run.seconds), run.machine, f"`{run.command}`"]
        for name, run in section.runs.items()
    ]
    lines = [
        f"## {section.tag}",
        "",
        *score_table(section.scores),
        "",
        *(f"- {remark}" for remark in section.remarks),
        *([""] if section.remarks else []),
        *_table(["stage", "revision", "started", "took", "on", "command"], stages),
        "",
    ]
    return "\n".join(lines)


def score_table(scores: Sequence[Score]) -> list[str]:
    """Lines of a table, one row per system and set."""
    used = {name for score in scores for name in score.figures}
    names = [name for name in COLUMNS if name in used] + sorted(used - COLUMNS.keys())
    rows = [
        [score.set, score.system, str(score.utterances), *(str(score.figures.get(name, "")) for name in names)]
        for score in scores
    ]
    return _table(["set", "system", "N", *(COLUMNS.get(name, name) for name in names)], rows)


def check_results(path: Path) -> None:
    """See that a results page is as it was written.

    Raises:
        InputError: it was edited, or is no such page.
    """
    body, seal, digest = path.read_text(encoding="utf-8").partition(SEAL)
    if not seal or digest != f"{_digest(body)} -->\n":
        raise InputError(
            f"{path}: expected the page that the results stage wrote, got one that was edited by hand. "
            "Restore it, or write it anew: ./run.sh --stage results --force."
        )


def _place(system: str) -> tuple[int, list[str | int]]:
    """What systems are sorted by."""
    known = SYSTEMS.index(system) if system in SYSTEMS else len(SYSTEMS)
    return known, [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", system)]


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *rows)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
