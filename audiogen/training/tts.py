"""Training of the bundled voice's models on extracted codes: durations, text to semantic, semantic to acoustic."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from audiogen.checkpoints.save import save_model
from audiogen.conditioning.text import PHONES
from audiogen.models.duration import DurationConfig, DurationModel
from audiogen.models.maskgct import (
    SemanticToAcoustic,
    SemanticToAcousticConfig,
    TextToSemantic,
    TextToSemanticConfig,
)
from audiogen.nn.norm import AdaptiveRMSNorm
from audiogen.training.fit import FitConfig, NetworkT, StepData, Task, fit, step_generator
from audiogen.training.masking import draw_acoustic_mask, draw_semantic_mask, masked_cross_entropy
from audiogen.training.tokens import TokenizedUtterance, read_tokens

PHONE_VOCAB = len(PHONES) + 1
"""The table's last row is padding."""


@dataclass(frozen=True, kw_only=True)
class DurationTraining:
    """What one training run of the duration model is made of."""

    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=1500, precision="32-true"))
    model: DurationConfig = field(default_factory=lambda: DurationConfig(phone_vocab_size=PHONE_VOCAB))
    batch_size: int = 32


@dataclass(frozen=True, kw_only=True)
class SemanticTraining:
    """What one training run of text to semantic is made of."""

    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=4000, betas=(0.9, 0.98)))
    model: TextToSemanticConfig = field(
        default_factory=lambda: TextToSemanticConfig(
            dim=192,
            layers=4,
            heads=4,
            vocab_size=1024,
            phone_vocab_size=PHONE_VOCAB,
            aligned=True,
            condition_layers=3,
            dropout=0.25,
        )
    )
    batch_size: int = 16
    prompt_dropout: float = 0.15
    """Share of the batches without a voice prompt."""
    condition_dropout: float = 0.1
    """Share of the items without text, so that decoding can be guided by it (the reference: 0)."""


@dataclass(frozen=True, kw_only=True)
class AcousticTraining:
    """What one training run of semantic to acoustic is made of."""

    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=6000, betas=(0.9, 0.98)))
    model: SemanticToAcousticConfig = field(
        default_factory=lambda: SemanticToAcousticConfig(
            dim=192,
            layers=4,
            heads=4,
            levels=4,
            vocab_size=1024,
            semantic_vocab_size=1024,
            condition_layers=3,
            dropout=0.25,
        )
    )
    batch_size: int = 16
    prompt_dropout: float = 0.5
    """Share of the batches without a voice prompt: a voice of its own rarely gets one (the reference: 0.15)."""


@dataclass
class TokenBatch:
    """Whole utterances of similar length, padded on the right."""

    phones: Tensor
    """[B, P]."""
    durations: Tensor
    """[B, P] frames."""
    frame_phones: Tensor
    """[B, T]."""
    semantic_codes: Tensor
    """[B, 1, T]."""
    codes: Tensor
    """[B, K, T]."""
    valid: Tensor
    """[B, T] bool."""
    phones_valid: Tensor
    """[B, P] bool."""


def collate(utterances: list[TokenizedUtterance]) -> TokenBatch:
    """A batch out of utterances."""

    def pad(tensors: list[Tensor], value: int = 0) -> Tensor:
        return pad_sequence([tensor.movedim(-1, 0) for tensor in tensors], batch_first=True, padding_value=value)

    ones = [torch.ones_like(u.frame_phones, dtype=torch.bool) for u in utterances]
    return TokenBatch(
        phones=pad([u.phones for u in utterances], PHONE_VOCAB - 1),
        durations=pad([u.durations for u in utterances]),
        frame_phones=pad([u.frame_phones for u in utterances], PHONE_VOCAB - 1),
        semantic_codes=pad([u.semantic_codes for u in utterances])[:, None],
        codes=pad([u.codes for u in utterances]).transpose(1, 2),
        valid=pad(ones).bool(),
        phones_valid=pad([torch.ones_like(u.phones, dtype=torch.bool) for u in utterances]).bool(),
    )


def draw_batch(utterances: list[TokenizedUtterance], size: int, generator: Generator) -> TokenBatch:
    """A random run of `size` neighbours out of `utterances` sorted by length, so that little is padding."""
    start = int(torch.randint(max(1, len(utterances) - size + 1), (), generator=generator))
    return collate(utterances[start : start + size])


class DurationTask(Task[DurationModel]):
    """Absolute error of ln(1 + frames)."""

    def loss(self, batch: TokenBatch, generator: Generator) -> dict[str, Tensor]:
        predicted = self.network(batch.phones, batch.phones_valid)
        error = (predicted - batch.durations.float().log1p()).abs()[batch.phones_valid].mean()
        return {"loss": error}


