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
    if count < 1:
        raise InputError(f"best_of: expected 1 candidate or more, got {count}.")
    rows = torch.arange(len(seeds)).repeat_interleave(count)
    codes = make(rows, [seed + CANDIDATE_STRIDE * number for seed in seeds for number in range(count)])
    scores = score(codes, rows)
    if scores.shape != rows.shape or scores.isnan().any():
        raise InputError(
            f"best_of: expected a score for each of {len(rows)} candidates, got {list(scores.shape)}"
            f"{' with NaN' if scores.isnan().any() else ''}. Change the scorer."
        )
    best = scores.view(-1, count).argmax(dim=1)
    return codes.view(-1, count, *codes.shape[1:])[torch.arange(len(best)), best]
