"""Hybrid decoding: an autoregressive model begins, a masked model fills the rest in parallel.

Paper: Ziv et al. 2024, arXiv:2401.04577 (MAGNeT), "Hybrid-MAGNeT". There one model is trained for both parts; here two
models share a codec, and what the first one makes is the second one's prompt (golden magnet SPEC 11).
Shapes: B batch, K levels, T frames, P frames of the prompt.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.decoding.autoregressive import (
    MUSICGEN_GUIDANCE,
    MUSICGEN_SAMPLING,
    AutoregressiveModel,
    generate_frames,
    prompt_of,
)
from audiogen.decoding.condition import Condition
from audiogen.decoding.decoder import MaskedModel, decode
from audiogen.decoding.noise import Noise, noise_from
from audiogen.decoding.plan import Plan
from audiogen.decoding.rescoring import Rescoring
from audiogen.decoding.sampling import Sampling
from audiogen.decoding.trace import Step
from audiogen.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """The autoregressive part."""

    model: AutoregressiveModel
    condition: Condition
    """From this model's `condition()`: it has a text projection of its own."""
    frames: int
    """Frames that it adds to the prompt, at most all that are missing; 0 leaves them to the masked model."""
    sampling: Sampling = MUSICGEN_SAMPLING
    guidance_scale: float = MUSICGEN_GUIDANCE

    def __post_init__(self) -> None:
        if self.frames < 0:
            raise InputError(f"Beginning: expected frames of 0 (all masked) or more, got {self.frames}.")


def hybrid(
    beginning: Beginning,
    model: MaskedModel,
    prompt: Tensor | None,
    condition: Condition,
    frames: int,
    plan: Plan,
    seed: int | Sequence[int] | Noise = 0,
    on_step: Callable[[Step], None] | None = None,
    rescoring: Rescoring | None = None,
) -> Tensor:
    """Continue a prompt up to `frames` frames: its first new frames are those of `generate`, bit for bit.

    Args:
        beginning: the autoregressive model, and how much it makes.
        model: the masked model, in evaluation mode.
        prompt: [B, K, P] int64, the beginning that is kept; None: there is none.
        condition: from the masked model's `condition()`.
        frames: T, prompt included.
        plan: of the masked model.
        seed: as in `decode`; the parts take their random numbers from one source, one after the other.
        on_step, rescoring: as in `decode`.
    Returns:
        [B, K, T] int64.
    Raises:
        InputError: models, prompt, frames or number of seeds do not fit together.
    """
    prompt = prompt_of(beginning.model, prompt, beginning.condition, frames)
    parts = hybrid_parts(beginning, model, prompt, condition, frames, plan, seed, on_step, rescoring)
    return torch.cat([prompt, *parts], dim=-1)


def hybrid_parts(
    beginning: Beginning,
    model: MaskedModel,
    prompt: Tensor | None,
    condition: Condition,
    frames: int,
    plan: Plan,
    seed: int | Sequence[int] | Noise = 0,
    on_step: Callable[[Step], None] | None = None,
    rescoring: Rescoring | None = None,
) -> Iterator[Tensor]:
    """What `hybrid` adds to the prompt, for streaming: autoregressive frames [B, K, 1] as they are made, then the rest.

    Arguments are those of `hybrid`.
    """
    codes = prompt_of(beginning.model, prompt, beginning.condition, frames)
    noise = noise_from(seed, len(codes), codes.device)
    made = min(codes.shape[-1] + beginning.frames, frames)
    if made > codes.shape[-1]:
        settings = (beginning.sampling, beginning.guidance_scale, noise)
        for frame in generate_frames(beginning.model, codes, beginning.condition, made, *settings):
            codes = torch.cat([codes, frame], dim=-1)
            yield frame
    if made < frames:
        grid = F.pad(codes, (0, frames - made), value=model.mask_token)
        mask = (torch.arange(frames, device=grid.device) >= made).expand_as(grid)
        yield decode(model, grid, mask, condition, plan, noise, on_step, rescoring)[..., made:]
