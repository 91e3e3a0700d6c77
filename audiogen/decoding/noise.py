"""Where the randomness of a decode comes from: one generator per item, so that a batch changes nothing.

Shapes: B batch, N places, V choices.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

from audiogen.errors import InputError

TINY = 1e-10
"""Keeps both logarithms finite, as in the reference MaskGCT."""
SMALLEST_UNIFORM = 1e-20
"""The same for `GridNoise`, as in the reference VampNet."""


class Noise(Protocol):
    """A source of standard Gumbel noise."""

    def gumbel(self, places: Tensor, choices: int | None = None) -> Tensor:
        """Fresh noise for the True `places` [B, ...] in row-major order, [N], or [N, V] with V = `choices`."""
        ...


def gumbel_of(uniform: Tensor) -> Tensor:
    """Numbers drawn uniformly from 0..1 -> standard Gumbel noise."""
    return -torch.log(-torch.log(uniform + TINY) + TINY)


class ItemNoise:
    """One seeded generator per item: what an item gets depends on its own seed and its own places only."""

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu"):
        self.generators = [Generator(device).manual_seed(seed) for seed in seeds]

    def gumbel(self, places: Tensor, choices: int | None = None) -> Tensor:
        """As in `Noise`."""
        counts = places.flatten(1).sum(dim=1).tolist()
        return gumbel_of(
            torch.cat([_uniform(count, choices, g) for count, g in zip(counts, self.generators, strict=True)])
        )


class StreamNoise:
    """One generator for the whole batch, as the reference implementations draw: items depend on their neighbours."""

    def __init__(self, generator: Generator):
        self.generator = generator

    def gumbel(self, places: Tensor, choices: int | None = None) -> Tensor:
        """As in `Noise`."""
        return gumbel_of(_uniform(int(places.sum()), choices, self.generator))


class GridNoise:
    """One generator for the whole batch that draws for every cell of a stage: frame by frame, level by level in each.

    So does the reference VampNet, for known cells too: `places` [B, K, T] only choose what is handed out. Its tokens
    come from exponential noise, as in torch.multinomial, its rankings from uniform noise.
    """

    def __init__(self, generator: Generator):
        self.generator = generator

    def gumbel(self, places: Tensor, choices: int | None = None) -> Tensor:
        """As in `Noise`."""
        batch, levels, frames = places.shape
        if choices is None:
            noise = -self.uniform((batch, frames, levels)).clamp(min=SMALLEST_UNIFORM).log()
        else:
            noise = self.exponential((batch, frames, levels, choices))
        return -noise.transpose(1, 2).to(places.device)[places].log()

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        """The generator's next numbers from 0..1."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def exponential(self, shape: tuple[int, ...]) -> Tensor:
        """The generator's next numbers of the standard exponential distribution."""
        return torch.empty(shape, device=self.generator.device).exponential_(generator=self.generator)


class NoNoise:
    """Zeros: every draw takes the most probable token, every ranking goes by confidence alone."""

    def gumbel(self, places: Tensor, choices: int | None = None) -> Tensor:
        """As in `Noise`."""
        return torch.zeros(_shape(int(places.sum()), choices), device=places.device)


def _shape(count: int, choices: int | None) -> tuple[int, ...]:
    return (count,) if choices is None else (count, choices)


def _uniform(count: int, choices: int | None, generator: Generator) -> Tensor:
    return torch.rand(_shape(count, choices), generator=generator, device=generator.device)


def noise_from(seed: int | Sequence[int] | Noise, batch: int, device: torch.device) -> Noise:
    """The noise that `decode` was asked for: one seed for all items, a seed for each, or a source as it is.

    Raises:
        InputError: the number of seeds is not that of the items.
    """
    if isinstance(seed, int):
        return ItemNoise([seed] * batch, device)
    if not isinstance(seed, Sequence):
        return seed
    if len(seed) != batch:
        raise InputError(f"decode: expected one seed or {batch}, one per item, got {len(seed)}. Pass as many as items.")
    return ItemNoise(seed, device)
