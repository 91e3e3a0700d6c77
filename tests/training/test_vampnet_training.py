"""VampNet's mask draws, learning rates, loss and training steps against the reference (golden vampnet SPEC 7)."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from torch import Generator

from audiogen.training.fit import FitConfig, learning_rate_share
from audiogen.training.masking import draw_cell_mask, masked_cross_entropy, sobol

PARTS = {"coarse": 1700, "c2f": 1701, "coarse_lora_finetune": 1702}
"""Group of the fixtures -> seed of its masks."""
STEPS = range(4)


@pytest.fixture(scope="module")
def folder(fixtures):
    return fixtures / "vampnet"


@pytest.fixture(scope="module")
def golden(folder):
    return load_file(folder / "training.safetensors"), json.loads((folder / "training.json").read_text())["cases"]


@pytest.mark.parametrize("seed", [0, 3])
def test_shares_follow_the_scrambled_sobol_sequence(golden, seed):
    drawn = torch.stack([sobol(8, step, seed) for step in range(3)])
    assert torch.equal(drawn, golden[0][f"sobol/seed{seed}"])


@pytest.mark.parametrize("part", PARTS)
def test_masks_are_drawn_as_in_the_reference(golden, part):
    tensors, cases = golden
    generator = Generator().manual_seed(PARTS[part])
    for step in STEPS:
        want = tensors[f"{part}/step{step}/mask"].bool()
        shown = sobol(len(want), step, cases[part]["sobol_seed"])
        assert torch.equal(shown, tensors[f"{part}/step{step}/r"])
        assert torch.equal(draw_cell_mask(shown, *want.shape[1:], generator), want)


def test_condition_levels_are_never_hidden_and_leave_the_other_draws_as_they_were():
    shown = torch.tensor([0.0, 0.3, 0.9])
    free, given = (draw_cell_mask(shown, 6, 50, Generator().manual_seed(0), levels) for levels in (0, 4))
    assert not given[:, :4].any()
    assert torch.equal(given[:, 4:], free[:, 4:])
    assert free[0].all()
    rates = free.float().mean((1, 2))
    assert [float(rate) for rate in rates] == pytest.approx([math.cos(r * math.pi / 2) for r in shown], abs=0.06)


@pytest.mark.parametrize("case", ["noam/coarse_conf", "noam/lora_conf", "noam/defaults"])
def test_learning_rates_are_those_of_noam(golden, case):
    tensors, cases = golden
    peak = noam_peak(cases[case])
    config = FitConfig(steps=100_000, schedule="noam", warmup=cases[case]["warmup"], learning_rate=peak)
    rates = [peak * learning_rate_share(step - 1, config) for step in cases[case]["steps"]]
    torch.testing.assert_close(torch.tensor(rates, dtype=torch.float64), tensors[case], rtol=1e-9, atol=0)


def noam_peak(noam):
    return noam["factor"] / math.sqrt(noam["d_model"] * noam["warmup"])


def test_loss_is_the_reference_loss(golden):
    tensors, cases = golden
    logits = tensors["loss/logits"].transpose(1, 2)[:, None].requires_grad_()  # [B, 1, T*K, V]
    targets, mask = tensors["loss/target"].long()[:, None], tensors["loss/mask"].bool()[:, None]
    loss = masked_cross_entropy(logits, targets, mask, cases["loss"]["label_smoothing"])
    torch.testing.assert_close(loss, tensors["loss/loss"], atol=1e-5, rtol=0)
    sharp = masked_cross_entropy(logits, targets, mask)
    torch.testing.assert_close(sharp, tensors["loss/loss_nosmooth"], atol=1e-5, rtol=0)
    loss.backward()
    torch.testing.assert_close(logits.grad[:, 0].transpose(1, 2), tensors["loss/grad"], atol=1e-7, rtol=0)
