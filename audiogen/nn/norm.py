"""Normalisation layers that no single paper owns."""

import torch
from torch import Tensor, nn

EPS = 1e-6


class AdaptiveRMSNorm(nn.Module):
    """Root-mean-square norm whose gain is a linear function of a vector per item (golden maskgct SPEC 3).

    The gain is `to_weight(vector)` itself, without an added 1.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.to_weight = nn.Linear(dim, dim)

    def forward(self, hidden: Tensor, vector: Tensor) -> Tensor:
        """[B, S, D] and a vector [B, D] per item -> [B, S, D]; the mean square is taken in float32."""
        exact = hidden.float()
        normed = exact * torch.rsqrt(exact.square().mean(dim=-1, keepdim=True) + EPS)
        return self.to_weight(vector)[:, None] * normed.type_as(hidden)


class RMSNorm(nn.Module):
    """Root-mean-square norm with a learned gain per number (Zhang & Sennrich 2019, arXiv:1910.07467)."""

    def __init__(self, dim: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., D] -> [..., D]: computed in float32, returned in the type of the gain."""
        exact = hidden.float()
        normed = exact * torch.rsqrt(exact.square().mean(dim=-1, keepdim=True) + EPS)
        return (self.weight.float() * normed).to(self.weight.dtype)
