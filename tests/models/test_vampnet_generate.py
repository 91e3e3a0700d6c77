"""Whole calls of the reference's `generate`: tokens, masks, logits and random stream (golden vampnet SPEC 4)."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from official_vamp import official_vamp
from safetensors.torch import load_file

from audiogen.decoding import NO_CONDITION, GridNoise, NoNoise, decode
from audiogen.errors import InputError
from audiogen.pipelines.vampnet import Settings, generate, reference_plan

GOLDEN = Path(__file__).parents[1] / "fixtures" / "vampnet"
ARGUMENTS = json.loads((GOLDEN / "generate.json").read_text())["cases"]
CASES = [name for name in ARGUMENTS if not name.startswith("sched_")]
CLOSE = {"atol": 1e-4, "rtol": 0}
SPELLING = {"_sampling_steps": "steps", "mask_temperature": "confidence_temperature"}
TYPICAL = {"typical_filtering", "typical_mass", "typical_min_tokens"}
"""Without effect in the reference (trap 3)."""


@pytest.fixture(scope="module")
def traces():
    return load_file(GOLDEN / "generate.safetensors")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    system = official_vamp(tmp_path_factory.mktemp("official"))
    return {"coarse": system.coarse, "c2f": system.fine}


def settings_of(arguments):
    kept = {SPELLING.get(name, name): value for name, value in arguments["kwargs"].items() if name not in TYPICAL}
    copied = kept.pop("cfg_guidance", None) is not None
    return Settings(**kept, seed=arguments["seed"], masked_copy=copied)


class Recorded(GridNoise):
    """The reference's exponential numbers where a trace has them: PyTorch draws others on other processors."""

    def __init__(self, seed, trace):
        super().__init__(torch.Generator().manual_seed(seed))
        self.recorded = [trace[name] for name in sorted(trace) if name.endswith("/exp_q")]

    def exponential(self, shape):
        drawn = super().exponential(shape)
        return self.recorded.pop(0).view(shape) if self.recorded else drawn


class Recorder:
    """What goes into the model and comes out of it, and the steps of the decode."""

    def __init__(self, model, monkeypatch):
        self.codes, self.logits, self.steps = [], [], []
        hidden, head = model.hidden, model.head

        def recording_hidden(codes, *arguments):
            self.codes.append(codes)
            return hidden(codes, *arguments)

        def recording_head(*arguments):
            self.logits.append(head(*arguments))
            return self.logits[-1]

        monkeypatch.setattr(model, "hidden", recording_hidden)
        monkeypatch.setattr(model, "head", recording_head)


def flat(cells):
    """[B, k, T, ...] -> [B, T * k, ...], the reference's order."""
    return cells.transpose(1, 2).flatten(1, 2)


def check_step(golden, codes, logits, step):
    before, after = flat(step.before), flat(step.after)
    assert torch.equal(after.sum(dim=1), golden["num_to_mask"][:, 0].long())
    if "z_masked" in golden:
        assert torch.equal(codes, golden["z_masked"].long())
        assert torch.equal(flat(step.tokens)[before], golden["token"].long()[before])
        assert torch.equal(after, golden["mask_out"])
    if "logits" in golden:
        levels, frames = step.before.shape[1], step.before.any(dim=1)
        expected = golden["logits"].transpose(1, 2).unflatten(1, (-1, levels))[frames]
        torch.testing.assert_close(logits[0].transpose(0, 1), expected, **CLOSE)
        torch.testing.assert_close(flat(step.confidence).exp()[before], golden["token_prob"][before], **CLOSE)


@pytest.mark.parametrize("name", CASES)
def test_generates_like_the_reference(models, traces, monkeypatch, name):
    trace = {key[len(name) + 1 :]: tensor for key, tensor in traces.items() if key.startswith(f"{name}/")}
    arguments, model = ARGUMENTS[name], models[ARGUMENTS[name]["model"]]
    noise, recorder = Recorded(arguments["pre_seed"] or 0, trace), Recorder(model, monkeypatch)
    mask = trace["mask"].bool() if arguments["mask_given"] else None
    codes = trace["start_tokens"].long()

    result = generate(model, codes, mask, settings_of(arguments), noise, recorder.steps.append)

    assert len(recorder.steps) == (0 if name == "empty_mask" else arguments["n_steps"])
    for number, step in enumerate(recorder.steps):
        prefix = f"step{number:03d}/"
        golden = {key[len(prefix) :]: tensor for key, tensor in trace.items() if key.startswith(prefix)}
        check_step(golden, recorder.codes[number], recorder.logits[number], step)
    assert torch.equal(result, trace["final"].long())
    if arguments["seed"] is not None or arguments["pre_seed"] is not None:
        assert torch.equal(torch.rand(1, generator=noise.generator), trace["rng_after"])


