"""Speed and memory of the models on this machine, as JSON. It measures; it does not judge.

tools/env python tools/bench.py tts [--model nano-tts] [--device cpu] [--runs 5]
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

SENTENCE = "The old man carried his basket slowly up the hill."
"""Ten words."""
LONG_TEXT = " ".join(
    [
        "The storm came in from the west a little before noon, and by one o'clock the whole harbour was grey.",
        "Nobody went out that day.",
        "The fishermen sat in the small cafe behind the market, played cards and waited for the wind to turn.",
    ]
    * 10
)
"""About two thousand characters."""


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["tts"])
    parser.add_argument("--model", default="nano-tts", help="name or folder")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--runs", type=int, default=5, help="repetitions; the median is printed")
    options = parser.parse_args()
    cold, cold_memory = cold_start(options.model, options.device, options.runs)
    result = {
        "what": options.what,
        "model": options.model,
        "device": options.device,
        "runs": options.runs,
        **warm(options.model, options.device, options.runs),
        "cold_process_seconds": round(cold, 2),
        "cold_process_peak_mib": round(cold_memory),
        "hardware": hardware(options.device),
        "versions": {name: metadata.version(name) for name in ("audiogen", "torch", "torchaudio", "numpy")}
        | {"python": platform.python_version()},
    }
    print(json.dumps(result, indent=2))


def warm(model: str, device: str, runs: int) -> dict[str, Any]:
    """With the model loaded and one sentence spoken before: RTF of ten words, time to first audio of a long text."""
    from audiogen import TTS

    started = time.perf_counter()
    tts = TTS(model, device=device)
    loaded = time.perf_counter() - started
    tts(SENTENCE)
    speeches = [tts.speak(SENTENCE, seed=seed) for seed in range(runs)]
    rtf = statistics.median(speech.seconds_taken / speech.audio.duration for speech in speeches)
    firsts = [first_audio(tts, seed) for seed in range(runs)]
    started = time.perf_counter()
    seconds = sum(part.duration for part in tts.stream(LONG_TEXT))
    return {
        "load_seconds": round(loaded, 2),
        "rtf_ten_words": round(rtf, 3),
        "seconds_of_ten_words": round(speeches[0].audio.duration, 2),
        "ttfa_ms": round(1000 * statistics.median(firsts)),
        "rtf_long_text": round((time.perf_counter() - started) / seconds, 3),
        "seconds_of_long_text": round(seconds, 1),
        "peak_mib": round(peak_mib(resource.RUSAGE_SELF)),
    }


def first_audio(tts: Any, seed: int) -> float:
    """Seconds from the call to the first samples of a long text."""
    started = time.perf_counter()
    next(iter(tts.stream(LONG_TEXT, seed=seed)))
    return time.perf_counter() - started


def cold_start(model: str, device: str, runs: int) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of the whole command `audiogen tts`, from start to exit."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "speech.wav")
        command = [
            sys.executable,
            "-m",
            "audiogen",
            "tts",
            SENTENCE,
            "-o",
            output,
            "--model",
            model,
            "--device",
            device,
        ]
        for _ in range(runs):
            started = time.perf_counter()
            subprocess.run(command, check=True)
            times.append(time.perf_counter() - started)
    return statistics.median(times), peak_mib(resource.RUSAGE_CHILDREN)


def peak_mib(who: int) -> float:
    """Largest resident memory so far; Linux counts in KiB, macOS in bytes."""
    return resource.getrusage(who).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def hardware(device: str) -> str:
    """Processor, usable cores, memory, and the GPU that was used."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    info = Path("/proc/cpuinfo")
    models = (
        [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if (info.exists())
        else []
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [models[0] if models else platform.processor() or platform.machine(), f"{cores} cores", f"{memory:.0f} GiB"]
    if device.startswith("cuda"):
        import torch

        parts.append(torch.cuda.get_device_name(device))
    return ", ".join(parts)


if __name__ == "__main__":
    main()
