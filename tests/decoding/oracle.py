"""A scripted model: the condition says what it answers, so that a test knows what the loop must do."""

import torch
from torch import Tensor

from audiogen.decoding import Condition


class Oracle:
    """Answers with the condition's logits, and remembers what it was asked.

    `echo` > 0 makes a cell's answer depend on the code its left neighbour has, as in a real model.
    """

    def __init__(self, vocab_size: int, echo: float = 0.0):
        self.mask_token = vocab_size
        self.echo = echo
        self.seen = []

    def prepare(self, codes, mask, condition, stage):
        return condition

    def hidden(self, codes, condition, stage, time) -> Tensor:
        self.seen.append((codes.clone(), time.clone(), condition))
        logits = condition["logits"]
        if self.echo:
            left = torch.nn.functional.pad(codes[..., :-1], (1, 0), value=self.mask_token)
            known = left != self.mask_token
            one_hot = torch.nn.functional.one_hot(left.masked_fill(~known, 0), self.mask_token)
            logits = logits + self.echo * one_hot * known[..., None]
        return logits.transpose(1, 2).flatten(2)  # [B, T, K * V]

    def head(self, hidden, stage):
        logits = hidden.unflatten(-1, (-1, self.mask_token)).transpose(1, 2)
        return logits[:, stage.levels]


def request(logits: Tensor, null: Tensor | None = None, valid: Tensor | None = None) -> Condition:
    """The condition of an oracle that answers `logits` [B, K, T, V], and `null` when it is not told the condition."""
    tensors = {"logits": logits} if valid is None else {"logits": logits, "valid": valid}
    return Condition(tensors, {} if null is None else {"logits": null})


def sure_of(probabilities: Tensor, vocab_size: int = 3) -> Tensor:
    """Logits [..., V] under which token 1 has the given probability and the others share the rest."""
    rest = ((1 - probabilities) / (vocab_size - 1)).log()
    logits = rest[..., None].repeat(*[1] * rest.ndim, vocab_size)
    logits[..., 1] = probabilities.log()
    return logits


def random_logits(batch: int, levels: int, frames: int, vocab_size: int, seed: int = 0) -> Tensor:
    return 2 * torch.randn(batch, levels, frames, vocab_size, generator=torch.Generator().manual_seed(seed))
