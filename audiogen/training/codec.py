"""Training of the bundled speech codec (`audiogen.codecs.nano`): spectral loss, pitch loss, quantiser losses."""

import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.checkpoints.save import save_model
from audiogen.codecs.nano import NanoCodec, NanoCodecConfig
from audiogen.nn.harmonic import Source
from audiogen.training.codebooks import UsageRecord
from audiogen.training.fit import FitConfig, StepData, Task, fit, step_generator
from audiogen.training.losses import MultiScaleSpectrum
from audiogen.training.pitch import FRAME_RATE

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CodecTraining:
    """What one training run of the codec is made of."""

    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=6000))
    model: NanoCodecConfig = field(default_factory=NanoCodecConfig)
    batch_size: int = 16
    seconds: float = 1.0
    """Length of a training crop."""
    shares: dict[str, float] = field(default_factory=dict)
    """How often each training set is drawn from, by the name of its folder; 1 for those that are not here."""
    mel_weight: float = 5.0
    pitch_weight: float = 2.0
    """Per octave of error in voiced frames."""
    voicing_weight: float = 0.2
    own_pitch: int = 4000
    """Updates after which half of the items are synthesised with the pitch that the codec itself predicts."""


@dataclass
class Recording:
    """One utterance in memory."""

    audio: Tensor
    """[S]."""
    pitch: Tensor
    """[2, T]: Hz and voicing at 200 Hz."""


@dataclass
class Crops:
    """A batch of equally long pieces."""

    audio: Tensor
    """[B, S]."""
    pitch: Tensor
    """[B, T] Hz at 200 Hz."""
    voicing: Tensor
    """[B, T]."""


def read_recordings(cuts: Path, sample_rate: int) -> list[Recording]:
    """All cuts of a manifest with the pitch file beside it (`pitch.safetensors`)."""
    from lhotse import CutSet
    from safetensors.torch import load_file

    tracks = load_file(cuts.parent / "pitch.safetensors")
    recordings = []
    for cut in CutSet.from_file(cuts):
        audio = Audio.read(cut.recording.sources[0].source).mono().resample(sample_rate)
        recordings.append(Recording(audio.samples[0], tracks[cut.id]))
    return recordings


def crop(recording: Recording, start: int, frames: int, sample_rate: int) -> tuple[Tensor, Tensor]:
    """`frames` pitch frames from frame `start`, zero-padded: audio [S] and pitch [2, T]."""
    hop = sample_rate // FRAME_RATE
    audio = recording.audio[start * hop : (start + frames) * hop]
    pitch = recording.pitch[:, start : start + frames]
    pitch = F.pad(pitch, (0, frames - pitch.shape[1]))
    pitch[0, pitch[0] == 0] = 100.0  # beyond the end: unvoiced, any pitch will do
    return F.pad(audio, (0, frames * hop - len(audio))), pitch


def draw_crops(
    sets: list[list[Recording]], shares: list[float], config: CodecTraining, generator: torch.Generator
) -> Crops:
    """Random pieces: the set by its share, the utterance evenly, the place evenly."""
    frames = round(config.seconds * FRAME_RATE)
    audio, pitch = [], []
    for choice in torch.multinomial(torch.tensor(shares), config.batch_size, replacement=True, generator=generator):
        recordings = sets[int(choice)]
        recording = recordings[int(torch.randint(len(recordings), (), generator=generator))]
        latest = max(0, recording.pitch.shape[1] - frames)
        start = int(torch.randint(latest + 1, (), generator=generator))
        piece = crop(recording, start, frames, config.model.sample_rate)
        audio.append(piece[0])
        pitch.append(piece[1])
    tracks = torch.stack(pitch)
    return Crops(torch.stack(audio), tracks[:, 0], tracks[:, 1])


class CodecTask(Task[NanoCodec]):
    """Wires codec, losses and the revival of unused codes."""

    def __init__(self, config: CodecTraining):
        super().__init__(NanoCodec(config.model), config.fit)
        self.training_config = config
        self.mel = MultiScaleSpectrum(config.model.sample_rate)
        self.usage = UsageRecord(config.model.levels, config.model.vocab_size)

    def loss(self, batch: Crops, generator: torch.Generator) -> dict[str, Tensor]:
        codec, config = self.network, self.training_config
        hidden = codec.encoder(batch.audio)
        with torch.autocast(hidden.device.type, enabled=False):
            hidden = hidden.float()
            if self.training:
                self.usage.revive(codec.quantizer, hidden, self.global_step, generator)
            quantized = codec.quantizer(hidden, generator=generator)
        if self.training:
            self.usage.count(quantized.codes)
        own, gains, voicing_logits = codec.decoder.unpack(codec.decoder(quantized.quantized))
        with torch.autocast(hidden.device.type, enabled=False):
            noise = torch.randn(batch.audio.shape, generator=generator).to(batch.audio.device)
            audio = codec.synth(self._source(batch, own, generator), gains, noise)
            mel = self.mel(audio, batch.audio)
            octaves = (own.pitch.log2() - batch.pitch.clamp(*config.model.pitch_range).log2()).abs()
            pitch = (octaves * batch.voicing).sum() / batch.voicing.sum().clamp(min=1)
            voicing = F.binary_cross_entropy_with_logits(voicing_logits, batch.voicing)
        loss = (
            config.mel_weight * mel
            + config.pitch_weight * pitch
            + config.voicing_weight * voicing
            + quantized.loss * codec.levels
        )
        return {"loss": loss, "mel": mel, "pitch": pitch, "voicing": voicing, "quantizer": quantized.loss}

    def _source(self, batch: Crops, own: Source, generator: torch.Generator) -> Source:
        """The tracked pitch, or for some items (in validation all) the codec's own, so that it learns to sing alone."""
        share = 1.0 if not self.training else min(0.5, 0.5 * self.global_step / self.training_config.own_pitch)
        chosen = (torch.rand(len(batch.audio), 1, generator=generator) < share).to(batch.audio.device)
        pitch = torch.where(chosen, own.pitch.detach(), batch.pitch)
        return Source(pitch, torch.where(chosen, own.voicing.detach(), batch.voicing))


def train(config: CodecTraining, train_cuts: list[Path], dev_cuts: Path, exp_dir: Path) -> Path:
    """Train on the cuts of `train_cuts` and write the codec to `exp_dir`/model; goes on where a killed run stopped."""
    torch.manual_seed(config.fit.seed)
    rate = config.model.sample_rate
    sets = [read_recordings(cuts, rate) for cuts in train_cuts]
    shares = [config.shares.get(cuts.parent.name, 1.0) for cuts in train_cuts]
    validation = validation_crops(read_recordings(dev_cuts, rate), config)

    def batch_at(step: int) -> Crops:
        return draw_crops(sets, shares, config, step_generator(config.fit.seed, step))

    codec = fit(CodecTask(config), StepData(batch_at, validation, config.fit.steps), exp_dir)
    return save_model(codec, "nano-codec", asdict(config.model), exp_dir / "model")


def validation_crops(recordings: list[Recording], config: CodecTraining) -> list[Crops]:
    """The first two seconds of up to 32 recordings, in batches of 8."""
    frames = 2 * FRAME_RATE
    pieces = [crop(recording, 0, frames, config.model.sample_rate) for recording in recordings[:32]]
    audio = torch.stack([piece[0] for piece in pieces]).split(8)
    pitch = torch.stack([piece[1] for piece in pieces]).split(8)
    return [Crops(a, p[:, 0], p[:, 1]) for a, p in zip(audio, pitch, strict=True)]
