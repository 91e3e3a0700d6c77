"""What the missing upper bands of a log-mel spectrogram are likely to be, frame by frame, from those that are there.

Ours. Codes of 16 frames by 16 bands say little about how loud a band is in a frame; that a band is loud where its
neighbours are is learnt in minutes by a network that sees the spectrogram itself.
Shapes: B batch, M mel bands, L mel frames.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.nn.vocos import VocosBackbone

AROUND = 32
"""Frames on each side over which the level of a sound is taken."""


@dataclass(frozen=True, kw_only=True)
class BandPredictorConfig:
    """Sizes; the defaults have 0.6 M parameters."""

    mels: int = 80
    """M, of the codec."""
    dim: int = 192
    intermediate_dim: int = 384
    layers: int = 3


class BandPredictor(nn.Module):
    """Spectrograms of a codec with some bands unknown -> all bands. How loud a sound is does not matter."""

    def __init__(self, config: BandPredictorConfig):
        super().__init__()
        self.config = config
        self.backbone = VocosBackbone(2 * config.mels, config.dim, config.intermediate_dim, config.layers)
        self.out = nn.Linear(config.dim, config.mels)
        nn.init.normal_(self.out.weight, std=1e-2)
        nn.init.zeros_(self.out.bias)

    def forward(self, mel: Tensor, known: Tensor) -> Tensor:
        """Log-mel [B, M, L] as the codec has it, -1 to 1, and which bands are known, [B, M] bool -> [B, M, L]."""
        there = known[..., None].to(mel.dtype)
        level = (mel * there).sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True).clamp(min=1)
        level = F.avg_pool1d(level, 2 * AROUND + 1, stride=1, padding=AROUND, count_include_pad=False)
        seen = torch.cat([(mel - level) * there, there.expand_as(mel)], dim=1)
        return (self.out(self.backbone(seen)).transpose(1, 2) + level).clamp(-1, 1)
