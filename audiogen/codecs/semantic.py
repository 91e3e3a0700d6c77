"""MaskGCT's semantic codec (RepCodec): one codebook over a sequence of speech features.

Papers: Wang et al. 2025, arXiv:2409.00750, "Speech Semantic Representation Codec"; Huang et al. 2024, arXiv:2309.00169
(RepCodec). Parameter names are those of the official checkpoint.
Differs from the paper: nothing known.
The signal of this codec is not sound but the normalised w2v-BERT features of `audiogen.conditioning.semantic_features`,
one vector per frame. It keeps the codec contract with features in the place of samples: channels D, sample rate = frame
rate, hop length 1.
Shapes: B batch, D feature width, T frames.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.codecs.base import Codec, Streamer
from audiogen.codecs.streaming import WindowedStreamer
from audiogen.errors import InputError
from audiogen.nn.quantize import Quantized, ResidualQuantizer
from audiogen.nn.vocos import VocosBackbone

COMMITMENT = 0.15
"""Weight of the commitment loss; the reference fixes it in code."""


@dataclass(frozen=True, kw_only=True)
class SemanticCodecConfig:
    """The defaults are the official sizes."""

    feature_dim: int = 1024
    """D, the width of w2v-BERT 2.0."""
    frame_rate: float = 50.0
    """Feature vectors per second (Hz)."""
    vocab_size: int = 8192
    """V, rows of the codebook."""
    codebook_dim: int = 8
    """Numbers per codebook row, in which the nearest row is looked up."""
    backbone_dim: int = 384
    """Width of the two Vocos backbones, encoder and decoder."""
    backbone_intermediate_dim: int = 2048
    """Hidden width of each ConvNeXt block."""
    backbone_layers: int = 12
    """ConvNeXt blocks per backbone."""


@dataclass(frozen=True)
class SemanticReconstruction:
    """What the codec returns in training."""

    features: Tensor
    """[B, D, T], decoded from the quantised features, with the straight-through gradient."""
    quantized: Quantized
    """Codes and the quantiser's losses."""

    def loss(self, target: Tensor, reconstruction_weight: float = 32.0) -> Tensor:
        """Mean absolute error against `target` [B, D, T] times its weight, plus the quantiser's losses.

        The weight of 32 is the one that the reference's sister project trains with.
        """
        return reconstruction_weight * F.l1_loss(self.features, target) + self.quantized.loss


class SemanticCodec(Codec):
    """Features to codes and back; see the module's docstring for what stands in for audio."""

    def __init__(self, config: SemanticCodecConfig | None = None):
        super().__init__()
        self.config = config = config or SemanticCodecConfig()
        self.sample_rate = int(config.frame_rate)
        self.frame_rate = config.frame_rate
        self.levels = 1
        self.vocab_size = config.vocab_size
        self.channels = config.feature_dim
        self.encoder = self._half()
        self.decoder = self._half()
        self.quantizer = ResidualQuantizer(
            config.feature_dim, 1, config.vocab_size, config.codebook_dim, commitment=COMMITMENT
        )

    def _half(self) -> nn.Sequential:
        """Backbone and projection back to the feature width: [B, D, T] -> [B, T, D]."""
        config = self.config
        backbone = VocosBackbone(
            config.feature_dim, config.backbone_dim, config.backbone_intermediate_dim, config.backbone_layers
        )
        return nn.Sequential(backbone, nn.Linear(config.backbone_dim, config.feature_dim))

    @classmethod
    def load(cls, name: str, source: Path) -> "SemanticCodec":
        """The official weights in `source`, a folder laid out as `amphion/MaskGCT` or a file in it."""
        from audiogen.checkpoints.maskgct import official_folder, read_config, semantic_codec

        folder = official_folder(source)
        return semantic_codec(folder, read_config(folder))

    @classmethod
    def tiny(cls, name: str) -> "SemanticCodec":
        """A small one with random weights, the same at every call."""
        config = SemanticCodecConfig(
            feature_dim=16, vocab_size=32, codebook_dim=4,
            backbone_dim=24, backbone_intermediate_dim=48, backbone_layers=2,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls(config).eval()

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """Features [B, D, T] -> codes [B, 1, T].

        Raises:
            InputError: the features do not have the width this codec was trained on.
        """
        self.check_audio(audio)
        return self.quantizer.encode(self.encoder(audio).transpose(1, 2))

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, 1, T] -> features [B, D, T]."""
        self.check_codes(codes)
        return self.decoder(self.quantizer.embed(codes)).transpose(1, 2)

    def streamer(self) -> Streamer:
        """Decodes windows: one vector depends on `backbone.context` frames on each side."""
        backbone = self.decoder[0]
        assert isinstance(backbone, VocosBackbone)
        return WindowedStreamer(self, backbone.context)

    def check_audio(self, audio: Tensor) -> None:
        """Raise InputError unless `audio` is float features [B, D, T] of this codec's width, T >= 1."""
        if audio.dim() != 3 or audio.shape[1] != self.channels or 0 in audio.shape or not audio.is_floating_point():
            raise InputError(
                f"SemanticCodec: expected float features [B, D={self.channels}, T], got {list(audio.shape)} "
                f"{audio.dtype}. Compute them from 16 kHz speech with the SemanticFeatures that belong to this codec."
            )

    def forward(self, features: Tensor) -> SemanticReconstruction:
        """Features [B, D, T] through the bottleneck and back, with the losses to train on."""
        quantized = self.quantizer(self.encoder(features).transpose(1, 2))
        return SemanticReconstruction(self.decoder(quantized.quantized).transpose(1, 2), quantized)
