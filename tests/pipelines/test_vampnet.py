"""The reference's `Interface`, exactly: sound in, codes, chunks, vamps, sound out (golden vampnet SPEC 6)."""

import json
from pathlib import Path

import pytest
import torch
from official_vamp import official_vamp
from safetensors.torch import load_file

from audiogen.audio import Audio
from audiogen.decoding import GridNoise
from audiogen.errors import InputError
from audiogen.pipelines.vampnet import Settings, VampNetPipeline, at_loudness, loudness

GOLDEN = Path(__file__).parents[1] / "fixtures" / "vampnet"
CASES = json.loads((GOLDEN / "interface.json").read_text())["cases"]
SOUNDS = [name for name in CASES if name.startswith("pre/")]
OF_SETTINGS = {name: name for name in ("temperature", "top_p", "seed", "sample_cutoff")}
OF_SETTINGS |= {"_sampling_steps": "steps", "mask_temperature": "confidence_temperature"}
OF_VAMP = {"batch_size": "batch", "feedback_steps": "feedback_steps", "time_stretch_factor": "time_stretch"}


@pytest.fixture(scope="module")
def golden():
    return load_file(GOLDEN / "interface.safetensors")


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    return official_vamp(tmp_path_factory.mktemp("official"))


def pipeline_of(system, seed, **seconds):
    return VampNetPipeline(system=system, noise=GridNoise(torch.Generator().manual_seed(seed)), **seconds)


def settings_of(arguments):
    """Of the coarse model; typical filtering has no effect in the reference."""
    return Settings(**{OF_SETTINGS[name]: arguments[name] for name in arguments if name in OF_SETTINGS})


def check(golden, name, pipeline, made):
    assert torch.equal(made.codes, golden[f"{name}/out"].long())
    if f"{name}/masked" in golden:
        assert torch.equal(made.masked, golden[f"{name}/masked"].long())
    assert torch.equal(torch.rand(1, generator=pipeline.noise.generator), golden[f"{name}/after"])


def test_seconds_are_frames_rounded_up(system, golden):
    pipeline = pipeline_of(system, 0)
    frames = [pipeline.frames(seconds) for seconds in golden["s2t/seconds"].tolist()]
    assert frames == golden["s2t/tokens"].tolist()


@pytest.mark.parametrize("name", SOUNDS)
def test_preprocesses_like_the_reference(system, golden, name):
    pipeline, rate = pipeline_of(system, 0), CASES[name]["sample_rate"]
    for index, samples in enumerate(golden[f"{name}/audio"]):
        made = pipeline.preprocess(Audio(samples, rate))
        torch.testing.assert_close(made.samples, golden[f"{name}/out"][index], atol=2e-5, rtol=0)
        assert loudness(made) == pytest.approx(float(golden[f"{name}/loudness_out"][index]), abs=1e-3)
        if f"{name}/twice" in golden:
            twice = pipeline.preprocess(made).samples
            torch.testing.assert_close(twice, golden[f"{name}/twice"][index], atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", SOUNDS)
def test_encodes_like_the_reference(system, golden, name):
    """A frame is exact up to its first doubtful level."""
    sure = (golden[f"{name}/code_margin"] > 1e-4).cumprod(dim=1).bool()
    for index, samples in enumerate(golden[f"{name}/audio"]):
        codes = pipeline_of(system, 0).encode(Audio(samples, CASES[name]["sample_rate"]))[0]
        assert torch.equal(codes[sure[index]], golden[f"{name}/codes"][index].long()[sure[index]])


@pytest.mark.parametrize("name", ["full", "with_mask_token", "coarse_only"])
def test_decodes_like_the_reference(system, golden, name):
    sound = pipeline_of(system, 0).decode(golden[f"decode/{name}/codes"].long())
    assert system.codec.levels == 14, "fewer levels are decoded without a change to the codec"
    made = torch.stack([audio.samples for audio in sound])
    torch.testing.assert_close(made, golden[f"decode/{name}/audio"], atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("coarse_vamp")])
def test_generates_coarse_levels_like_the_reference(system, golden, name):
    case = CASES[name]
    mask = golden["gen/mask"].bool() if case["mask"] == "gen/mask" else torch.ones_like(golden["gen/mask"]).bool()
    pipeline = pipeline_of(system, case["pre_seed"], coarse_seconds=case["chunk_size_s"])
    check(golden, name, pipeline, pipeline.coarse_vamp(golden["gen/z"].long(), mask, settings_of(case["kwargs"])))


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("c2f_")])
def test_generates_fine_levels_like_the_reference(system, golden, name):
    case = CASES[name]
    pipeline = pipeline_of(system, case["pre_seed"], fine_seconds=case["chunk_size_s"])
    mask = None if "no_mask" in name else golden["gen/mask"].bool()
    made = pipeline.coarse_to_fine(golden[f"{name}/z"].long(), mask, settings_of(case["kwargs"]))
    check(golden, name, pipeline, made)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("vamp_")])
def test_vamps_like_the_reference(system, golden, name):
    case = CASES[name]
    seconds = {"coarse_seconds": case["coarse_chunk_s"], "fine_seconds": case["c2f_chunk_s"]}
    pipeline = pipeline_of(system, case["pre_seed"], **seconds)
    counts = {mine: case["kwargs"][theirs] for theirs, mine in OF_VAMP.items() if theirs in case["kwargs"]}
    codes, mask = golden["gen/z"].long(), golden["gen/mask"].bool()
    check(golden, name, pipeline, pipeline.vamp(codes, mask, settings_of(case["kwargs"]), **counts))


def test_the_demo_sounds_like_the_reference(system, golden):
    case = CASES["demo"]
    pipeline = pipeline_of(system, case["seed"])
    recording = Audio(golden["demo/audio"][0], 8000)
    before = loudness(recording)
    assert before == pytest.approx(float(golden["demo/loudness"]), abs=1e-3)
    assert torch.equal(pipeline.encode(pipeline.preprocess(recording)), golden["demo/codes"].long())

    settings = settings_of(case["calls"][0]["kwargs"])
    made = pipeline.vamp(golden["demo/codes"].long(), golden["demo/mask"].bool(), settings, batch=2)
    assert torch.equal(made.codes, golden["demo/out"].long())
    assert torch.equal(made.masked, golden["demo/masked"].long())
    for sound, decoded, normalized in zip(
        pipeline.decode(made.codes), golden["demo/decoded"], golden["demo/normalized"], strict=True
    ):
        torch.testing.assert_close(sound.samples, decoded, atol=2e-5, rtol=0)
        torch.testing.assert_close(at_loudness(sound, before).samples, normalized, atol=2e-5, rtol=0)


@pytest.mark.parametrize("change", [{"batch": 0}, {"feedback_steps": 0}, {"time_stretch": 0}, {"codes": 2}])
def test_counts_without_meaning_are_refused(system, golden, change):
    codes, mask = golden["gen/z"].long(), golden["gen/mask"].bool()
    items = change.pop("codes", 1)
    with pytest.raises(InputError, match="one item"):
        pipeline_of(system, 0).vamp(codes.repeat(items, 1, 1), mask.repeat(items, 1, 1), Settings(steps=1), **change)
