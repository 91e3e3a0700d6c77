"""Turn a clone of rhasspy/dataset-voice-kathleen into the corpus of this recipe: `python local/prepare.py CLONE OUT`.

48 kHz stereo becomes 24 kHz mono: mean of the channels, high-pass at 40 Hz (second-order Butterworth, forward and
backward), resampling, -23 LUFS, FLAC. The splits are those of splits.txt, by prompt: no sentence is in two of them;
recordings listed there as left-out are cut off, noisy or misread, or kept for tests; what is not listed is training.
"""

import argparse
import functools
import logging
import re
import sys
from pathlib import Path

import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from recipes.data import Utterance, validate_data_dir, write_data_dir
from recipes.executors import Local
from recipes.progress import log_to_stderr, track

SAMPLE_RATE = 24000
SETS = ("train", "dev", "test")
HARVARD_LISTS = (5, 12, 19, 26, 33, 40, 47, 54, 61, 68)
"""Lists of ten Harvard sentences that the recipe synthesises as unseen text."""

logger = logging.getLogger(__name__)


def read_splits(path: Path) -> dict[str, str]:
    """Recording -> dev, test or left-out."""
    return dict(line.split() for line in path.read_text(encoding="utf-8").splitlines())


def convert(audio: Audio) -> Audio:
    """A recording of the source as the corpus has it: mono, no rumble, 24 kHz, -23 LUFS."""
    from scipy.signal import butter, sosfiltfilt

    mono = audio.mono()
    samples = mono.samples - mono.samples.mean()
    high_pass = butter(2, 40, "highpass", fs=mono.sample_rate, output="sos")
    filtered = torch.from_numpy(sosfiltfilt(high_pass, samples.double().numpy()).astype("float32").copy())
    return Audio(filtered, mono.sample_rate).resample(SAMPLE_RATE).normalize(-23.0)


def prepare_recording(source: Path, out: Path) -> Utterance:
    """Convert one recording with its transcript, unless that was done before; its line of the data directory."""
    target = out / "wav" / f"{source.stem}.flac"
    if not target.exists():
        convert(Audio.read(source)).save(target)
    return Utterance(
        utt_id=f"kathleen_{source.stem}",
        audio=target,
        text=" ".join(source.with_suffix(".txt").read_text(encoding="utf-8").split()),
        speaker="kathleen",
        duration=Audio.read(target).duration,
    )


def prepare(clone: Path, out: Path, splits: dict[str, str], nj: int = 1) -> None:
    """Write `out`/wav and the data directories `out`/{train,dev,test}.

    Raises:
        InputError: the clone has no recordings, or a set would be empty.
    """
    split = {source: splits.get(source.stem, "train") for source in sorted((clone / "data").glob("*.wav"))}
    sources = [source for source, name in split.items() if name in SETS]
    if {split[source] for source in sources} != set(SETS):
        raise InputError(
            f"expected recordings of train, dev and test in {clone / 'data'}, got {len(sources)} files. Clone again."
        )
    (out / "wav").mkdir(parents=True, exist_ok=True)
    work = Local(nj).map(functools.partial(prepare_recording, out=out), sources)
    utterances = list(track(work, len(sources), "recordings"))
    for name in SETS:
        chosen = [utterance for source, utterance in zip(sources, utterances, strict=True) if split[source] == name]
        write_data_dir(chosen, out / name)
        validate_data_dir(out / name)


def harvard_sentences(script: str) -> list[str]:
    """The lists of HARVARD_LISTS from the source of harvard-sentences-ipsum (one quoted sentence per line)."""
    sentences = [sentence.strip() for sentence in re.findall(r'^"(.+)",?\s*$', script, flags=re.MULTILINE)]
    if len(sentences) != 720:
        raise InputError(f"expected 720 Harvard sentences, got {len(sentences)}. Clone harvard-sentences-ipsum again.")
    return [sentence for number in HARVARD_LISTS for sentence in sentences[10 * number - 10 : 10 * number]]


def main(arguments: list[str]) -> int:
    """The command line; exit status 2 for wrong input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clone", type=Path, help="clone of rhasspy/dataset-voice-kathleen")
    parser.add_argument("out", type=Path, help="where to write wav/, train/, dev/ and test/")
    parser.add_argument("--harvard", type=Path, help="clone of adsgray/harvard-sentences-ipsum")
    parser.add_argument("--nj", type=int, default=1, help="parallel jobs (default 1)")
    options = parser.parse_args(arguments)
    log_to_stderr("prepare")
    try:
        prepare(options.clone, options.out, read_splits(Path(__file__).with_name("splits.txt")), options.nj)
        if options.harvard:
            script = (options.harvard / "harvardipsum.js").read_text(encoding="utf-8")
            text = "".join(f"{sentence}\n" for sentence in harvard_sentences(script))
            (options.out / "test_sentences_en.txt").write_text(text, encoding="utf-8")
    except (InputError, OSError) as error:
        logger.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
