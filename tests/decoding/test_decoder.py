"""The loop with a scripted model: which cells are kept at every step, exactly."""

import math
from itertools import pairwise

import pytest
import torch
from oracle import Oracle, random_logits, request, sure_of

from audiogen.decoding import (
    Condition,
    Confidence,
    Guidance,
    Linear,
    NoNoise,
    Plan,
    Sampling,
    Stage,
    StreamNoise,
    Trace,
    cosine,
    decode,
    linear,
    stretched,
)
from audiogen.errors import InputError


def stage(**settings):
    return Stage(**{"levels": (0,), "steps": 4, "schedule": linear, **settings})


def grid(batch, levels, frames):
    return torch.zeros(batch, levels, frames, dtype=torch.int64)


def everything(codes):
    return torch.ones_like(codes, dtype=torch.bool)


def run(logits, *stages, codes=None, mask=None, seed=None, null=None, valid=None, echo=0.0):
    """Codes, steps and the oracle; `seed` None: no noise at all."""
    model, steps = Oracle(logits.shape[-1], echo), []
    codes = grid(*logits.shape[:3]) if codes is None else codes
    mask = everything(codes) if mask is None else mask
    noise = NoNoise() if seed is None else seed
    result = decode(model, codes, mask, request(logits, null, valid), Plan(stages), noise, steps.append)
    return result, steps, model


def kept(steps):
    """The cells that each step fixed, as (level, frame) of the first item."""
    return [[tuple(cell) for cell in step.fixed[0].nonzero().tolist()] for step in steps]


def test_surest_cells_are_kept_first():
    probability = torch.tensor([[[0.5, 0.9, 0.6, 0.8]]])
    codes, steps, model = run(sure_of(probability), stage())
    assert kept(steps) == [[(0, 1)], [(0, 3)], [(0, 2)], [(0, 0)]]
    assert codes.tolist() == [[[1, 1, 1, 1]]]
    seen = [codes[0, 0].tolist() for codes, _, _ in model.seen]
    assert seen == [[3, 3, 3, 3], [3, 1, 3, 3], [3, 1, 3, 1], [3, 1, 1, 1]], "3 is the mask token"
    assert [float(time[0]) for _, time, _ in model.seen] == [1.0, 0.75, 0.5, 0.25]


def test_confidences_of_fixed_cells_do_not_matter_any_more():
    """Cell 1 is fixed first; its neighbours' answers change with it, and it must neither change nor return."""
    logits = sure_of(torch.tensor([[[0.5, 0.9, 0.6, 0.8]]]))
    codes, steps, _ = run(logits, stage(), echo=5.0)
    for step, following in pairwise(steps):
        fixed = ~step.after
        assert torch.equal(step.codes[fixed], following.codes[fixed])
    assert torch.equal(codes, steps[-1].codes)


def test_levels_of_a_stage_compete_for_being_kept():
    probability = torch.tensor([[[0.9, 0.4], [0.8, 0.7]]])
    _, steps, _ = run(sure_of(probability), stage(levels=(0, 1)))
    assert kept(steps) == [[(0, 0)], [(1, 0)], [(1, 1)], [(0, 1)]]


def test_stages_follow_each_other_and_see_what_came_before():
    logits = random_logits(2, 3, 5, 4)
    codes, steps, model = run(logits, stage(levels=(0,), steps=2), stage(levels=(2, 1), steps=1))
    assert [step.stage.levels for step in steps] == [(0,), (0,), (2, 1)]
    assert [(step.number, step.planned) for step in steps] == [(0, 3), (1, 3), (2, 3)]
    assert torch.equal(codes, logits.argmax(dim=-1))
    last = model.seen[-1][0]
    assert torch.equal(last[:, 0], codes[:, 0])
    assert (last[:, 1:] == 4).all(), "levels to come are masked"


