"""Whole decodes against the reference MAGNeT: what every step sees, draws and masks again (golden magnet SPEC 6-8)."""

import json
from dataclasses import replace
from inspect import signature
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from audiogen.decoding import GridNoise, NoNoise, Plan, decode
from audiogen.decoding.confidence import any_in_unit
from audiogen.decoding.guidance import guide
from audiogen.decoding.schedule import progress_at, value_at
from audiogen.errors import InputError
from audiogen.models.magnet import Magnet, MagnetConfig, magnet_plan

GOLDEN = Path(__file__).parents[1] / "fixtures" / "magnet"
CASES = json.loads((GOLDEN / "magnet_decode.json").read_text())["cases"]
SCHEDULES = json.loads((GOLDEN / "magnet_units.json").read_text())["schedules"]
LOGITS = {"atol": 5e-4, "rtol": 1e-4}
PROBABILITIES = {"atol": 2e-4, "rtol": 1e-4}
LOG_PROBABILITIES = {"atol": 1e-3, "rtol": 1e-4}
FIXED = -1e4
"""The reference's score of units that are not masked any more."""


@pytest.fixture(scope="module")
def traces():
    return load_file(GOLDEN / "magnet_decode.safetensors")


@pytest.fixture(scope="module")
def model():
    tiny = Magnet(MagnetConfig(levels=4, vocab_size=64, dim=64, layers=3, heads=4))
    tiny.load_state_dict(load_file(GOLDEN / "magnet_tiny.safetensors"))
    return tiny.eval()


def plan_of(arguments):
    """The reference's settings in our words, with its random numbers."""
    plan = magnet_plan(
        steps=arguments["decoding_steps"],
        temperature=arguments["temp"],
        top_p=arguments["top_p"] or 1.0,
        top_k=arguments["top_k"],
        guidance=(arguments["max_cfg_coef"], arguments["min_cfg_coef"]),
        span=arguments["span_len"],
        arrangement=arguments["span_arrangement"],
        scoring=arguments["span_scoring"],
        annealed=arguments["anneal_temp"],
    )
    ranked = arguments["top_p"] > 0
    return Plan(tuple(replace(stage, sampling=replace(stage.sampling, noise_by_rank=ranked)) for stage in plan))


def request_of(case, arguments, model):
    """Codes with the prompt, and the mask; the grid is cut to whole spans where these lie side by side."""
    side_by_side = arguments["span_arrangement"] == "nonoverlap"
    cut = arguments["max_gen_len"] % arguments["span_len"] if side_by_side else 0
    codes = torch.full((arguments["batch"], model.config.levels, arguments["max_gen_len"] - cut), model.mask_token)
    prompt = arguments["prompt_length"]
    if prompt:
        codes[..., :prompt] = case["prompt"]
    return codes, (torch.arange(codes.shape[2]) >= prompt).expand_as(codes)


class Recorder:
    """What goes into the model, the logits that come out of it (with guidance: twice a step), and the steps."""

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

    def passes(self):
        """Codes that went into the model and guided logits [N, V] of the cells that it drew, step by step."""
        codes, logits = iter(self.codes), iter(self.logits)
        for step in self.steps:
            scale = scale_of(step.stage, step.index)
            seen, conditioned = next(codes), next(logits)
            if scale == 1:
                yield seen, conditioned[0, 0]
            else:
                assert torch.equal(next(codes), seen)
                yield seen, guide(conditioned, next(logits), scale)[0, 0]
        assert next(codes, None) is None
        assert next(logits, None) is None


def scale_of(stage, index):
    return stage.guidance.scale_at(stage.schedule(progress_at(index, stage.steps)))


def check_settings(golden, step):
    stage = step.stage
    assert (stage.levels, step.index) == ((golden["stage"],), golden["step"])
    assert value_at(stage.sampling.temperature, step.index, stage.steps) == pytest.approx(
        golden["temperature"], abs=1e-6
    )
    assert scale_of(stage, step.index) == pytest.approx(golden["cfg_coef"], abs=1e-6)
    assert stage.schedule(progress_at(step.index, stage.steps)) == pytest.approx(golden["mask_p"], abs=1e-6)


