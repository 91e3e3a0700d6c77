"""Attention to near frames is attention with a mask, computed block by block."""

from math import inf

import pytest
import torch

from audiogen.nn.attention import BLOCK, attend, attend_near, hide, near


def frames_of(batch, frames):
    generator = torch.Generator().manual_seed(frames)
    return [torch.randn(batch, frames, 2, 8, generator=generator) for _ in range(3)]


def masked(valid, context):
    """[B, 1, T, T], as one would write it down."""
    frames = torch.arange(valid.shape[1])
    distance = (frames[:, None] - frames).abs()
    return ((distance <= context) & valid[:, None] | (distance == 0))[:, None]


@pytest.mark.parametrize("context", [0, 1, 5, 40])
@pytest.mark.parametrize("frames", [1, 6, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_near_frames_are_those_of_a_mask(frames, context):
    query, key, value = frames_of(2, frames)
    valid = torch.arange(frames) < torch.tensor([[frames], [max(1, frames - 9)]])
    expected = attend(query, key, value, hide(masked(valid, context), torch.float32))
    result = attend_near(query, key, value, hide(near(valid, context), torch.float32))
    torch.testing.assert_close(result, expected)


def test_the_work_grows_with_the_length_not_with_its_square():
    sizes = [near(torch.ones(1, frames, dtype=torch.bool), 5).numel() for frames in (10 * BLOCK, 20 * BLOCK)]
    assert sizes[1] == 2 * sizes[0]


def test_gradients_are_those_of_a_mask():
    inputs = [x.requires_grad_() for x in frames_of(1, 70)]
    valid = torch.ones(1, 70, dtype=torch.bool)
    attend(*inputs, hide(masked(valid, 5), torch.float32)).square().sum().backward()
    expected = [x.grad.clone() for x in inputs]
    for x in inputs:
        x.grad = None
    attend_near(*inputs, hide(near(valid, 5), torch.float32)).square().sum().backward()
    for x, gradient in zip(inputs, expected, strict=True):
        torch.testing.assert_close(x.grad, gradient)


def test_hidden_is_infinitely_unlikely():
    assert hide(torch.tensor([True, False]), torch.bfloat16).tolist() == [0.0, -inf]
