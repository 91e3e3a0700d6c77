"""Training of the spectrogram codec (`audiogen.codecs.spectrogram`): first the autoencoder, then the vocoder.

Losses of the autoencoder after SpecVQGAN (Iashin & Rahtu 2021, arXiv:2110.08791): distances of spectrograms, quantiser
losses, a perceptual loss and a patch-wise critic. Its perceptual loss compares features of a network that was trained
on VGGSound; here it compares statistics of textures, which need no network. The critic's weight is fixed, not adapted.
Shapes: B batch, S samples, M mel bands, L mel frames, D width, F rows and T columns of the grid.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Generator, Tensor

from audiogen.checkpoints.save import save_model
from audiogen.checkpoints.weights import assign_weights, read_safetensors
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.codecs.spectrogram_networks import (
    LogMel,
    MelVocoder,
    SpectrogramAutoencoder,
    SpectrogramCodecConfig,
)
from audiogen.nn.quantize import Quantized, ResidualQuantizer
from audiogen.training.adversarial import adversary
from audiogen.training.codebooks import DEAD, UsageRecord
from audiogen.training.crops import draw_crops, read_clips, validation_crops
from audiogen.training.fit import FitConfig, StepData, Task, fit, step_generator
from audiogen.training.losses import texture_distance
from audiogen.training.vocoder import VocoderTask, VocoderTraining

SMALL = SpectrogramCodecConfig(
    codebook_dim=32,
    dim=192,
    widths=(48, 96, 192),
    vocoder_dim=192,
    vocoder_intermediate_dim=576,
    vocoder_layers=6,
)
"""Trained on two CPU cores in less than half an hour; 5.3 MiB in 8 bits."""


@dataclass(frozen=True, kw_only=True)
class AutoencoderTraining:
    """What the training of the autoencoder is made of."""

    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=4000, learning_rate=1e-3))
    batch_size: int = 16
    columns: int = 8
    """Length of a training crop in columns of the grid, of 186 ms each."""
    l1_weight: float = 4.0
    """Per unit of a spectrogram, which is 50 dB; the same of the others."""
    l2_weight: float = 4.0
    texture_weight: float = 4.0
    quantizer_weight: float = 1.0
    adversarial_weight: float = 0.0
    """Of a critic's verdict; 0 trains without one."""
    adversarial_start: int = 2000
    """Updates before the critic joins."""


@dataclass(frozen=True, kw_only=True)
class SpectrogramTraining:
    """What one training run of the codec is made of."""

    model: SpectrogramCodecConfig = SMALL
    autoencoder: AutoencoderTraining = field(default_factory=AutoencoderTraining)
    vocoder: VocoderTraining = field(default_factory=VocoderTraining)
    shares: dict[str, float] = field(default_factory=dict)
    """How often each training folder is drawn from, by its name; 1 for those that are not here."""
    gain_db: tuple[float, float] = (-12.0, 3.0)
    """What a crop's level is changed by."""


@dataclass(frozen=True)
class Sounds:
    """What both stages hear, at the codec's sample rate."""

    sets: list[list[Tensor]]
    """Clips [S] of each training folder."""
    shares: list[float]
    held_out: list[Tensor]

    @classmethod
    def read(cls, config: SpectrogramTraining, train_audio: Sequence[Path], dev_audio: Path) -> "Sounds":
        """All sound files of the folders.

        Raises:
            InputError: a folder has none.
        """
        rate = config.model.sample_rate
        sets = [read_clips(folder, rate) for folder in train_audio]
        return cls(sets, [config.shares.get(folder.name, 1.0) for folder in train_audio], read_clips(dev_audio, rate))