def check_step(golden, codes, logits, step):
    masked, drawn = step.before[:, 0], step.tokens[:, 0] < codes.max()
    units = any_in_unit(step.before, step.stage.unit)
    assert torch.equal(codes, golden["input"].long())
    assert torch.equal(masked, golden["masked"].bool())
    assert torch.equal(units[:, 0], golden["unit_mask"].bool() & units[:, 0])
    assert bool((drawn | ~masked).all())
    assert torch.equal(step.tokens[:, 0][drawn], golden["sampled"].long()[drawn])
    torch.testing.assert_close(step.confidence[:, 0][drawn].exp(), golden["sampled_probs"][drawn], **PROBABILITIES)
    if "logits" in golden:
        torch.testing.assert_close(logits, golden["logits"][drawn], **LOGITS)
    scores, ranking = golden["scores"][units[:, 0]], step.ranking[units]
    assert torch.equal(golden["scores"] != FIXED, units[:, 0])
    if step.stage.unit > 1 and step.stage.confidence.over_span == "max":
        torch.testing.assert_close(1 - ranking.exp(), scores, **PROBABILITIES)
    else:
        torch.testing.assert_close(-ranking, scores, **LOG_PROBABILITIES)


@pytest.mark.parametrize("name", CASES)
def test_decodes_like_the_reference(model, traces, monkeypatch, name):
    arguments = CASES[name]
    case = {key.removeprefix(f"{name}."): tensor for key, tensor in traces.items() if key.startswith(f"{name}.")}
    codes, mask = request_of(case, arguments, model)
    condition = model.condition_on(case["cond"][: arguments["batch"]])
    sampled = arguments["use_sampling"]
    noise = GridNoise(torch.Generator().manual_seed(arguments["torch_manual_seed"])) if sampled else NoNoise()
    recorder = Recorder(model, monkeypatch)

    result = decode(model, codes, mask, condition, plan_of(arguments), noise, recorder.steps.append)

    assert len(recorder.steps) == len(arguments["steps"])
    for number, (step, (seen, logits)) in enumerate(zip(recorder.steps, recorder.passes(), strict=True)):
        golden = {key.removeprefix("step."): x[number] for key, x in case.items() if key.startswith("step.")}
        check_settings(arguments["steps"][number], step)
        check_step(golden, seen, logits, step)
    assert torch.equal(result, case["codes"])


KNOBS = {
    "steps": {"steps": (5, 2, 2, 2)},
    "temperature": {"temperature": 0.5},
    "top_p": {"top_p": 0.3},
    "top_k": {"top_k": 2},
    "guidance": {"guidance": (3.0, 3.0)},
    "guidance_every": {"guidance_every": 2},
    "span": {"span": 5},
    "arrangement": {"arrangement": "stride1"},
    "scoring": {"scoring": "prod"},
    "annealed": {"annealed": False},
    "greedy_steps": {"greedy_steps": 1},
}


def generate(model, mask, seed=0, **settings):
    """Fifty frames, of which the last two are no whole span."""
    condition = model.condition_on(torch.randn(1, 7, 64, generator=torch.Generator().manual_seed(0)))
    plan = magnet_plan(**{"steps": (4, 2, 2, 2), **settings})
    return decode(model, torch.full(mask.shape, 7), mask, condition, plan, seed)


@pytest.mark.parametrize("knob", KNOBS)
def test_every_setting_changes_the_result(model, knob):
    everything = torch.ones(1, 4, 50, dtype=torch.bool)
    result = generate(model, everything)
    assert torch.equal(result, generate(model, everything))
    assert not torch.equal(result, generate(model, everything, **KNOBS[knob]))


def test_no_setting_is_left_out():
    assert set(signature(magnet_plan).parameters) == set(KNOBS)


@pytest.mark.parametrize("arrangement", ["nonoverlap", "stride1"])
def test_prompts_lie_anywhere_and_frames_behind_the_last_span_are_generated(model, arrangement):
    mask = torch.rand(1, 4, 50, generator=torch.Generator().manual_seed(0)) < 0.7
    mask[:, :, -2:] = True
    result = generate(model, mask, arrangement=arrangement)
    assert (result[~mask] == 7).all()
    assert (result < model.mask_token).all()
    assert not torch.equal(result, generate(model, mask, seed=1, arrangement=arrangement))


@pytest.mark.parametrize(
    "setting",
    [{"scoring": "mean"}, {"arrangement": "random"}, {"steps": (0,)}, {"top_p": 0.0}, {"top_k": -1}, {"span": 0}],
)
def test_settings_without_meaning_are_refused(setting):
    with pytest.raises(InputError, match="expected"):
        magnet_plan(**setting)
