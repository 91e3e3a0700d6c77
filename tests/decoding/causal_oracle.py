"""A scripted autoregressive model: the condition says what it answers, as with `oracle.Oracle`."""

import torch
from torch.nn import functional as F

from audiogen.decoding.delay import DelayPattern


class CausalOracle:
    """Answers with the condition's logits [B, K, T, V], and remembers what it was asked.

    `echo` > 0 makes a cell's answer depend on what stands one step before it in its level, as in a real model.
    """

    def __init__(self, vocab_size, levels, echo=0.0, pattern=None):
        self.mask_token, self.echo = vocab_size, echo
        self.pattern = pattern or DelayPattern(levels)
        self.batches, self.reads = [], []

    def start(self, condition, batch):
        self.batches.append(batch)
        answers = self._answers(condition["logits"])
        position = 0

        def stream(sequence):
            nonlocal position
            assert len(sequence) == batch
            self.reads.append(sequence.clone())
            begin, position = position, position + sequence.shape[-1]
            return answers[:, :, begin:position] + self._echo(sequence)

        return stream

    def logits(self, codes, condition):
        sequence = self.pattern.delayed(codes, self.mask_token)
        return self.pattern.predictions(self._answers(condition["logits"]) + self._echo(sequence), codes.shape[2])

    def _answers(self, logits):
        """[B, K, S, V]: what is said of a cell after the step before it."""
        batch, levels, frames, vocab_size = logits.shape
        answers = torch.zeros(batch, levels, self.pattern.length(frames), vocab_size)
        answers[:, torch.arange(levels)[:, None], self.pattern.places(frames) - 1] = logits
        return answers

    def _echo(self, sequence):
        return self.echo * F.one_hot(sequence, self.mask_token + 1)[..., :-1]