def test_a_second_stage_on_a_level_generates_it_anew():
    logits = random_logits(1, 1, 6, 4)
    _, steps, model = run(logits, stage(steps=1), stage(steps=2))
    assert (model.seen[1][0] == 4).all()
    assert len(steps) == 3


@pytest.mark.parametrize(("over_span", "first"), [("max", [(0, 2), (0, 3)]), ("sum", [(0, 0), (0, 1)])])
def test_spans_are_kept_whole(over_span, first):
    probability = torch.tensor([[[0.7, 0.7, 0.4, 0.9, 0.5, 0.5]]])
    _, steps, _ = run(sure_of(probability), stage(span=2, steps=3, confidence=Confidence(over_span=over_span)))
    assert kept(steps)[0] == first
    assert kept(steps)[2] == [(0, 4), (0, 5)]


def test_a_span_that_the_prompt_cuts_is_a_unit_and_the_prompt_stays():
    probability = torch.tensor([[[0.9, 0.4, 0.8, 0.4, 0.5, 0.5, 0.6]]])
    codes = torch.tensor([[[2, 0, 0, 0, 0, 0, 0]]])
    mask = torch.tensor([[[False, True, True, True, True, True, True]]])
    result, steps, _ = run(sure_of(probability), stage(span=2), codes=codes, mask=mask)
    assert kept(steps) == [[(0, 1)], [(0, 2), (0, 3)], [(0, 6)], [(0, 4), (0, 5)]]
    assert result.tolist() == [[[2, 1, 1, 1, 1, 1, 1]]]


def test_prompt_cells_come_back_bit_identical_and_no_mask_token_survives():
    logits = random_logits(3, 2, 9, 7)
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(7, (3, 2, 9), generator=generator)
    mask = torch.rand(3, 2, 9, generator=generator) < 0.6
    stages = [stage(levels=(0,), schedule=cosine), stage(levels=(1,), span=2, steps=7)]
    result, steps, _ = run(logits, *stages, codes=codes, mask=mask, seed=5, echo=1.0)
    assert torch.equal(result[~mask], codes[~mask])
    assert (result < 7).all()
    for step in steps:
        assert torch.equal(step.codes[~mask], codes[~mask])
        assert not (step.after & ~mask[:, step.stage.levels]).any()


def test_what_stands_under_the_mask_does_not_matter():
    logits = random_logits(1, 1, 8, 5)
    one, _, _ = run(logits, stage(), codes=grid(1, 1, 8), seed=0, echo=2.0)
    other, _, _ = run(logits, stage(), codes=grid(1, 1, 8) + 3, seed=0, echo=2.0)
    assert torch.equal(one, other)


def test_nothing_to_generate_asks_nothing():
    codes = grid(2, 1, 4)
    result, steps, model = run(random_logits(2, 1, 4, 5), stage(), codes=codes, mask=~everything(codes))
    assert torch.equal(result, codes)
    assert not steps
    assert not model.seen


def test_a_given_level_is_skipped_but_keeps_its_numbers():
    codes = grid(1, 2, 4)
    mask = everything(codes)
    mask[:, 0] = False
    _, steps, _ = run(random_logits(1, 2, 4, 5), stage(), stage(levels=(1,)), codes=codes, mask=mask)
    assert [step.number for step in steps] == [4, 5, 6, 7]


def test_early_stop_when_the_schedule_rounds_down_to_nothing():
    _, steps, _ = run(random_logits(1, 1, 3, 5), stage(steps=25, schedule=cosine))
    assert len(steps) < 25
    assert not steps[-1].after.any()
    _, steps, _ = run(random_logits(1, 1, 3, 5), stage(steps=25, schedule=cosine, keep_one_masked=True))
    assert len(steps) == 25
    assert [int(step.after.sum()) for step in steps[-3:]] == [1, 1, 0]


