"""The masks of the reference VampNet (golden vampnet SPEC 5), cell for cell and in its random order.

For parity tests, and to repeat its results from a seed. The prompts of this package are the musical equivalents without
the quirks kept here (SPEC 10, traps 14 and 15): periodic masks draw numbers that decide nothing, even widths grow by
one, dropout draws frames with replacement, onsets and beats near the start keep nothing.

Left out of its experimental second set of builders: those that only train models it never released, or that nothing
calls. A torch generator seeded with the reference's seed stands for its global one.
Shapes: B batch, K levels, T frames; a shape is (B, K, T). Masks are bool, True = to be generated.
"""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from audiogen.extras import need

Shape = tuple[int, int, int]


def random(shape: Shape, rate: float | Tensor, generator: Generator) -> Tensor:
    """Each cell with probability cos(pi * rate / 2), as in training: 0 masks all. `rate`: one, or [B]."""
    probability = torch.cos(torch.as_tensor(rate, dtype=torch.float32) * math.pi / 2).reshape(-1, 1, 1)
    return torch.rand(shape, generator=generator) < probability


def linear_random(shape: Shape, probability: float | Tensor, generator: Generator) -> Tensor:
    """Each cell with `probability`, a number or broadcastable to [B, 1, 1]."""
    return torch.rand(shape, generator=generator) < torch.as_tensor(probability, dtype=torch.float32)


def inpaint(shape: Shape, prefix: int, suffix: int) -> Tensor:
    """All but the first `prefix` and the last `suffix` frames."""
    frame = torch.arange(shape[-1])
    return ((frame >= prefix) & (frame < shape[-1] - suffix)).expand(shape).clone()


def periodic(shape: Shape, period: int, width: int, generator: Generator, roll: bool = False) -> Tensor:
    """All but 2 * (width // 2) + 1 frames around every `period`-th; period 0: all. `roll`: from a random offset."""
    mask = torch.ones(shape, dtype=torch.bool)
    if period == 0:
        return mask
    for item in mask:
        for centre in range(0, shape[-1], period):
            window = slice(max(centre - width // 2, 0), min(centre + width // 2 + 1, shape[-1]))
            item[:, window] = False
            torch.rand(window.stop - window.start, generator=generator)  # drawn by the reference, with probability 1
    if not roll:
        return mask
    return mask.roll(int(torch.randint(0, period, (1,), generator=generator)), dims=-1)


def time_stretch(shape: Shape, factor: int, generator: Generator) -> Tensor:
    """What is masked of codes whose frames were repeated `factor` times: all but every `factor`-th frame."""
    return periodic(shape, factor, 1, generator)


def keep_levels(mask: Tensor, count: int | None) -> Tensor:
    """`mask` with the first `count` levels kept; None changes nothing."""
    kept = mask.clone()
    kept[:, : count or 0] = False
    return kept


def mask_levels(mask: Tensor, first: int | None) -> Tensor:
    """`mask` with the levels from `first` on masked; None changes nothing."""
    masked = mask.clone()
    masked[:, mask.shape[1] if first is None else first :] = True
    return masked


def dropout(mask: Tensor, share: float, generator: Generator) -> Tensor:
    """`mask` with int(T * share) frames masked in all levels, drawn with replacement: some are drawn twice."""
    frames = mask.shape[-1]
    dropped = mask.clone()
    dropped[..., torch.randint(0, frames, (int(frames * share),), generator=generator)] = True
    return dropped


def onsets(shape: Shape, frames: Sequence[int], width: int) -> Tensor:
    """All but `width` frames before and `width` from each onset; nothing is kept where that begins before the start."""
    mask = torch.ones(shape, dtype=torch.bool)
    for frame in frames:
        mask[..., frame - width : frame + width] = False  # a negative start counts from the end: an empty slice
    return mask


def onset_frames(samples: Tensor, sample_rate: int, hop_length: int) -> list[int]:
    """Onsets of one channel [S] in codec frames, as librosa finds them with backtracking.

    Raises:
        InputError: librosa is not installed.
    """
    found = need("librosa", "codecs").onset.onset_detect(
        y=samples.numpy(), sr=sample_rate, hop_length=hop_length, backtrack=True
    )
    return [int(frame) for frame in found]


def beats(
    levels: int,
    frames: int,
    frame_rate: float,
    beat_times: Sequence[float],
    downbeat_times: Sequence[float],
    generator: Generator,
    *,
    before: float = 0.0,
    after: float = 0.02,
    upbeats: bool = True,
    downbeats: bool = True,
    beat_every: int = 1,
    downbeat_every: int = 1,
    share: float = 0.0,
    invert: bool = True,
) -> Tensor:
    """[1, K, T] all but the seconds `before` and `after` every beat; not inverted: only those.

    Args:
        upbeats: whether beats that begin no bar count; `beat_every` thins them out.
        downbeats: whether beats that begin a bar count; `downbeat_every` thins them out.
        share: of the frames around a beat, those that do not count, drawn one by one.
    """
    others = [time for time in beat_times if time not in downbeat_times][::beat_every] if upbeats else []
    firsts = list(downbeat_times)[::downbeat_every] if downbeats else []
    before_frames, after_frames = math.ceil(before * frame_rate), math.ceil(after * frame_rate)
    near = torch.zeros(frames, dtype=torch.bool)
    for time in [*others, *firsts]:
        frame = math.ceil(time * frame_rate)
        window = near[frame - before_frames : frame + after_frames]
        window[:] = torch.rand(len(window), generator=generator) < 1 - share
    return (~near if invert else near).expand(1, levels, -1).clone()


def build_mask(
    shape: Shape,
    generator: Generator,
    frame_rate: float,
    *,
    random_share: float = 1.0,
    prefix: float = 0.0,
    suffix: float = 0.0,
    period: int = 7,
    period_width: int = 1,
    onset_frames: Sequence[int] = (),
    onset_width: int = 0,
    dropped_share: float = 0.0,
    kept_levels: int = 0,
    first_masked_level: int = 3,
) -> Tensor:
    """[B, K, T] the mask of the reference's interface, whose order of steps decides which of them wins.

    Args:
        random_share: probability with which a cell is masked at all (rand_mask_intensity).
        prefix, suffix: seconds kept at the ends (prefix_s, suffix_s).
        period, period_width: periodic prompt.
        onset_frames: from `onset_frames`; used if `onset_width` (onset_mask_width) is above 0.
        dropped_share: of the frames, those masked again (_dropout).
        kept_levels: levels kept even so (ncc).
        first_masked_level: levels from here on are masked whatever else was asked (upper_codebook_mask).
    """
    mask = linear_random(shape, random_share, generator)
    mask &= inpaint(shape, math.ceil(prefix * frame_rate), math.ceil(suffix * frame_rate))
    mask &= periodic(shape, period, period_width, generator, roll=True)
    if onset_width > 0:
        mask &= onsets(shape, onset_frames, onset_width)
    mask = dropout(mask, dropped_share, generator)
    mask = keep_levels(mask, kept_levels)
    return mask_levels(mask, first_masked_level)
