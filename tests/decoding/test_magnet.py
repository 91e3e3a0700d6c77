"""Spans that overlap, draws and counts against the reference MAGNeT (golden magnet SPEC 6, 7 and 8)."""

import json
from itertools import chain

import pytest
import torch
from oracle import Oracle, random_logits, request
from safetensors.torch import load_file

from audiogen.decoding import Confidence, GridNoise, NoNoise, Plan, Sampling, Stage, Trace, cosine, decode
from audiogen.decoding.confidence import least_confident, least_confident_spans, log_probability
from audiogen.decoding.sampling import by_rank, draw, filtered
from audiogen.decoding.schedule import masked_counts, progress_at
from audiogen.models.magnet import magnet_plan

FIXED = -1e4
"""The reference's score of cells that are not masked any more."""
TIED = 19
"""The one case where equal spans lie at the boundary, and an unstable sort decides in the reference."""


@pytest.fixture(scope="module")
def golden(fixtures):
    return load_file(fixtures / "magnet" / "magnet_units.safetensors")


@pytest.fixture(scope="module")
def cases(fixtures):
    return json.loads((fixtures / "magnet" / "magnet_units.json").read_text())


def grid(row):
    return row[None, None]


def chosen_spans(doubt, masked, count, span, valid=None):
    """Of one row of cells."""
    valid = torch.ones_like(masked) if valid is None else valid
    return least_confident_spans(grid(-doubt), grid(masked), grid(valid), torch.tensor([count]), span)[0, 0]


def test_overlapping_spans_are_chosen_as_in_the_reference(golden, cases):
    for case in cases["stride1"]:
        scores, want = (golden[f"stride1.{case['index']}.{name}"] for name in ("scores", "mask"))
        got = chosen_spans(scores, scores != FIXED, case["target"], case["span_len"])
        assert int(got.sum()) == case["masked"], case
        assert torch.equal(scores[got].sort().values, scores[want.bool()].sort().values), case
        assert torch.equal(got, want.bool()) or case["index"] == TIED, case


def test_spans_that_overlap_avoid_fixed_cells_where_they_can():
    doubt = torch.tensor([9.0, 9.0, 0.0, 1.0, 1.0, 1.0, 0.0, 5.0])
    masked = torch.tensor([True, True, False, True, True, True, False, True])
    assert chosen_spans(doubt, masked, 3, 3).nonzero()[:, 0].tolist() == [3, 4, 5]
    assert chosen_spans(doubt, masked, 5, 3).nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert chosen_spans(doubt, masked, 6, 3).nonzero()[:, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_spans_do_not_reach_into_padding_and_nothing_is_chosen_for_a_count_of_0():
    doubt, masked = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), torch.ones(6, dtype=torch.bool)
    valid = torch.tensor([True, True, True, True, False, False])
    assert chosen_spans(doubt, masked, 3, 3).nonzero()[:, 0].tolist() == [3, 4, 5]
    assert chosen_spans(doubt, masked & valid, 3, 3, valid).nonzero()[:, 0].tolist() == [1, 2, 3]
    assert not chosen_spans(doubt, masked, 0, 3).any()


def test_a_row_shorter_than_a_span_is_chosen_whole():
    assert chosen_spans(torch.ones(2), torch.ones(2, dtype=torch.bool), 1, 3).all()


def test_spans_of_one_cell_that_overlap_are_cells():
    confidence, masked = random_logits(3, 2, 20, 1)[..., 0], torch.rand(3, 2, 20) < 0.7
    counts = torch.tensor([0, 5, 11])
    alike = least_confident_spans(confidence, masked, torch.ones_like(masked), counts, 1)
    assert torch.equal(alike, least_confident(confidence, masked, counts))