class AutoencoderTask(Task[SpectrogramAutoencoder]):
    """Wires autoencoder, losses, and what moves the codebook."""

    def __init__(self, model: SpectrogramCodecConfig, config: AutoencoderTraining):
        super().__init__(SpectrogramAutoencoder(model), config.fit)
        self.training_config = config
        self.follows = model.quantizer == "ema"
        self.log_mel = LogMel(model)
        self.usage = UsageRecord(1, model.vocab_size)
        self.adversary = adversary(config.adversarial_weight, config.adversarial_start)

    def loss(self, batch: Tensor, generator: Generator) -> dict[str, Tensor]:
        network, config = self.network, self.training_config
        with torch.autocast(batch.device.type, enabled=False):
            mel = self.log_mel(batch)
        vectors = network.encoder(mel)
        with torch.autocast(batch.device.type, enabled=False):
            found = self.quantize(vectors.float().flatten(2), generator)
        made = network.decoder(found.quantized.unflatten(-1, vectors.shape[2:])).float()
        losses = {
            "l1": (made - mel).abs().mean(),
            "l2": (made - mel).square().mean(),
            "texture": texture_distance(made, mel),
            "quantizer": found.loss,
        }
        loss = (
            config.l1_weight * losses["l1"]
            + config.l2_weight * losses["l2"]
            + config.texture_weight * losses["texture"]
            + config.quantizer_weight * losses["quantizer"]
        )
        if self.adversary is not None and self.training:
            judged = self.adversary(made, mel, self.global_step)
            losses |= judged
            loss = loss + sum(judged.values())
        return {"loss": loss, **losses, "used": (self.usage.usage > DEAD).float().mean()}

    def quantize(self, hidden: Tensor, generator: Generator) -> Quantized:
        """Vectors [B, D, F * T] to codes; in training, what has a codebook is kept alive."""
        quantizer = self.network.quantizer
        if not self.training:
            return quantizer(hidden, generator=generator)
        if isinstance(quantizer, ResidualQuantizer):
            self.usage.revive(quantizer, hidden, self.global_step, generator)
        found = quantizer(hidden, generator=generator)
        if self.follows and isinstance(quantizer, ResidualQuantizer):
            self.usage.follow(quantizer, hidden, found.codes)
        self.usage.count(found.codes)
        return found


def train(config: SpectrogramTraining, train_audio: Sequence[Path], dev_audio: Path, exp_dir: Path) -> Path:
    """Train on the sound files of `train_audio` and write `exp_dir`/model; goes on where a killed run stopped.

    Raises:
        InputError: a folder has no sound files.
    """
    sounds = Sounds.read(config, train_audio, dev_audio)
    codec = SpectrogramCodec(config.model)
    codec.autoencoder = train_autoencoder(config, sounds, exp_dir / "autoencoder")
    codec.vocoder = train_vocoder(config, codec.autoencoder, sounds, exp_dir / "vocoder")
    return save_model(codec, "spectrogram-codec", asdict(config.model), exp_dir / "model")


def train_autoencoder(config: SpectrogramTraining, sounds: Sounds, exp_dir: Path) -> SpectrogramAutoencoder:
    """The first stage; a run that has finished is read from `exp_dir`/model."""
    done = exp_dir / "model"
    if (done / "config.json").is_file():  # what is written last
        network = SpectrogramAutoencoder(config.model)
        assign_weights(network, read_safetensors(done / "model.safetensors"), done / "model.safetensors")
        return network.eval()
    torch.manual_seed(config.autoencoder.fit.seed)
    task = AutoencoderTask(config.model, config.autoencoder)
    network = fit(task, _data(config, config.autoencoder, sounds), exp_dir)
    save_model(network, "spectrogram-autoencoder", asdict(config.model), done)
    return network


def train_vocoder(
    config: SpectrogramTraining, autoencoder: SpectrogramAutoencoder, sounds: Sounds, exp_dir: Path
) -> MelVocoder:
    """The second stage."""
    torch.manual_seed(config.vocoder.fit.seed)
    task = VocoderTask(config.model, config.vocoder, autoencoder)
    return fit(task, _data(config, config.vocoder, sounds), exp_dir)


def _data(config: SpectrogramTraining, stage: AutoencoderTraining | VocoderTraining, sounds: Sounds) -> StepData:
    """Crops of whole columns, [B, S]."""
    column = config.model.mel_hop * config.model.patch

    def batch_at(step: int) -> Tensor:
        return draw_crops(
            sounds.sets,
            sounds.shares,
            count=stage.batch_size,
            samples=stage.columns * column,
            gain_db=config.gain_db,
            generator=step_generator(stage.fit.seed, step),
        )

    two_seconds = -(-2 * config.model.sample_rate // column) * column
    return StepData(batch_at, validation_crops(sounds.held_out, two_seconds), stage.fit.steps)
