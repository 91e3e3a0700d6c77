"""What a generation depends on, computed once per request and reused in every step.

Shapes: B batch; every tensor of a condition has B as its first axis.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.errors import InputError, nearest


@dataclass(frozen=True)
class Condition:
    """Named tensors, and what guidance puts in their place when it asks the model to ignore them.

    The name "valid" is shared by all models: [B, T] bool, True on real frames, False on padding.
    """

    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    nulls: Mapping[str, Tensor] = field(default_factory=dict)
    """Replacements under `null()`; names that are missing here stay as they are."""

    def __post_init__(self) -> None:
        unknown = set(self.nulls) - set(self.tensors)
        assert not unknown, f"null tensors without a tensor to replace: {sorted(unknown)}"

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.tensors:
            raise InputError(
                f"Condition: expected a tensor {name!r}, got only: {nearest(name, self.tensors) or 'nothing'}. "
                "Build the condition with the model's own condition() method."
            )
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def null(self) -> "Condition":
        """The condition of the unguided pass of classifier-free guidance."""
        return Condition({**self.tensors, **self.nulls})

    def update(self, tensors: Mapping[str, Tensor], nulls: Mapping[str, Tensor] | None = None) -> "Condition":
        """A copy with more, or other, tensors."""
        return Condition({**self.tensors, **tensors}, {**self.nulls, **(nulls or {})})

    def to(self, device: torch.device | str) -> "Condition":
        return Condition(
            {name: tensor.to(device) for name, tensor in self.tensors.items()},
            {name: tensor.to(device) for name, tensor in self.nulls.items()},
        )

    def take(self, items: Tensor) -> "Condition":
        """The condition of a batch with these items [N] int64 of this one, in their order; some of them repeated."""
        return Condition(
            {name: tensor[items.to(tensor.device)] for name, tensor in self.tensors.items()},
            {name: tensor[items.to(tensor.device)] for name, tensor in self.nulls.items()},
        )

    @staticmethod
    def cat(conditions: "Sequence[Condition]") -> "Condition":
        """One batch out of several; the second axis is filled up to the longest with 0 (False), on the right."""
        names = [(set(one.tensors), set(one.nulls)) for one in conditions]
        if not names or any(other != names[0] for other in names):
            raise InputError(
                "Condition.cat: expected one or more conditions with the same tensors, "
                f"got {[sorted(tensors) for tensors, _ in names]}. Batch requests of one kind."
            )
        return Condition(
            {name: _stack([one.tensors[name] for one in conditions]) for name in conditions[0].tensors},
            {name: _stack([one.nulls[name] for one in conditions]) for name in conditions[0].nulls},
        )


def _stack(parts: list[Tensor]) -> Tensor:
    if parts[0].ndim < 2:
        return torch.cat(parts)
    longest = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part, (0, 0) * (part.ndim - 2) + (0, longest - part.shape[1])) for part in parts])


NO_CONDITION = Condition()
"""For models that only look at the cells they are given."""
