"""Finite scalar quantisation: a code is a few numbers, each rounded to one of a few steps.

Paper: Mentzer et al. 2023, arXiv:2309.15505, "Finite Scalar Quantization". There is no codebook to learn, so none can
collapse, and no loss pulls at one.
Shapes: B batch, D width, T positions, E numbers of a code, V codes.
"""

import math

import torch
from torch import Generator, Tensor, nn

from audiogen.nn.quantize import Quantized

MARGIN = 1e-3
"""The outermost steps are reached before the bound's flat end."""


class FiniteScalarQuantizer(nn.Module):
    """Offers what a `ResidualQuantizer` of one level does.

    Args:
        dim: D.
        steps: how many values each of the E numbers has; V is their product.
    """

    steps: Tensor
    places: Tensor

    def __init__(self, dim: int, steps: tuple[int, ...]):
        super().__init__()
        self.in_project = nn.Conv1d(dim, len(steps), 1)
        self.out_project = nn.Conv1d(len(steps), dim, 1)
        sizes = torch.tensor(steps)
        self.register_buffer("steps", sizes, persistent=False)
        self.register_buffer("places", torch.cat([sizes.new_ones(1), sizes[:-1]]).cumprod(0), persistent=False)

    def forward(self, hidden: Tensor, levels: int | None = None, generator: Generator | None = None) -> Quantized:
        """[B, D, T] -> `Quantized` with codes [B, 1, T]; its losses are 0, and nothing is drawn."""
        bounded = self._bound(self.in_project(hidden))
        rounded = bounded + (bounded.round() - bounded).detach()
        nothing = hidden.new_zeros(1)
        return Quantized(self.out_project(self._scaled(rounded)), self._codes(bounded), nothing, nothing)

    def encode(self, hidden: Tensor, levels: int | None = None) -> Tensor:
        """[B, D, T] -> codes [B, 1, T]."""
        return self._codes(self._bound(self.in_project(hidden)))

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [B, 1, T] -> [B, D, T]."""
        digits = codes // self.places[:, None] % self.steps[:, None]
        return self.out_project(self._scaled((digits - self._half).to(self.out_project.weight.dtype)))

    def table(self) -> Tensor:
        """What the codes stand for, [V, E] in -1..1."""
        codes = torch.arange(math.prod(self.steps.tolist()), device=self.steps.device)
        return self._scaled((codes // self.places[:, None] % self.steps[:, None] - self._half).float()).T

    @property
    def _half(self) -> Tensor:
        return (self.steps // 2)[:, None]

    def _bound(self, latents: Tensor) -> Tensor:
        """Any numbers [B, E, T] -> those that round to one of the steps, 0 to 0."""
        reach = ((self.steps - 1) * (1 + MARGIN) / 2)[:, None]
        offset = (1 - self.steps % 2)[:, None] / 2  # an even number of steps has none in its middle
        return (latents + (offset / reach).atanh()).tanh() * reach - offset

    def _scaled(self, rounded: Tensor) -> Tensor:
        """Whole numbers [..., E, T] -> -1..1."""
        return rounded / self._half

    def _codes(self, bounded: Tensor) -> Tensor:
        digits = bounded.round().long() + self._half
        return (digits * self.places[:, None]).sum(1, keepdim=True)