def test_fix_each_step_fixes_at_least_one():
    hesitant = stage(steps=6, schedule=lambda progress: 1.0 if progress < 1 else 0.0)
    _, steps, _ = run(random_logits(1, 1, 8, 5), hesitant)
    assert [int(step.fixed.sum()) for step in steps] == [0, 0, 0, 0, 0, 8]
    eager = stage(steps=6, schedule=hesitant.schedule, fix_each_step=True)
    _, steps, _ = run(random_logits(1, 1, 8, 5), eager)
    assert [int(step.fixed.sum()) for step in steps] == [1, 1, 1, 1, 1, 3]


def test_mask_counts_of_magnet():
    """500 frames, spans of 3, 20 steps (golden magnet SPEC 6): counts that begin each step."""
    magnet = stage(span=3, steps=20, schedule=stretched(cosine, 20), keep_one_masked=True)
    _, steps, _ = run(random_logits(1, 1, 498, 2), magnet)
    counts = [int(step.before.sum()) // 3 for step in steps]
    assert counts == [166, 165, 163, 160, 157, 152, 145, 138, 130, 122, 112, 101, 90, 79, 66, 53, 40, 27, 13, 1]


def test_mask_counts_of_vampnet():
    """4 levels of 575 frames, 36 steps (golden vampnet SPEC 4): counts after each step."""
    vampnet = stage(levels=(0, 1, 2, 3), steps=36, schedule=cosine, keep_one_masked=True, fix_each_step=True)
    _, steps, _ = run(random_logits(1, 4, 575, 2), vampnet)
    counts = [int(step.after.sum()) for step in steps]
    assert counts[:10] == [2297, 2291, 2280, 2265, 2245, 2221, 2193, 2161, 2124, 2084]
    assert counts[-10:] == [880, 786, 691, 595, 497, 399, 300, 200, 100, 0]


def test_greedy_steps_are_the_last_ones():
    logits = torch.zeros(1, 1, 64, 8)
    logits[..., 3] = 0.1
    _, steps, _ = run(logits, stage(steps=3, sampling=Sampling(greedy_steps=1)), seed=0)
    share = [float((step.tokens[step.before] == 3).float().mean()) for step in steps]
    assert share[0] < 0.5
    assert share[1] < 0.5
    assert share[2] == 1.0


def test_confidence_noise_is_scaled_and_annealed():
    logits = sure_of(torch.full((1, 1, 40), 0.5))
    ranked = Confidence(temperature=Linear(2.0))
    _, steps, _ = run(logits, stage(confidence=ranked), seed=torch_stream(0))
    spread = [float((step.ranking - step.confidence)[step.before].std()) for step in steps]
    assert spread[0] > 1.5 * spread[2]
    late = Confidence(temperature=Linear(2.0, late=True))
    _, steps, _ = run(logits, stage(confidence=late), seed=0)
    assert torch.equal(steps[-1].ranking[steps[-1].before], steps[-1].confidence[steps[-1].before])


def torch_stream(seed):
    return StreamNoise(torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("on", ["logits", "hidden"])
def test_scale_one_is_off_and_runs_no_second_pass(on):
    logits, null = random_logits(1, 1, 6, 5), random_logits(1, 1, 6, 5, seed=9)
    plain, _, model = run(logits, stage(), null=null, seed=3)
    off, _, one = run(logits, stage(guidance=Guidance(scale=1.0, rescale=0.5, on=on)), null=null, seed=3)
    guided, _, two = run(logits, stage(guidance=Guidance(scale=4.0, on=on)), null=null, seed=3)
    assert torch.equal(plain, off)
    assert len(one.seen) == len(model.seen) == 4
    assert not torch.equal(plain, guided)
    assert len(two.seen) == 8


def test_guidance_goes_from_null_past_conditioned():
    """Token 0 leads in both passes, but conditioning speaks for token 1."""
    logits, null = torch.zeros(1, 1, 1, 3), torch.zeros(1, 1, 1, 3)
    logits[..., 0], logits[..., 1] = 1.0, 0.8
    null[..., 0] = 1.0
    for scale, token in [(0.5, 0), (1.0, 0), (1.2, 0), (1.3, 1), (5.0, 1)]:
        codes, _, _ = run(logits, stage(steps=1, guidance=Guidance(scale=scale)), null=null)
        assert codes.item() == token, scale


def test_guidance_is_annealed_with_the_share_that_is_masked():
    logits, null = torch.zeros(1, 1, 4, 3), torch.zeros(1, 1, 4, 3)
    logits[..., 1] = 1.0
    guidance = Guidance(scale=5.0, scale_end=1.0)
    untempered = Confidence(kind="log_probability", tempered=False)
    _, steps, _ = run(logits, stage(guidance=guidance, confidence=untempered), null=null)
    scales = [5.0, 4.0, 3.0, 2.0]
    for step, scale in zip(steps, scales, strict=True):
        want = scale - math.log(2 + math.exp(scale))
        torch.testing.assert_close(step.confidence[step.before], torch.full((int(step.before.sum()),), want))


def test_trace_names_the_step_and_the_confidence_of_every_cell():
    probability = torch.tensor([[[0.5, 0.9, 0.6, 0.8, 0.9]]])
    codes = torch.tensor([[[0, 0, 0, 0, 2]]])
    mask = torch.tensor([[[True, True, True, True, False]]])
    trace = Trace.like(codes)
    decode(Oracle(3), codes, mask, request(sure_of(probability)), Plan((stage(),)), NoNoise(), trace.record)
    assert trace.step.tolist() == [[[3, 0, 2, 1, -1]]]
    torch.testing.assert_close(trace.confidence[mask], probability[mask])
    assert trace.confidence[~mask].isnan().all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"codes": grid(1, 1, 4).float()}, "int64"),
        ({"codes": grid(1, 1, 4)[0]}, r"\[B, K, T\]"),
        ({"mask": torch.ones(1, 1, 4)}, "bool mask"),
        ({"mask": torch.ones(1, 1, 5, dtype=torch.bool)}, "shape"),
        ({"codes": grid(1, 1, 4) + 9, "mask": torch.zeros(1, 1, 4, dtype=torch.bool)}, "0..3"),
        ({"plan": Plan((Stage(levels=(1,)),))}, "level 1"),
        ({"plan": Plan(())}, "stage for each level"),
        ({"seed": [1, 2]}, "one seed or 1"),
        ({"condition": Condition({"logits": torch.zeros(1, 1, 4, 3), "valid": torch.ones(1, 5).bool()})}, "frames"),
    ],
)
def test_wrong_input_is_named(change, words):
    good = {
        "codes": grid(1, 1, 4),
        "mask": everything(grid(1, 1, 4)),
        "condition": request(torch.zeros(1, 1, 4, 3)),
        "plan": Plan((stage(),)),
        "seed": 0,
    }
    decode(Oracle(3), **good)
    with pytest.raises(InputError, match=words):
        decode(Oracle(3), **{**good, **change})


def test_left_out_guidance_takes_the_last_difference():
    """Exact where the difference that the condition makes stays the same; the model is asked half as often for it."""
    asked, results = [], []
    for every in (1, 2):
        model = Oracle(8, echo=2.0)
        codes = torch.zeros(1, 1, 12, dtype=torch.int64)
        condition = request(random_logits(1, 1, 12, 8), random_logits(1, 1, 12, 8, seed=1))
        plan = Plan((Stage(levels=(0,), steps=4, guidance=Guidance(scale=3.0, every=every)),))
        results.append(decode(model, codes, torch.ones_like(codes, dtype=torch.bool), condition, plan, 0))
        asked.append(len(model.seen))
    assert asked == [8, 6]
    assert torch.equal(*results)


def test_guidance_that_is_never_asked_for_is_refused():
    with pytest.raises(InputError, match="every"):
        Guidance(every=0)
