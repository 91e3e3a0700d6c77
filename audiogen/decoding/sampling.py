"""From logits to tokens: which tokens are allowed, how sharp the choice is, and the draw itself.

Papers: Holtzman et al. 2020, arXiv:1904.09751 (top-p); Meister et al. 2023, arXiv:2202.00666 (typical).
Shapes: N cells, V vocab_size. Filters return the logits with -inf on tokens that may not be drawn.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.decoding.noise import Noise
from audiogen.decoding.schedule import Setting, value_at
from audiogen.errors import InputError

NEVER = -math.inf


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are drawn. Filters apply in the order of their fields; a filter at its default is off."""

    temperature: Setting = 1.0
    """Divides the logits."""
    temperature_floor: float = 1e-3
    """Smallest temperature used, so that annealing to 0 does not divide by it."""
    top_k: int = 0
    """Keep this many tokens; 0 is off."""
    top_fraction: float = 1.0
    """Keep this share of the vocabulary, rounded up; 1 is off."""
    top_p: float = 1.0
    """Keep the most probable tokens up to this total probability, the one that crosses it included; 1 is off."""
    typical_mass: float = 1.0
    """Keep the tokens of most typical surprise up to this total probability; 1 is off."""
    typical_min_tokens: int = 1
    """Tokens that typical filtering keeps at least."""
    filter_tempered: bool = False
    """Filters see the logits after the temperature (MAGNeT) rather than before it (MaskGCT, VampNet)."""
    greedy_steps: int = 0
    """Last steps of a stage that take the most probable token instead of drawing one."""

    noise_by_rank: bool = False
    """Random numbers go to the most probable token first, rather than to token 0: other codes from the same seed, with
    the same distribution. The reference MAGNeT does so with top-p.
    """

    def __post_init__(self) -> None:
        _check("top_k", self.top_k, self.top_k >= 0, "0 (off) or a count")
        _check("typical_min_tokens", self.typical_min_tokens, self.typical_min_tokens >= 1, "1 or more")
        _check("temperature_floor", self.temperature_floor, self.temperature_floor > 0, "a number above 0")
        _check("greedy_steps", self.greedy_steps, self.greedy_steps >= 0, "0 or more")
        for name in ("top_fraction", "top_p", "typical_mass"):
            share = getattr(self, name)
            _check(name, share, 0 < share <= 1, "a share above 0, at most 1 (off)")

    def temperature_at(self, step: int, steps: int) -> float:
        """What divides the logits in step `step` (0-based) of `steps`."""
        return max(value_at(self.temperature, step, steps), self.temperature_floor)


def _check(name: str, value: float, good: bool, expected: str) -> None:
    if not good:
        raise InputError(f"Sampling: expected {name} to be {expected}, got {value}. Change it in the plan.")


def top_count(fraction: float, vocab_size: int) -> int:
    """Tokens that `top_fraction` keeps: ceil(fraction * V) in double precision, at least 1.

    1 - 0.98 is a little more than 0.02, so 2 % of 100 tokens are 3 (golden maskgct SPEC 1.6).
    """
    return max(1, math.ceil(fraction * vocab_size))


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Exactly the k largest logits of each cell."""
    values, index = logits.topk(min(k, logits.shape[-1]), dim=-1)
    return torch.full_like(logits, NEVER).scatter_(-1, index, values)


def keep_top_p(logits: Tensor, mass: float) -> Tensor:
    """The most probable tokens until their sum passes `mass`; the first always stays."""
    probability, order = logits.softmax(dim=-1).sort(dim=-1, descending=True)
    before = probability.cumsum(dim=-1) - probability
    return _drop(logits, order, before > mass)


def keep_typical(logits: Tensor, mass: float, min_tokens: int) -> Tensor:
    """The tokens whose surprise is closest to the entropy, until their probabilities reach `mass`."""
    log_probability = logits.log_softmax(dim=-1)
    probability = log_probability.exp()
    entropy = -torch.where(probability > 0, probability * log_probability, 0.0).sum(dim=-1, keepdim=True)
    order = (-log_probability - entropy).abs().argsort(dim=-1, stable=True)
    ordered = probability.gather(-1, order)
    drop = ordered.cumsum(dim=-1) - ordered >= mass
    drop[..., :min_tokens] = False
    return _drop(logits, order, drop)


def _drop(logits: Tensor, order: Tensor, drop_ordered: Tensor) -> Tensor:
    drop = torch.zeros_like(drop_ordered).scatter_(-1, order, drop_ordered)
    return logits.masked_fill(drop, NEVER)


def filtered(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits [N, V] after all filters of `sampling`."""
    if sampling.top_k:
        logits = keep_top_k(logits, sampling.top_k)
    if sampling.top_fraction < 1:
        logits = keep_top_k(logits, top_count(sampling.top_fraction, logits.shape[-1]))
    if sampling.top_p < 1:
        logits = keep_top_p(logits, sampling.top_p)
    if sampling.typical_mass < 1:
        logits = keep_typical(logits, sampling.typical_mass, sampling.typical_min_tokens)
    return logits


def allowed_tokens(logits: Tensor, temperature: float, sampling: Sampling) -> Tensor:
    """[N, V] bool: tokens that may be drawn at this temperature."""
    seen = logits / temperature if sampling.filter_tempered else logits
    return filtered(seen, sampling) > NEVER


def draw(logits: Tensor, gumbel: Tensor | None) -> Tensor:
    """A token per cell [N] with the probabilities of softmax(logits [N, V]); without noise the most probable one.

    Adding Gumbel noise and taking the largest is an exact draw.
    """
    return (logits if gumbel is None else logits + gumbel).argmax(dim=-1)


def gumbel_at(
    step: int,
    steps: int,
    logits: Tensor,
    places: Tensor,
    sampling: Sampling,
    noise: Noise,
    among: Tensor | slice = slice(None),
) -> Tensor | None:
    """The noise [N, V] that a step draws with, for cells with these `logits` [N, V]; None: greedy.

    Random numbers are drawn for all M True `places`; `among` [M] bool names the N whose logits are given.
    """
    if step >= steps - sampling.greedy_steps:
        return None
    gumbel = noise.gumbel(places, logits.shape[-1])[among]
    return by_rank(gumbel, logits) if sampling.noise_by_rank else gumbel


def by_rank(noise: Tensor, logits: Tensor) -> Tensor:
    """`noise` [N, V] in another order: its first column for the token with the largest of `logits`, and so on."""
    return torch.empty_like(noise).scatter_(-1, logits.argsort(dim=-1, descending=True, stable=True), noise)
