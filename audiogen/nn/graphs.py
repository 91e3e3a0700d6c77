"""Functions that a GPU replays as a whole instead of being told every kernel: CUDA graphs."""

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 2
"""Calls before recording, in which libraries allocate what they need."""


class Graphed:
    """A function of tensors whose work depends on their shapes only, recorded once for each of them and replayed.

    On a CPU, and where gradients are wanted, it is just called. All tensors that it uses beside its inputs (weights,
    caches) must stay where they are. For one thread at a time.
    """

    def __init__(self, function: Callable[..., Tensor]):
        self.function = function
        self._recordings: dict[tuple[object, ...], _Recording] = {}

    def __call__(self, *inputs: Tensor | None) -> Tensor:
        if torch.is_grad_enabled() or not all(x is None or x.is_cuda for x in inputs):
            return self.function(*inputs)
        key = tuple(None if x is None else (x.shape, x.dtype, x.device) for x in inputs)
        if key not in self._recordings:
            self._recordings[key] = _Recording(self.function, inputs)
        return self._recordings[key](inputs)


class _Recording:
    """A graph, the tensors that it reads its inputs from, and the one that it writes its output to."""

    def __init__(self, function: Callable[..., Tensor], inputs: tuple[Tensor | None, ...]):
        self.inputs = [None if x is None else x.clone() for x in inputs]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                function(*self.inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.output = function(*self.inputs)

    def __call__(self, inputs: tuple[Tensor | None, ...]) -> Tensor:
        for mine, given in zip(self.inputs, inputs, strict=True):
            if mine is not None and given is not None:
                mine.copy_(given)
        self.graph.replay()
        return self.output.clone()
