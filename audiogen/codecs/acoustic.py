"""MaskGCT's acoustic codec: DAC-style encoder, residual factorised quantiser, Vocos decoder.

Papers: Wang et al. 2025, arXiv:2409.00750, "Speech Acoustic Codec"; Kumar et al. 2023, arXiv:2306.06546 (DAC: encoder
and quantiser); Siuzdak 2023, arXiv:2306.00814 (decoder). Parameter names are those of the official checkpoint.
Differs from the paper: 1024 rows per codebook, as in its table and the checkpoint; the text says 8192.
Shapes: B batch, S samples, T frames, K levels, D latent width, C encoder channels.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.codecs.base import Codec, Streamer
from audiogen.codecs.streaming import WindowedStreamer
from audiogen.errors import InputError
from audiogen.nn.quantize import Quantized, ResidualQuantizer, WeightNormConv1d
from audiogen.nn.vocos import ISTFTHead, VocosBackbone


@dataclass(frozen=True, kw_only=True)
class AcousticCodecConfig:
    """The defaults are the official sizes."""

    sample_rate: int = 24000
    """Hz."""
    latent_dim: int = 256
    """D, width of what is quantised."""
    encoder_dim: int = 96
    """Channels after the first convolution; every stride doubles them."""
    strides: tuple[int, ...] = (3, 4, 5, 8)
    """Downsampling of each encoder block; their product is the hop length."""
    levels: int = 12
    """K."""
    vocab_size: int = 1024
    """V, rows of each codebook."""
    codebook_dim: int = 8
    """Numbers per codebook row."""
    quantizer_dropout: float = 0.5
    """Share of a training batch that uses a random number of levels."""
    commitment: float = 0.25
    """Weight of the commitment loss."""
    codebook_loss_weight: float = 1.0
    """Weight of the codebook loss."""
    backbone_dim: int = 512
    """Width of the Vocos backbone."""
    backbone_intermediate_dim: int = 4096
    """Hidden width of each ConvNeXt block."""
    backbone_layers: int = 30
    """ConvNeXt blocks."""
    n_fft: int = 1920
    """Window of the inverse STFT in samples."""

    def __post_init__(self) -> None:
        if min(self.strides) < 2:
            raise InputError(f"AcousticCodec: expected strides of 2 and more, got {self.strides}. Leave out the ones.")
        if self.n_fft < self.hop_length or (self.n_fft - self.hop_length) % 2:
            raise InputError(
                f"AcousticCodec: expected n_fft >= the hop length {self.hop_length} by an even number, "
                f"got {self.n_fft}. Choose for instance {4 * self.hop_length}."
            )

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return math.prod(self.strides)


class Snake(nn.Module):
    """x + sin²(αx) / α, a periodic activation with one learned frequency per channel (arXiv:2006.08195)."""

    def __init__(self, channels: int):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + (self.alpha * hidden).sin().square() / (self.alpha + 1e-9)


class ResidualUnit(nn.Module):
    """Dilated convolution and a pointwise one, added to the input: [B, C, S] -> [B, C, S]."""

    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.block = nn.Sequential(
            Snake(channels),
            WeightNormConv1d(channels, channels, 7, padding=3 * dilation, dilation=dilation),
            Snake(channels),
            WeightNormConv1d(channels, channels, 1),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.block(hidden)


class EncoderBlock(nn.Module):
    """Three residual units, then a strided convolution that doubles the channels."""

    def __init__(self, channels: int, stride: int):
        super().__init__()
        self.block = nn.Sequential(
            *(ResidualUnit(channels, dilation) for dilation in (1, 3, 9)),
            Snake(channels),
            WeightNormConv1d(channels, 2 * channels, 2 * stride, stride=stride, padding=math.ceil(stride / 2)),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        return self.block(hidden)


class AcousticEncoder(nn.Module):
    """Samples [B, 1, S] -> latents [B, D, T]; one stride of size s keeps ⌊n/s⌋ frames if even, ⌊(n+1)/s⌋ if odd."""

    def __init__(self, config: AcousticCodecConfig):
        super().__init__()
        self.strides = config.strides
        channels = config.encoder_dim
        layers: list[nn.Module] = [WeightNormConv1d(1, channels, 7, padding=3)]
        for stride in config.strides:
            layers.append(EncoderBlock(channels, stride))
            channels *= 2
        layers += [Snake(channels), WeightNormConv1d(channels, config.latent_dim, 3, padding=1)]
        self.block = nn.Sequential(*layers)

    def num_frames(self, num_samples: int) -> int:
        """Frames that the convolutions make of so many samples; not always ⌊S / hop⌋."""
        for stride in self.strides:
            num_samples = (num_samples + stride % 2) // stride
        return num_samples

    def forward(self, audio: Tensor) -> Tensor:
        return self.block(audio)


class VocosDecoder(nn.Module):
    """Latents [B, D, T] -> samples [B, 1, S]."""

    def __init__(self, config: AcousticCodecConfig):
        super().__init__()
        self.backbone = VocosBackbone(
            config.latent_dim, config.backbone_dim, config.backbone_intermediate_dim, config.backbone_layers
        )
        self.head = ISTFTHead(config.backbone_dim, config.n_fft, config.hop_length)

    @property
    def context(self) -> int:
        """Frames on each side that one frame's samples depend on."""
        return self.backbone.context + self.head.context

    def forward(self, latents: Tensor) -> Tensor:
        return self.head(self.backbone(latents))[:, None]


