"""How long each phone lasts: what turns a text into the frames that an aligned `TextToSemantic` fills.

MaskGCT's own predictor is not published (golden maskgct SPEC 10); this one is a small convolutional regression, as in
FastSpeech (Ren et al. 2019, arXiv:1905.09263, "Duration predictor").
Shapes: B batch, P phones, D width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiogen.nn.vocos import ConvNeXtBlock


@dataclass(frozen=True, kw_only=True)
class DurationConfig:
    """Sizes of the predictor."""

    phone_vocab_size: int
    dim: int = 128
    """D."""
    layers: int = 4
    """ConvNeXt blocks; each sees three phones on both sides."""
    dropout: float = 0.2


class DurationModel(nn.Module):
    """Phones -> frames per phone."""

    def __init__(self, config: DurationConfig):
        super().__init__()
        self.config = config
        self.phone_emb = nn.Embedding(config.phone_vocab_size, config.dim)
        self.blocks = nn.ModuleList(ConvNeXtBlock(config.dim, 3 * config.dim, 0.3) for _ in range(config.layers))
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Linear(config.dim, 1)

    def forward(self, phones: Tensor, valid: Tensor) -> Tensor:
        """[B, P] ids and bool -> ln(1 + frames) [B, P]."""
        hidden = self.phone_emb(phones)
        for block in self.blocks:
            hidden = self.dropout(hidden * valid[..., None])
            hidden = block(hidden.transpose(1, 2)).transpose(1, 2)
        return self.out(hidden)[..., 0]

    @torch.no_grad()
    def frames(self, phones: Tensor) -> Tensor:
        """Ids [P] -> expected frames [P], float, at least 0."""
        return self(phones[None], torch.ones_like(phones[None], dtype=torch.bool))[0].expm1().clamp(min=0)


def whole_frames(frames: Tensor, total: int | None = None) -> Tensor:
    """Fractional frames per phone [P] -> whole ones, int64, that add up to `total` (default: the rounded sum).

    Boundaries are rounded, not durations, so that errors do not add up.
    """
    ends = frames.double().cumsum(0)
    if total is not None:
        ends = ends * (total / ends[-1].clamp(min=1e-9))
    ends = ends.round().long()
    return torch.diff(ends, prepend=ends.new_zeros(1))
