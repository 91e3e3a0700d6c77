"""Sound of any length with the memory of a short one: filters that run over blocks, whose ends are cross-faded.

Shapes: C channels, S samples.
"""

from collections.abc import Callable

from torch import Tensor

from audiogen.codecs.segments import overlap_add, segment_starts

BLOCK, OVERLAP = 30.0, 0.25
"""Seconds of a block, and of what two neighbours share."""


def by_blocks(function: Callable[[slice], Tensor], num_samples: int, sample_rate: int) -> Tensor:
    """Join what `function` makes of each block of `num_samples` samples.

    Args:
        function: a block -> its result [C, as many samples]. Sound of up to BLOCK seconds is one block.
    Returns:
        [C, num_samples].
    """
    size, overlap = round(BLOCK * sample_rate), round(OVERLAP * sample_rate)
    starts = segment_starts(num_samples, size, overlap)
    return overlap_add([function(slice(start, min(start + size, num_samples)))[None] for start in starts], overlap)[0]
