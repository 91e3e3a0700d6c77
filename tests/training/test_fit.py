"""Training is reproducible: a run that is killed and started again has the losses of one that was left alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from audiogen.training.fit import FitConfig, StepData, Task, fit, learning_rate_share, step_generator

CONFIG = FitConfig(
    steps=12, warmup=4, precision="32-true", checkpoint_every=4, validate_every=6, record_every=1, average=0.9
)


class Regression(Task[nn.Linear]):
    def loss(self, batch: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        noise = torch.randn(batch.shape, generator=generator)
        return {"loss": (self.network(batch + noise) - batch.sum(1, keepdim=True)).square().mean()}


def train(exp_dir: Path, kill_at: int | None = None) -> nn.Linear:
    def batch_at(step: int) -> Tensor:
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.randn(8, 3, generator=step_generator(CONFIG.seed, step))

    torch.manual_seed(0)
    return fit(Regression(nn.Linear(3, 1), CONFIG), StepData(batch_at, [torch.ones(2, 3)], CONFIG.steps), exp_dir)


def curve(exp_dir: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (exp_dir / "train.jsonl").read_text().splitlines()]


def test_killed_run_goes_on_with_the_same_losses_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    undisturbed = train(tmp_path / "whole")

    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_fit; from pathlib import Path"
    run = f"{code}; test_fit.train(Path({str(tmp_path / 'killed')!r}), kill_at=10)"
    killed = subprocess.run([sys.executable, "-c", run], capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(curve(tmp_path / "killed")) > 8, "the figures of steps after the checkpoint were written before the kill"

    resumed = train(tmp_path / "killed")
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    assert torch.equal(resumed.weight, undisturbed.weight)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C works: a shell that starts the tests in the background has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_the_caller_and_works_again(tmp_path: Path, ctrl_c: None) -> None:
    def batch_at(step: int) -> Tensor:
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return torch.ones(2, 3)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(Regression(nn.Linear(3, 1), CONFIG), StepData(batch_at, [torch.ones(2, 3)], CONFIG.steps), tmp_path)
    assert signal.getsignal(signal.SIGINT) is handler


def test_progress_is_told_and_a_network_is_trained_in_its_training_mode(tmp_path: Path) -> None:
    modes, shares = [], []

    class Watched(Regression):
        def loss(self, batch: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
            modes.append(self.network.training)
            return super().loss(batch, generator)

    data = StepData(lambda step: torch.ones(2, 3), [torch.ones(2, 3)], CONFIG.steps)
    trained = fit(Watched(nn.Linear(3, 1).eval(), CONFIG), data, tmp_path, shares.append)
    assert sum(modes) == CONFIG.steps
    assert not modes[-1], "the last loss is that of validation"
    assert not trained.training
    assert shares == [step / CONFIG.steps for step in range(1, CONFIG.steps + 1)]


def test_the_weights_with_the_best_validation_are_kept(tmp_path: Path) -> None:
    class Spoilt(Regression):
        def validation_step(self, batch: Tensor, batch_idx: int) -> None:
            self.log("valid/loss", float(self.global_step))  # rises: the first validation is the best

    torch.manual_seed(0)
    data = StepData(lambda step: torch.randn(8, 3, generator=step_generator(0, step)), [torch.ones(2, 3)], CONFIG.steps)
    kept = fit(Spoilt(nn.Linear(3, 1), CONFIG), data, tmp_path)
    best = torch.load(tmp_path / "best.ckpt", weights_only=True)
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert best["global_step"] == CONFIG.validate_every
    assert torch.equal(kept.weight, best["state_dict"]["network.weight"])
    assert not torch.equal(kept.weight, last["state_dict"]["network.weight"])


def test_learning_rate_warms_up_and_falls_to_a_twentieth() -> None:
    shares = [learning_rate_share(step, CONFIG) for step in range(CONFIG.steps + 1)]
    assert shares[0] == 1 / CONFIG.warmup
    assert max(shares) == shares[CONFIG.warmup] == 1.0
    assert shares[CONFIG.warmup :] == sorted(shares[CONFIG.warmup :], reverse=True)
    assert abs(shares[-1] - 0.05) < 1e-9
