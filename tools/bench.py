"""Speed and memory of the models on this machine, as JSON. It measures; it does not judge.

tools/env python tools/bench.py tts [--model nano-tts] [--device cpu] [--runs 5]
tools/env python tools/bench.py vamp [--dtype float32] [--device cpu] [--runs 3]    official sizes, random weights
tools/env python tools/bench.py loops [--model nano-vamp] [--device cpu] [--runs 5]
tools/env python tools/bench.py music [--dtype bfloat16] [--device cpu] [--runs 1] [--no-twin]
                                      [--steps 20 10 10 10] [--guidance-every 1]    official sizes, random weights
tools/env python tools/bench.py sound [--dtype bfloat16] [--device cpu] [--runs 3] [--steps 16] [--guidance-every 1]
                                      the paper's size, random weights
tools/env python tools/bench.py sound --bundled [--model nano-sound]    caption to sound
"""

import argparse
import json
import platform
from importlib import metadata

from benchmarks.measure import hardware
from benchmarks.music import music
from benchmarks.sound import sound
from benchmarks.speech import tts
from benchmarks.vamps import loops, vamp

BENCHMARKS = {"tts": tts, "vamp": vamp, "loops": loops, "music": music, "sound": sound}
RUNS = {"tts": 5, "vamp": 3, "loops": 5, "music": 1, "sound": 3}
"""Without --runs: minutes, not more, where a run takes one or two."""


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=list(BENCHMARKS))
    parser.add_argument("--model", help="name or folder; default: the bundled one")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="of vamp, music and sound")
    parser.add_argument("--runs", type=int, help="repetitions, of which the median is printed; see above")
    parser.add_argument("--steps", type=int, nargs="+", help="of music, per level (20 10 10 10), and of sound (16)")
    parser.add_argument(
        "--guidance-every", type=int, default=1, help="of music and sound; more than 1 is an approximation"
    )
    parser.add_argument("--twin", action=argparse.BooleanOptionalAction, default=True, help="of music")
    parser.add_argument("--bundled", action="store_true", help="of sound: the bundled system, with codec and embedder")
    options = parser.parse_args()
    options.runs = RUNS[options.what] if options.runs is None else options.runs
    if options.runs < 1:
        parser.error(f"--runs: expected 1 or more, got {options.runs}. Leave it out, or give more.")
    result = {
        "what": options.what,
        "device": options.device,
        "runs": options.runs,
        **BENCHMARKS[options.what](options),
        "hardware": hardware(options.device),
        "versions": {name: metadata.version(name) for name in ("audiogen", "torch", "torchaudio", "numpy")}
        | {"python": platform.python_version()},
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
