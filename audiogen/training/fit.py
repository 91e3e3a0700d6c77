"""One way to train: Lightning with averaged weights, checkpoints that survive a kill, and data drawn by step.

A batch is a pure function of (seed, step), so a run that was killed goes on with exactly the batches, masks and losses
that an undisturbed run would have seen.
"""

import functools
import json
import logging
import math
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, WeightAveraging
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from audiogen.files import atomic_write

logger = logging.getLogger(__name__)

NetworkT = TypeVar("NetworkT", bound=nn.Module)
OnProgress = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """What every training run of this project has in common."""

    steps: int
    """Optimizer updates."""
    learning_rate: float = 1e-3
    """At the end of the warm-up, from where it falls."""
    schedule: Literal["cosine", "noam"] = "cosine"
    """How it falls: along a cosine to 5 % at the last update, or with the square root of the updates (Noam)."""
    warmup: int = 200
    """Updates."""
    betas: tuple[float, float] = (0.8, 0.99)
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    average: float = 0.998
    """Decay of the averaged weights, which are what is validated and kept."""
    precision: str = "bf16-mixed"
    """Lightning's name; bf16-mixed is faster on CPUs with AVX-512 BF16 and on GPUs, 32-true runs everywhere."""
    checkpoint_every: int = 200
    """Updates between checkpoints: what a kill can cost at most."""
    validate_every: int = 1000
    """Updates."""
    record_every: int = 50
    """Updates between two lines of train.jsonl."""
    seed: int = 0


def step_generator(seed: int, step: int) -> torch.Generator:
    """All randomness of one update: the same (seed, step) gives the same draws in every run."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


class _Steps(IterableDataset):
    def __init__(self, batch_at: Callable[[int], Any], start: int, stop: int):
        self.batch_at, self.start, self.stop = batch_at, start, stop

    def __iter__(self) -> Iterator[Any]:
        return (self.batch_at(step) for step in range(self.start, self.stop))


class StepData(lightning.LightningDataModule):
    """Training batches by step number, and a fixed list of validation batches."""

    def __init__(self, batch_at: Callable[[int], Any], validation: list[Any], steps: int):
        super().__init__()
        self.batch_at, self.validation, self.steps = batch_at, validation, steps

    def train_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        return DataLoader(_Steps(self.batch_at, self.trainer.global_step, self.steps), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.validation, batch_size=None, collate_fn=None)  # type: ignore[arg-type]


class Task(lightning.LightningModule, Generic[NetworkT]):
    """A network and its loss, which subclasses define."""

    network: NetworkT

    def __init__(self, network: NetworkT, config: FitConfig):
        super().__init__()
        self.network = network
        self.config = config

    def loss(self, batch: Any, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Named losses of one batch; `loss` is the one that is minimised."""
        raise AssertionError("a subclass defines the loss")

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        generator = step_generator(self.config.seed + 1, self.global_step)
        torch.manual_seed(generator.initial_seed())  # dropout draws from the global generators
        losses = self.loss(batch, generator)
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()})
        return losses["loss"]

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        losses = self.loss(batch, step_generator(self.config.seed + 2, batch_idx))
        self.log_dict({f"valid/{name}": value for name, value in losses.items()}, batch_size=1)

    def configure_optimizers(self) -> Any:
        config = self.config
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_share(step, config))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def learning_rate_share(step: int, config: FitConfig) -> float:
    """Linear warm-up, then the fall of `config.schedule`.

    Noam (arXiv:1706.03762, "Optimizer") with factor f and width D has the learning rate f / sqrt(D * warmup) here.
    """
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "noam":
        return math.sqrt(max(1, config.warmup) / (step + 1))
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.05 + 0.95 * (1 + math.cos(math.pi * min(1.0, progress))) / 2


