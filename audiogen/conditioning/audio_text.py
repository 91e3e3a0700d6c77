"""A small pair of networks that hear sounds and read captions into one space: what CLAP is to the bundled model.

Papers: Elizalde et al. 2022, arXiv:2206.04769 (CLAP); Radford et al. 2021, arXiv:2103.00020 (the loss and its learnt
temperature). Ours: a few convolutions on a log-mel spectrogram hear, the encoder of hashed word pieces reads; pairs
whose caption says the same are no negatives of each other.
Shapes: B batch, S samples, M mel bins, L mel frames, C channels, E width of an embedding.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.conditioning.caption_encoder import CaptionEncoder, CaptionEncoderConfig
from audiogen.conditioning.embedder import resampled
from audiogen.errors import InputError

N_FFT, HOP, MELS = 1024, 512, 64
"""Of the spectrogram that is heard: samples of a window and between two, bins."""
LOWEST = 40.0
"""Hz, where the mel bins begin."""
FLOOR = 1e-4
"""Smallest magnitude: what is below it is silence."""
LARGEST_SCALE = 100.0
"""Of the similarities in the loss, as in CLIP."""


@dataclass(frozen=True, kw_only=True)
class AudioTextConfig:
    """Sizes of a pair; the defaults have 0.9 M parameters."""

    sample_rate: int = 22050
    """Hz, at which sounds are heard."""
    seconds: float = 5.0
    """A shorter sound is repeated up to this length."""
    channels: tuple[int, ...] = (24, 48, 96, 128)
    """Of the stages of convolutions, each of which halves time and frequency."""
    dim: int = 128
    """E."""
    text: CaptionEncoderConfig = field(default_factory=CaptionEncoderConfig)
    dropout: float = 0.2
    """In training, on what the convolutions heard."""

    def __post_init__(self) -> None:
        if not self.channels or min(self.channels) < 1 or 2 ** len(self.channels) > MELS:
            raise InputError(
                f"AudioTextConfig: expected 1 to {int(math.log2(MELS))} stages of channels, got {self.channels}. "
                "Change the list."
            )
        if self.dim < 1 or self.sample_rate < 2 * LOWEST or self.frames < 1:
            raise InputError(
                f"AudioTextConfig: expected a dim, a sample rate and seconds, got {self.dim}, {self.sample_rate} Hz "
                f"and {self.seconds} s. Correct them."
            )

    @property
    def frames(self) -> int:
        """L of a sound of `seconds`."""
        return round(self.seconds * self.sample_rate / HOP)


class LogMel(nn.Module):
    """Sounds [B, S] -> log-mel spectrograms [B, M, L], L = ceil(S / 512)."""

    filters: Tensor
    window: Tensor

    def __init__(self, sample_rate: int):
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        filters = melscale_fbanks(N_FFT // 2 + 1, LOWEST, sample_rate / 2, MELS, sample_rate, norm="slaney")
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(N_FFT), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        padded = F.pad(audio, (0, -audio.shape[-1] % HOP))
        edge = (N_FFT - HOP) // 2
        frames = F.pad(padded, (edge, edge)).unfold(-1, N_FFT, HOP) * self.window
        return (torch.fft.rfft(frames).abs() @ self.filters).clamp(min=FLOOR).log().transpose(1, 2)


class Hearing(nn.Module):
    """Log-mel spectrograms [B, M, L] -> [B, E]; how loud a sound is does not matter."""

    def __init__(self, config: AudioTextConfig):
        super().__init__()
        stages = [_stage(*widths) for widths in zip((1, *config.channels), config.channels, strict=False)]
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(2 * config.channels[-1], config.dim)

    def forward(self, mel: Tensor) -> Tensor:
        leveled = (mel - mel.mean(dim=(1, 2), keepdim=True)) / 3  # about unit variance
        heard = self.stages(leveled[:, None]).mean(dim=2)  # [B, C, L / 16]
        return self.out(self.dropout(torch.cat((heard.mean(dim=2), heard.amax(dim=2)), dim=1)))


def _stage(given: int, made: int) -> nn.Sequential:
    """Two convolutions, of which the first halves time and frequency."""
    parts: list[nn.Module] = []
    for channels, stride in ((given, 2), (made, 1)):
        parts += [nn.Conv2d(channels, made, 3, stride, 1, bias=False), nn.BatchNorm2d(made), nn.GELU()]
    return nn.Sequential(*parts)


class AudioTextPair(nn.Module):
    """What hears, what reads, and the temperature that they were trained with. An `Embedder`."""

    def __init__(self, config: AudioTextConfig):
        super().__init__()
        self.config = config
        self.mel = LogMel(config.sample_rate)
        self.hearing = Hearing(config)
        self.text = CaptionEncoder(config.text)
        self.text_out = nn.Linear(config.text.dim, config.dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @property
    def width(self) -> int:
        """E."""
        return self.config.dim

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """B captions -> [B, E] of length 1; zeros for a caption without a word."""
        return self.read(texts)

    @torch.no_grad()
    def embed_audio(self, audio: Tensor, sample_rate: int) -> Tensor:
        """B sounds [B, 1, S] at any sample rate (Hz) -> [B, E] of length 1.

        Raises:
            InputError: another shape.
        """
        return self.hear(self.spectrogram(audio, sample_rate))

    @torch.no_grad()
    def spectrogram(self, audio: Tensor, sample_rate: int) -> Tensor:
        """Sounds [B, 1, S] -> [B, M, L], what `hear` hears; short ones are repeated up to `config.seconds`."""
        mel = self.mel(resampled(audio, sample_rate, self.config.sample_rate).to(self.mel.window.device))
        missing = self.config.frames - mel.shape[-1]
        return mel if missing <= 0 else mel[..., torch.arange(self.config.frames, device=mel.device) % mel.shape[-1]]

    def hear(self, mel: Tensor) -> Tensor:
        """Spectrograms [B, M, L] -> [B, E] of length 1."""
        return F.normalize(self.hearing(mel).float(), dim=-1)

    def read(self, texts: Sequence[str]) -> Tensor:
        """As `embed_text`, for training, too."""
        states, mask = self.text(texts)
        mean = states.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        return F.normalize(self.text_out(mean).float(), dim=-1) * mask.any(dim=1, keepdim=True)

    def similarities(self, audio: Tensor, text: Tensor) -> Tensor:
        """Embeddings [B, E] of sounds and captions -> [B, B] float32, sounds by captions, as the loss takes them."""
        with torch.autocast(audio.device.type, enabled=False):
            return self.log_scale.exp().clamp(max=LARGEST_SCALE) * audio.float() @ text.float().T


def contrastive_loss(similarities: Tensor, same: Tensor) -> Tensor:
    """Cross-entropy of finding a sound's caption among those of the batch, and a caption's sound (CLIP's).

    Args:
        similarities: [B, B], of sounds (rows) and captions (columns).
        same: [B, B] bool, where the caption is true of the sound, too, so that it is no negative.
    """
    own = torch.eye(len(similarities), dtype=torch.bool, device=similarities.device)
    logits = similarities.masked_fill(same & ~own, -math.inf)
    targets = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
