"""Training of the bundled music codec (`audiogen.codecs.nano_music`): spectral, frequency and quantiser losses."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from audiogen.checkpoints.save import save_model
from audiogen.codecs.nano_music import NanoMusicCodec, NanoMusicCodecConfig
from audiogen.nn.sinusoids import Analysis, Partials
from audiogen.training.codebooks import UsageRecord
from audiogen.training.crops import draw_crops, read_clips, validation_crops
from audiogen.training.fit import FitConfig, StepData, Task, fit, step_generator
from audiogen.training.losses import MultiScaleSpectrum

logger = logging.getLogger(__name__)

SCALES = ((128, 10), (256, 24), (512, 60), (1024, 90), (2048, 140))
"""Windows and mel bands: as many as there are without empty ones."""
LINEAR_SCALES = ((512, 0), (2048, 0))
"""Single frequencies: without them, mel bands over 2 kHz would take steady tones for noise."""
FLOOR = 1e-5
"""That of audiotools' mel loss: silence counts."""


@dataclass(frozen=True, kw_only=True)
class MusicCodecTraining:
    """What one training run of the codec is made of."""

    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=6000, learning_rate=2e-3))
    model: NanoMusicCodecConfig = field(default_factory=NanoMusicCodecConfig)
    batch_size: int = 16
    seconds: float = 0.96
    """Length of a training crop, a whole number of code frames."""
    shares: dict[str, float] = field(default_factory=dict)
    """How often each training folder is drawn from, by its name; 1 for those that are not here."""
    gain_db: tuple[float, float] = (-14.0, 4.0)
    """What a crop's level is changed by."""
    mel_weight: float = 5.0
    linear_weight: float = 2.0
    frequency_weight: float = 1.0
    """Per width of a band."""
    latent_weight: float = 1.0
    """Of what the quantiser leaves over, as a share of the power of what it was given: each level learns to take a part
    of it, which the losses inside the levels do not ask for."""


class MusicCodecTask(Task[NanoMusicCodec]):
    """Wires codec, losses and the revival of unused codes."""

    def __init__(self, config: MusicCodecTraining):
        super().__init__(NanoMusicCodec(config.model), config.fit)
        self.training_config = config
        self.mel = MultiScaleSpectrum(config.model.sample_rate, SCALES, FLOOR)
        self.linear = MultiScaleSpectrum(config.model.sample_rate, LINEAR_SCALES, FLOOR)
        self.usage = UsageRecord(config.model.levels, config.model.vocab_size)

    def loss(self, batch: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        codec, config = self.network, self.training_config
        with torch.autocast(batch.device.type, enabled=False):
            found = codec.encoder.analysis(batch)
        hidden = codec.encoder(batch, found)
        with torch.autocast(batch.device.type, enabled=False):
            hidden = hidden.float()
            if self.training:
                self.usage.revive(codec.quantizer, hidden, self.global_step, generator)
            quantized = codec.quantizer(hidden, generator=generator)
            leftover = leftover_power(hidden, quantized.quantized)
        if self.training:
            self.usage.count(quantized.codes)
        raw = codec.decoder(quantized.quantized)
        with torch.autocast(batch.device.type, enabled=False):
            partials, gains = codec.unpack(raw)
            frequency = frequency_error(partials, found, codec.synth.bank.widths)
            noise = torch.randn(batch.shape, generator=generator).to(batch.device)
            audio = codec.synth(partials, gains, noise)
            mel, linear = self.mel(audio, batch), self.linear(audio, batch)
        loss = (
            config.mel_weight * mel
            + config.linear_weight * linear
            + config.frequency_weight * frequency
            + config.latent_weight * leftover
            + quantized.loss * codec.levels
        )
        named = {"mel": mel, "linear": linear, "frequency": frequency, "leftover": leftover}
        return {"loss": loss, **named, "quantizer": quantized.loss}


def leftover_power(hidden: Tensor, quantized: Tensor) -> Tensor:
    """Power of `hidden` [B, D, T] that is not in `quantized` [B, D, T], as a share; both are drawn to each other."""
    power = hidden.detach().square().mean()
    drawn = (hidden - quantized.detach()).square().mean() + (quantized - hidden.detach()).square().mean()
    return drawn / (2 * power)


def frequency_error(partials: Partials, found: Analysis, widths: Tensor) -> Tensor:
    """Mean distance of the sinusoids from the tones that were found, in widths of the band; loud tones count more."""
    target = found.deviation.repeat_interleave(2, dim=-1)  # 100 Hz -> 200 Hz
    weight = found.magnitude.sqrt().repeat_interleave(2, dim=-1)
    error = (partials.deviation - target).abs() / widths[:, None]
    return (error * weight).sum() / weight.sum().clamp(min=1e-6)


def train(config: MusicCodecTraining, train_audio: Sequence[Path], dev_audio: Path, exp_dir: Path) -> Path:
    """Train on the sound files of `train_audio` and write `exp_dir`/model; goes on where a killed run stopped."""
    torch.manual_seed(config.fit.seed)
    rate = config.model.sample_rate
    sets = [read_clips(folder, rate) for folder in train_audio]
    shares = [config.shares.get(folder.name, 1.0) for folder in train_audio]
    validation = validation_crops(read_clips(dev_audio, rate), 2 * rate)

    def batch_at(step: int) -> Tensor:
        return draw_crops(
            sets,
            shares,
            count=config.batch_size,
            samples=round(config.seconds * rate),
            gain_db=config.gain_db,
            generator=step_generator(config.fit.seed, step),
        )

    codec = fit(MusicCodecTask(config), StepData(batch_at, validation, config.fit.steps), exp_dir)
    return save_model(codec, "nano-codec-music", asdict(config.model), exp_dir / "model")
