"""Training of the bundled semantic tokenizer: a RepCodec over log-mel features that also has to name the phones.

MaskGCT quantises w2v-BERT features, which know phones already. A network that starts from nothing learns them from
aligned text: one head of the decoder reconstructs the features, another says which phone each frame belongs to.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.checkpoints.save import save_model
from audiogen.codecs.semantic import SemanticCodec, SemanticCodecConfig
from audiogen.conditioning.mel_features import MelFeatures
from audiogen.conditioning.text import PHONES
from audiogen.training.alignment import frame_phones
from audiogen.training.codebooks import UsageRecord
from audiogen.training.fit import FitConfig, StepData, Task, fit, step_generator

IGNORED = -100
"""Phone label of a frame that does not count."""


@dataclass(frozen=True, kw_only=True)
class TokenizerTraining:
    """What one training run of the tokenizer is made of."""

    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=3000))
    model: SemanticCodecConfig = field(
        default_factory=lambda: SemanticCodecConfig(
            feature_dim=MelFeatures.feature_dim,
            vocab_size=1024,
            backbone_dim=192,
            backbone_intermediate_dim=576,
            backbone_layers=4,
        )
    )
    batch_size: int = 32
    frames: int = 100
    """Length of a training crop, at 50 Hz."""
    reconstruction_weight: float = 2.0
    phone_weight: float = 1.0


@dataclass
class FeatureCrops:
    """A batch of equally long pieces."""

    features: Tensor
    """[B, D, T]."""
    phones: Tensor
    """[B, T] ids, `IGNORED` on padding."""


def read_features(cuts: Path) -> list[tuple[Tensor, Tensor]]:
    """Features [D, T] and phone per frame [T] of every aligned cut."""
    from lhotse import CutSet

    extract = MelFeatures()
    items = []
    for cut in CutSet.from_file(cuts):
        audio = Audio.read(cut.recording.sources[0].source).mono().resample(extract.sample_rate)
        features = extract(audio.samples[None])[0]
        items.append((features, frame_phones(cut, features.shape[-1])))
    return items


def crop(item: tuple[Tensor, Tensor], start: int, frames: int) -> tuple[Tensor, Tensor]:
    """Frames `start` … of an utterance, padded at the end where it is too short."""
    features, phones = item[0][:, start : start + frames], item[1][start : start + frames]
    missing = frames - features.shape[-1]
    return F.pad(features, (0, missing)), F.pad(phones, (0, missing), value=IGNORED)


def draw_crops(
    items: list[tuple[Tensor, Tensor]], config: TokenizerTraining, generator: torch.Generator
) -> FeatureCrops:
    """Random pieces of random utterances."""
    pieces = []
    for choice in torch.randint(len(items), (config.batch_size,), generator=generator):
        item = items[int(choice)]
        latest = max(0, item[0].shape[-1] - config.frames)
        pieces.append(crop(item, int(torch.randint(latest + 1, (), generator=generator)), config.frames))
    return FeatureCrops(torch.stack([piece[0] for piece in pieces]), torch.stack([piece[1] for piece in pieces]))


class TokenizerTask(Task[SemanticCodec]):
    """Wires the tokenizer, its phone head and the losses."""

    def __init__(self, config: TokenizerTraining):
        super().__init__(SemanticCodec(config.model), config.fit)
        self.training_config = config
        self.phone_head = nn.Linear(config.model.backbone_dim, len(PHONES))
        self.usage = UsageRecord(1, config.model.vocab_size)

    def loss(self, batch: FeatureCrops, generator: torch.Generator) -> dict[str, Tensor]:
        codec, config = self.network, self.training_config
        hidden = codec.encoder(batch.features).transpose(1, 2)
        with torch.autocast(hidden.device.type, enabled=False):
            hidden = hidden.float()
            if self.training:
                self.usage.revive(codec.quantizer, hidden, self.global_step, generator)
            quantized = codec.quantizer(hidden, generator=generator)
        if self.training:
            self.usage.count(quantized.codes)
        decoded = codec.decoder[0](quantized.quantized)
        phones = self.phone_head(decoded).float().flatten(0, 1)
        labels = batch.phones.flatten()
        real = (batch.phones != IGNORED)[:, None]
        error = (codec.decoder[1](decoded).float().transpose(1, 2) - batch.features).abs() * real
        reconstruction = error.sum() / (real.sum() * batch.features.shape[1])
        phone_loss = F.cross_entropy(phones, labels, ignore_index=IGNORED)
        accuracy = (phones.argmax(-1) == labels)[labels != IGNORED].float().mean()
        loss = config.reconstruction_weight * reconstruction + config.phone_weight * phone_loss + quantized.loss
        return {"loss": loss, "reconstruction": reconstruction, "phones": phone_loss, "accuracy": accuracy}


def train(config: TokenizerTraining, train_cuts: Path, dev_cuts: Path, exp_dir: Path) -> Path:
    """Train on aligned cuts and write the tokenizer to `exp_dir`/model; goes on where a killed run stopped."""
    torch.manual_seed(config.fit.seed)
    items = read_features(train_cuts)
    dev = [crop(item, 0, 3 * config.frames) for item in read_features(dev_cuts)]
    validation = [FeatureCrops(torch.stack([d[0] for d in dev]), torch.stack([d[1] for d in dev]))]

    def batch_at(step: int) -> FeatureCrops:
        return draw_crops(items, config, step_generator(config.fit.seed, step))

    tokenizer = fit(TokenizerTask(config), StepData(batch_at, validation, config.fit.steps), exp_dir)
    return save_model(tokenizer, "semantic-codec", asdict(config.model), exp_dir / "model")
