"""Schedules, filters, guidance, noise and conditions, each on its own."""

import json
import math

import pytest
import torch
from oracle import random_logits

from audiogen.decoding import NO_CONDITION, Condition, Confidence, Guidance, ItemNoise, Linear, Sampling, Stage, cosine
from audiogen.decoding.confidence import least_confident
from audiogen.decoding.guidance import guide, rescale
from audiogen.decoding.sampling import NEVER, draw, keep_top_k, keep_top_p, keep_typical, top_count
from audiogen.decoding.schedule import float32_cosine, linear, masked_counts, stretched, value_at
from audiogen.errors import InputError


@pytest.fixture(scope="module")
def schedules(fixtures):
    return json.loads((fixtures / "maskgct" / "schedule.json").read_text())


def counts(schedule, steps, frames):
    return [int(masked_counts(schedule, step, steps, torch.tensor([frames]))[0]) for step in range(steps)]


def test_mask_counts_are_those_of_the_reference(schedules):
    for case in schedules["mask_counts"]:
        want = case["masked_after_each_step"]
        got = counts(cosine, case["steps"], case["frames"])
        assert got[: len(want)] == want, case
        assert not any(got[len(want) :]), case


def test_mask_counts_do_not_depend_on_the_neighbours():
    together = masked_counts(cosine, 3, 9, torch.tensor([250, 7, 33]))
    assert together.tolist() == [counts(cosine, 9, frames)[3] for frames in (250, 7, 33)]


def test_top_count_is_that_of_the_reference(schedules):
    for case in schedules["top_k"]:
        want = max(case["k"], 1)  # the reference can keep nothing, which leaves nothing to draw
        assert top_count(1 - case["filter_thres"], case["vocab"]) == want, case


def test_schedules_start_with_everything_and_end_with_nothing():
    for schedule in (cosine, float32_cosine, linear, stretched(cosine, 5), stretched(linear, 1)):
        assert schedule(0.0) == pytest.approx(1)
        assert schedule(1.0) == pytest.approx(0)
    assert stretched(linear, 5)(4 / 5) == pytest.approx(0), "done one step early"
    assert stretched(linear, 1)(0.0) == 1


def test_settings_move_where_a_step_begins_or_ends():
    assert [value_at(Linear(1.0), step, 4) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]
    assert [value_at(Linear(1.0, late=True), step, 4) for step in range(4)] == [0.75, 0.5, 0.25, 0.0]
    assert [value_at(Linear(3.0, 1.0), step, 2) for step in range(2)] == [3.0, 2.0]
    assert value_at(0.7, 3, 4) == 0.7


PROBABILITIES = torch.tensor([[0.5, 0.25, 0.15, 0.06, 0.04]])


def kept(filtered):
    return (filtered > NEVER).nonzero()[:, 1].tolist()


def test_top_k_keeps_exactly_k_even_among_equals():
    assert kept(keep_top_k(PROBABILITIES.log(), 2)) == [0, 1]
    assert len(kept(keep_top_k(torch.zeros(1, 9), 4))) == 4
    assert len(kept(keep_top_k(torch.zeros(1, 9), 40))) == 9


def test_top_p_keeps_the_token_that_crosses_the_mass_and_always_the_first():
    assert kept(keep_top_p(PROBABILITIES.log(), 0.7)) == [0, 1]
    assert kept(keep_top_p(PROBABILITIES.log(), 0.76)) == [0, 1, 2]
    assert kept(keep_top_p(PROBABILITIES.log(), 1e-6)) == [0]
    shuffled = PROBABILITIES[:, [3, 0, 4, 1, 2]].log()
    assert kept(keep_top_p(shuffled, 0.7)) == [1, 3]


def test_typical_filtering_keeps_the_surprise_that_is_expected():
    """Entropy is 1.27 nats: the token of 0.25 (1.39 nats) is the most typical, not the most probable one (0.69)."""
    assert kept(keep_typical(PROBABILITIES.log(), 0.2, 1)) == [1]
    assert kept(keep_typical(PROBABILITIES.log(), 0.3, 1)) == [0, 1]
    assert kept(keep_typical(PROBABILITIES.log(), 0.8, 1)) == [0, 1, 2]
    assert kept(keep_typical(PROBABILITIES.log(), 0.2, 3)) == [0, 1, 2]


def test_typical_filtering_copes_with_tokens_that_are_ruled_out_already():
    logits = keep_top_k(PROBABILITIES.log(), 3)
    assert set(kept(keep_typical(logits, 0.9, 1))) <= {0, 1, 2}
    assert not keep_typical(logits, 0.9, 1).isnan().any()


def test_drawing_with_gumbel_noise_follows_the_softmax():
    logits = PROBABILITIES.log().repeat(40000, 1)
    noise = ItemNoise([3]).gumbel(torch.ones(1, 40000, dtype=torch.bool), 5)
    share = draw(logits, noise).bincount(minlength=5) / 40000
    torch.testing.assert_close(share[None], PROBABILITIES, atol=0.01, rtol=0)
    assert (draw(logits, None) == 0).all()


