"""VampNet: the published sizes with random weights, and the bundled system."""

import argparse
import math
import resource
import time
from typing import Any

from benchmarks.measure import SECONDS, median_seconds, peak_mib


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
