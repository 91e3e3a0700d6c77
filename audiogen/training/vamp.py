"""Training of VampNet on token archives: coarse (the first levels) and fine (all levels, given the coarse ones).

Paper: Flores Garcia et al. 2023, arXiv:2307.04686; figures of the reference: golden vampnet SPEC 7. Ours: for a share
of the items the mask leaves out what a user's prompt would keep, because decoding never sees an evenly random mask;
crops of loops may run over their end.
Shapes: B batch, K levels, T frames of a crop.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Generator, Tensor

from audiogen.checkpoints import resolve
from audiogen.checkpoints.save import save_model
from audiogen.checkpoints.vampnet import load_vamp
from audiogen.codecs import load_codec
from audiogen.decoding.plan import Stage
from audiogen.errors import InputError
from audiogen.models.vampnet import VampNet, VampNetConfig
from audiogen.prompts import Grid, Inpaint, Levels, Periodic, Prompt, Random
from audiogen.training.clips import CropSampler, crop, read_clips
from audiogen.training.fit import FitConfig, OnProgress, StepData, Task, fit, step_generator, training_device
from audiogen.training.masking import draw_cell_mask, masked_cross_entropy, sobol
from audiogen.training.start import start_from, start_vampnet

COARSE_LEVELS = 4
"""Levels of the coarse model, which the fine model is conditioned on."""
PERIODS, PROMPT_LEVELS, REGION, SHOWN = (2, 13), (1, 4), (0.1, 0.6), (0.02, 0.5)
"""Prompts in training: periods in frames, levels that are kept, share of time that is inpainted, share of cells."""
VALIDATION_CROPS = 32

Part = Literal["coarse", "fine"]
Trained = Literal["all", "reference", "adapters"]


@dataclass(frozen=True, kw_only=True)
class VampTraining:
    """What one training run is made of; the defaults are those of a small coarse model, `FINE` of a small fine one."""

    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=3000, learning_rate=2e-3, betas=(0.9, 0.98), warmup=200, gradient_clip=5.0
        )
    )
    model: VampNetConfig = field(
        default_factory=lambda: VampNetConfig(
            levels=COARSE_LEVELS, dim=192, layers=7, heads=4, dropout=0.0, lora_rank=0
        )
    )
    """Levels, vocabulary and codebook width follow from the codec and the part."""
    start: str = ""
    """Name or folder of a packed system whose weights training goes on from; empty: from fresh ones."""
    batch_size: int = 16
    seconds: float = 5.0
    """Length of a crop."""
    label_smoothing: float = 0.1
    prompts: float = 0.5
    """Share of the items that keep what a user's prompt would keep (the reference: 0)."""
    wrap: float = 0.5
    """Share of the crops that take their clip as a loop: they begin anywhere in it and run over its end."""
    trained: Trained = "all"
    """Weights that change. reference: not the base weights of layers that have an adapter; adapters: only those."""


FINE = VampTraining(model=VampNetConfig(levels=8, dim=160, layers=3, heads=5, dropout=0.0, lora_rank=0), seconds=3.0)
"""The small fine model."""


@dataclass
class VampBatch:
    """Crops and what is hidden of them."""

    codes: Tensor
    """[B, K, T]."""
    mask: Tensor
    """[B, K, T] bool, True = hidden from the model, and scored."""


class VampTask(Task[VampNet]):
    """Masked cross-entropy of all predicted levels together (arXiv:2307.04686, "Masked Acoustic Token Modeling")."""

    def __init__(self, network: VampNet, config: VampTraining):
        super().__init__(network, config.fit)
        self.label_smoothing = config.label_smoothing
        choose_weights(network, config.trained)

    def loss(self, batch: VampBatch, generator: Generator) -> dict[str, Tensor]:
        model = self.network
        stage = Stage(levels=model.config.predicted)
        hidden = batch.codes.masked_fill(batch.mask, model.mask_token)
        logits = model.logits(hidden, model.condition(len(hidden)), stage)
        targets, scored = batch.codes[:, stage.levels], batch.mask[:, stage.levels]
        smoothing = self.label_smoothing if self.training else 0.0
        losses = {"loss": masked_cross_entropy(logits, targets, scored, smoothing)}
        if not self.training:
            losses["accuracy"] = (logits.argmax(-1) == targets)[scored].float().mean()
        return losses


def choose_weights(network: VampNet, trained: Trained) -> None:
    """Let only the weights that `trained` names (see `VampTraining`) be trained."""
    names = {name for name, _ in network.named_parameters()}
    for name, parameter in network.named_parameters():
        adapter, adapted = "lora_" in name, name.removesuffix("weight") + "lora_A" in names
        parameter.requires_grad_(adapter or trained == "all" or (trained == "reference" and not adapted))