def test_least_confident_units_are_chosen_per_item_and_only_among_the_masked():
    confidence = torch.tensor([[[0.1, 0.9, 0.5, 0.3]], [[0.4, 0.4, 0.4, 0.2]]])
    masked = torch.tensor([[[False, True, True, True]], [[True, True, True, True]]])
    chosen = least_confident(confidence, masked, torch.tensor([2, 2]))
    assert chosen.tolist() == [[[False, False, True, True]], [[True, False, False, True]]]
    assert least_confident(confidence, masked, torch.tensor([9, 0])).sum(dim=(1, 2)).tolist() == [3, 0]


def test_guide_and_rescale():
    conditioned, null = random_logits(2, 1, 6, 8), random_logits(2, 1, 6, 8, seed=1)
    torch.testing.assert_close(guide(conditioned, null, 1.0), conditioned)
    torch.testing.assert_close(guide(conditioned, null, 0.0), null)
    target = torch.ones(2, 1, 6, 1, dtype=torch.bool)
    target[0, :, 4:] = False
    guided = guide(conditioned, null, 4.0)
    full = rescale(guided, conditioned, 1.0, target, "item")
    torch.testing.assert_close(full[0, :, :4].std(), conditioned[0, :, :4].std())
    torch.testing.assert_close(full[1].std(), conditioned[1].std())
    torch.testing.assert_close(rescale(guided, conditioned, 0.25, target, "item"), 0.25 * full + 0.75 * guided)
    alone = rescale(guided[:1], conditioned[:1], 1.0, target[:1], "batch")
    torch.testing.assert_close(full[:1], alone)
    assert not torch.allclose(rescale(guided, conditioned, 1.0, target, "batch"), full)


def test_guidance_scale_follows_the_share_masked():
    assert Guidance(scale=10.0, scale_end=1.0).scale_at(1.0) == 10
    assert Guidance(scale=10.0, scale_end=1.0).scale_at(0.0) == 1
    assert Guidance(scale=10.0).scale_at(0.3) == 10


def test_noise_of_an_item_does_not_depend_on_the_others():
    alone = ItemNoise([4]).gumbel(torch.tensor([[True, False, True]]), 3)
    places = torch.tensor([[True, True, True], [True, False, True]])
    assert torch.equal(ItemNoise([9, 4]).gumbel(places, 3)[3:], alone)


def test_conditions_are_batched_with_padding_and_know_their_null():
    one = Condition({"text": torch.ones(1, 2, 3), "valid": torch.ones(1, 2).bool(), "length": torch.tensor([2])})
    two = Condition({"text": torch.ones(1, 4, 3), "valid": torch.ones(1, 4).bool(), "length": torch.tensor([4])})
    both = Condition.cat([one, two])
    assert both["text"].shape == (2, 4, 3)
    assert both["valid"].tolist() == [[True, True, False, False], [True] * 4]
    assert both["length"].tolist() == [2, 4]
    nulled = one.update({}, {"text": torch.zeros(1, 0, 3)})
    assert nulled["text"].shape == (1, 2, 3)
    assert nulled.null()["text"].shape == (1, 0, 3)
    assert nulled.null()["length"].tolist() == [2], "what has no null stays"
    assert "text" in both
    assert "txt" not in both
    assert both.to("cpu")["text"].device.type == "cpu"


def test_condition_errors_are_named():
    one = Condition({"text": torch.ones(1, 2)})
    with pytest.raises(InputError, match=r"'txt'.*text"):
        one["txt"]
    with pytest.raises(InputError, match="nothing"):
        NO_CONDITION["text"]
    with pytest.raises(InputError, match="same tensors"):
        Condition.cat([one, NO_CONDITION])
    with pytest.raises(InputError, match="one or more"):
        Condition.cat([])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Stage(levels=()),
        lambda: Stage(levels=(0, 0)),
        lambda: Stage(levels=(-1,)),
        lambda: Stage(levels=(0,), steps=0),
        lambda: Stage(levels=(0,), span=0),
        lambda: Stage(levels=(0,), schedule_total=0),
        lambda: Stage(levels=(0,), arrangement="random", confidence=Confidence(over_span="sum")),
        lambda: Stage(levels=(0,), arrangement="stride1"),
        lambda: Sampling(top_k=-1),
        lambda: Sampling(top_p=0.0),
        lambda: Sampling(top_fraction=1.1),
        lambda: Sampling(typical_mass=math.nan),
        lambda: Sampling(temperature_floor=0.0),
        lambda: Sampling(typical_min_tokens=0),
        lambda: Sampling(greedy_steps=-1),
        lambda: Confidence(kind="entropy"),
        lambda: Confidence(over_span="min"),
        lambda: Guidance(on="codes"),
        lambda: Guidance(rescale=2.0),
        lambda: Guidance(spread_over="world"),
    ],
)
def test_settings_without_meaning_are_refused(make):
    with pytest.raises(InputError, match="expected"):
        make()
