"""Training of SpecMaskGIT on token archives and on what an embedder heard in their clips.

Paper: Comunità et al. 2024, arXiv:2406.17672: trained on sounds alone, by their CLAP embeddings, with a cosine mask
rate. From MaskGIT (arXiv:2202.04200) and those that followed it: dropout, label smoothing, betas, weight decay, and one
condition in ten that is dropped. Ours, each off at 0: for a share of the items what is hidden lies in the upper rows or
in a stretch of columns, as in bandwidth extension and inpainting (zero-shot in the paper); noise on embeddings, and a
share of captions' embeddings, since generation reads captions (the "modality gap", Liang et al. 2022,
arXiv:2203.02053).
Shapes: B batch, F rows, T columns of the longest crop, E width of an embedding, N captions of a clip.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from audiogen.checkpoints import resolve
from audiogen.checkpoints.nano_sound import load_sound
from audiogen.checkpoints.save import save_model
from audiogen.codecs import load_codec
from audiogen.decoding.plan import Stage
from audiogen.decoding.schedule import mask_rate
from audiogen.errors import InputError
from audiogen.models.specmaskgit import SpecMaskGIT, SpecMaskGITConfig
from audiogen.training.audio_text import AUDIO_FILE, TEXT_FILE, read_embeddings
from audiogen.training.clips import read_clips
from audiogen.training.fit import FitConfig, OnProgress, StepData, Task, fit, step_generator
from audiogen.training.masking import draw_grid_mask, masked_cross_entropy
from audiogen.training.start import start_from, start_specmaskgit

REGION = (0.1, 0.6)
"""Share of the columns that is hidden together."""
VALIDATION_CLIPS, VALIDATION_BATCH = 64, 16


@dataclass(frozen=True, kw_only=True)
class SoundTraining:
    """What one training run is made of; the sizes are those of the bundled model, half an hour on two CPU cores."""

    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=3000, learning_rate=2e-3, betas=(0.9, 0.96), weight_decay=0.045, warmup=200, validate_every=500
        )
    )
    model: SpecMaskGITConfig = field(default_factory=lambda: SpecMaskGITConfig(dim=256, layers=6, heads=4))
    """Rows, vocabulary and width of the embeddings follow from codec and embedder."""
    start: str = ""
    """Name or folder of a packed system whose weights training goes on from; empty: from fresh ones."""
    batch_size: int = 16
    label_smoothing: float = 0.1
    condition_dropout: float = 0.1
    """Chance of an item to be learnt without its embedding, for guidance."""
    regions: float = 0.25
    """Share of the items whose hidden cells all lie in the upper rows, or in a stretch of columns (the paper: 0)."""
    embedding_noise: float = 0.0
    """Length of the noise that is added to an embedding, whose length is 1."""
    text_share: float = 0.0
    """Share of the items that are conditioned on one of their captions instead of on their sound (the paper: 0)."""


@dataclass(frozen=True, kw_only=True)
class EmbeddedTokens:
    """A token archive and what was heard in its clips."""

    tokens: Path
    """As `audiogen.training.clips` reads it."""
    embeddings: Path
    """Folder that `audiogen.training.audio_text.embed_sounds` wrote."""


@dataclass(frozen=True)
class EmbeddedClip:
    """One clip of an archive."""

    codes: Tensor
    """[F, T of the clip] int16."""
    audio: Tensor
    """[E]."""
    texts: Tensor
    """[N, E]; none where captions are not used."""


@dataclass
class SoundBatch:
    """Crops, what is hidden of them, and what they are conditioned on."""

    codes: Tensor
    """[B, F, T], 0 on padding."""
    valid: Tensor
    """[B, T] bool, False on padding."""
    mask: Tensor
    """[B, F, T] bool, True = hidden from the model, and scored."""
    embeddings: Tensor
    """[B, E], zeros where the condition is dropped."""


class SpecMaskGITTask(Task[SpecMaskGIT]):
    """Cross-entropy of the hidden cells of all rows together (MaskGIT's "MVTM in Training")."""

    def __init__(self, network: SpecMaskGIT, config: SoundTraining):
        super().__init__(network, config.fit)
        self.label_smoothing = config.label_smoothing

    def loss(self, batch: SoundBatch, generator: Generator) -> dict[str, Tensor]:
        model = self.network
        stage = Stage(levels=tuple(range(model.config.rows)))
        hidden = batch.codes.masked_fill(batch.mask, model.mask_token)
        logits = model.logits(hidden, model.condition(batch.embeddings, batch.valid), stage)
        smoothing = self.label_smoothing if self.training else 0.0
        losses = {"loss": masked_cross_entropy(logits, batch.codes, batch.mask, smoothing)}
        if not self.training:
            losses["accuracy"] = (logits.argmax(-1) == batch.codes)[batch.mask].float().mean()
        return losses


def train_specmaskgit(
    config: SoundTraining,
    train: EmbeddedTokens,
    dev: EmbeddedTokens,
    codec: str | Path,
    exp_dir: Path,
    on_progress: OnProgress | None = None,
) -> Path:
    """Train on token archives, write `exp_dir`/model; goes on where a killed run stopped.

    Args:
        codec: name or folder of the codec that made the tokens.
    Raises:
        InputError: the archives have other rows than the codec, a clip has no embedding, or it cannot start as the conf
            says.
    """
    torch.manual_seed(config.fit.seed)
    made_by = load_codec(codec)
    texts = config.text_share > 0
    clips, held_out = (read_embedded(given, made_by.levels, texts) for given in (train, dev))
    sizes = replace(config.model, rows=made_by.levels, vocab_size=made_by.vocab_size, condition_dim=len(clips[0].audio))
    config = replace(config, model=sizes)

    def batch_at(step: int) -> SoundBatch:
        generator = step_generator(config.fit.seed, step)
        chosen = torch.randint(len(clips), (config.batch_size,), generator=generator)
        return draw_batch([clips[index] for index in chosen.tolist()], config, generator)

    data = StepData(batch_at, validation_batches(held_out, config), config.fit.steps)
    network = SpecMaskGIT(sizes)
    start_specmaskgit(network, made_by.codebooks())
    if config.start:
        start_from(network, load_sound(resolve(config.start)).model, config.start)
    trained = fit(SpecMaskGITTask(network, config), data, exp_dir, on_progress)
    return save_model(trained, "specmaskgit", asdict(sizes), exp_dir / "model")


def draw_batch(clips: Sequence[EmbeddedClip], config: SoundTraining, generator: Generator) -> SoundBatch:
    """A crop of every clip, padded to the longest, with what is hidden of it and what it is conditioned on."""
    codes, valid = _pad([_crop(clip.codes, config.model.columns, generator) for clip in clips])
    places = valid[:, None].repeat(1, codes.shape[1], 1)
    for item in (torch.rand(len(clips), generator=generator) < config.regions).nonzero()[:, 0]:
        places[item] = _region(valid[item], codes.shape[1], generator)
    rate = mask_rate(torch.rand(len(clips), generator=generator))
    embeddings = torch.stack([_embedding(clip, config, generator) for clip in clips])
    return SoundBatch(codes, valid, draw_grid_mask(rate, places, generator), embeddings)


def _crop(codes: Tensor, columns: int, generator: Generator) -> Tensor:
    """Up to `columns` columns of codes [F, T], from anywhere."""
    start = int(torch.randint(max(1, codes.shape[1] - columns + 1), (), generator=generator))
    return codes[:, start : start + columns].long()


def _pad(crops: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Crops [F, t] -> one batch [B, F, T], and which columns are theirs, [B, T]."""
    longest = max(crop.shape[1] for crop in crops)
    codes = torch.stack([F.pad(crop, (0, longest - crop.shape[1])) for crop in crops])
    lengths = torch.tensor([crop.shape[1] for crop in crops])
    return codes, torch.arange(longest) < lengths[:, None]


def _region(valid: Tensor, rows: int, generator: Generator) -> Tensor:
    """Where bandwidth extension (one time in two) or inpainting generates: [F, T] bool, within `valid` [T]."""
    upper, share, start = torch.rand(3, generator=generator).tolist()
    if upper < 0.5:
        kept = int(torch.randint(1, max(2, rows), (), generator=generator))
        return (torch.arange(rows) >= min(kept, rows - 1))[:, None] & valid
    columns = int(valid.sum())
    length = max(1, round((REGION[0] + (REGION[1] - REGION[0]) * share) * columns))
    first = int(start * (columns - length + 1))
    places = torch.arange(len(valid))
    return ((places >= first) & (places < first + length)).expand(rows, -1)


def _embedding(clip: EmbeddedClip, config: SoundTraining, generator: Generator) -> Tensor:
    """What the clip is conditioned on, [E]."""
    heard, which, dropped = torch.rand(3, generator=generator).tolist()
    noise = torch.randn(len(clip.audio), generator=generator)
    if dropped < config.condition_dropout:
        return torch.zeros_like(clip.audio)
    text = heard < config.text_share
    embedding = clip.texts[int(which * len(clip.texts))] if text else clip.audio
    return F.normalize(embedding + config.embedding_noise * noise / len(noise) ** 0.5, dim=0)


def validation_batches(clips: Sequence[EmbeddedClip], config: SoundTraining) -> list[SoundBatch]:
    """64 clips spread over all, or fewer again and again, 16 at a time: sounds' embeddings, any cells hidden."""
    plain = replace(config, condition_dropout=0.0, regions=0.0, embedding_noise=0.0, text_share=0.0)
    chosen = [clips[index * len(clips) // VALIDATION_CLIPS] for index in range(VALIDATION_CLIPS)]
    return [
        draw_batch(chosen[start : start + VALIDATION_BATCH], plain, step_generator(config.fit.seed + 1, start))
        for start in range(0, VALIDATION_CLIPS, VALIDATION_BATCH)
    ]


def read_embedded(given: EmbeddedTokens, rows: int, texts: bool) -> list[EmbeddedClip]:
    """The clips of an archive with their embeddings, those of captions where `texts`; sorted by id.

    Raises:
        InputError: other rows, or a clip without an embedding.
    """
    clips = read_clips(given.tokens)
    if (found := len(next(iter(clips.values())))) != rows:
        raise InputError(
            f"{given.tokens}: expected {rows} rows, as the codec has, got {found}. Extract the tokens again."
        )
    heard = read_embeddings(given.embeddings / AUDIO_FILE, list(clips))
    said = read_embeddings(given.embeddings / TEXT_FILE, list(clips)) if texts else {}
    none = torch.zeros(0, len(next(iter(heard.values()))))
    return [EmbeddedClip(codes, heard[name], said.get(name, none)) for name, codes in clips.items()]