def draw_prompt(levels: int, seconds: float, generator: Generator) -> Prompt:
    """One of the prompts that users give, for a grid of `levels` levels and `seconds` seconds."""

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    def whole(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    kept = Levels(min(whole(*PROMPT_LEVELS), levels))
    length = between(*REGION) * seconds
    start = between(0, seconds - length)
    prompts = (
        Periodic(whole(*PERIODS)) & kept,
        Random(between(*SHOWN)) & kept,
        Inpaint(((start, start + length),)),
        Levels(min(whole(*PROMPT_LEVELS), levels - 1)),
    )
    return prompts[whole(0, len(prompts) - 1)]


def hide(codes: Tensor, shown: Tensor, config: VampTraining, grid: Grid, generator: Generator) -> VampBatch:
    """A batch out of crops [B, K, T]: of each item a share `shown` [B] is seen, and what a prompt keeps of it."""
    mask = draw_cell_mask(shown, grid.levels, grid.frames, generator, config.model.condition_levels)
    for item in (torch.rand(len(codes), generator=generator) < config.prompts).nonzero()[:, 0]:
        prompt = draw_prompt(grid.levels, grid.duration, generator)
        mask[item] &= ~prompt.keep(grid, generator)
    return VampBatch(codes, mask)


def fit_vamp(
    network: VampNet,
    config: VampTraining,
    train: Sequence[Tensor],
    dev: Sequence[Tensor],
    frame_rate: float,
    exp_dir: Path,
    on_progress: OnProgress | None = None,
) -> VampNet:
    """Train `network`, of the sizes `config.model`, on clips [K, T]; goes on where a killed run stopped."""
    seed, grid = config.fit.seed, grid_of(config, frame_rate)
    sampler = CropSampler(train, grid.frames)

    def batch_at(step: int) -> VampBatch:
        generator = step_generator(seed, step)
        codes = sampler(config.batch_size, config.wrap, generator)
        return hide(codes, sobol(len(codes), step, seed), config, grid, generator)

    data = StepData(batch_at, validation_batches(dev, config, grid), config.fit.steps)
    return fit(VampTask(network, config), data, exp_dir, on_progress)


def grid_of(config: VampTraining, frame_rate: float) -> Grid:
    """The cells of a crop."""
    return Grid(config.model.levels, round(config.seconds * frame_rate), frame_rate)


def validation_batches(clips: Sequence[Tensor], config: VampTraining, grid: Grid) -> list[VampBatch]:
    """32 crops spread over all clips, or fewer again and again, in batches of 8, hidden as in training."""
    starts = [(codes, start) for codes in clips for start in range(0, codes.shape[1], grid.frames)]
    chosen = [starts[index * len(starts) // VALIDATION_CROPS] for index in range(VALIDATION_CROPS)]
    crops = torch.stack([crop(codes, start, grid.frames) for codes, start in chosen])
    seed = config.fit.seed + 1
    shown = sobol(len(crops), 0, seed)
    return [
        hide(*batch, config, grid, step_generator(seed, index))
        for index, batch in enumerate(zip(crops.split(8), shown.split(8), strict=True))
    ]


@torch.no_grad()
def mean_loss(network: VampNet, config: VampTraining, clips: Sequence[Tensor], frame_rate: float) -> float:
    """The loss on clips [K, T], as validation measures it."""
    device = training_device()
    task = VampTask(network, config).eval().to(device)
    losses = []
    for batch in validation_batches(clips, config, grid_of(config, frame_rate)):
        moved = VampBatch(batch.codes.to(device), batch.mask.to(device))
        losses.append(task.loss(moved, Generator())["loss"])
    return float(torch.stack(losses).mean())


def train_vamp(
    config: VampTraining, train_tokens: Path, dev_tokens: Path, codec: Path, exp_dir: Path, part: Part
) -> Path:
    """Train on token archives, write `exp_dir`/model; goes on where a killed run stopped.

    Args:
        codec: name or folder of the codec that made the tokens; the fine model predicts all its levels above the
            coarse ones.
    Raises:
        InputError: the archives have fewer levels than the model, or it cannot start as the conf says.
    """
    torch.manual_seed(config.fit.seed)
    made_by = load_codec(codec)
    levels, given = (made_by.levels, COARSE_LEVELS) if part == "fine" else (COARSE_LEVELS, 0)
    codebooks = made_by.codebooks()[:levels]
    sizes = replace(
        config.model,
        levels=levels,
        condition_levels=given,
        vocab_size=codebooks.shape[1],
        codebook_dim=codebooks.shape[2],
    )
    config = replace(config, model=sizes)
    train, dev = (_first_levels(folder, levels) for folder in (train_tokens, dev_tokens))
    network = VampNet(sizes)
    start_vampnet(network, codebooks)
    if config.start:
        start_from(network, getattr(load_vamp(resolve(config.start)), part), config.start)
    network = fit_vamp(network, config, train, dev, made_by.frame_rate, exp_dir)
    return save_model(network, "vampnet", asdict(sizes), exp_dir / "model")


def _first_levels(tokens: Path, levels: int) -> list[Tensor]:
    clips = list(read_clips(tokens).values())
    if len(clips[0]) < levels:
        raise InputError(f"{tokens}: expected {levels} levels or more, got {len(clips[0])}. Extract the tokens again.")
    return [codes[:levels] for codes in clips]
