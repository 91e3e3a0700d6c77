"""Training of the predictor of missing bands on sound files: any cutoff, and the error as bandwidth extension has it.

Shapes: B batch, S samples, M mel bands, L mel frames.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Generator, Tensor

from audiogen.checkpoints.save import save_model
from audiogen.codecs import load_codec
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.codecs.spectrogram_networks import LogMel, SpectrogramCodecConfig
from audiogen.errors import InputError
from audiogen.models.band_predictor import BandPredictor, BandPredictorConfig
from audiogen.training.crops import draw_crops, read_files, validation_crops
from audiogen.training.fit import FitConfig, StepData, Task, fit, step_generator

DECIBELS = 50.0
"""Per unit of a spectrogram."""
SMALLEST = 1e-6
"""Mean squared error of a frame, in units: the root of 0 has no slope."""


@dataclass(frozen=True, kw_only=True)
class BandPredictorTraining:
    """What one training run is made of."""

    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=3000, learning_rate=2e-3, betas=(0.9, 0.98), validate_every=500)
    )
    model: BandPredictorConfig = field(default_factory=BandPredictorConfig)
    """The number of bands follows from the codec."""
    batch_size: int = 16
    frames: int = 96
    """Length of a crop: 1.1 s."""
    cutoffs: tuple[float, float] = (2500.0, 9000.0)
    """Hz up to which a training item is known, drawn evenly."""
    gain_db: tuple[float, float] = (-12.0, 3.0)
    """What a crop's level is changed by."""


@dataclass
class BandBatch:
    """Sounds, and up to where each is known."""

    audio: Tensor
    """[B, S]."""
    cutoff: Tensor
    """[B] Hz."""


class BandPredictorTask(Task[BandPredictor]):
    """Root mean square error over the unknown bands, mean over frames, in dB, as `log_spectral_distance` has it."""

    def __init__(self, network: BandPredictor, codec: SpectrogramCodecConfig, config: FitConfig):
        super().__init__(network, config)
        self.log_mel = LogMel(codec)

    def loss(self, batch: BandBatch, generator: Generator) -> dict[str, Tensor]:
        with torch.autocast(batch.audio.device.type, enabled=False):
            mel = self.log_mel(batch.audio)
        known = self.log_mel.centres < batch.cutoff[:, None]
        error = (self.network(mel, known).float() - mel).square().masked_fill(known[..., None], 0.0)
        frames = error.sum(dim=1) / (~known).sum(dim=1, keepdim=True)
        return {"loss": DECIBELS * frames.clamp(min=SMALLEST).sqrt().mean()}


def train_band_predictor(
    config: BandPredictorTraining,
    train: Sequence[Sequence[Path]],
    dev: Sequence[Path],
    codec: str | Path,
    exp_dir: Path,
) -> Path:
    """Train on sound files, write `exp_dir`/model; goes on where a killed run stopped.

    Args:
        train: sets of sounds, which are drawn from equally often, so that no kind is learnt at another's cost. They
            should have all bands: from others it learns that sounds have none.
        codec: name or folder of the spectrogram codec whose bands are predicted.
    Raises:
        InputError: another codec, or no sounds.
    """
    if not train or not all(train) or not dev:
        counts = [len(files) for files in train]
        raise InputError(f"expected sets of sounds to train on, and sounds to validate, got {counts} and {len(dev)}.")
    torch.manual_seed(config.fit.seed)
    made_by = load_codec(codec)
    if not isinstance(made_by, SpectrogramCodec):
        raise InputError(f"{codec}: expected a spectrogram codec, got a {type(made_by).__name__}. Name another one.")
    sizes, rate = replace(config.model, mels=made_by.config.mels), made_by.sample_rate
    sets, samples = [read_files(files, rate) for files in train], config.frames * made_by.config.mel_hop

    def batch_at(step: int) -> BandBatch:
        generator = step_generator(config.fit.seed, step)
        audio = draw_crops(
            sets,
            [1.0] * len(sets),
            count=config.batch_size,
            samples=samples,
            gain_db=config.gain_db,
            generator=generator,
        )
        return BandBatch(audio, _between(torch.rand(len(audio), generator=generator), config))

    validation = [
        BandBatch(audio, _between(torch.linspace(0, 1, len(audio)), config))
        for audio in validation_crops(read_files(dev, rate), 4 * samples)
    ]
    task = BandPredictorTask(BandPredictor(sizes), made_by.config, config.fit)
    trained = fit(task, StepData(batch_at, validation, config.fit.steps), exp_dir)
    return save_model(trained, "band-predictor", asdict(sizes), exp_dir / "model")


def _between(share: Tensor, config: BandPredictorTraining) -> Tensor:
    low, high = config.cutoffs
    return low + (high - low) * share
