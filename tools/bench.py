"""Speed and memory of the models on this machine, as JSON. It measures; it does not judge.

tools/env python tools/bench.py tts [--model nano-tts] [--device cpu] [--runs 5]
tools/env python tools/bench.py vamp [--dtype float32] [--device cpu] [--runs 3]    official sizes, random weights
tools/env python tools/bench.py loops [--model nano-vamp] [--device cpu] [--runs 5]
"""

import argparse
import json
import math
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

SENTENCE = "The old man carried his basket slowly up the hill."
"""Ten words."""
SECONDS = 10.0
"""Of sound, in the music benchmarks."""
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
    parser.add_argument("what", choices=list(BENCHMARKS))
    parser.add_argument("--model", help="name or folder; default: the bundled one")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="of the models of vamp")
    parser.add_argument("--runs", type=int, default=5, help="repetitions; the median is printed")
    options = parser.parse_args()
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


def vamp(options: argparse.Namespace) -> dict[str, Any]:
    """A 10 s vamp at the sizes of the published VampNet: 36 coarse steps, 2 fine ones, then with its codec around."""
    import torch

    from audiogen.codecs.dac import CONFIGS, Dac, DacConfig
    from audiogen.codecs.lac import Lac
    from audiogen.pipelines.fill import Filler

    torch.manual_seed(0)
    config = DacConfig(levels=14, encoder_rates=(2, 6, 8, 8), decoder_rates=(6, 4, 4, 2, 2, 2))
    system = official_size(Lac(config).eval())
    frames = math.ceil(SECONDS * system.codec.frame_rate)
    codes = torch.randint(system.codec.vocab_size, (system.codec.levels, frames))
    probe = first_logits(system, codes)
    system = system.to(options.device, getattr(torch, options.dtype))
    error = (first_logits(system, codes) - probe).abs().max() / probe.abs().max()
    filler = Filler(system, system.decoding.coarse_plan())
    generator = torch.Generator().manual_seed(0)
    sound = 0.1 * torch.randn(1, 1, round(SECONDS * system.codec.sample_rate), generator=generator).to(options.device)

    def whole(variations: int) -> None:
        source = system.codec.encode_long(sound)[0].cpu()
        for filled in filler([vamp_item(source, seed) for seed in range(variations)]):
            system.codec.decode(filled.codes[None].to(options.device))

    dac = Dac(CONFIGS["dac-44khz"]).eval().to(options.device)
    heard = torch.randint(dac.vocab_size, (1, dac.levels, math.ceil(SECONDS * dac.frame_rate)), device=options.device)
    return {
        "dtype": options.dtype,
        "parameters_coarse": sum(weight.numel() for weight in system.coarse.parameters()),
        "parameters_fine": sum(weight.numel() for weight in system.fine.parameters()),
        "seconds_of_sound": SECONDS,
        "seconds": round(median_seconds(lambda: filler([vamp_item(codes, 0)]), options), 2),
        "seconds_with_codec": round(median_seconds(lambda: whole(1), options), 2),
        "seconds_with_codec_two_variations": round(median_seconds(lambda: whole(2), options), 2),
        "largest_logit_error": float(f"{error:.3g}"),
        "seconds_dac_44khz_decode": round(median_seconds(lambda: dac.decode(heard), options), 2),
        "peak_mib": round(peak_mib(resource.RUSAGE_SELF)),
    }


def official_size(codec: Any) -> Any:
    """A VampNet system of the published sizes with random weights, adapters folded in."""
    from audiogen.checkpoints.vampnet import VampDecoding, VampSystem
    from audiogen.models.vampnet import VampNet, VampNetConfig

    coarse = VampNet(VampNetConfig(lora_rank=0), codec.codebooks()[:4])
    fine = VampNet(VampNetConfig(levels=14, condition_levels=4, layers=16, lora_rank=0), codec.codebooks())
    return VampSystem(codec=codec, coarse=coarse.eval(), fine=fine.eval(), decoding=VampDecoding())


def vamp_item(codes: Any, seed: int) -> Any:
    """The demo's default: every 7th frame of three levels is kept."""
    from audiogen.pipelines.fill import Item
    from audiogen.prompts import Grid, mask, parse

    grid = Grid(codes.shape[0], codes.shape[1], codes.shape[1] / SECONDS)
    return Item(codes, mask(parse("periodic(7) & levels(3)"), grid, seed), seed)


def first_logits(system: Any, codes: Any) -> Any:
    """What the coarse model makes of the masked codes in its first pass, float32 on the CPU."""
    import torch

    item = vamp_item(codes, 0)
    hidden = codes.masked_fill(item.mask, system.coarse.mask_token)[None, :4].to(system.device)
    with torch.no_grad():
        stage = system.decoding.coarse_plan().stages[0]
        return system.coarse.logits(hidden, system.coarse.condition(1), stage).float().cpu()


def loops(options: argparse.Namespace) -> dict[str, Any]:
    """The bundled system on 10 s of sound: a vamp of 12 steps, one variation and three."""
    import torch

    from audiogen import Audio, Vamp

    started = time.perf_counter()
    player = Vamp(options.model or "nano-vamp", device=options.device)
    loaded = time.perf_counter() - started
    generator = torch.Generator().manual_seed(0)
    sound = Audio(0.1 * torch.randn(1, round(SECONDS * 32_000), generator=generator), 32_000)
    one = median_seconds(lambda: player(sound, steps=12), options)
    three = median_seconds(lambda: player(sound, steps=12, variations=3), options)
    return {
        "model": player.model,
        "load_seconds": round(loaded, 2),
        "seconds_of_sound": SECONDS,
        "steps": 12,
        "seconds": round(one, 2),
        "seconds_three_variations": round(three, 2),
        "peak_mib": round(peak_mib(resource.RUSAGE_SELF)),
    }


def median_seconds(work: Callable[[], Any], options: argparse.Namespace) -> float:
    """Of as many runs as were asked for, after one that is not counted."""
    import torch

    times = []
    for _ in range(options.runs + 1):
        started = time.perf_counter()
        work()
        if options.device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


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


BENCHMARKS = {"tts": tts, "vamp": vamp, "loops": loops}

if __name__ == "__main__":
    main()
