"""The other order: a model that draws one frame after the other, each from those before it.

Paper: Copet et al. 2023, arXiv:2306.05284 (MusicGen); behaviour as in golden magnet SPEC 10.
Shapes: B batch, K levels, T frames, P frames of the prompt, S sequence steps, N cells, V vocab_size.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.decoding.condition import Condition
from audiogen.decoding.delay import DelayPattern
from audiogen.decoding.guidance import guide
from audiogen.decoding.noise import Noise, noise_from
from audiogen.decoding.sampling import NEVER, Sampling, allowed_tokens, draw, gumbel_at
from audiogen.errors import InputError

MUSICGEN_SAMPLING = Sampling(top_k=250, filter_tempered=True)
"""As the published MusicGen models are used."""
MUSICGEN_GUIDANCE = 3.0


class Stream(Protocol):
    """One request's pass through a sequence; it remembers all that it has read."""

    def __call__(self, sequence: Tensor) -> Tensor:
        """The next steps [B, K, s] int64 -> logits [B, K, s, V] of the cells that follow each of them."""
        ...


class AutoregressiveModel(Protocol):
    """All that generation asks of a network."""

    @property
    def mask_token(self) -> int:
        """V, which also stands where the pattern has no cell."""
        ...

    @property
    def pattern(self) -> DelayPattern:
        """How the model reads a grid."""
        ...

    def start(self, condition: Condition, batch: int) -> Stream:
        """A stream of `batch` sequences from their first step on."""
        ...


def generate(
    model: AutoregressiveModel,
    prompt: Tensor | None,
    condition: Condition,
    frames: int,
    sampling: Sampling = MUSICGEN_SAMPLING,
    guidance_scale: float = MUSICGEN_GUIDANCE,
    seed: int | Sequence[int] | Noise = 0,
    on_frame: Callable[[Tensor], None] | None = None,
) -> Tensor:
    """Continue a prompt, frame by frame, up to `frames` frames.

    Args:
        model: the network, in evaluation mode.
        prompt: [B, K, P] int64, the beginning that is kept; None: there is none.
        condition: from the model's `condition()`.
        frames: T, prompt included.
        sampling: settings that move (`Linear`) do so from the first step of the sequence that is drawn to the last.
        guidance_scale: 1 is off and halves the work.
        seed: as in `decode`: an item's codes depend on its own seed only.
        on_frame: called with each frame [B, K, 1] as soon as all its levels are drawn.
    Returns:
        [B, K, T] int64.
    Raises:
        InputError: prompt, frames or number of seeds do not fit together.
    """
    parts = [prompt_of(model, prompt, condition, frames)]
    for frame in generate_frames(model, parts[0], condition, frames, sampling, guidance_scale, seed):
        parts.append(frame)
        if on_frame is not None:
            on_frame(frame)
    return torch.cat(parts, dim=-1)


@torch.no_grad()
def generate_frames(
    model: AutoregressiveModel,
    prompt: Tensor | None,
    condition: Condition,
    frames: int,
    sampling: Sampling = MUSICGEN_SAMPLING,
    guidance_scale: float = MUSICGEN_GUIDANCE,
    seed: int | Sequence[int] | Noise = 0,
) -> Iterator[Tensor]:
    """The frames [B, K, 1] that `generate` adds to the prompt, each as soon as all its levels are drawn."""
    prompt = prompt_of(model, prompt, condition, frames)
    pattern, (batch, levels, given) = model.pattern, prompt.shape
    noise = noise_from(seed, batch, prompt.device)
    missing = (torch.arange(frames) >= given).expand(1, levels, frames)
    wanted = pattern.delayed(missing, special=False).expand(batch, -1, -1).to(prompt.device)  # [B, K, S] bool
    steps = wanted[0].any(dim=0).nonzero()[:, 0].tolist()
    complete = pattern.places(frames).amax(dim=0).tolist()

    sequence = pattern.delayed(F.pad(prompt, (0, frames - given), value=model.mask_token), model.mask_token)
    stream = _guided_stream(model, condition, batch, guidance_scale)
    done, shown = 0, given
    for index, step in enumerate(steps):
        logits = stream(sequence[..., done:step])[:, :, -1:]  # [B, K, 1, V]
        places = wanted[..., step : step + 1]
        sequence[..., step : step + 1][places] = _draw(logits, places, sampling, index, len(steps), noise)
        done = step
        while shown < frames and complete[shown] <= step:
            yield pattern.revert(sequence, shown + 1)[..., -1:]
            shown += 1


def prompt_of(model: AutoregressiveModel, prompt: Tensor | None, condition: Condition, frames: int) -> Tensor:
    """The prompt [B, K, P], checked; without any, one of no frames for each item of the condition."""
    levels = model.pattern.levels
    if prompt is None:
        if not condition.tensors:
            raise InputError("generate: expected a prompt or a condition, which say how many items there are.")
        some = next(iter(condition.tensors.values()))
        prompt = torch.zeros(len(some), levels, 0, dtype=torch.int64, device=some.device)
    if prompt.ndim != 3 or prompt.shape[1] != levels or prompt.dtype != torch.int64:
        raise InputError(
            f"generate: expected a prompt [B, K={levels}, P] int64, got {list(prompt.shape)} {prompt.dtype}. "
            "Encode with the codec that the model was trained with."
        )
    if prompt.numel() and not 0 <= int(prompt.min()) <= int(prompt.max()) < model.mask_token:
        raise InputError(
            f"generate: expected codes in 0..{model.mask_token - 1}, got {int(prompt.min())}..{int(prompt.max())}. "
            "The prompt is a beginning without holes; use a masked model to fill holes."
        )
    items = {len(tensor) for tensor in condition.tensors.values()}
    if items - {len(prompt)}:
        raise InputError(
            f"generate: expected a condition for {len(prompt)} items, as the prompt has, got one for {min(items)}. "
            "Build it for the whole batch."
        )
    if frames < max(prompt.shape[-1], 1):
        raise InputError(
            f"generate: expected 1 frame or more and at least the prompt's {prompt.shape[-1]}, got {frames}. "
            "The prompt counts too."
        )
    return prompt


def _guided_stream(model: AutoregressiveModel, condition: Condition, batch: int, scale: float) -> Stream:
    """A stream whose logits are guided; both branches are one batch, and there is only one where the scale is 1."""
    if scale == 1:
        return model.start(condition, batch)
    both = Condition.cat([Condition(condition.tensors), condition.null()])
    stream = model.start(both, 2 * batch)

    def read(sequence: Tensor) -> Tensor:
        conditioned, null = stream(sequence.repeat(2, 1, 1)).float().chunk(2)
        return guide(conditioned, null, scale)

    return read


def _draw(logits: Tensor, places: Tensor, sampling: Sampling, index: int, steps: int, noise: Noise) -> Tensor:
    """Tokens [N] for the True `places` [B, K, 1] of logits [B, K, 1, V]."""
    temperature = sampling.temperature_at(index, steps)
    flat = logits[places].float()
    allowed = allowed_tokens(flat, temperature, sampling)
    gumbel = gumbel_at(index, steps, flat, places, sampling, noise)
    return draw((flat / temperature).masked_fill(~allowed, NEVER), gumbel)
