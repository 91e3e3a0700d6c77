"""What moves a codebook without gradients."""

import torch

from audiogen.nn.quantize import ResidualQuantizer
from audiogen.training.codebooks import UsageRecord


def plain(vocab_size: int = 4) -> ResidualQuantizer:
    """One level whose codebook rows are the vectors themselves, two numbers wide."""
    quantizer = ResidualQuantizer(2, 1, vocab_size, 2, look_up="distance")
    level = quantizer.first(1)[0]
    with torch.no_grad():
        for layer in (level.in_project, level.out_project):
            layer.weight_v.copy_(torch.eye(2)[..., None])
            layer.weight_g.fill_(1.0)
            layer.bias.zero_()
    return quantizer


def test_codes_that_follow_end_at_the_means_of_their_vectors():
    torch.manual_seed(0)
    quantizer, usage = plain(), UsageRecord(1, 4)
    centres = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 3.0]])
    level = quantizer.first(1)[0]
    with torch.no_grad():
        level.codebook.weight.copy_(torch.tensor([[2.0, 0.5], [-2.0, 0.5], [0.5, 2.0], [0.0, -9.0]]))
    for _ in range(150):
        vectors = (centres[torch.randint(3, (64,))] + 0.1 * torch.randn(64, 2)).T[None]
        codes = quantizer.encode(vectors)
        usage.follow(quantizer, vectors, codes)
        usage.count(codes)
    rows = level.codebook.weight
    torch.testing.assert_close(rows[:3], centres, atol=0.05, rtol=0)
    assert torch.equal(rows[3], torch.tensor([0.0, -9.0])), "what stands for nothing stays"


def test_a_code_that_was_used_often_moves_slowly():
    moved = []
    for often in (1.0, 100.0):
        quantizer, usage = plain(), UsageRecord(1, 4)
        usage.usage.fill_(often)
        with torch.no_grad():
            quantizer.first(1)[0].codebook.weight.zero_()
        vectors, codes = torch.ones(1, 2, 10), torch.zeros(1, 1, 10, dtype=torch.long)
        usage.follow(quantizer, vectors, codes)
        moved.append(float(quantizer.first(1)[0].codebook.weight[0, 0]))
    assert 0 < moved[1] < moved[0] < 1
