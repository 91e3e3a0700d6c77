"""Training of MAGNeT and its autoregressive twin on token archives with captions, and of the text encoder with MAGNeT.

Papers: Ziv et al. 2024, arXiv:2401.04577 (MAGNeT); Copet et al. 2023, arXiv:2306.05284 (MusicGen); steps of the
reference: golden magnet SPEC 9 and 10. Ours: the condition is dropped per item, not per batch, since batches are small;
of a clip's captions one is drawn every time; the twin listens to MAGNeT's text encoder and leaves it as it is.
Shapes: B batch, K levels, T frames of a crop.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Generator, Tensor

from audiogen.checkpoints import resolve
from audiogen.checkpoints.nano_music import (
    Listener,
    load_listener,
    make_text,
    save_listener,
    take_listener,
    text_settings,
)
from audiogen.codecs import load_codec
from audiogen.conditioning.caption_encoder import CaptionEncoderConfig
from audiogen.conditioning.t5 import drop_words
from audiogen.decoding.plan import Stage
from audiogen.errors import InputError
from audiogen.models.magnet import Magnet, MagnetConfig
from audiogen.models.musicgen import MusicGen, MusicGenConfig
from audiogen.training.clips import crop, read_clips
from audiogen.training.fit import FitConfig, StepData, Task, fit, step_generator
from audiogen.training.masking import cross_entropy_per_level, draw_level, draw_magnet_mask, masked_cross_entropy
from audiogen.training.start import start_conditioned, start_from

VALIDATION_CLIPS, VALIDATION_BATCH = 32, 8


@dataclass(frozen=True, kw_only=True)
class MusicTraining:
    """What both trainings are made of."""

    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=2000, learning_rate=2e-3, betas=(0.9, 0.98), warmup=150)
    )
    start: str = ""
    """Name or folder of a packed system whose weights training goes on from; empty: from fresh ones."""
    batch_size: int = 8
    seconds: float = 10.0
    """Length of a crop, and of what the model makes well at a time."""
    condition_dropout: float = 0.2
    """Chance of an item to be heard without its caption, for guidance."""
    word_dropout: float = 0.1
    """Chance of each word of a caption to be left out."""


@dataclass(frozen=True, kw_only=True)
class MagnetTraining(MusicTraining):
    """The defaults are those of a small MAGNeT."""

    model: MagnetConfig = field(default_factory=lambda: MagnetConfig(dim=160, layers=6, heads=5))
    """Vocabulary, frame rate and width of the text follow from codec and text encoder."""
    text: str | CaptionEncoderConfig = field(default_factory=CaptionEncoderConfig)
    """A text encoder that is trained with the model, or the name of a published T5, such as t5-base."""
    level_schedule: str = "uniform"
    """How often each level is trained: a schedule of `draw_level`."""


@dataclass(frozen=True, kw_only=True)
class TwinTraining(MusicTraining):
    """The defaults are those of the small MAGNeT's twin."""

    model: MusicGenConfig = field(default_factory=lambda: MusicGenConfig(dim=160, layers=6, heads=5))


@dataclass(frozen=True, kw_only=True)
class CaptionedTokens:
    """A token archive and what is said of its clips."""

    tokens: Path
    """As `audiogen.training.clips` reads it."""
    captions: Path
    """JSON lines with an `id` and its `captions`."""


@dataclass(frozen=True)
class CaptionedClip:
    """One clip of an archive."""

    codes: Tensor
    """[K, T of the clip] int16."""
    captions: tuple[str, ...]


@dataclass
class TwinBatch:
    """Crops and their captions."""

    codes: Tensor
    """[B, K, T]."""
    texts: list[str]


@dataclass
class MagnetBatch(TwinBatch):
    """Crops, their captions, and what is hidden of them."""

    mask: Tensor
    """[B, K, T] bool, True = hidden from the model."""
    level: int
    """Whose hidden cells are predicted."""


class MagnetTask(Task[Listener[Magnet]]):
    """Cross-entropy of the hidden cells of one level (arXiv:2401.04577, "Masked Generative Modeling")."""

    def loss(self, batch: MagnetBatch, generator: Generator) -> dict[str, Tensor]:
        model, stage = self.network.network, Stage(levels=(batch.level,))
        hidden = batch.codes.masked_fill(batch.mask, model.mask_token)
        logits = model.logits(hidden, self.network.condition(batch.texts), stage)
        targets, scored = batch.codes[:, stage.levels], batch.mask[:, stage.levels]
        accuracy = (logits.argmax(-1) == targets)[scored].float().mean()
        return {"loss": masked_cross_entropy(logits, targets, scored), "accuracy": accuracy}


class TwinTask(Task[Listener[MusicGen]]):
    """Cross-entropy of every code given those before it, all levels alike (arXiv:2306.05284)."""

    def loss(self, batch: TwinBatch, generator: Generator) -> dict[str, Tensor]:
        model = self.network.network
        logits = model.logits(batch.codes, self.network.condition(batch.texts))
        losses = cross_entropy_per_level(logits, batch.codes, torch.ones_like(batch.codes, dtype=torch.bool))
        return {"loss": losses.mean(), "coarsest": losses[0]}