class _Record(Callback):
    """Appends figures to train.jsonl every so many steps, and logs them with the time left."""

    def __init__(self, path: Path, every: int):
        self.path = path
        self.every = every
        self.started: tuple[float, int] | None = None

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Forget the figures after the checkpoint that a killed run is resumed from: they will come again."""
        if self.path.exists():
            lines = [line for line in self.path.read_text().splitlines() if _step(line) <= trainer.global_step]
            with atomic_write(self.path) as path:
                path.write_text("".join(f"{line}\n" for line in lines))

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        step = trainer.global_step
        if self.started is None:
            self.started = (time.monotonic(), step)
        if step % self.every:
            return
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("train/")}
        self._append(step, figures)
        elapsed, done = time.monotonic() - self.started[0], step - self.started[1]
        left = elapsed / max(1, done) * (module.config.steps - step)
        text = " ".join(f"{name.removeprefix('train/')} {value:.4f}" for name, value in figures.items())
        logger.info("step %d/%d %s, %.0f s left", step, module.config.steps, text, left)

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        figures = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("valid/")}
        if figures and not trainer.sanity_checking:
            self._append(trainer.global_step, figures)
            logger.info("step %d %s", trainer.global_step, " ".join(f"{k} {v:.4f}" for k, v in figures.items()))

    def _append(self, step: int, figures: dict[str, float]) -> None:
        with self.path.open("a") as out:
            out.write(json.dumps({"step": step, **{name: round(value, 6) for name, value in figures.items()}}) + "\n")


def _average(decay: float, average: torch.Tensor, current: torch.Tensor, updates: torch.Tensor | int) -> torch.Tensor:
    """Exponential average that forgets the start quickly, so that short runs are not averaged with random weights."""
    weight = 1 - min(decay, (1 + int(updates)) / (10 + int(updates)))
    return average + weight * (current - average) if average.is_floating_point() else current


def _step(line: str) -> float:
    """The step of a line of train.jsonl; a line that a kill cut off counts as later than any."""
    try:
        return int(json.loads(line)["step"])
    except ValueError:
        return math.inf


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Lightning's tips and lists of devices, and its warnings of what is meant: a folder with a checkpoint."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty")
        warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
        yield


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C is a KeyboardInterrupt: Lightning makes an exit of it, and leaves the signal switched off."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from stop


def training_device() -> torch.device:
    """Where models are trained: a GPU if there is one.

    Not Lightning's "auto": one device, since batches are drawn by step and a second one would see the same; and no
    MPS, which lacks the float64 that the codec's phase is summed in.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class _Report(Callback):
    """Tells a caller the share of the updates that is done."""

    def __init__(self, on_progress: OnProgress, steps: int):
        self.on_progress, self.steps = on_progress, steps

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.on_progress(trainer.global_step / self.steps)


def fit(task: Task[NetworkT], data: StepData, exp_dir: Path, on_progress: OnProgress | None = None) -> NetworkT:
    """Train `task.network` in `exp_dir`, from its last checkpoint if there is one.

    Args:
        on_progress: called after every update with the share that is done, in place of Lightning's progress bar.
    Returns:
        The network with the averaged weights that had the lowest `valid/loss`: little data is soon learnt by heart.
    """
    exp_dir.mkdir(parents=True, exist_ok=True)
    last = exp_dir / "last.ckpt"
    best = ModelCheckpoint(
        dirpath=exp_dir,
        filename="best",
        monitor="valid/loss",
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    task.train()  # Lightning leaves the mode as it is, and loaded networks are in that of evaluation
    with _quiet(), _interruptible():
        trainer = _trainer(task.config, exp_dir, best, on_progress)
        trainer.fit(task, data, ckpt_path=last if last.exists() else None, weights_only=True)
    if best.best_model_path:
        checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        logger.info("kept step %d: valid/loss %.4f", checkpoint["global_step"], float(best.best_model_score or 0))
        task.load_state_dict(checkpoint["state_dict"])
    return task.network.eval()


def _trainer(
    config: FitConfig, exp_dir: Path, best: ModelCheckpoint, on_progress: OnProgress | None
) -> lightning.Trainer:
    device = training_device()
    latest = ModelCheckpoint(
        dirpath=exp_dir, filename="last", every_n_train_steps=config.checkpoint_every, enable_version_counter=False
    )
    return lightning.Trainer(
        max_steps=config.steps,
        accelerator=device.type,
        devices=1,
        precision=config.precision,  # type: ignore[arg-type]
        gradient_clip_val=config.gradient_clip,
        callbacks=[
            latest,
            best,
            WeightAveraging(device, avg_fn=functools.partial(_average, config.average), use_buffers=True),
            _Record(exp_dir / "train.jsonl", config.record_every),
            *([_Report(on_progress, config.steps)] if on_progress else []),
        ],
        val_check_interval=config.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        enable_progress_bar=sys.stderr.isatty() and on_progress is None,
        enable_model_summary=False,
        logger=False,
    )
