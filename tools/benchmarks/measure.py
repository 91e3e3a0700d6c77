"""Clocks, memory and hardware. Nothing heavy is imported before it is needed: cold starts are measured, too."""

import argparse
import contextlib
import gc
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SECONDS = 10.0
"""Of sound, in the music benchmarks."""


def median_seconds(
    work: Callable[[], Any], options: argparse.Namespace, warm_up: Callable[[], Any] | None = None
) -> float:
    """Of as many runs as were asked for, after one of `warm_up`, or of the work itself, that is not counted."""
    (work if warm_up is None else warm_up)()
    return statistics.median(seconds_of(work, options.device) for _ in range(options.runs))


def seconds_of(work: Callable[[], Any], device: str) -> float:
    """Of one run, until the device is done with it."""
    import torch

    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def forget_peak(device: str) -> None:
    """Let the peaks begin anew, where the system can: what building a model took does not count."""
    import torch

    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_gpu_mib(device: str) -> dict[str, int]:
    """Largest memory in use on the GPU so far; nothing for a CPU."""
    import torch

    return {"peak_gpu_mib": round(torch.cuda.max_memory_allocated() / 2**20)} if device.startswith("cuda") else {}


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