class AcousticDecoder(nn.Module):
    """Quantiser and decoder together, because the official checkpoint keeps them in one file."""

    def __init__(self, config: AcousticCodecConfig):
        super().__init__()
        self.quantizer = ResidualQuantizer(
            config.latent_dim,
            config.levels,
            config.vocab_size,
            config.codebook_dim,
            config.commitment,
            config.codebook_loss_weight,
            config.quantizer_dropout,
        )
        self.model = VocosDecoder(config)


@dataclass(frozen=True)
class AcousticReconstruction:
    """What the codec returns in training."""

    audio: Tensor
    """[B, 1, S], with the straight-through gradient."""
    quantized: Quantized
    """Codes and the quantiser's losses."""


class AcousticCodec(Codec):
    """24 kHz mono sound to 12 levels of codes at 50 Hz and back."""

    def __init__(self, config: AcousticCodecConfig | None = None):
        super().__init__()
        self.config = config = config or AcousticCodecConfig()
        self.sample_rate = config.sample_rate
        self.frame_rate = config.sample_rate / config.hop_length
        self.levels = config.levels
        self.vocab_size = config.vocab_size
        self.channels = 1
        self.encoder = AcousticEncoder(config)
        self.decoder = AcousticDecoder(config)

    @classmethod
    def load(cls, name: str, source: Path) -> "AcousticCodec":
        """The official weights in `source`, a folder laid out as `amphion/MaskGCT` or a file in it."""
        from audiogen.checkpoints.maskgct import acoustic_codec, official_folder, read_config

        folder = official_folder(source)
        return acoustic_codec(folder, read_config(folder))

    @classmethod
    def tiny(cls, name: str) -> "AcousticCodec":
        """A small one with random weights, the same at every call."""
        config = AcousticCodecConfig(
            latent_dim=16, encoder_dim=4, levels=3, vocab_size=32, codebook_dim=4,
            backbone_dim=24, backbone_intermediate_dim=48, backbone_layers=2,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls(config).eval()

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """[B, 1, S] -> codes [B, K, T], T = ⌈S / hop⌉: the last frame is filled up with silence."""
        self.check_audio(audio)
        return self.encode_unpadded(self._filled(audio))

    @torch.no_grad()
    def encode_unpadded(self, audio: Tensor) -> Tensor:
        """[B, 1, S] -> codes [B, K, T], T = `encoder.num_frames(S)`: what the reference does with a voice prompt.

        Raises:
            InputError: the sound is too short to give a single frame.
        """
        self.check_audio(audio)
        if self.encoder.num_frames(audio.shape[-1]) < 1:
            raise InputError(
                f"AcousticCodec: expected at least one frame of {self.hop_length} samples, "
                f"got {audio.shape[-1]} samples. Give a longer recording."
            )
        return self.decoder.quantizer.encode(self.encoder(audio), self.levels)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, K, T] -> [B, 1, T * hop]."""
        self.check_codes(codes)
        return self.decoder.model(self.decoder.quantizer.embed(codes))

    def streamer(self) -> Streamer:
        """Decodes windows: a frame depends on `context` frames on each side, 95 (1.9 s) in the official size."""
        return WindowedStreamer(self, self.decoder.model.context)

    def forward(self, audio: Tensor) -> AcousticReconstruction:
        """[B, 1, S] through the bottleneck and back; the sound is as long as the whole frames."""
        quantized = self.decoder.quantizer(self.encoder(self._filled(audio)))
        return AcousticReconstruction(self.decoder.model(quantized.quantized), quantized)

    def _filled(self, audio: Tensor) -> Tensor:
        """Silence at the end, up to whole frames."""
        return F.pad(audio, (0, -audio.shape[-1] % self.hop_length))
