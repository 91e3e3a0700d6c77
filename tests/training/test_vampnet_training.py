"""VampNet's mask draws, learning rates, loss and training steps against the reference (golden vampnet SPEC 7)."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from torch import Generator

from audiogen.checkpoints import restricted_load
from audiogen.models.vampnet import VampNet, VampNetConfig
from audiogen.training.fit import FitConfig, StepData, fit, learning_rate_share
from audiogen.training.masking import draw_cell_mask, masked_cross_entropy, sobol
from audiogen.training.vamp import VampBatch, VampTask, VampTraining

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


class Watched(VampTask):
    """Training as it is, with a record of what the reference recorded."""

    def __init__(self, network, config):
        super().__init__(network, config)
        self.seen = []

    def loss(self, batch, generator):
        self.seen.append({"rate": self.trainer.optimizers[0].param_groups[0]["lr"]})
        losses = super().loss(batch, generator)
        self.seen[-1]["loss"] = float(losses["loss"].detach())
        return losses

    def on_before_optimizer_step(self, optimizer):
        norms = [parameter.grad.norm() for parameter in self.parameters() if parameter.grad is not None]
        self.seen[-1]["gradient"] = float(torch.stack(norms).norm())


@pytest.fixture(scope="module")
def codebooks(folder):
    weights = restricted_load(folder / "models/codec_lac.pth")["state_dict"]
    return torch.stack([weights[f"quantizer.quantizers.{level}.codebook.weight"] for level in range(14)])


def tiny(folder, codebooks, name):
    """The reference's tiny model of that name, without dropout."""
    official = restricted_load(folder / f"models/{name}.pth")
    sizes = official["metadata"]["kwargs"]
    config = VampNetConfig(
        levels=sizes["n_codebooks"],
        condition_levels=sizes["n_conditioning_codebooks"],
        vocab_size=sizes["vocab_size"],
        dim=sizes["embedding_dim"],
        layers=sizes["n_layers"],
        heads=sizes["n_heads"],
        dropout=0.0,
    )
    network = VampNet(config, codebooks[: config.levels])
    network.load_state_dict(official["state_dict"])
    return network


@pytest.mark.parametrize("part", PARTS)
def test_four_training_steps_are_those_of_the_reference(golden, folder, codebooks, part, tmp_path):
    tensors, cases = golden
    case = cases[part]
    network = tiny(folder, codebooks, part.partition("_")[0])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    config = VampTraining(
        fit=FitConfig(
            steps=len(STEPS),
            learning_rate=noam_peak(case["noam"]),
            schedule="noam",
            warmup=case["noam"]["warmup"],
            betas=(0.9, 0.999),
            gradient_clip=case["grad_clip"],
            average=0.0,
            precision="32-true",
        ),
        model=network.config,
        trained="adapters" if "lora" in part else "reference",
    )

    def batch_at(step):
        codes, mask = (tensors[f"{part}/step{step}/{name}"] for name in ("z", "mask"))
        mask = mask.bool()
        mask[:, : network.config.condition_levels] = False
        return VampBatch(codes.long(), mask)

    task = Watched(network, config)
    fit(task, StepData(batch_at, [batch_at(0)], len(STEPS)), tmp_path)
    for step, seen in enumerate(task.seen):
        want = cases[f"{part}/step{step}"]
        assert seen["rate"] == pytest.approx(want["lr"], rel=1e-6)
        assert seen["loss"] == pytest.approx(want["loss_f64"], abs=1e-5)
        assert seen["gradient"] == pytest.approx(want["grad_norm"], rel=1e-5)
    after = network.state_dict()
    for name in case["changed"]:
        assert not torch.equal(after[name], before[name]), name
        torch.testing.assert_close(after[name], tensors[f"{part}/final/{name}"], atol=5e-5, rtol=0)
    for name in case["unchanged"]:
        assert torch.equal(after[name], before[name]), name
