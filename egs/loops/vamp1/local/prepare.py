"""Turn clones of public repositories into the folders of this recipe: `python local/prepare.py CLONES OUT`.

CLONES holds clones named sonic-pi, librosa-data and nottingham-dataset. `OUT/samples` gets the recordings that
samples.tsv lists, unchanged, with a metadata.jsonl; `OUT/nottingham` the MIDI files of the tunes that tunes.txt lists,
in midi.zip, with their titles in tunes.jsonl and the licence (GPL-3.0) beside them.
"""

import argparse
import csv
import json
import logging
import re
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiogen.errors import InputError
from recipes.data import audio_duration
from recipes.progress import log_to_stderr

CLONES = {"etc": "sonic-pi", "audio": "librosa-data"}
"""First folder of a recording's path -> the clone that has it."""

logger = logging.getLogger(__name__)


def prepare_samples(clones: Path, out: Path, table: Path) -> None:
    """Copy the recordings of `table` and describe them.

    Raises:
        InputError: a clone lacks one.
    """
    (out / "audio").mkdir(parents=True, exist_ok=True)
    rows = []
    with table.open(encoding="utf-8", newline="") as stream:
        for facts in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            source = clones / CLONES[facts["source"].partition("/")[0]] / facts["source"]
            seconds = audio_duration(source)
            target = Path("audio") / f"{facts['id']}{source.suffix}"
            shutil.copy(source, out / target)
            rows.append(_described(facts, target, seconds))
    _write_lines(out / "metadata.jsonl", rows)
    logger.info("%s: %d recordings, %.1f minutes", out, len(rows), sum(row["duration"] for row in rows) / 60)


def _described(facts: dict[str, str], target: Path, seconds: float) -> dict[str, Any]:
    numbers = {name: float(facts[name]) if facts[name] else None for name in ("bpm", "beats")}
    texts = {name: facts[name] for name in ("id", "kind", "category", "licence", "attribution", "source_url")}
    return {**texts, **numbers, "file": target.as_posix(), "duration": seconds}


def prepare_tunes(clone: Path, out: Path, names: Sequence[str]) -> None:
    """Collect the tunes: MIDI files, titles, licence.

    Raises:
        InputError: the clone lacks one.
    """
    out.mkdir(parents=True, exist_ok=True)
    titles = {
        name: title for path in sorted((clone / "ABC_cleaned").glob("*.abc")) for name, title in read_titles(path)
    }
    with zipfile.ZipFile(out / "midi.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            midi = clone / "MIDI" / f"{name}.mid"
            if name not in titles or not midi.is_file():
                raise InputError(f"expected the tune {name} in {clone}, got no such tune. Clone again.")
            archive.write(midi, midi.name)
    _write_lines(out / "tunes.jsonl", [{"id": name, "title": titles[name]} for name in names])
    shutil.copy(clone / "LICENSE.md", out / "LICENSE-GPL-3.0.md")
    logger.info("%s: %d tunes", out, len(names))


def read_titles(path: Path) -> list[tuple[str, str]]:
    """Name (file and number) and first title of each tune in an ABC file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = re.findall(r"^X:\s*(\d+)\s*$.*?^T:\s*(.+?)\s*$", text, flags=re.MULTILINE | re.DOTALL)
    return [(path.stem + number, title) for number, title in found]


def _write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main(arguments: list[str]) -> int:
    """The command line; exit status 2 for wrong input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path, help="folder with the clones")
    parser.add_argument("out", type=Path, help="where to write samples/ and nottingham/")
    options = parser.parse_args(arguments)
    here = Path(__file__).parent
    log_to_stderr("prepare")
    try:
        names = (here / "tunes.txt").read_text(encoding="utf-8").split()
        prepare_tunes(options.clones / "nottingham-dataset", options.out / "nottingham", names)
        prepare_samples(options.clones, options.out / "samples", here / "samples.tsv")
    except (InputError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
