"""Attention to all positions, or to near ones only at a cost that grows with the length and not with its square.

Shapes: B batch, S positions, L positions seen, T frames, H heads, d width of a head, c context, n blocks of BLOCK
frames, W = BLOCK + 2c frames that a block sees.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 32
"""Frames that share what they see. More waste products with hidden frames, fewer waste copies of what is seen."""

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Queries [B, S, H, d], keys and values [B, L, H, d] -> mixed values [B, S, H, d]."""


def hide(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """What attention adds to its scores: 0 where `allowed` (bool), -inf elsewhere."""
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill(~allowed, -math.inf)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """Every position sees all; `bias`, broadcastable to [B, H, S, L], is added to the scores."""
    query, key, value = (x.transpose(1, 2) for x in (query, key, value))
    bias = None if bias is None else bias.to(query.dtype)
    return F.scaled_dot_product_attention(query, key, value, bias).transpose(1, 2)


def near(valid: Tensor, context: int) -> Tensor:
    """Which frames of its block's surroundings each frame sees, for `attend_near`.

    Args:
        valid: [B, T] bool, False on padding. It sees itself, since nobody may see nothing.
        context: c, frames each side.
    Returns:
        [B, n, BLOCK, W] bool.
    """
    frames = valid.shape[1]
    surroundings = F.pad(valid, (context, context + -frames % BLOCK)).unfold(1, BLOCK + 2 * context, BLOCK)
    ahead = torch.arange(BLOCK + 2 * context, device=valid.device) - torch.arange(BLOCK, device=valid.device)[:, None]
    return ((ahead >= 0) & (ahead <= 2 * context)) & surroundings[:, :, None] | (ahead == context)


def attend_near(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
    """Every frame sees its neighbours: `hide(near(...))` is added to the scores of each block."""
    blocks, frames = bias.shape[1], query.shape[1]
    short, context = blocks * BLOCK - frames, (bias.shape[-1] - BLOCK) // 2
    query = _surroundings(query, 0, short)
    key, value = (_surroundings(x, context, short) for x in (key, value))
    mixed = attend(query, key, value, bias.flatten(0, 1)[:, None])
    return mixed.unflatten(0, (-1, blocks)).flatten(1, 2)[:, :frames]


def _surroundings(x: Tensor, context: int, short: int) -> Tensor:
    """Frames [B, T, H, d] -> what each block sees, [B * n, W, H, d]."""
    padded = F.pad(x, (0, 0, 0, 0, context, context + short))
    return padded.unfold(1, BLOCK + 2 * context, BLOCK).movedim(-1, 2).flatten(0, 1)
