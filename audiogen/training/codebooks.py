"""Moving codebooks without gradients: unused codes to where the data is, and codes to the mean of what they stand for.

After Dhariwal et al. 2020, arXiv:2005.00341 ("random restarts"): the first call places the whole codebook; and van den
Oord et al. 2017, arXiv:1711.00937 ("VQ-VAE dictionary updates with exponential moving averages").
Shapes: B batch, D width, K levels, T frames, V codebook size.
"""

import torch
from torch import Generator, Tensor, nn

from audiogen.nn.quantize import ResidualQuantizer

EVERY = 20
"""Updates between two revivals."""
DEAD = 0.03
"""Average uses per batch under which a code is moved."""
DECAY = 0.98


class UsageRecord(nn.Module):
    """Running average of how often each code is used per batch; a module, so that checkpoints keep it."""

    usage: Tensor

    def __init__(self, levels: int, vocab_size: int):
        super().__init__()
        self.register_buffer("usage", torch.zeros(levels, vocab_size))

    @torch.no_grad()
    def count(self, codes: Tensor) -> None:
        """Add a batch of codes [B, K, T]."""
        for level, row in enumerate(self.usage):
            counts = codes[:, level].flatten().bincount(minlength=len(row))
            row.mul_(DECAY).add_(counts, alpha=1 - DECAY)

    @torch.no_grad()
    def follow(self, quantizer: ResidualQuantizer, hidden: Tensor, codes: Tensor) -> None:
        """Move every code of this batch, codes [B, K, T], towards the mean of its vectors in hidden [B, D, T].

        A code is the average of all vectors that it has stood for, of which older ones count less. `count` comes after.
        """
        residual = hidden
        for level, usage, found in zip(quantizer.first(quantizer.levels), self.usage, codes.unbind(1), strict=True):
            latents = level.in_project(residual).transpose(1, 2).flatten(0, 1)
            rows = level.codebook.weight
            sums = torch.zeros_like(rows).index_add_(0, found.flatten(), latents)
            counts = found.flatten().bincount(minlength=len(rows))[:, None]
            before, now = DECAY * usage[:, None], (1 - DECAY) * counts
            moved = (before * rows + (1 - DECAY) * sums) / (before + now).clamp(min=1e-9)
            rows.copy_(torch.where(counts > 0, moved, rows))
            residual = residual - level.embed(found)

    @torch.no_grad()
    def revive(self, quantizer: ResidualQuantizer, hidden: Tensor, step: int, generator: Generator) -> None:
        """Every `EVERY` steps, move unused codes onto vectors of this batch, hidden [B, D, T], level by level."""
        if step % EVERY:
            return
        residual = hidden
        for level, usage in zip(quantizer.first(quantizer.levels), self.usage, strict=True):
            unused = usage < DEAD
            latents = level.in_project(residual)
            candidates = latents.transpose(1, 2).flatten(0, 1)
            count = int(unused.sum())
            picks = torch.randint(len(candidates), (count,), generator=generator).to(candidates.device)
            noise = torch.randn(count, candidates.shape[1], generator=generator).to(candidates.device)
            level.codebook.weight[unused] = candidates[picks] + 0.01 * noise * candidates.std()
            residual = residual - level.embed(level.nearest(latents))