def test_where_spans_overlap_cells_may_be_generated_again_and_the_prompt_stays():
    """It takes holes smaller than a span: here, 30 % of the cells, scattered."""
    codes = torch.full((4, 1, 60), 5)
    mask = torch.rand(codes.shape, generator=torch.Generator().manual_seed(0)) < 0.3
    confidence = Confidence(kind="log_probability", over_span="sum")
    stage = Stage(levels=(0,), steps=12, schedule=cosine, span=4, arrangement="stride1", confidence=confidence)
    steps, trace = [], Trace.like(codes)
    logits = request(random_logits(4, 1, 60, 8))
    result = decode(Oracle(8, echo=8.0), codes, mask, logits, Plan((stage,)), NoNoise(), steps.append)
    for step in steps:
        trace.record(step)
    assert torch.equal(result[~mask], codes[~mask])
    assert (result < 8).all()
    assert len(steps) == 12
    again = torch.stack([step.after & ~step.before for step in steps])
    assert again.any()
    assert not again[:, ~mask].any()
    last = torch.stack([step.before for step in steps]).int().cumsum(dim=0).argmax(dim=0)
    assert torch.equal(trace.step, last.masked_fill(~mask, -1)), "the trace tells of the last time"


@pytest.mark.parametrize("number", range(8))
def test_tokens_are_drawn_as_in_the_reference(golden, cases, number):
    case, probability = cases["sampling"][number], golden["sampling.probs"].flatten(0, 2)
    kept = {case["kind"]: case["arg"]} if case["kind"] != "none" else {}
    noise = GridNoise(torch.Generator().manual_seed(case["torch_manual_seed"]))
    gumbel = noise.gumbel(torch.ones(1, 1, len(probability), dtype=torch.bool), probability.shape[1])
    if case["kind"] == "top_p":
        gumbel = by_rank(gumbel, probability.log())
    logits = filtered(probability.log(), Sampling(**kept))
    tokens = draw(logits, gumbel)
    assert torch.equal(tokens, golden[f"sampling.{number}.tokens"].flatten())
    drawn_from = golden[f"sampling.{number}.multinomial_input"].flatten(0, 1)
    allowed = logits.softmax(dim=-1)
    if case["kind"] == "top_p":
        allowed = allowed.sort(dim=-1, descending=True).values
    torch.testing.assert_close(allowed, drawn_from, atol=1e-6, rtol=1e-4)
    scored = logits if case["kind"] == "top_k" else probability.log()
    want = golden[f"sampling.{number}.probs_after"].flatten(0, 2).gather(-1, tokens[:, None])[:, 0]
    torch.testing.assert_close(log_probability(scored, tokens).exp(), want, atol=1e-6, rtol=1e-4)


def test_noise_by_rank_moves_with_the_order_of_the_tokens():
    noise, logits = torch.tensor([[10.0, 20.0, 30.0]]), torch.tensor([[0.1, 0.3, 0.2]])
    assert by_rank(noise, logits).tolist() == [[30.0, 10.0, 20.0]]


@pytest.mark.parametrize("number", range(5))
def test_counts_temperatures_and_guidance_are_those_of_the_reference(cases, number):
    """Of 10 and 30 seconds: how many units each step has to generate, and how many cells that is."""
    case = cases["schedules"][number]
    frames, prompt = case["T_out"], case["prompt_length"]
    plan = magnet_plan(case["decoding_steps"], span=case["span_len"], arrangement=case["arrangement"])
    for stage, counts, rates in zip(plan, case["num_masked"], case["mask_p"], strict=False):
        total = torch.tensor([(frames - prompt // stage.unit * stage.unit) // stage.unit])
        later = [int(masked_counts(stage.schedule, step, stage.steps, total)) for step in range(stage.steps - 1)]
        assert [int(total), *(max(count, 1) for count in later)] == counts
        got = [stage.schedule(progress_at(step, stage.steps)) for step in range(stage.steps)]
        assert got == pytest.approx(rates, abs=1e-6)
        assert stage.guidance.scale_at(got[-1]) == 1, "one pass is enough in the last step"
    codes = torch.zeros(1, 4, frames, dtype=torch.int64)
    mask = (torch.arange(frames) >= prompt).expand_as(codes)
    steps = []
    decode(Oracle(2), codes, mask, request(random_logits(1, 4, frames, 2)), plan, NoNoise(), steps.append)
    cells = [int(step.before.sum()) for step in steps]
    counts = list(chain(*case["num_masked"]))
    if case["arrangement"] == "stride1":
        assert max(abs(got - count) for got, count in zip(cells, counts, strict=True)) <= 3
    elif prompt % case["span_len"] == 0:
        assert cells == list(chain(*case["tokens_masked"]))
    else:  # which step finishes the span that the prompt cuts depends on the logits
        assert all(0 <= 3 * count - got <= 2 for got, count in zip(cells, counts, strict=True))
