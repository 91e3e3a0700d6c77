"""The best of several: every item is generated a few times, side by side, and a scorer of whole results chooses.

Shapes: B batch, n candidates per item, N = B * n with an item's candidates side by side, K levels, T frames.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from audiogen.errors import InputError

CANDIDATE_STRIDE = 1_000_003
"""Between the seeds of an item's candidates: large, so that seeds 0, 1, 2 .. of a user's do not share candidates."""


def best_of(
    count: int,
    make: Callable[[Tensor, list[int]], Tensor],
    score: Callable[[Tensor, Tensor], Tensor],
    seeds: Sequence[int],
) -> Tensor:
    """Generate `count` candidates of every item in one batch, and keep the one that scores best.

    The first candidate has the item's own seed: with a `count` of 1, or a scorer that likes all the same, the result is
    what it would be without candidates.

    Args:
        count: n.
        make: given the item [N] int64 that each candidate is for, and seeds, returns codes [N, K, T]:
            `lambda rows, seeds: decode(model, codes[rows], mask[rows], condition.take(rows), plan, seeds)`.
        score: given codes [N, K, T] and their items [N], returns [N], larger is better.
        seeds: one per item, B.
    Returns:
        codes [B, K, T]. What an item gets depends on its own seed only.
    Raises:
        InputError: a count below 1, or a scorer that does not return one number per candidate.
    """
    rows = torch.arange(len(seeds)).repeat_interleave(count)
    codes = make(rows, [one for seed in seeds for one in candidate_seeds(seed, count)])
    best = choose(score(codes, rows), len(seeds), count)
    return codes.view(-1, count, *codes.shape[1:])[torch.arange(len(best)), best]


def candidate_seeds(seed: int, count: int) -> list[int]:
    """The seeds of an item's candidates, its own first.

    Raises:
        InputError: a count below 1.
    """
    if count < 1:
        raise InputError(f"best_of: expected 1 candidate or more, got {count}.")
    return [seed + CANDIDATE_STRIDE * number for number in range(count)]


def choose(scores: Tensor, items: int, count: int) -> Tensor:
    """Scores [N] of `count` candidates for each of `items` -> [B], the number of the best; of equal ones the first.

    Raises:
        InputError: not one number per candidate.
    """
    if scores.shape != (items * count,) or scores.isnan().any():
        raise InputError(
            f"best_of: expected a score for each of {items * count} candidates, got {list(scores.shape)}"
            f"{' with NaN' if scores.isnan().any() else ''}. Change the scorer."
        )
    return scores.view(items, count).argmax(dim=1)
