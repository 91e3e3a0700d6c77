"""The reference's masks, cell for cell and number for number (fixtures/vampnet, `masks` and `interface`).

Left out, because no model or command of this project uses them:
- `newmask.random_along_time`, `stemgen_random`, `hugo_random`, `tria_mask`, `better_cond_random_but_not_working`:
  training masks of other models than VampNet, or of none ("not working" is its own name).
- `newmask.drop_ones` and `app_new_mask`, the composite around it: nothing in the reference calls them.
- the second output ("ignore mask") of `newmask.random`: all False.
- `apply_mask`: is `torch.where`; the decoder does it (`audiogen.decoding`).
- `extra: peaks`: peak picking on the activations of a beat network that is not published as a package; beats come from
  `audiogen.prompts.beats` here, and `interface: beat` starts from given times.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Generator, Tensor

from audiogen.prompts import reference

FOLDER = Path(__file__).parents[1] / "fixtures" / "vampnet"
MASKS, INTERFACE = (load_file(FOLDER / f"{name}.safetensors") for name in ("masks", "interface"))
MASK_CASES, INTERFACE_CASES = (
    json.loads((FOLDER / f"{name}.json").read_text())["cases"] for name in ("masks", "interface")
)
LEFT_OUT = {
    "apply_mask", "random_along_time", "stemgen_random", "hugo_random", "better_cond_random_but_not_working",
    "drop_ones", "tria_mask",
}  # fmt: skip
SAMPLE_RATE, HOP = 8000, 96
FRAME_RATE = SAMPLE_RATE / HOP

BUILDERS = {
    "full_mask": lambda codes, generator: torch.ones(codes.shape, dtype=torch.bool),
    "empty_mask": lambda codes, generator: torch.zeros(codes.shape, dtype=torch.bool),
    "random": lambda codes, rate, generator: reference.random(codes.shape, rate, generator),
    "linear_random": lambda codes, rate, generator: reference.linear_random(codes.shape, rate, generator),
    "inpaint": lambda codes, prefix, suffix, generator: reference.inpaint(codes.shape, prefix, suffix),
    "periodic_mask": lambda codes, period, width=1, random_roll=False, *, generator: reference.periodic(
        codes.shape, period, width, generator, roll=random_roll
    ),
    "codebook_unmask": lambda mask, count, generator: reference.keep_levels(mask.bool(), count),
    "codebook_mask": lambda mask, first, generator: reference.mask_levels(mask.bool(), first),
    "mask_and": lambda one, other, generator: one.bool() & other.bool(),
    "mask_or": lambda one, other, generator: one.bool() | other.bool(),
    "time_stretch_mask": lambda codes, factor, generator: reference.time_stretch(codes.shape, factor, generator),
    "dropout": lambda mask, share, generator: reference.dropout(mask.bool(), share, generator),
}
BUILT = {name: case for name, case in MASK_CASES.items() if case.get("fn") in BUILDERS}


def test_every_builder_is_compared_or_named():
    functions = {case["fn"] for case in MASK_CASES.values() if "fn" in case}
    assert functions == set(BUILDERS) | LEFT_OUT
    assert len(BUILT) == 95


def argument(value: Any) -> Any:
    return MASKS[f"in/{value[1:]}"] if isinstance(value, str) else value


def same(mask: Tensor, expected: Tensor) -> bool:
    return mask.dtype == torch.bool and torch.equal(mask.to(torch.uint8), expected)


@pytest.mark.parametrize("name", BUILT)
def test_builders(name):
    case = BUILT[name]
    generator = Generator().manual_seed(case["seed"])
    built = BUILDERS[case["fn"]](*map(argument, case["args"]), **case["kwargs"], generator=generator)
    assert same(built, MASKS[f"{name}/out0"])
    assert torch.equal(torch.rand(1, generator=generator), MASKS[f"{name}/after"]), "as many numbers were drawn"


def test_masks_are_new():
    """Changing a result does not change what it was made from."""
    mask = torch.zeros(1, 4, 9, dtype=torch.bool)
    for changed in (
        reference.keep_levels(mask, 1), reference.mask_levels(mask, 2), reference.mask_levels(mask, None),
        reference.dropout(mask, 0.5, Generator().manual_seed(0)),
    ):  # fmt: skip
        changed |= True
        assert not mask.any()


def test_onsets():
    frames = reference.onset_frames(MASKS["onset/audio"][0, 0], SAMPLE_RATE, HOP)
    assert frames == MASKS["onset/frames"].tolist()
    for width in (0, 1, 3):
        for module in ("mask", "newmask"):
            assert same(reference.onsets((1, 2, 125), frames, width), MASKS[f"onset/{module}_w{width}"])
    early = MASKS["onset/early_frames"].tolist()
    for width in (1, 2, 4):
        assert same(reference.onsets((1, 2, 16), early, width), MASKS[f"onset/early_newmask_w{width}"])


NAMES = {
    "rand_mask_intensity": "random_share", "prefix_s": "prefix", "suffix_s": "suffix", "periodic_prompt": "period",
    "periodic_prompt_width": "period_width", "onset_mask_width": "onset_width", "_dropout": "dropped_share",
    "ncc": "kept_levels", "upper_codebook_mask": "first_masked_level",
    "before_beat_s": "before", "after_beat_s": "after", "mask_upbeats": "upbeats", "mask_downbeats": "downbeats",
    "beat_downsample_factor": "beat_every", "downbeat_downsample_factor": "downbeat_every", "dropout": "share",
    "invert": "invert",
}  # fmt: skip
"""The reference's arguments -> ours."""


def ours(arguments: dict[str, Any]) -> dict[str, Any]:
    return {NAMES[name]: value for name, value in arguments.items()}


@pytest.mark.parametrize("name", [name for name in INTERFACE_CASES if name.startswith("build_mask/")])
def test_build_mask(name):
    case = INTERFACE_CASES[name]
    generator = Generator().manual_seed(case["seed"])
    frames = reference.onset_frames(INTERFACE[case["signal"]][0, 0], SAMPLE_RATE, HOP)
    shape = tuple(INTERFACE[case["codes"]].shape)
    built = reference.build_mask(shape, generator, FRAME_RATE, onset_frames=frames, **ours(case["kwargs"]))
    assert same(built, INTERFACE[f"{name}/mask"])
    assert torch.equal(torch.rand(1, generator=generator), INTERFACE[f"{name}/after"])


@pytest.mark.parametrize("name", [name for name in INTERFACE_CASES if name.startswith("beat/")])
def test_beats(name):
    case = INTERFACE_CASES[name]
    # stored in float32: 0.6 s, 50 frames, would be 50.000002
    beats, downbeats = (
        [round(time, 4) for time in INTERFACE[f"beat/{kind}"].tolist()] for kind in ("beats", "downbeats")
    )
    generator = Generator().manual_seed(case["seed"])
    built = reference.beats(14, 92, FRAME_RATE, beats, downbeats, generator, **ours(case["kwargs"]))
    assert same(built, INTERFACE[f"{name}/mask"])
