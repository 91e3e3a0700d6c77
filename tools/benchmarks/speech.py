"""The bundled voice."""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import peak_mib

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


def tts(options: argparse.Namespace) -> dict[str, Any]:
    """The bundled voice, from a cold process and warm."""
    model = options.model or "nano-tts"
    cold, cold_memory = cold_start(model, options.device, options.runs)
    return {
        "model": model,
        **warm(model, options.device, options.runs),
        "cold_process_seconds": round(cold, 2),
        "cold_process_peak_mib": round(cold_memory),
    }


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