def train_magnet(
    config: MagnetTraining, train: CaptionedTokens, dev: CaptionedTokens, codec: str | Path, exp_dir: Path
) -> Path:
    """Train a MAGNeT and, unless it is a T5, its text encoder; write `exp_dir`/model.

    Goes on where a killed run stopped.

    Args:
        codec: name or folder of the codec that made the tokens; the model has its first `config.model.levels` levels.
    Raises:
        InputError: the archives have fewer levels, a clip has no captions, or it cannot start as the conf says.
    """
    torch.manual_seed(config.fit.seed)
    made_by, text = load_codec(codec), make_text(config.text)
    sizes = replace(
        config.model, vocab_size=made_by.vocab_size, frame_rate=made_by.frame_rate, condition_dim=text.width
    )
    clips, held_out = (read_captioned(archive, sizes.levels) for archive in (train, dev))
    frames = round(config.seconds * made_by.frame_rate)

    def batch_at(step: int) -> MagnetBatch:
        generator = step_generator(config.fit.seed, step)
        level = draw_level(sizes.levels, generator, config.level_schedule)
        return hide(draw_batch(clips, config, frames, generator), level, sizes.span, generator)

    validation = [
        hide(batch, index % sizes.levels, sizes.span, step_generator(config.fit.seed + 1, index))
        for index, batch in enumerate(validation_batches(held_out, frames))
    ]
    listener = Listener(Magnet(sizes), text)
    start_conditioned(listener.network, made_by.codebooks()[: sizes.levels])
    if config.start:
        start_from(listener, take_listener(resolve(config.start), "nano-magnet"), config.start)
    task = MagnetTask(listener, config.fit)
    trained = fit(task, StepData(batch_at, validation, config.fit.steps), exp_dir)
    return save_listener(trained, config.text, exp_dir / "model")


def train_twin(
    config: TwinTraining,
    train: CaptionedTokens,
    dev: CaptionedTokens,
    codec: str | Path,
    magnet: Path,
    exp_dir: Path,
) -> Path:
    """Train the twin of the MAGNeT in the folder `magnet`, with its text encoder; otherwise as `train_magnet`."""
    torch.manual_seed(config.fit.seed)
    made_by, text = load_codec(codec), load_listener(magnet, "nano-magnet").text
    if isinstance(text, torch.nn.Module):
        text.requires_grad_(False)
    sizes = replace(config.model, vocab_size=made_by.vocab_size, condition_dim=text.width)
    clips, held_out = (read_captioned(archive, sizes.levels) for archive in (train, dev))
    frames = round(config.seconds * made_by.frame_rate)

    def batch_at(step: int) -> TwinBatch:
        return draw_batch(clips, config, frames, step_generator(config.fit.seed, step))

    network = MusicGen(sizes)
    start_conditioned(network, made_by.codebooks()[: sizes.levels])
    if config.start:
        start_from(network, take_listener(resolve(config.start), "nano-twin").network, config.start)
    task = TwinTask(Listener(network, text), config.fit)
    trained = fit(task, StepData(batch_at, validation_batches(held_out, frames), config.fit.steps), exp_dir)
    return save_listener(trained, text_settings(magnet), exp_dir / "model")


def draw_batch(clips: Sequence[CaptionedClip], config: MusicTraining, frames: int, generator: Generator) -> TwinBatch:
    """Crops of `frames` frames out of clips that are drawn evenly, each with one of its captions, or none."""
    chosen = [clips[index] for index in torch.randint(len(clips), (config.batch_size,), generator=generator).tolist()]
    places = torch.rand(config.batch_size, 3, generator=generator).tolist()
    crops, texts = [], []
    for clip, (start, which, heard) in zip(chosen, places, strict=True):
        latest = max(0, clip.codes.shape[1] - frames)
        crops.append(crop(clip.codes, int(start * (latest + 1)), frames))
        text = clip.captions[int(which * len(clip.captions))]
        texts.append("" if heard < config.condition_dropout else text)
    seed = int(torch.randint(2**31, (), generator=generator))
    return TwinBatch(torch.stack(crops), drop_words(texts, config.word_dropout, random.Random(seed)))


def hide(batch: TwinBatch, level: int, span: int, generator: Generator) -> MagnetBatch:
    """The batch with spans of one level hidden, and all of the levels above it."""
    items, levels, frames = batch.codes.shape
    draw = draw_magnet_mask(items, frames, levels, level, span, generator)
    return MagnetBatch(batch.codes, batch.texts, draw.mask, level)


def validation_batches(clips: Sequence[CaptionedClip], frames: int) -> list[TwinBatch]:
    """The starts of 32 clips spread over all, or of fewer again and again, with their first captions, 8 at a time."""
    chosen = [clips[index * len(clips) // VALIDATION_CLIPS] for index in range(VALIDATION_CLIPS)]
    crops = torch.stack([crop(clip.codes, 0, frames) for clip in chosen])
    texts = [clip.captions[0] for clip in chosen]
    return [
        TwinBatch(codes, texts[start : start + VALIDATION_BATCH])
        for start, codes in zip(
            range(0, VALIDATION_CLIPS, VALIDATION_BATCH), crops.split(VALIDATION_BATCH), strict=True
        )
    ]


def read_captioned(archive: CaptionedTokens, levels: int) -> list[CaptionedClip]:
    """The clips of an archive, with their first `levels` levels, sorted by id.

    Raises:
        InputError: fewer levels, or a clip without captions.
    """
    clips, captions = read_clips(archive.tokens), read_captions(archive.captions)
    if len(found := next(iter(clips.values()))) < levels:
        raise InputError(
            f"{archive.tokens}: expected {levels} levels or more, got {len(found)}. Extract the tokens again."
        )
    if missing := [name for name in clips if not captions.get(name)]:
        raise InputError(
            f"{archive.captions}: expected captions of every clip, got none of {missing[0]}. Render the clips again."
        )
    return [CaptionedClip(codes[:levels], captions[name]) for name, codes in clips.items()]


def read_captions(path: Path) -> dict[str, tuple[str, ...]]:
    """Id -> captions, from JSON lines.

    Raises:
        InputError: no such file, or a line that is none.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {row["id"]: tuple(row["captions"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: expected a line of JSON with id and captions for every clip, got: {error!r}. Mend the file."
        ) from error
