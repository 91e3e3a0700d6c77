"""Word and character error rates of one voice under several decoding plans, as JSON lines: how `decoding` was chosen.

tools/env python tools/tune_tts.py egs/kathleen/tts1/exp/cpu/voice/nano-tts --text egs/kathleen/tts1/data/dev/text \
    --try '{semantic: {temperature: 0.5}}' --try '{acoustic: {steps: [8, 2, 1, 1]}}'

The plan that the voice comes with is always the first line.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from audiogen.checkpoints import load
from audiogen.checkpoints.nano import SpeechDecoding
from audiogen.metrics.speech import evaluate
from audiogen.pipelines.tts import TTS
from audiogen.plain import from_plain


def main() -> None:
    """Parse, speak, recognise, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("voice", type=Path, help="folder of a nano-tts")
    parser.add_argument("--text", type=Path, required=True, help="Kaldi text file: utterance id and sentence")
    parser.add_argument("--count", type=int, default=24, help="sentences, taken evenly from the file")
    parser.add_argument("--try", dest="plans", action="append", default=[], help="YAML: differences to the plan")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes that recognise")
    options = parser.parse_args()
    sentences = read_sentences(options.text, options.count)
    shipped = asdict(load(options.voice).decoding)
    for text in ["{}", *options.plans]:
        change = yaml.safe_load(text)
        tts = TTS(options.voice, decoding=from_plain(SpeechDecoding, merged(shipped, change), text))
        started = time.perf_counter()
        audio = tts(list(sentences.values()), seed=options.seed)
        spoken = [(utt_id, sentences[utt_id], one) for utt_id, one in zip(sentences, audio, strict=True)]
        seconds = time.perf_counter() - started
        summary = evaluate(spoken, jobs=options.jobs).to_json()
        rtf = seconds / summary["seconds"]
        print(json.dumps({"plan": change, "rtf": round(rtf, 3), **summary}), flush=True)


def read_sentences(path: Path, count: int) -> dict[str, str]:
    """`count` different sentences by utterance id, evenly spread over the file."""
    lines = [line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines()]
    different = {sentence: utt_id for utt_id, sentence in lines}
    chosen = list(different.items())[:: max(1, len(different) // count)][:count]
    return {utt_id: sentence for sentence, utt_id in chosen}


def merged(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`values` with single leaves replaced."""
    nested = {key: merged(values[key], change) for key, change in changes.items() if isinstance(change, dict)}
    return {**values, **changes, **nested}


if __name__ == "__main__":
    main()
