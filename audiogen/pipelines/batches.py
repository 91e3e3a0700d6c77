"""Requests side by side: which are decoded together, and how far all of them are."""

from collections.abc import Callable, Hashable, Sequence

import torch

CPU_NUMBERS, GPU_BATCH = 2**20, 64
"""What is decoded together: on a CPU as many items as give so many numbers per layer (10 s in the published models have
0.5 to 0.7 million), since more fall out of its caches and take longer than one by one; on a GPU so many items."""

OnStep = Callable[[int, int], None]
"""Told after every pass: passes done, passes planned. What is finished early leaves numbers out."""


def items_at_once(device: torch.device, numbers: int) -> int:
    """How many items are decoded together, where each has so many `numbers` per layer (frames times width)."""
    return GPU_BATCH if device.type != "cpu" else max(1, CPU_NUMBERS // numbers)


def batches(kinds: Sequence[Hashable], most: int) -> list[list[int]]:
    """Places of items of equal kind, at most `most` together; kinds in the order in which they first come."""
    groups: dict[Hashable, list[int]] = {}
    for place, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(place)
    return [group[first : first + most] for group in groups.values() for first in range(0, len(group), most)]


class Progress:
    """Tells `on_step` how many of the `planned` passes are done; it never goes back."""

    def __init__(self, planned: int, on_step: OnStep | None):
        self.planned = planned
        self.done = 0
        self._on_step = on_step

    def tell(self, done: int) -> None:
        """So many are done."""
        if done > self.done:
            self.done = done
            if self._on_step is not None:
                self._on_step(done, self.planned)
