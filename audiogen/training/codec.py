"""Training of the bundled speech codec (`audiogen.codecs.nano`): spectral loss, pitch loss, quantiser losses."""

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.codecs.nano import NanoCodec, NanoCodecConfig
from audiogen.nn.harmonic import Source
from audiogen.nn.quantize import ResidualQuantizer
from audiogen.training.fit import FitConfig, StepData, Task, fit, step_generator
from audiogen.training.losses import MultiScaleMel
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
    """How often each training set is drawn from, by the name of its data directory; equal shares when empty."""
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


class CodecTask(Task):
    """Wires codec, losses and the revival of unused codes."""

    REVIVE_EVERY = 20
    DEAD = 0.03
    """Average uses per batch under which a code is given a new place."""

    def __init__(self, config: CodecTraining):
        super().__init__(NanoCodec(config.model), config.fit)
        self.training_config = config
        self.mel = MultiScaleMel(config.model.sample_rate)
        self.register_buffer("usage", torch.zeros(config.model.levels, config.model.vocab_size))

    def loss(self, batch: Crops, generator: torch.Generator) -> dict[str, Tensor]:
        codec, config = self.network, self.training_config
        hidden = codec.encoder(batch.audio)
        with torch.autocast(hidden.device.type, enabled=False):
            hidden = hidden.float()
            if self.training and self.global_step % self.REVIVE_EVERY == 0:
                revive(codec.quantizer, hidden.detach(), self.usage < self.DEAD, generator)
            quantized = codec.quantizer(hidden, generator=generator)
        if self.training:
            self._count(quantized.codes)
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

    def _count(self, codes: Tensor) -> None:
        for level in range(codes.shape[1]):
            counts = codes[:, level].flatten().bincount(minlength=self.usage.shape[1])
            self.usage[level].mul_(0.98).add_(counts, alpha=0.02)


@torch.no_grad()
def revive(quantizer: ResidualQuantizer, hidden: Tensor, dead: Tensor, generator: torch.Generator) -> None:
    """Move unused codes onto vectors of this batch, level by level: hidden [B, D, T], dead [K, V]."""
    residual = hidden
    for level, unused in zip(quantizer.quantizers, dead, strict=True):
        latents = level.in_project(residual)
        candidates = latents.transpose(1, 2).flatten(0, 1)
        count = int(unused.sum())
        picks = torch.randint(len(candidates), (count,), generator=generator).to(candidates.device)
        noise = torch.randn(count, candidates.shape[1], generator=generator).to(candidates.device)
        level.codebook.weight[unused] = candidates[picks] + 0.01 * noise * candidates.std()
        residual = residual - level.embed(level.nearest(latents))


def train(config: CodecTraining, train_cuts: list[Path], dev_cuts: Path, exp_dir: Path) -> Path:
    """Train on the cuts of `train_cuts` and write the codec to `exp_dir`/model; goes on where a killed run stopped."""
    torch.manual_seed(config.fit.seed)
    rate = config.model.sample_rate
    sets = [read_recordings(cuts, rate) for cuts in train_cuts]
    shares = [config.shares.get(str(cuts.parent), 1.0) if config.shares else 1.0 for cuts in train_cuts]
    validation = validation_crops(read_recordings(dev_cuts, rate), config)

    def batch_at(step: int) -> Crops:
        return draw_crops(sets, shares, config, step_generator(config.fit.seed, step))

    codec = fit(CodecTask(config), StepData(batch_at, validation, config.fit.steps), exp_dir)
    return save(codec, exp_dir / "model")


def validation_crops(recordings: list[Recording], config: CodecTraining) -> list[Crops]:
    """The first two seconds of up to 32 recordings, in batches of 8."""
    frames = 2 * FRAME_RATE
    pieces = [crop(recording, 0, frames, config.model.sample_rate) for recording in recordings[:32]]
    audio = torch.stack([piece[0] for piece in pieces]).split(8)
    pitch = torch.stack([piece[1] for piece in pieces]).split(8)
    return [Crops(a, p[:, 0], p[:, 1]) for a, p in zip(audio, pitch, strict=True)]


def save(codec: NanoCodec, directory: Path) -> Path:
    """Weights in float32 and configuration, as `audiogen.codecs.load_codec` reads them."""
    from safetensors.torch import save_file

    from audiogen import __version__
    from audiogen.files import atomic_write

    directory.mkdir(parents=True, exist_ok=True)
    with atomic_write(directory / "model.safetensors") as path:
        save_file({name: tensor.contiguous() for name, tensor in codec.state_dict().items()}, path, {"format": "pt"})
    header = {"model_type": "nano-codec", "audiogen_version": __version__}
    with atomic_write(directory / "config.json") as path:
        path.write_text(json.dumps({**header, **asdict(codec.config)}, indent=2))
    return directory