class SemanticTask(Task[TextToSemantic]):
    """Masked cross-entropy of the semantic codes (arXiv:2409.00750, "Text-to-Semantic Model")."""

    def __init__(self, network: TextToSemantic, config: SemanticTraining):
        super().__init__(network, config.fit)
        self.prompt_dropout = config.prompt_dropout
        self.condition_dropout = config.condition_dropout

    def loss(self, batch: TokenBatch, generator: Generator) -> dict[str, Tensor]:
        codes, model = batch.semantic_codes, self.network
        share = self.condition_dropout if self.training else 0.0
        keep = (torch.rand(len(codes), generator=generator) >= share).to(codes.device)
        draw = draw_semantic_mask(len(codes), codes.shape[-1], generator, self.prompt_dropout).to(codes.device)
        condition = model.condition(batch.frame_phones, valid=batch.valid, keep=keep)
        hidden = codes.masked_fill(draw.mask, model.mask_token)
        logits = model.logits(hidden, condition, draw.stage, draw.time)
        return _scores(logits, codes, draw.scored(batch.valid))


class AcousticTask(Task[SemanticToAcoustic]):
    """Masked cross-entropy of one acoustic level (arXiv:2409.00750, "Semantic-to-Acoustic Model")."""

    def __init__(self, network: SemanticToAcoustic, config: AcousticTraining):
        super().__init__(network, config.fit)
        self.prompt_dropout = config.prompt_dropout

    def loss(self, batch: TokenBatch, generator: Generator) -> dict[str, Tensor]:
        model = self.network
        levels = model.config.levels
        codes = batch.codes[:, :levels]
        draw = draw_acoustic_mask(len(codes), codes.shape[-1], levels, generator, self.prompt_dropout).to(codes.device)
        condition = model.condition(batch.semantic_codes[:, 0], batch.valid)
        hidden = codes.masked_fill(draw.mask, model.mask_token)
        logits = model.logits(hidden, condition, draw.stage, draw.time)
        return _scores(logits, codes[:, draw.stage.levels], draw.scored(batch.valid))


def _scores(logits: Tensor, targets: Tensor, scored: Tensor) -> dict[str, Tensor]:
    accuracy = (logits.argmax(-1) == targets)[scored].float().mean()
    return {"loss": masked_cross_entropy(logits, targets, scored), "accuracy": accuracy}


def _train(task: Task[NetworkT], batch_size: int, train_tokens: Path, dev_tokens: Path, exp_dir: Path) -> NetworkT:
    config = task.config
    utterances = sorted(read_tokens(train_tokens), key=lambda utterance: len(utterance.frame_phones))
    dev = sorted(read_tokens(dev_tokens), key=lambda utterance: len(utterance.frame_phones))
    validation = [collate(dev[start : start + 8]) for start in range(0, len(dev), 8)] * 4  # four draws of masks each

    def batch_at(step: int) -> TokenBatch:
        return draw_batch(utterances, batch_size, step_generator(config.seed, step))

    return fit(task, StepData(batch_at, validation, config.steps), exp_dir)


def train_durations(config: DurationTraining, train_tokens: Path, dev_tokens: Path, exp_dir: Path) -> Path:
    """Train on token archives, write `exp_dir`/model; goes on where a killed run stopped."""
    torch.manual_seed(config.fit.seed)
    task = DurationTask(DurationModel(config.model), config.fit)
    network = _train(task, config.batch_size, train_tokens, dev_tokens, exp_dir)
    return save_model(network, "durations", asdict(config.model), exp_dir / "model")


def train_semantic(config: SemanticTraining, train_tokens: Path, dev_tokens: Path, exp_dir: Path) -> Path:
    """Train on token archives, write `exp_dir`/model; goes on where a killed run stopped."""
    torch.manual_seed(config.fit.seed)
    task = SemanticTask(_wake(TextToSemantic(config.model)), config)
    network = _train(task, config.batch_size, train_tokens, dev_tokens, exp_dir)
    return save_model(network, "text-to-semantic", asdict(config.model), exp_dir / "model")


def train_acoustic(config: AcousticTraining, train_tokens: Path, dev_tokens: Path, exp_dir: Path) -> Path:
    """Train on token archives, write `exp_dir`/model; goes on where a killed run stopped."""
    torch.manual_seed(config.fit.seed)
    task = AcousticTask(_wake(SemanticToAcoustic(config.model)), config)
    network = _train(task, config.batch_size, train_tokens, dev_tokens, exp_dir)
    return save_model(network, "semantic-to-acoustic", asdict(config.model), exp_dir / "model")


def _wake(model: NetworkT) -> NetworkT:
    """Let the time-dependent norms start at 1, not at the reference's 0 (golden maskgct SPEC 6.4): it saves steps."""
    for module in model.modules():
        if isinstance(module, AdaptiveRMSNorm):
            nn.init.ones_(module.to_weight.bias)
    return model
