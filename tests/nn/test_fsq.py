"""Finite scalar quantisation: every code is reached, and is what it stands for."""

import pytest
import torch

from audiogen.nn.fsq import FiniteScalarQuantizer


@pytest.fixture(params=[(8, 8, 4, 4), (5, 3), (2, 7, 4)], ids=str)
def quantizer(request) -> FiniteScalarQuantizer:
    torch.manual_seed(0)
    return FiniteScalarQuantizer(6, request.param)


def latents_of(quantizer: FiniteScalarQuantizer, rows: torch.Tensor) -> torch.Tensor:
    """Vectors [1, D, V] that project onto latents [V, E], far out where a step is the last one."""
    with torch.no_grad():
        count = quantizer.in_project.out_channels
        quantizer.in_project.weight.copy_(torch.eye(count, 6)[..., None])
        quantizer.in_project.bias.zero_()
    return torch.nn.functional.pad(rows, (0, 6 - rows.shape[1])).T[None]


def test_codes_are_numbered_without_gaps_and_mean_different_things(quantizer: FiniteScalarQuantizer):
    table = quantizer.table()
    assert len(table) == int(quantizer.steps.prod())
    assert len(table.unique(dim=0)) == len(table)
    assert float(table.min()) == -1.0
    assert float(table.max()) <= 1.0
    for column, steps in zip(table.T, quantizer.steps.tolist(), strict=True):
        assert len(column.unique()) == steps


@torch.no_grad()
def test_every_code_is_reached_and_embeds_as_its_row(quantizer: FiniteScalarQuantizer):
    table = quantizer.table()
    half, offset = quantizer.steps // 2, (1 - quantizer.steps % 2) / 2
    reach = (quantizer.steps - 1) / 2
    wanted = (table * half + offset) / (reach * 1.001)
    latents = wanted.atanh() - (offset / (reach * 1.001)).atanh()
    codes = quantizer.encode(latents_of(quantizer, latents))
    assert torch.equal(codes[0, 0], torch.arange(len(table)))
    torch.testing.assert_close(quantizer.embed(codes), quantizer.out_project(table.T[None]))


def test_training_and_encoding_agree_and_the_gradient_passes(quantizer: FiniteScalarQuantizer):
    hidden = torch.randn(2, 6, 50, requires_grad=True)
    found = quantizer.train()(hidden)
    assert torch.equal(found.codes, quantizer.encode(hidden))
    torch.testing.assert_close(found.quantized, quantizer.embed(found.codes))
    assert float(found.loss) == 0.0
    found.quantized.square().sum().backward()
    assert float(hidden.grad.abs().sum()) > 0
    assert quantizer.in_project.weight.grad is not None


def test_nothing_in_the_middle_stays_in_the_middle():
    quantizer = FiniteScalarQuantizer(6, (5, 4))
    found = quantizer.encode(latents_of(quantizer, torch.zeros(1, 2)))
    assert torch.equal(quantizer.table()[int(found)], torch.zeros(2))
