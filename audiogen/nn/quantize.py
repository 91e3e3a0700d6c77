"""Factorised vector quantisation and its residual stack.

Papers: Yu et al. 2021, arXiv:2110.04627 (factorised codes); Kumar et al. 2023, arXiv:2306.06546 (DAC: residual stack,
cosine look-up, quantiser dropout). Behaviour and parameter names follow golden maskgct SPEC 7.1.
Shapes: B batch, D width, T frames, K levels, V codebook size, E codebook width.
"""

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.errors import InputError

LookUp = Literal["cosine", "distance"]
"""Which row is the nearest: by direction (DAC), or by Euclidean distance, for which a vector's length counts too."""


class WeightNormConv1d(nn.Module):
    """A 1-D convolution stored as direction and length, `weight_v` and `weight_g`, as official checkpoints have it."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
    ):
        super().__init__()
        self.stride, self.padding, self.dilation = stride, padding, dilation
        initial = nn.Conv1d(in_channels, out_channels, kernel_size)
        assert initial.bias is not None
        self.bias = nn.Parameter(initial.bias.detach())
        self.weight_g = nn.Parameter(initial.weight.detach().norm(dim=(1, 2), keepdim=True))
        self.weight_v = nn.Parameter(initial.weight.detach())

    def forward(self, signal: Tensor) -> Tensor:
        weight = self.weight_g * self.weight_v / self.weight_v.norm(dim=(1, 2), keepdim=True)
        return F.conv1d(signal, weight, self.bias, self.stride, self.padding, self.dilation)


@dataclass(frozen=True)
class Quantized:
    """What a residual quantiser returns in training."""

    quantized: Tensor
    """[B, D, T], with the straight-through gradient."""
    codes: Tensor
    """[B, K, T] int64."""
    commit_loss: Tensor
    """[K]: pulls the encoder towards the codebook, weighted by `commitment`; 0 in evaluation."""
    codebook_loss: Tensor
    """[K]: pulls the codebook towards the encoder, weighted by `codebook_loss_weight`; 0 in evaluation."""

    @property
    def loss(self) -> Tensor:
        """Both losses, averaged over the levels."""
        return (self.commit_loss + self.codebook_loss).mean()


class FactorizedQuantizer(nn.Module):
    """One level: project to E numbers, take the nearest row of the codebook, project that row (unnormalised) back."""

    def __init__(
        self,
        dim: int,
        codebook_size: int,
        codebook_dim: int = 8,
        commitment: float = 0.25,
        codebook_loss_weight: float = 1.0,
        look_up: LookUp = "cosine",
    ):
        super().__init__()
        self.look_up = look_up
        self.commitment = commitment
        self.codebook_loss_weight = codebook_loss_weight
        self.in_project = WeightNormConv1d(dim, codebook_dim, 1)
        self.out_project = WeightNormConv1d(codebook_dim, dim, 1)
        self.codebook = nn.Embedding(codebook_size, codebook_dim)

    def nearest(self, latents: Tensor) -> Tensor:
        """[B, E, T] -> codes [B, T]."""
        latents, rows = latents.transpose(1, 2), self.codebook.weight
        if self.look_up == "cosine":
            return (F.normalize(latents, dim=-1) @ F.normalize(rows, dim=-1).T).argmax(-1)
        return (latents @ rows.T - rows.square().sum(-1) / 2).argmax(-1)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [B, T] -> [B, D, T]."""
        return self.out_project(self.codebook(codes).transpose(1, 2))

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[B, D, T] -> quantised [B, D, T], codes [B, T], commit and codebook loss per item [B]."""
        latents = self.in_project(hidden)
        codes = self.nearest(latents)
        rows = self.codebook(codes).transpose(1, 2)
        commit_loss = codebook_loss = latents.new_zeros(latents.shape[0])
        if self.training:
            commit_loss = (latents - rows.detach()).square().mean((1, 2)) * self.commitment
            codebook_loss = (rows - latents.detach()).square().mean((1, 2)) * self.codebook_loss_weight
            rows = latents + (rows - latents).detach()
        return self.out_project(rows), codes, commit_loss, codebook_loss


class ResidualQuantizer(nn.Module):
    """K levels, each quantising what the levels below left over; the result is their sum.

    In training a share `quantizer_dropout` of each batch uses a random number of levels (DAC, "Quantizer dropout").
    """

    def __init__(
        self,
        dim: int,
        levels: int,
        codebook_size: int,
        codebook_dim: int = 8,
        commitment: float = 0.25,
        codebook_loss_weight: float = 1.0,
        quantizer_dropout: float = 0.0,
        look_up: LookUp = "cosine",
    ):
        super().__init__()
        self.quantizer_dropout = quantizer_dropout
        self.quantizers = nn.ModuleList(
            FactorizedQuantizer(dim, codebook_size, codebook_dim, commitment, codebook_loss_weight, look_up)
            for _ in range(levels)
        )

    def first(self, levels: int) -> list[FactorizedQuantizer]:
        """The quantisers of the first `levels` levels."""
        return cast(list[FactorizedQuantizer], list(self.quantizers)[:levels])

    @property
    def levels(self) -> int:
        return len(self.quantizers)

    def _kept_levels(self, batch: int, device: torch.device, generator: torch.Generator | None) -> Tensor:
        """Levels in use per item, [B]: all but the first `quantizer_dropout` share of the batch use every level."""
        kept = torch.randint(1, self.levels + 1, (batch,), generator=generator).to(device)
        kept[int(batch * self.quantizer_dropout) :] = self.levels
        return kept

    def forward(self, hidden: Tensor, levels: int | None = None, generator: torch.Generator | None = None) -> Quantized:
        """[B, D, T] -> `Quantized`, with the first `levels` levels (default all, or drawn per item in training)."""
        batch = hidden.shape[0]
        if self.training and levels is None:
            kept = self._kept_levels(batch, hidden.device, generator)
        else:
            kept = torch.full((batch,), self._checked(levels), device=hidden.device)
        residual, total = hidden, torch.zeros_like(hidden)
        codes, commit, codebook = [], [], []
        depth = self.levels if self.training else int(kept.max())
        for level, quantizer in enumerate(self.first(depth)):
            quantized, level_codes, commit_loss, codebook_loss = quantizer(residual)
            used = (kept > level).to(hidden.dtype)
            total = total + quantized * used[:, None, None]
            residual = residual - quantized
            codes.append(level_codes)
            commit.append((commit_loss * used).mean())
            codebook.append((codebook_loss * used).mean())
        return Quantized(total, torch.stack(codes, 1), torch.stack(commit), torch.stack(codebook))

    def encode(self, hidden: Tensor, levels: int | None = None) -> Tensor:
        """[B, D, T] -> codes [B, K, T], without building a gradient for the look-up."""
        residual, codes = hidden, []
        for quantizer in self.first(self._checked(levels)):
            level_codes = quantizer.nearest(quantizer.in_project(residual))
            residual = residual - quantizer.embed(level_codes)
            codes.append(level_codes)
        return torch.stack(codes, 1)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [B, k, T] of the first k levels -> their sum [B, D, T]."""
        self._checked(codes.shape[1])
        return sum(
            (quantizer.embed(codes[:, level]) for level, quantizer in enumerate(self.first(codes.shape[1]))),
            start=torch.zeros((), device=codes.device),
        )

    def _checked(self, levels: int | None) -> int:
        if levels is None:
            return self.levels
        if not 1 <= levels <= self.levels:
            raise InputError(f"Quantizer: expected 1 to {self.levels} levels, got {levels}. Use fewer or more of them.")
        return levels
