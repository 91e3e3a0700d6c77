"""The residual quantiser's promises; its figures against the reference are in tests/codecs/test_maskgct_codecs.py."""

import pytest
import torch

from audiogen.errors import InputError
from audiogen.nn.quantize import ResidualQuantizer
from audiogen.training.codebooks import UsageRecord

DIM, LEVELS, SIZE = 12, 4, 16


@pytest.fixture
def quantizer() -> ResidualQuantizer:
    torch.manual_seed(0)
    return ResidualQuantizer(DIM, LEVELS, SIZE, codebook_dim=4, quantizer_dropout=0.5).eval()


def test_encode_and_forward_agree_and_codes_rebuild_the_vectors(quantizer: ResidualQuantizer) -> None:
    hidden = torch.randn(2, DIM, 9)
    result = quantizer(hidden)
    assert torch.equal(result.codes, quantizer.encode(hidden))
    torch.testing.assert_close(quantizer.embed(result.codes), result.quantized, atol=1e-5, rtol=0)
    assert float(result.loss) == 0.0, "no losses outside training"


@pytest.mark.parametrize("levels", [1, 2, LEVELS])
def test_fewer_levels_are_a_prefix(quantizer: ResidualQuantizer, levels: int) -> None:
    hidden = torch.randn(2, DIM, 9)
    assert torch.equal(quantizer.encode(hidden, levels), quantizer.encode(hidden)[:, :levels])
    torch.testing.assert_close(quantizer.embed(quantizer.encode(hidden, levels)), quantizer(hidden, levels).quantized)


@pytest.mark.parametrize("levels", [0, LEVELS + 1])
def test_levels_it_does_not_have_are_refused(quantizer: ResidualQuantizer, levels: int) -> None:
    with pytest.raises(InputError, match=f"1 to {LEVELS} levels, got {levels}"):
        quantizer.encode(torch.randn(1, DIM, 3), levels)


def test_training_drops_levels_of_half_the_batch_and_passes_the_gradient(quantizer: ResidualQuantizer) -> None:
    quantizer.train()
    hidden = torch.randn(8, DIM, 9, requires_grad=True)
    full = quantizer(hidden, LEVELS).quantized
    dropped = quantizer(hidden, generator=torch.Generator().manual_seed(1)).quantized
    same = [torch.equal(a, b) for a, b in zip(full, dropped, strict=True)]
    assert all(same[4:])
    assert not all(same[:4])
    dropped.sum().backward()
    assert hidden.grad is not None
    assert float(hidden.grad.abs().min()) > 0


def test_revival_moves_unused_codes_onto_the_data(quantizer: ResidualQuantizer) -> None:
    with torch.no_grad():  # a codebook that points away from the data: one code wins everywhere
        for level in quantizer.first(LEVELS):
            level.codebook.weight.copy_(torch.eye(4)[0].expand(SIZE, 4))
    hidden = torch.randn(16, DIM, 40)
    assert quantizer.encode(hidden, 1).unique().numel() == 1
    record = UsageRecord(LEVELS, SIZE)
    generator = torch.Generator().manual_seed(0)
    record.revive(quantizer, hidden, step=1, generator=generator)
    assert quantizer.encode(hidden, 1).unique().numel() == 1, "only every twentieth step"
    record.revive(quantizer, hidden, step=0, generator=generator)
    codes = quantizer.encode(hidden)
    assert all(codes[:, level].unique().numel() > SIZE // 2 for level in range(LEVELS))
    record.count(codes)
    before = quantizer.first(1)[0].codebook.weight.clone()
    used = record.usage[0] >= 0.03
    record.revive(quantizer, torch.randn(16, DIM, 40), step=20, generator=generator)
    assert torch.equal(quantizer.first(1)[0].codebook.weight[used], before[used]), "codes in use stay"
