"""SpecMaskGIT at the paper's size with random weights, and the bundled system."""

import argparse
import resource
import time
from typing import Any

from benchmarks.measure import forget_peak, median_seconds, peak_gpu_mib, peak_mib
from benchmarks.music import Counted

STEPS = 16
"""The paper's."""
CAPTION = "A dog barks twice in the rain."


def sound(options: argparse.Namespace) -> dict[str, Any]:
    """10 s of sound: the network alone at the paper's size, or the bundled system from the caption to the samples."""
    return bundled(options) if options.bundled else network(options)


def network(options: argparse.Namespace) -> dict[str, Any]:
    """A grid of the paper's size, filled with guidance; without codec and embedder."""
    import torch

    from audiogen.decoding import decode
    from audiogen.models.specmaskgit import SpecMaskGIT, SpecMaskGITConfig, specmaskgit_plan

    torch.manual_seed(0)
    model = SpecMaskGIT(SpecMaskGITConfig()).eval()
    parameters, config = sum(weight.numel() for weight in model.parameters()), model.config
    exact = some_logits(model)
    model = model.to(options.device, getattr(torch, options.dtype)).accelerate()
    error = (some_logits(model) - exact).abs().max() / exact.abs().max()
    codes = torch.zeros(1, config.rows, config.columns, dtype=torch.int64, device=options.device)
    embedding = some_embedding(config.condition_dim)
    forget_peak(options.device)
    steps, passes = steps_of(options), []

    def run(count: int) -> None:
        counted = Counted(model)
        plan = specmaskgit_plan(steps=count, guidance_every=options.guidance_every)
        decode(counted, codes, torch.ones_like(codes, dtype=torch.bool), model.condition(embedding), plan)
        passes.append(counted.passes)

    seconds = median_seconds(lambda: run(steps), options, warm_up=lambda: run(2))
    return {
        "dtype": options.dtype,
        "parameters": parameters,
        "seconds_of_sound": round(config.columns * 4096 / 22050, 2),
        "steps": steps,
        "guidance_every": options.guidance_every,
        "passes": passes[-1],
        "seconds": round(seconds, 3),
        "passes_per_second": round(passes[-1] / seconds, 2),
        "peak_mib": round(peak_mib(resource.RUSAGE_SELF)),
        **peak_gpu_mib(options.device),
        "largest_logit_error_percent": round(100 * float(error), 2),
    }


def bundled(options: argparse.Namespace) -> dict[str, Any]:
    """The bundled system, from a caption to the samples, as it was tuned but for what the options say."""
    import torch

    from audiogen.checkpoints import load
    from audiogen.decoding import decode

    started = time.perf_counter()
    system = load(options.model or "nano-sound", options.device).to(options.device, getattr(torch, options.dtype))
    system.model.accelerate()
    loaded = time.perf_counter() - started
    codec, rows = system.codec, system.model.config.rows
    columns = codec.num_frames(round(system.decoding.seconds * codec.sample_rate))
    codes = torch.zeros(1, rows, columns, dtype=torch.int64, device=options.device)
    overrides = {"steps": options.steps[0]} if options.steps else {}
    plan = system.plan(guidance_every=options.guidance_every, **overrides)

    def run() -> None:
        condition = system.model.condition(system.embedder.embed_text([CAPTION]))
        codec.decode(decode(system.model, codes, torch.ones_like(codes, dtype=torch.bool), condition, plan))

    with torch.no_grad():
        seconds = median_seconds(run, options)
    return {
        "model": options.model or "nano-sound",
        "dtype": options.dtype,
        "load_seconds": round(loaded, 2),
        "seconds_of_sound": round(columns / codec.frame_rate, 2),
        "steps": plan.stages[0].steps,
        "guidance_every": options.guidance_every,
        "seconds": round(seconds, 3),
        "peak_mib": round(peak_mib(resource.RUSAGE_SELF)),
        **peak_gpu_mib(options.device),
    }


def steps_of(options: argparse.Namespace) -> int:
    """What was asked for, or the paper's number."""
    return options.steps[0] if options.steps else STEPS


def some_embedding(width: int) -> Any:
    """Of a sound or a caption, as an embedder would give it."""
    import torch

    return torch.nn.functional.normalize(torch.randn(1, width, generator=torch.Generator().manual_seed(0)), dim=-1)


def some_logits(model: Any) -> Any:
    """Of half masked codes, float32 on the CPU."""
    import torch

    from audiogen.decoding import Stage

    config, generator = model.config, torch.Generator().manual_seed(0)
    codes = torch.randint(config.vocab_size, (1, config.rows, config.columns), generator=generator)
    codes[torch.rand(codes.shape, generator=generator) < 0.5] = model.mask_token
    with torch.no_grad():
        condition = model.condition(some_embedding(config.condition_dim))
        return model.logits(codes.to(model.device), condition, Stage(levels=tuple(range(config.rows)))).float().cpu()
