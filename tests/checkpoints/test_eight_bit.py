"""Weights in 8 bits."""

import pytest
import torch

from audiogen.checkpoints.eight_bit import pack, unpack
from audiogen.errors import InputError


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(6, 32, generator=generator) * torch.logspace(-6, 3, 6)[:, None]
    return {
        "matrix": rows,
        "convolution": torch.randn(4, 8, 7, generator=generator),
        "zeros": torch.zeros(2, 16),
        "narrow": torch.randn(8, 3, generator=generator),
        "vector": torch.randn(100, generator=generator),
        "count": torch.arange(40).view(2, 20),
    }


def test_no_number_moves_by_more_than_half_a_step_of_its_row():
    for name, tensor in unpack(pack(weights())).items():
        original = weights()[name]
        assert tensor.shape == original.shape
        if original.is_floating_point():
            rows = original.flatten(1) if original.ndim > 1 else original[:, None]
            step = rows.abs().amax(1, keepdim=True) / 127
            assert ((tensor.view(rows.shape) - rows).abs() <= step * 0.5001).all(), name


def test_only_long_rows_are_packed_and_the_rest_is_untouched():
    packed = pack(weights())
    assert {name for name, tensor in packed.items() if tensor.dtype == torch.int8} == {"matrix", "convolution", "zeros"}
    for name in ("narrow", "vector", "count"):
        assert torch.equal(packed[name], weights()[name])


def test_packing_again_changes_nothing():
    once = unpack(pack(weights()))
    twice = unpack(pack(once))
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_weights_that_are_not_packed_pass():
    assert unpack(weights()).keys() == weights().keys()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"a": torch.zeros(2, 16, dtype=torch.int8)}, "a scale for each row of a"),
        ({"a.scale": torch.ones(2)}, "got none"),
        ({"a": torch.zeros(3, 16, dtype=torch.int8), "a.scale": torch.ones(2)}, r"for 2 scales, got \[3, 16\]"),
        ({"a": torch.zeros(2, 16), "a.scale": torch.ones(2)}, "float32"),
    ],
)
def test_what_does_not_belong_together_is_refused(broken: dict[str, torch.Tensor], message: str):
    with pytest.raises(InputError, match=message):
        unpack(broken)
