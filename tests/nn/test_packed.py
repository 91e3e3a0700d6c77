"""Weights that are laid out for the CPU give the same numbers; recorded functions too."""

import pytest
import torch
from torch import nn

from audiogen.nn.graphs import Graphed
from audiogen.nn.packed import PackedLinear, packable


@pytest.mark.skipif(not packable(torch.zeros(1, 1, dtype=torch.bfloat16)), reason="this CPU does not pack")
@pytest.mark.parametrize("rows", [(1,), (2, 1), (2, 50)])
def test_packed_weights_give_the_same_numbers(rows):
    layer = nn.Linear(64, 96, bias=False).bfloat16()
    hidden = torch.randn(*rows, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
    with torch.no_grad():
        torch.testing.assert_close(PackedLinear(layer.weight)(hidden), layer(hidden))


def test_other_types_and_devices_are_not_packed():
    assert not packable(torch.zeros(1, 1))
    assert not packable(torch.zeros(1, 1, dtype=torch.bfloat16, device="meta"))


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
)
@torch.no_grad()
def test_recorded_functions_give_the_same_numbers(device):
    recorded = Graphed(lambda x, y: x.cumsum(0) if y is None else x.cumsum(0) + y)
    for size in (3, 5, 3):
        x, y = torch.rand(size, device=device), torch.rand(size, device=device)
        first, second = recorded(x, None), recorded(x, y)
        torch.testing.assert_close(first, x.cumsum(0))
        torch.testing.assert_close(second, x.cumsum(0) + y)
