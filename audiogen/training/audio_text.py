"""Training of a small audio/text pair on captioned sounds, and what an embedder makes of all sounds of a data set.

Papers: Elizalde et al. 2022, arXiv:2206.04769 (CLAP); Park et al. 2019, arXiv:1904.08779 (masked bands of the
spectrogram). Ours: of a sound's captions one is drawn every time; a caption that another sound of the batch has, too,
is no negative of it.
Shapes: B batch, M mel bins, L mel frames, E width of an embedding, N captions of a sound.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Generator, Tensor

from audiogen.audio import FORMATS, Audio
from audiogen.checkpoints.save import save_model
from audiogen.checkpoints.weights import read_safetensors
from audiogen.conditioning.audio_text import AudioTextConfig, AudioTextPair, contrastive_loss
from audiogen.conditioning.embedder import Embedder
from audiogen.conditioning.t5 import drop_words
from audiogen.errors import InputError
from audiogen.files import atomic_write
from audiogen.training.fit import FitConfig, OnProgress, StepData, Task, fit, step_generator
from audiogen.training.music import read_captions

VALIDATION_SOUNDS, VALIDATION_BATCH = 128, 32
AUDIO_FILE, TEXT_FILE = "audio.safetensors", "text.safetensors"
"""What `embed_sounds` writes: id -> [E] of the sound, id -> [N, E] of its captions."""


@dataclass(frozen=True, kw_only=True)
class PairTraining:
    """What a training run is made of; the defaults are those of the bundled pair."""

    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=1500, betas=(0.9, 0.98), warmup=100, validate_every=250)
    )
    model: AudioTextConfig = field(default_factory=AudioTextConfig)
    batch_size: int = 64
    word_dropout: float = 0.1
    """Chance of each word of a caption to be left out."""
    hidden_bins: int = 12
    hidden_frames: int = 32
    """Mel bins and frames of a spectrogram that are hidden together, these at most."""


@dataclass(frozen=True, kw_only=True)
class CaptionedSounds:
    """Sounds and what is said of them."""

    folder: Path
    """Holds an audio file of every sound, called by its id."""
    captions: Path
    """JSON lines with an `id` and its `captions`."""


@dataclass(frozen=True)
class HeardSound:
    """One sound as the pair hears it."""

    mel: Tensor
    """[M, L of the sound] half precision."""
    captions: tuple[str, ...]


@dataclass
class PairBatch:
    """Sounds with one caption each."""

    mel: Tensor
    """[B, M, L]."""
    texts: list[str]
    same: Tensor
    """[B, B] bool, where the caption (column) is true of the sound (row)."""


class PairTask(Task[AudioTextPair]):
    """The contrastive loss of a batch."""

    def loss(self, batch: PairBatch, generator: Generator) -> dict[str, Tensor]:
        pair = self.network
        similarities = pair.similarities(pair.hear(batch.mel), pair.read(batch.texts))
        found = similarities.argmax(dim=1, keepdim=True)
        accuracy = batch.same.gather(1, found).float().mean()
        return {"loss": contrastive_loss(similarities, batch.same), "accuracy": accuracy}


def train_pair(
    config: PairTraining,
    train: CaptionedSounds,
    dev: CaptionedSounds,
    exp_dir: Path,
    on_progress: OnProgress | None = None,
) -> Path:
    """Train a pair, write `exp_dir`/model; goes on where a killed run stopped.

    Raises:
        InputError: a sound without captions, or without an audio file.
    """
    torch.manual_seed(config.fit.seed)
    pair = AudioTextPair(config.model)
    sounds, held_out = (read_sounds(given, pair) for given in (train, dev))

    def batch_at(step: int) -> PairBatch:
        return draw_pairs(sounds, config, step_generator(config.fit.seed, step))

    data = StepData(batch_at, validation_pairs(held_out, config.model.frames), config.fit.steps)
    trained = fit(PairTask(pair, config.fit), data, exp_dir, on_progress)
    return save_model(trained, "audio-text-pair", asdict(config.model), exp_dir / "model")


def draw_pairs(sounds: Sequence[HeardSound], config: PairTraining, generator: Generator) -> PairBatch:
    """Crops of sounds that are drawn evenly, each with one of its captions."""
    chosen = [sounds[index] for index in torch.randint(len(sounds), (config.batch_size,), generator=generator).tolist()]
    places = torch.rand(config.batch_size, 2, generator=generator).tolist()
    frames, crops, texts = config.model.frames, [], []
    for sound, (start, which) in zip(chosen, places, strict=True):
        latest = max(0, sound.mel.shape[1] - frames)
        crops.append(_crop(sound.mel, int(start * (latest + 1)), frames))
        texts.append(sound.captions[int(which * len(sound.captions))])
    mel = _hide(torch.stack(crops), config, generator)
    seed = int(torch.randint(2**31, (), generator=generator))
    return PairBatch(mel, drop_words(texts, config.word_dropout, random.Random(seed)), _same(chosen, texts))


def validation_pairs(sounds: Sequence[HeardSound], frames: int) -> list[PairBatch]:
    """The starts of 128 sounds spread over all, or of all, with their first captions, 32 at a time."""
    count = min(VALIDATION_SOUNDS, len(sounds))
    spread = [sounds[index * len(sounds) // count] for index in range(count)]
    # neighbours are often of one kind: every batch is to have all kinds
    batches = -(-count // VALIDATION_BATCH)
    return [_first(spread[index::batches], frames) for index in range(batches)]


def _first(sounds: Sequence[HeardSound], frames: int) -> PairBatch:
    texts = [sound.captions[0] for sound in sounds]
    return PairBatch(torch.stack([_crop(sound.mel, 0, frames) for sound in sounds]), texts, _same(sounds, texts))


def _same(sounds: Sequence[HeardSound], texts: Sequence[str]) -> Tensor:
    return torch.tensor([[text in sound.captions for text in texts] for sound in sounds])


def _crop(mel: Tensor, start: int, frames: int) -> Tensor:
    """[M, L] -> [M, frames] float32; a spectrogram that is shorter is repeated."""
    return mel[:, (start + torch.arange(frames)) % mel.shape[1]].float()


def _hide(mel: Tensor, config: PairTraining, generator: Generator) -> Tensor:
    """Spectrograms [B, M, L] with one band of bins and one of frames at their mean (SpecAugment)."""
    mean = mel.mean(dim=(1, 2), keepdim=True)
    for axis, widest in ((1, config.hidden_bins), (2, config.hidden_frames)):
        size = mel.shape[axis]
        width = torch.randint(min(widest, size) + 1, (len(mel), 1), generator=generator)
        start = (torch.rand(len(mel), 1, generator=generator) * (size - width + 1)).long()
        places = torch.arange(size)
        band = (places >= start) & (places < start + width)
        mel = torch.where(band[:, :, None] if axis == 1 else band[:, None], mean, mel)
    return mel


def read_sounds(given: CaptionedSounds, pair: AudioTextPair) -> list[HeardSound]:
    """All sounds as `pair` hears them, sorted by id: 11 kB per second.

    Raises:
        InputError: a sound without captions, or without an audio file.
    """
    files, captions = sound_files(given), read_captions(given.captions)
    return [HeardSound(_spectrogram(path, pair), captions[name]) for name, path in files.items()]


def _spectrogram(path: Path, pair: AudioTextPair) -> Tensor:
    audio = Audio.read(path).mono()
    return pair.spectrogram(audio.samples[None], audio.sample_rate)[0].half()


def sound_files(given: CaptionedSounds) -> dict[str, Path]:
    """Id -> audio file of every sound that has captions, sorted by id.

    Raises:
        InputError: no sounds, one without captions, or one without an audio file.
    """
    captions = read_captions(given.captions)
    if not captions or not all(captions.values()):
        silent = next((name for name, said in captions.items() if not said), "any sound")
        raise InputError(f"{given.captions}: expected captions of every sound, got none of {silent}. Mend the file.")
    there = {path.stem: path for path in given.folder.iterdir() if path.suffix.lower() in FORMATS}
    if missing := sorted(captions.keys() - there.keys()):
        raise InputError(
            f"{given.folder}: expected an audio file of every sound in {given.captions.name}, got none of {missing[0]}."
            " Make them again."
        )
    return {name: there[name] for name in sorted(captions)}


def embed_sounds(embedder: Embedder, given: CaptionedSounds, folder: Path) -> Path:
    """Write what `embedder` makes of all sounds and their captions into `folder`; returns it.

    Raises:
        InputError: a sound without captions, or without an audio file.
    """
    files, captions = sound_files(given), read_captions(given.captions)
    heard = {}
    for name, path in files.items():
        audio = Audio.read(path).mono()
        heard[name] = embedder.embed_audio(audio.samples[None], audio.sample_rate)[0]
    folder.mkdir(parents=True, exist_ok=True)
    write_embeddings(folder / TEXT_FILE, {name: embedder.embed_text(captions[name]) for name in files})
    write_embeddings(folder / AUDIO_FILE, heard)
    return folder


def write_embeddings(path: Path, embeddings: Mapping[str, Tensor]) -> Path:
    """Id -> [E] or [N, E], as a safetensors file in single precision."""
    from safetensors.torch import save_file

    tensors = {name: tensor.to("cpu", torch.float32).contiguous() for name, tensor in embeddings.items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, {"format": "pt"})
    return path


def read_embeddings(path: Path, names: Sequence[str]) -> dict[str, Tensor]:
    """Those of `names` out of a file of `write_embeddings`.

    Raises:
        InputError: no such file, or none of one of the names.
    """
    found = read_safetensors(path)
    if missing := [name for name in names if name not in found]:
        raise InputError(f"{path}: expected an embedding of every clip, got none of {missing[0]}. Embed them again.")
    return {name: found[name] for name in names}
