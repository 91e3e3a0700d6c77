"""What the bundled codecs share: two networks at 100 and 50 frames per second, and a residual quantiser between them.

Small enough to train on two CPU cores: the networks make parameters of a synthesis, 200 times a second, and nothing but
FFTs and the synthesis itself runs at more. The quantiser is DAC's (arXiv:2306.06546), the blocks are Vocos'
(arXiv:2306.00814).
Shapes: B batch, S samples, K levels, T code frames (50 Hz), 2T encoder frames (100 Hz), 4T synthesis frames (200 Hz),
D width, P parameters of a synthesis frame.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.codecs.base import Codec
from audiogen.errors import InputError
from audiogen.nn.quantize import LookUp, ResidualQuantizer
from audiogen.nn.vocos import VocosBackbone

LAYER_SCALE = 0.3
"""Of every block at first: a few blocks need not be shy."""

CodecT = TypeVar("CodecT", bound="NanoBase")


@dataclass(frozen=True, kw_only=True)
class NanoConfig:
    """Sizes of a bundled codec."""

    sample_rate: int
    """Hz."""
    hop_length: int
    """Samples per code frame, a multiple of 4."""
    levels: int = 8
    vocab_size: int = 1024
    """Codes per level; 8 levels of 1024 at 50 Hz are 4 kbps."""
    codebook_dim: int = 8
    look_up: LookUp = "cosine"
    dim: int
    """Width of the networks and of the quantised vectors."""
    intermediate_dim: int
    encoder_layers: tuple[int, int]
    """ConvNeXt blocks at 100 Hz and at 50 Hz."""
    decoder_layers: tuple[int, int]
    """ConvNeXt blocks at 50 Hz and at 100 Hz."""
    linear_paths: bool = False
    """Straight lines beside the blocks, from the features to the vectors and from these to the synthesis: levels, which
    the blocks' norms hide, go along them, and the blocks learn only what is not linear."""
    quantizer_dropout: float = 0.5
    """Share of a training batch that is decoded from a random number of levels."""

    def __post_init__(self) -> None:
        if self.hop_length % 4:
            raise InputError(
                f"{type(self).__name__}: expected a hop_length divisible by 4, got {self.hop_length}. Change it."
            )


class NanoEncoder(nn.Module):
    """Features at 100 Hz -> vectors at 50 Hz; subclasses make the features."""

    def __init__(self, config: NanoConfig, features: int, fine_dim: int, fine_intermediate_dim: int):
        super().__init__()
        fine, coarse = config.encoder_layers
        self.fine = VocosBackbone(features, fine_dim, fine_intermediate_dim, fine, LAYER_SCALE)
        self.coarse = VocosBackbone(2 * fine_dim, config.dim, config.intermediate_dim, coarse, LAYER_SCALE)
        self.out = nn.Linear(config.dim, config.dim)
        self.line = nn.Linear(2 * features, config.dim) if config.linear_paths else None

    def reduce(self, features: Tensor) -> Tensor:
        """[B, features, 2T] -> [B, D, T]."""
        fine = _pairs(self.fine(features))
        vectors = self.out(self.coarse(fine.transpose(1, 2)))
        if self.line is not None:
            vectors = vectors + self.line(_pairs(features.transpose(1, 2)))
        return vectors.transpose(1, 2)


def _pairs(frames: Tensor) -> Tensor:
    """[B, 2T, C] -> [B, T, 2C]."""
    return frames.reshape(frames.shape[0], -1, 2 * frames.shape[-1])


class NanoDecoder(nn.Module):
    """Quantised vectors at 50 Hz -> raw parameters of the synthesis at 200 Hz; subclasses say what these mean."""

    def __init__(self, config: NanoConfig, parameters_per_frame: int):
        super().__init__()
        self.parameters_per_frame = parameters_per_frame
        dim, (coarse, fine) = config.dim, config.decoder_layers
        self.coarse = VocosBackbone(dim, dim, config.intermediate_dim, coarse, LAYER_SCALE)
        self.up = nn.Linear(dim, 2 * dim)
        self.fine = VocosBackbone(dim, dim, config.intermediate_dim, fine, LAYER_SCALE)
        self.out = nn.Linear(dim, 2 * parameters_per_frame)
        self.line = nn.Linear(dim, 4 * parameters_per_frame, bias=False) if config.linear_paths else None

    @property
    def context(self) -> int:
        """Code frames on each side that one code frame's output depends on."""
        return self.coarse.context + math.ceil(self.fine.context / 2)

    def forward(self, quantized: Tensor) -> Tensor:
        """[B, D, T] -> [B, P, 4T]."""
        hidden = self.up(self.coarse(quantized))
        hidden = self.fine(hidden.reshape(hidden.shape[0], -1, hidden.shape[-1] // 2).transpose(1, 2))
        raw = self.out(hidden).reshape(len(quantized), -1, self.parameters_per_frame)
        if self.line is not None:
            raw = raw + self.line(quantized.transpose(1, 2)).reshape(raw.shape)
        return raw.transpose(1, 2)


class NanoBase(Codec):
    """Mono sound as levels of codes at 50 Hz. Subclasses set `encoder`, audio [B, S] -> [B, D, T], and decode."""

    channels = 1
    encoder: nn.Module

    def __init__(self, config: NanoConfig):
        super().__init__()
        self.sample_rate = config.sample_rate
        self.frame_rate = config.sample_rate / config.hop_length
        self.levels = config.levels
        self.vocab_size = config.vocab_size
        self.quantizer = ResidualQuantizer(
            config.dim,
            config.levels,
            config.vocab_size,
            config.codebook_dim,
            quantizer_dropout=config.quantizer_dropout,
            look_up=config.look_up,
        )

    @classmethod
    def load(cls, name: str, source: Path) -> Codec:
        """The codec in the folder `source`, or the folder of the file `source`."""
        from audiogen.checkpoints.nano import load_nano_codec

        return load_nano_codec(source if source.is_dir() else source.parent)

    @classmethod
    def seeded(cls: type[CodecT], config: NanoConfig) -> CodecT:
        """With random weights that are the same at every call."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls(config).eval()

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """[B, 1, S] -> codes [B, K, T], T = ceil(S / hop_length)."""
        self.check_audio(audio)
        mono = F.pad(audio[:, 0], (0, -audio.shape[-1] % self.hop_length))
        return self.quantizer.encode(self.encoder(mono), self.levels)

    def codebooks(self) -> Tensor:
        return torch.stack([level.codebook.weight for level in self.quantizer.first(self.levels)]).detach()
