"""Low-rank adapters of linear layers: a small change that is trained, stored and exchanged on its own.

Paper: Hu et al. 2021, arXiv:2106.09685. Parameter names and the scale 1 / rank (the paper's alpha is 1) are those of
VampNet's checkpoints (golden vampnet SPEC 3, "LoRA").
Shapes: R rank; a layer from `inputs` to `outputs` numbers.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.errors import InputError

NAMES = ("lora_A", "lora_B")


class LoRALinear(nn.Module):
    """A linear layer without bias whose weight is `weight + lora_B @ lora_A / rank`; rank 0: only `weight`."""

    lora_A: nn.Parameter | None
    """[R, inputs], random at first."""
    lora_B: nn.Parameter | None
    """[outputs, R], zero at first: a fresh adapter changes nothing."""

    def __init__(self, inputs: int, outputs: int, rank: int = 8):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        for name in NAMES:
            self.register_parameter(name, None)
        if rank:
            self.attach(rank)

    @property
    def rank(self) -> int:
        """R; 0 without an adapter."""
        return 0 if self.lora_A is None else self.lora_A.shape[0]

    def attach(self, rank: int) -> None:
        """A fresh adapter, in place of any other."""
        outputs, inputs = self.weight.shape
        self.lora_A = nn.Parameter(self.weight.new_empty(rank, inputs))
        self.lora_B = nn.Parameter(self.weight.new_zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    @torch.no_grad()
    def fold(self) -> None:
        """Add the adapter to `weight` and drop it: the same layer, at the cost of a plain one."""
        if self.lora_A is None or self.lora_B is None:
            return
        update = self.lora_B.float() @ self.lora_A.float() / self.rank
        self.weight.copy_(self.weight.float() + update)
        self.lora_A = self.lora_B = None

    def forward(self, vectors: Tensor) -> Tensor:
        """[..., inputs] -> [..., outputs]."""
        plain = F.linear(vectors, self.weight)
        if self.lora_A is None or self.lora_B is None:
            return plain
        return plain + F.linear(F.linear(vectors, self.lora_A), self.lora_B) / self.rank


def attach_lora(module: nn.Module, rank: int) -> None:
    """Give every `LoRALinear` in `module` a fresh adapter."""
    for _, layer in _layers(module):
        layer.attach(rank)


def fold_lora(module: nn.Module) -> None:
    """Add all adapters in `module` to their weights and drop them, as inference wants it."""
    for _, layer in _layers(module):
        layer.fold()


def adapters(module: nn.Module) -> dict[str, Tensor]:
    """Only the adapters' tensors of `module`, by their names in its state dict."""
    return {name: tensor.detach() for name, tensor in module.state_dict().items() if name.rpartition(".")[2] in NAMES}


def set_adapters(module: nn.Module, tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """Put `tensors`, as `adapters` returns them, into `module`, in place of the adapters that it has.

    Layers that `tensors` does not name stay as they are.

    Raises:
        InputError: no adapter, a name that `module` does not have, half an adapter, or another shape.
    """
    layers = dict(_layers(module))
    named = {name.rpartition(".")[0] for name in tensors}
    complete = {f"{layer}.{name}" for layer in named for name in NAMES}
    strange = sorted((named - layers.keys()) | (complete ^ tensors.keys()))
    if strange or not tensors:
        raise InputError(
            f"expected the adapters (lora_A and lora_B) of a {type(module).__name__} in {source}, "
            f"got {f'{len(strange)} that do not fit (first: {strange[0]})' if strange else 'none'}. "
            "Use an adapter that was made for this model."
        )
    halves = {name: [tensors[f"{name}.{half}"] for half in NAMES] for name in sorted(named)}
    for name, (first, second) in halves.items():
        _check_shapes(name, layers[name], first, second, source)
    for name, pair in halves.items():
        layer = layers[name]
        layer.lora_A, layer.lora_B = (nn.Parameter(half.to(layer.weight)) for half in pair)


def _check_shapes(name: str, layer: LoRALinear, first: Tensor, second: Tensor, source: str | Path) -> None:
    outputs, inputs = layer.weight.shape
    rank = first.shape[0]
    if first.shape != (rank, inputs) or second.shape != (outputs, rank):
        raise InputError(
            f"expected the adapter of {name} in {source} to be [R, {inputs}] and [{outputs}, R], "
            f"got {list(first.shape)} and {list(second.shape)}. Use an adapter that was made for this model."
        )


def _layers(module: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    for name, layer in module.named_modules():
        if isinstance(layer, LoRALinear):
            yield name, layer
