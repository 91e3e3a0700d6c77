"""The order in which an autoregressive model reads a grid of codes: one sequence step after the other, levels shifted.

Paper: Copet et al. 2023, arXiv:2306.05284 (MusicGen), "Codebook interleaving patterns" (golden magnet SPEC 10).
Shapes: B batch, K levels, T frames, S sequence steps, V vocab_size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from audiogen.errors import InputError


@dataclass(frozen=True)
class DelayPattern:
    """Cell (k, t) stands in row k, at step 1 + t + delay of k; all that is no cell holds the special token.

    A model that has read the steps before a cell predicts it, so that a level sees the coarser ones of its frame.
    """

    levels: int
    """K."""
    delays: tuple[int, ...] | None = None
    """Steps by which each level lags; None: 0, 1, .. K - 1. Zeros are the "parallel" pattern."""
    flatten_first: int = 0
    """First frames whose levels come one by one, each in a step of its own, before the delays begin."""
    empty_initial: int = 0
    """Further steps without any cell, after the one that every sequence begins with."""

    def __post_init__(self) -> None:
        if self.delays is not None and (len(self.delays) != self.levels or min(self.delays) < 0):
            raise InputError(
                f"DelayPattern: expected {self.levels} delays of 0 or more, one per level, got {list(self.delays)}."
            )
        if self.levels < 1 or self.flatten_first < 0 or self.empty_initial < 0:
            raise InputError(
                "DelayPattern: expected 1 level or more, flatten_first and empty_initial of 0 or more, "
                f"got {self.levels}, {self.flatten_first} and {self.empty_initial}."
            )

    def places(self, frames: int) -> Tensor:
        """The step of every cell, [K, T] int64."""
        delays = torch.tensor(range(self.levels) if self.delays is None else self.delays)[:, None]
        level, frame = torch.arange(self.levels)[:, None], torch.arange(frames)[None]
        one_by_one = frame * self.levels + level
        together = self.flatten_first * (self.levels - 1) + frame + delays
        return 1 + self.empty_initial + torch.where(frame < self.flatten_first, one_by_one, together)

    def length(self, frames: int) -> int:
        """S, steps up to the last cell of `frames` frames."""
        return int(self.places(frames).max()) + 1 if frames else 1 + self.empty_initial

    def full_steps(self, frames: int) -> int:
        """Steps before the first one that lacks a level because the frames are at their end.

        The reference trains on these only.
        """
        return self.length(frames) - max(range(self.levels) if self.delays is None else self.delays)

    def cells(self, frames: int) -> Tensor:
        """[K, S] bool, True where the sequence holds a cell."""
        places = self.places(frames)
        return torch.zeros(self.levels, self.length(frames), dtype=torch.bool).scatter_(1, places, True)

    def delayed(self, codes: Tensor, special: int) -> Tensor:
        """Codes [B, K, T] -> sequence [B, K, S] with `special` where no cell stands; bool tensors too.

        Raises:
            InputError: codes have other than K levels.
        """
        if codes.ndim != 3 or codes.shape[1] != self.levels:
            raise InputError(
                f"DelayPattern: expected codes [B, K={self.levels}, T], got {list(codes.shape)}. "
                "Encode with the codec that the model was trained with."
            )
        batch, levels, frames = codes.shape
        sequence = codes.new_full((batch, levels, self.length(frames)), special)
        return sequence.scatter_(2, self.places(frames).to(codes.device).expand_as(codes), codes)

    def revert(self, sequence: Tensor, frames: int) -> Tensor:
        """The cells of a sequence [B, K, S] that is long enough for them -> codes [B, K, T]."""
        places = self.places(frames).to(sequence.device)
        return sequence.gather(2, places.expand(len(sequence), -1, -1))

    def predictions(self, logits: Tensor, frames: int) -> Tensor:
        """What was predicted of every cell, one step before it stands there.

        Args:
            logits: [B, K, s, V] of the first s steps.
            frames: T.
        Returns:
            [B, K, T, V]; NaN for cells that are not `within` these steps.
        """
        known = self.within(frames, logits.shape[2]).to(logits.device)
        steps = (self.places(frames) - 1).clamp(max=logits.shape[2] - 1).to(logits.device)
        level = torch.arange(self.levels, device=logits.device)[:, None]
        return logits[:, level, steps].masked_fill(~known[..., None], torch.nan)

    def within(self, frames: int, steps: int) -> Tensor:
        """[K, T] bool: the cells that stand in the first `steps` steps."""
        return self.places(frames) < steps
