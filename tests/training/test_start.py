"""Networks that know the codec before training: they repeat what stands beside a hidden cell."""

import pytest
import torch

from audiogen.decoding.plan import Stage
from audiogen.models.magnet import Magnet, MagnetConfig
from audiogen.models.specmaskgit import SpecMaskGIT, SpecMaskGITConfig
from audiogen.models.vampnet import VampNet, VampNetConfig
from audiogen.nn.relative import distances
from audiogen.training.start import start_conditioned, start_specmaskgit, start_vampnet

LEVELS, VOCAB, WIDTH, FRAMES, ITEMS = 3, 40, 8, 60, 4


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def codebooks():
    """Rows of residual levels: smaller and smaller."""
    return torch.randn(LEVELS, VOCAB, WIDTH) * torch.tensor([2.0, 0.7, 0.2])[:, None, None]


def sustained():
    """Codes [B, K, T] that stay for 20 frames, and a mask of every fifth frame."""
    codes = torch.randint(VOCAB, (ITEMS, LEVELS, FRAMES // 20)).repeat_interleave(20, dim=2)
    return codes, (torch.arange(FRAMES) % 5 == 2).expand_as(codes)


def share_repeated(model, condition, stages):
    codes, mask = sustained()
    right = [
        (
            model.logits(codes.masked_fill(mask, model.mask_token), condition, stage).argmax(-1)
            == codes[:, stage.levels]
        )[mask[:, stage.levels]]
        for stage in stages
    ]
    return float(torch.cat(right).float().mean())


@pytest.mark.parametrize("condition_levels", [0, 1])
@torch.no_grad()
def test_a_vampnet_repeats_what_it_sees_beside_a_hole(codebooks, condition_levels):
    network = VampNet(
        VampNetConfig(
            levels=LEVELS,
            condition_levels=condition_levels,
            vocab_size=VOCAB,
            codebook_dim=WIDTH,
            dim=48,
            layers=2,
            heads=4,
            lora_rank=0,
        )
    ).eval()
    network.use_codebooks(codebooks)
    stages = [Stage(levels=network.config.predicted)]
    before = share_repeated(network, network.condition(ITEMS), stages)
    start_vampnet(network, codebooks)
    assert before < 0.1
    assert share_repeated(network, network.condition(ITEMS), stages) > 0.3


@torch.no_grad()
def test_a_magnet_repeats_what_it_sees_beside_a_hole(codebooks):
    config = MagnetConfig(levels=LEVELS, vocab_size=VOCAB, dim=96, layers=3, heads=2, condition_dim=16)
    network = Magnet(config).eval()
    condition = network.condition(torch.zeros(ITEMS, 1, 16), torch.zeros(ITEMS, 1))
    stages = [Stage(levels=(level,)) for level in range(LEVELS)]
    before = share_repeated(network, condition, stages)
    start_conditioned(network, codebooks)
    assert before < 0.1
    assert share_repeated(network, condition, stages) > 0.3


@pytest.mark.parametrize("entry", ["masked", "norms", "prefix"])
@torch.no_grad()
def test_a_specmaskgit_repeats_what_it_sees_beside_a_hole(entry):
    config = SpecMaskGITConfig(rows=LEVELS, vocab_size=VOCAB, dim=128, layers=3, heads=2, condition_dim=16, entry=entry)
    network = SpecMaskGIT(config).eval()
    condition = network.condition(torch.zeros(ITEMS, 16))
    stages = [Stage(levels=tuple(range(LEVELS)))]
    before = share_repeated(network, condition, stages)
    start_specmaskgit(network, torch.randn(1, VOCAB, WIDTH).expand(LEVELS, -1, -1))
    assert before < 0.1
    assert share_repeated(network, condition, stages) > 0.3


@torch.no_grad()
def test_tables_that_are_wider_than_the_model_still_start_it():
    codebooks = torch.randn(LEVELS, VOCAB, 64)
    network = Magnet(MagnetConfig(levels=LEVELS, vocab_size=VOCAB, dim=48, layers=1, heads=2, condition_dim=16))
    start_conditioned(network, codebooks)
    assert all(bool(weight.isfinite().all()) for weight in network.state_dict().values())
    assert all(float(table.weight.std()) > 0.1 for table in network.emb)
    grid = SpecMaskGIT(SpecMaskGITConfig(rows=LEVELS, vocab_size=VOCAB, dim=48, layers=1, heads=2, condition_dim=16))
    start_specmaskgit(grid, codebooks[:1].expand(LEVELS, -1, -1))
    assert all(bool(weight.isfinite().all()) for weight in grid.state_dict().values())


@torch.no_grad()
def test_scores_fall_with_the_distance_at_first_steeply_then_hardly(codebooks):
    network = VampNet(VampNetConfig(levels=LEVELS, vocab_size=VOCAB, codebook_dim=WIDTH, dim=48, layers=1, heads=4))
    start_vampnet(network, codebooks)
    bias = network.transformer.bias(distances(100)[None])[0]
    row = bias[:, 50]
    assert (row[:, 50:].diff(dim=1) <= 0).all()
    assert torch.allclose(row[:, 50:], row[:, :51].flip(1)[:, :50])
    far = row[:, 55] - row[:, 50]
    assert (far.diff() > 0).all()
    assert far[0] < -5 < -1 < far[-1]
