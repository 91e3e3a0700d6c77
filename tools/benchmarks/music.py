"""MAGNeT and its autoregressive twin at the size of the published small models, with random weights."""

import argparse
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import SECONDS, forget_peak, median_seconds, peak_gpu_mib, peak_mib

TEXT_POSITIONS = 16
"""A caption of about ten words."""
FRAME_RATE = 50
"""Hz, of the codec that both models are for."""
STEPS = (20, 10, 10, 10)
"""Of the published models, per level."""
WARM_UP_FRAMES = 8
"""Of the twin, before the clock runs."""


@dataclass
class Made:
    """A model as it was asked for."""

    model: Any
    parameters: int
    error: float
    """Largest difference of a logit from that in float32 on the CPU, over the largest logit there."""


class Counted:
    """A masked model that counts its passes, with and without condition, also where both are one batch."""

    def __init__(self, model: Any):
        self.model, self.passes = model, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def hidden(self, codes: Any, *arguments: Any) -> Any:
        """As the model, of one item."""
        self.passes += len(codes)
        return self.model.hidden(codes, *arguments)


def music(options: argparse.Namespace) -> dict[str, Any]:
    """10 s of music from a caption, guided: MAGNeT, then its twin of equal size."""
    result = magnet(options)
    if not options.twin:
        return result
    other = twin(options)
    return result | other | {"twin_seconds_over_seconds": round(other["twin_seconds"] / result["seconds"], 2)}


def magnet(options: argparse.Namespace) -> dict[str, Any]:
    """MAGNeT, as the plan of the published models uses it."""
    import torch

    from audiogen.decoding import decode
    from audiogen.models.magnet import Magnet, MagnetConfig, magnet_plan

    made = make(Magnet(MagnetConfig()), options)
    config, text = made.model.config, caption(options.device)
    codes = torch.zeros(1, config.levels, round(SECONDS * FRAME_RATE), dtype=torch.int64, device=options.device)
    forget_peak(options.device)

    wanted = options.steps or list(STEPS)
    passes: list[int] = []

    def run(steps: Sequence[int]) -> None:
        counted = Counted(made.model)
        plan = magnet_plan(steps, guidance_every=options.guidance_every)
        decode(counted, codes, torch.ones_like(codes, dtype=torch.bool), made.model.condition(*text), plan)
        passes.append(counted.passes)

    seconds = median_seconds(lambda: run(wanted), options, warm_up=lambda: run([2] * config.levels))
    return {
        "dtype": options.dtype,
        "parameters": made.parameters,
        "seconds_of_sound": SECONDS,
        "steps": wanted,
        "guidance_every": options.guidance_every,
        "passes": passes[-1],
        "seconds": round(seconds, 3),
        "passes_per_second": round(passes[-1] / seconds, 2),
        "peak_mib": round(peak_mib(resource.RUSAGE_SELF)),
        **peak_gpu_mib(options.device),
        "largest_logit_error_percent": round(100 * made.error, 2),
    }


def twin(options: argparse.Namespace) -> dict[str, Any]:
    """The autoregressive twin, as the published models are used."""
    from audiogen.decoding.autoregressive import generate
    from audiogen.models.musicgen import MusicGen, MusicGenConfig

    made = make(MusicGen(MusicGenConfig()), options)
    frames, text = round(SECONDS * FRAME_RATE), caption(options.device)
    forget_peak(options.device)

    def run(count: int) -> None:
        generate(made.model, None, made.model.condition(*text), count)

    seconds = median_seconds(lambda: run(frames), options, warm_up=lambda: run(WARM_UP_FRAMES))
    return {
        "twin_parameters": made.parameters,
        "twin_seconds": round(seconds, 3),
        "twin_steps_per_second": round((made.model.pattern.length(frames) - 1) / seconds, 2),
        **{f"twin_{name}": peak for name, peak in peak_gpu_mib(options.device).items()},
        "twin_largest_logit_error_percent": round(100 * made.error, 2),
    }


def caption(device: str) -> tuple[Any, Any]:
    """Text states and their mask, as a text encoder would give them."""
    import torch

    states = torch.randn(1, TEXT_POSITIONS, 768, generator=torch.Generator().manual_seed(0))
    return states.to(device), torch.ones(1, TEXT_POSITIONS, device=device)


def make(model: Any, options: argparse.Namespace) -> Made:
    """With random weights, and the type and device that were asked for."""
    import torch

    parameters = sum(weight.numel() for weight in model.parameters())
    exact = some_logits(model.eval(), "cpu")
    model = model.to(options.device, getattr(torch, options.dtype)).accelerate()
    error = (some_logits(model, options.device) - exact).abs().max() / exact.abs().max()
    return Made(model, parameters, float(error))


def some_logits(model: Any, device: str) -> Any:
    """Of half masked codes, float32; MAGNeT's of a level that sees all frames and of one that sees its neighbours."""
    import torch

    from audiogen.decoding import Stage

    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(model.mask_token, (1, 4, round(SECONDS * FRAME_RATE)), generator=generator)
    codes[torch.rand(codes.shape, generator=generator) < 0.5] = model.mask_token
    codes = codes.to(device)
    with torch.no_grad():
        condition = model.condition(*caption(device))
        if hasattr(model, "pattern"):
            return model.logits(codes, condition).float().cpu()
        stages = [Stage(levels=(level,)) for level in (0, 1)]
        return torch.cat([model.logits(codes, condition, stage) for stage in stages]).float().cpu()
