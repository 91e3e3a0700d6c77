"""MAGNeT's spans, losses and gradients, and its twin's loss, against the reference (golden magnet SPEC 9 and 10)."""

import json
import math

import pytest
import torch
from tiny_music import CLOSE, GOLDEN, case, golden, tiny_magnet, tiny_musicgen
from torch import Generator

from audiogen.training.masking import (
    cross_entropy_per_level,
    draw_level,
    draw_magnet_mask,
    draw_span_mask,
    masked_cross_entropy,
    span_starts,
)

FIGURES = json.loads((GOLDEN / "magnet_train.json").read_text())
SPAN = 3


@pytest.fixture(scope="module")
def tensors():
    return golden("magnet_train")


@pytest.mark.parametrize("want", FIGURES["lut"], ids=lambda want: f"{want['T']}-{want['span_len']}")
def test_numbers_of_spans_are_the_reference_table(want):
    assert span_starts(want["T"], want["span_len"]).tolist() == want["u_for_percent"]


@pytest.mark.parametrize("want", FIGURES["mask_cases"], ids=lambda want: f"{want['T']}-{want['span_len']}")
def test_spans_are_drawn_as_in_the_reference(want, tensors):
    given = case(tensors, f"mask{want['index']}")
    generator = Generator().manual_seed(want["torch_manual_seed"])
    mask = draw_span_mask(given["mask_probs"], want["T"], want["span_len"], generator)
    assert torch.equal(mask, given["mask"].bool())
    assert mask.sum(dim=1).tolist() == want["masked"]


@pytest.mark.parametrize("want", FIGURES["steps"], ids=lambda want: f"step{want['index']}")
def test_training_steps_are_those_of_the_reference(want, tensors):
    given, model = case(tensors, f"step{want['index']}"), tiny_magnet().train()
    codes, valid = given["tokens"], given["padding_mask"].bool()[:, 0]
    draw = draw_magnet_mask(
        *codes[:, 0].shape, 4, want["stage"], SPAN, Generator().manual_seed(want["torch_manual_seed"])
    )
    torch.testing.assert_close(1 - draw.time, given["rand_time"], atol=1e-6, rtol=0)
    torch.testing.assert_close(draw.rate, given["mask_probs"], atol=1e-6, rtol=0)
    assert torch.equal(draw.mask[:, want["stage"]], given["stage_mask"].bool())
    hidden = codes.masked_fill(draw.mask, model.mask_token)
    assert torch.equal(hidden, given["input_tokens"])

    scored, levels = draw.scored(valid), list(draw.stage.levels)
    assert torch.equal(scored, given["loss_mask"].bool()[:, levels])
    assert not given["loss_mask"].sum(dim=(0, 2))[[level for level in range(4) if level not in levels]].any()
    logits = model.logits(hidden, model.condition_on(given["cond"]), draw.stage)
    torch.testing.assert_close(logits[:, 0], given["logits_stage"], **CLOSE)
    loss = masked_cross_entropy(logits, codes[:, levels], scored)
    torch.testing.assert_close(loss, given["ce"], atol=1e-5, rtol=0)
    loss.backward()
    check_gradients(model, want, given)


def check_gradients(model, want, given):
    norms = want["grad_l2_per_param"]
    for name, parameter in model.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        assert float(gradient.norm()) == pytest.approx(norms.get(name, 0.0), abs=1e-5), name
        if f"grad.{name}" in given:
            torch.testing.assert_close(gradient, given[f"grad.{name}"], atol=1e-5, rtol=0)
    assert set(norms) <= {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("frames", [50, 37])
def test_the_loss_of_the_twin_is_the_reference_loss(frames):
    tensors, model = golden("musicgen_forward"), tiny_musicgen()
    want = case(tensors, f"T{frames}")
    with torch.no_grad():
        logits = model.logits(want["codes"], model.condition_on(tensors["cond"]))
    early = model.pattern.within(frames, frames + 1).expand_as(want["codes"])
    per_level = cross_entropy_per_level(logits, want["codes"], early)
    torch.testing.assert_close(per_level, want["ce_per_codebook"], atol=1e-5, rtol=0)
    torch.testing.assert_close(per_level.mean(), want["ce"], atol=1e-5, rtol=0)


def test_levels_weigh_alike_however_many_cells_they_have():
    logits, targets = torch.zeros(1, 2, 10, 8), torch.zeros(1, 2, 10, dtype=torch.int64)
    logits[:, 1, :, 0] = 3.0
    mask = torch.ones(1, 2, 10, dtype=torch.bool)
    mask[:, 0, 1:] = False
    first, second = cross_entropy_per_level(logits, targets, mask)
    assert float(first) == pytest.approx(math.log(8))
    assert float(second) == pytest.approx(math.log(1 + 7 * math.exp(-3)))


@pytest.mark.parametrize("span", [1, 3, 5])
def test_spans_hide_the_share_that_was_asked_for(span):
    rate = torch.tensor([0.1, 0.5, 0.9]).repeat_interleave(200)
    mask = draw_span_mask(rate, 200, span, Generator().manual_seed(0))
    assert mask.float().mean(dim=1).view(3, 200).mean(dim=1).tolist() == pytest.approx([0.1, 0.5, 0.9], abs=0.02)
    runs = mask.float().diff(dim=1).abs().sum()
    assert float(mask.sum() / (runs / 2)) >= span * 0.99, "hidden cells lie in runs of at least a span"


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_short_items_lose_at_least_one_frame_and_at_most_all(frames):
    generator = Generator().manual_seed(0)
    for rate in (0.0, 0.5, 1.0):
        mask = draw_span_mask(torch.full((8,), rate), frames, SPAN, generator)
        assert mask.any(dim=1).all()
    assert draw_span_mask(torch.ones(8), frames, SPAN, generator)[:, SPAN - 1 :].all()


@pytest.mark.parametrize("level", range(4))
def test_coarser_levels_are_shown_and_finer_ones_hidden(level):
    draw = draw_magnet_mask(3, 40, 4, level, SPAN, Generator().manual_seed(level))
    assert draw.stage.levels == (level,)
    assert not draw.mask[:, :level].any()
    assert draw.mask[:, level + 1 :].all()
    assert 0 < draw.mask[:, level].float().mean() < 1
    valid = torch.arange(40) < 25
    assert not draw.scored(valid.expand(3, -1))[..., 25:].any()


def test_levels_are_drawn_evenly():
    generator = Generator().manual_seed(0)
    drawn = torch.tensor([draw_level(4, generator, "uniform") for _ in range(2000)]).bincount(minlength=4)
    assert drawn.min() > 430
