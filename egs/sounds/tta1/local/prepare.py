"""Turn clones of public repositories into the data of this recipe: `python local/prepare.py CLONES OUT`.

CLONES holds clones named ESC-10, soundfx, sonic-pi and free-spoken-digit-dataset. `OUT/sound` and `OUT/music` get the
recordings that sounds.tsv lists, unchanged, with a metadata.jsonl; `OUT/speech/fsdd` Kaldi data dirs of the digits.
"""

import argparse
import csv
import json
import logging
import shutil
import sys
from pathlib import Path

from audiogen.errors import InputError
from recipes.data import Utterance, audio_duration, validate_data_dir, write_data_dir
from recipes.progress import log_to_stderr

SETS = {
    "esc10": ("ESC-10", "sound/esc10", "clip"),
    "soundfx": ("soundfx", "sound/soundfx", "effect"),
    "samples": ("sonic-pi", "music/samples", "one_shot"),
}
"""Set of sounds.tsv -> its clone, its folder in OUT, and the kind of its recordings."""
DIGITS = "zero one two three four five six seven eight nine".split()
TAKES = {"test": range(5), "dev": range(5, 10), "train": range(10, 50)}

logger = logging.getLogger(__name__)


def prepare_sounds(clones: Path, out: Path, table: Path) -> None:
    """Copy the recordings of `table` and describe them.

    Raises:
        InputError: a clone lacks one.
    """
    rows: dict[Path, list[dict[str, object]]] = {}
    with table.open(encoding="utf-8", newline="") as stream:
        for facts in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            clone, folder, kind = SETS[facts.pop("set")]
            source = clones / clone / facts.pop("source")
            seconds, target = audio_duration(source), Path("audio") / f"{facts['id']}{source.suffix}"
            (out / folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, out / folder / target)
            fold = int(facts["fold"]) if facts["fold"] else None
            row = {**facts, "fold": fold, "kind": kind, "file": target.as_posix(), "duration": seconds}
            rows.setdefault(out / folder, []).append(row)
    for folder, described in rows.items():
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in described)
        (folder / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
        logger.info("%s: %d recordings", folder, len(described))


def prepare_digits(clone: Path, out: Path) -> None:
    """Copy the digits, and list them by take: the official test set, and as many for dev.

    Raises:
        InputError: the clone has none.
    """
    (out / "wav").mkdir(parents=True, exist_ok=True)
    listed: dict[str, list[Utterance]] = {name: [] for name in TAKES}
    for source in sorted((clone / "recordings").glob("*.wav")):
        digit, speaker, take = source.stem.split("_")
        name = next(name for name, takes in TAKES.items() if int(take) in takes)
        audio = Path(shutil.copy(source, out / "wav" / source.name)).resolve()
        listed[name].append(
            Utterance(
                utt_id=f"{speaker}_{digit}_{int(take):02}",
                audio=audio,
                text=DIGITS[int(digit)],
                speaker=speaker,
                duration=audio_duration(audio),
            )
        )
    if not all(listed.values()):
        raise InputError(f"expected takes 0 to 49 of digits in {clone / 'recordings'}, got fewer. Clone again.")
    for name, utterances in listed.items():
        write_data_dir(utterances, out / name)
        validate_data_dir(out / name)


def main(arguments: list[str]) -> int:
    """The command line; exit status 2 for wrong input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path, help="folder with the clones")
    parser.add_argument("out", type=Path, help="where to write sound/, music/ and speech/")
    options = parser.parse_args(arguments)
    log_to_stderr("prepare")
    try:
        prepare_sounds(options.clones, options.out, Path(__file__).parent / "sounds.tsv")
        prepare_digits(options.clones / "free-spoken-digit-dataset", options.out / "speech" / "fsdd")
    except (InputError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