class Indifferent:
    """A model that gives both its tokens the same probability everywhere."""

    mask_token = 2

    def prepare(self, codes, mask, condition, stage):
        return condition

    def hidden(self, codes, condition, stage, time):
        return torch.zeros(len(codes), codes.shape[2], 1)

    def head(self, hidden, stage):
        return torch.zeros(len(hidden), len(stage.levels), hidden.shape[1], 2)


@pytest.mark.parametrize("name", ["sched_full", "sched_b2", "sched_partial"])
def test_counts_of_masked_cells_are_those_of_the_reference(models, traces, name):
    """Of the official size: 4 levels of 575 frames in 36 steps, one item and two."""
    start = traces[f"{name}/start_count"].long()
    codes = torch.zeros(len(start), 4, 575, dtype=torch.int64)
    mask = (torch.arange(4 * 575) < start[:, None]).view_as(codes)
    plan, counts = reference_plan(models["coarse"], Settings(steps=36), int(start.sum())), []
    decode(
        Indifferent(),
        codes,
        mask,
        NO_CONDITION,
        plan,
        NoNoise(),
        lambda step: counts.append(flat(step.after).sum(dim=1)),
    )
    assert torch.equal(torch.stack(counts), traces[f"{name}/num_to_mask"].long())


KNOBS = {
    "steps": {"steps": 3},
    "temperature": {"temperature": 0.3},
    "confidence_temperature": {"confidence_temperature": 0.0},
    "top_p": {"top_p": 0.3},
    "sample_cutoff": {"sample_cutoff": 0.5},
    "seed": {"seed": 1},
    "masked_copy": {"masked_copy": True},
}


@pytest.mark.parametrize("knob", KNOBS)
def test_every_setting_changes_the_result(models, traces, knob):
    def run(settings):
        noise = GridNoise(torch.Generator().manual_seed(5))
        return generate(models["coarse"], traces["seeded/start_tokens"].long(), None, settings, noise)

    settings = Settings(steps=6, seed=0)
    assert torch.equal(run(settings), run(settings))
    assert not torch.equal(run(settings), run(replace(settings, **KNOBS[knob])))


def test_no_setting_is_left_out():
    assert {field.name for field in fields(Settings)} == set(KNOBS)


def test_numbers_go_on_from_call_to_call_unless_a_seed_restarts_them(models, traces):
    codes, noise = traces["seeded/start_tokens"].long(), GridNoise(torch.Generator().manual_seed(5))
    going_on, seeded = Settings(steps=2), Settings(steps=2, seed=3)
    first, second = (generate(models["coarse"], codes, None, going_on, noise) for _ in range(2))
    assert not torch.equal(first, second)
    first, second = (generate(models["coarse"], codes, None, seeded, noise) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask": torch.ones(1, 4, 30)}, "bool mask"),
        ({"mask": torch.ones(1, 3, 30, dtype=torch.bool)}, r"\[1, 4, 30\] and \[1, 3, 30\]"),
        ({"codes": torch.zeros(1, 4, 0, dtype=torch.int64), "mask": torch.ones(1, 4, 0, dtype=torch.bool)}, "codes"),
        ({"settings": Settings(steps=0)}, "steps"),
        ({"settings": Settings(top_p=0.0)}, "top_p"),
    ],
)
def test_wrong_input_is_named(models, change, words):
    arguments = {"codes": torch.zeros(1, 4, 30, dtype=torch.int64), "mask": None, "settings": Settings(steps=1)}
    noise = GridNoise(torch.Generator())
    generate(models["coarse"], **arguments, noise=noise)
    with pytest.raises(InputError, match=words):
        generate(models["coarse"], **{**arguments, **change}, noise=noise)
