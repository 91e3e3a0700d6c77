"""Whole decodes against the reference: masks and tokens of every step, random streams (golden maskgct SPEC 4 and 5)."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Generator

from audiogen.decoding import NoNoise, Plan, StreamNoise, decode
from audiogen.decoding.sampling import NEVER, keep_top_k, top_count
from audiogen.models.maskgct import s2a_plan, t2s_plan

GOLDEN = Path(__file__).parents[1] / "fixtures" / "maskgct"
GUIDED = {"atol": 1e-4, "rtol": 0}
SCORES = {"atol": 2e-5, "rtol": 0}


def cases(name):
    return sorted(json.loads((GOLDEN / f"{name}.json").read_text()))


def like_the_reference(plan):
    """Standard deviations over the whole batch, which the reference takes and we do not."""
    stages = [replace(stage, guidance=replace(stage.guidance, spread_over="batch")) for stage in plan]
    return Plan(tuple(stages))


def plan_settings(arguments):
    return {
        "guidance_scale": max(arguments["cfg"], 0) + 1,
        "rescale": arguments["rescale_cfg"],
        "temperature": arguments["temp"],
        "top_fraction": 1 - arguments["filter_thres"],
    }


class Recorder:
    """Hidden vectors and logits of what is drawn, as they pass the model's head, and the steps of the decode."""

    def __init__(self, model, monkeypatch):
        self.hidden, self.logits, self.steps = [], [], []
        head = model.head

        def recording_head(hidden, stage):
            self.hidden.append(hidden)
            self.logits.append(head(hidden, stage))
            return self.logits[-1]

        monkeypatch.setattr(model, "head", recording_head)


def run(model, codes, mask, condition, plan, arguments, monkeypatch):
    recorder = Recorder(model, monkeypatch)
    generator = Generator().manual_seed(arguments["seed"])
    noise = NoNoise() if arguments["noise"] == "zero" else StreamNoise(generator)
    result = decode(model, codes, mask, condition, like_the_reference(plan), noise, recorder.steps.append)
    return result, recorder, torch.rand(4, generator=generator)


def check_steps(case, arguments, recorder, target, vocab_size):
    """Every step of the fixture, on the target frames [P, P + T)."""
    wanted = arguments["steps"]
    numbers = sorted({int(name[5:8]) for name in case if name.startswith("step_")})
    assert len(recorder.steps) == len(numbers) == arguments["iterations"] <= len(wanted)
    count = top_count(1 - arguments["filter_thres"], vocab_size)
    for number, step, hidden, logits in zip(numbers, recorder.steps, recorder.hidden, recorder.logits, strict=True):
        golden = {name.split("/")[1]: x for name, x in case.items() if name.startswith(f"step_{number:03d}/")}
        level = step.stage.levels[0]
        before, after, tokens = (x[:, 0, target] for x in (step.before, step.after, step.tokens))
        assert torch.equal(before, golden["mask_in"]), number
        assert torch.equal(after, golden["mask_out"]), number
        assert torch.equal(tokens[before], golden["seq_sampled"][before]), number
        assert torch.equal(tokens[before], golden["sampled"][before]), number
        codes = step.codes[:, level, target].masked_fill(after, 0)
        assert torch.equal(codes, golden["seq_out"]), number
        torch.testing.assert_close(1 - step.ranking[:, 0, target][before], golden["scores"][before], **SCORES)
        if "hidden" in golden:
            torch.testing.assert_close(hidden[0], golden["hidden"][before], **GUIDED)
        if "logits" in golden:
            kept, expected = keep_top_k(logits[0, 0], count), golden["logits"][before]
            assert torch.equal(kept == NEVER, expected == NEVER), number
            torch.testing.assert_close(kept, expected, **GUIDED)


@pytest.mark.parametrize("name", cases("t2s_decode"))
def test_text_to_semantic_decodes_like_the_reference(t2s, golden, monkeypatch, name):
    fixture = golden("t2s_decode")
    case, arguments = fixture.case(name), fixture.arguments[name]
    frames = arguments["target_len"]
    prompt = case["prompt"]
    codes = torch.cat((prompt, prompt.new_zeros(len(prompt), frames)), dim=1)[:, None]
    target = slice(prompt.shape[1], None)
    mask = torch.zeros_like(codes, dtype=torch.bool)
    mask[:, :, target] = True
    seen = case.get("prompt_mask", torch.ones(prompt.shape)).bool()
    valid = torch.cat((seen, torch.ones(len(seen), frames, dtype=torch.bool)), dim=1)
    condition = t2s.condition(case["phone_id"], valid=valid)
    plan = t2s_plan(arguments["n_timesteps"], **plan_settings(arguments))

    result, recorder, rng_after = run(t2s, codes, mask, condition, plan, arguments, monkeypatch)
    check_steps(case, arguments, recorder, target, t2s.config.vocab_size)
    assert torch.equal(result[:, 0, target], case["output"])
    assert torch.equal(result[:, 0, : target.start], prompt)
    if arguments["noise"] == "seeded":
        assert torch.equal(rng_after, case["rng_after"])


@pytest.mark.parametrize("name", cases("s2a_decode"))
def test_semantic_to_acoustic_decodes_like_the_reference(s2a, golden, monkeypatch, name):
    model = s2a[name.split("/")[1]]
    fixture = golden("s2a_decode")
    case, arguments = fixture.case(name), fixture.arguments[name]
    levels = model.config.levels
    prompt = case["prompt"].transpose(1, 2)[:, :levels]
    frames = case["semantic"].shape[1] - prompt.shape[2]
    target = slice(prompt.shape[2], None)
    codes = torch.full((len(prompt), levels, prompt.shape[2] + frames), model.mask_token)
    codes[:, :, : target.start] = prompt
    given = arguments["given_layers"]
    if given:
        codes[:, :given, target] = case["gt_code"].transpose(1, 2)
    mask = torch.zeros_like(codes, dtype=torch.bool)
    mask[:, given : arguments["max_layer"], target] = True
    plan = s2a_plan(arguments["n_timesteps"], **plan_settings(arguments))
    condition = model.condition(case["semantic"])

    result, recorder, rng_after = run(model, codes, mask, condition, plan, arguments, monkeypatch)
    check_steps(case, arguments, recorder, target, model.config.vocab_size)
    assert torch.equal(result[:, : arguments["max_layer"], target].transpose(1, 2), case["output"])
    assert torch.equal(result[~mask], codes[~mask])
    if arguments["noise"] == "seeded":
        assert torch.equal(rng_after, case["rng_after"])
