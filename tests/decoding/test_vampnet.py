"""Filters, draws and rankings against the reference VampNet (golden vampnet SPEC 4)."""

import json
from dataclasses import replace

import pytest
import torch
from oracle import Oracle, random_logits, request
from safetensors.torch import load_file

from audiogen.decoding import Confidence, GridNoise, Linear, Plan, Sampling, Stage, decode
from audiogen.decoding.confidence import least_confident
from audiogen.decoding.sampling import NEVER, draw, filtered, keep_typical


@pytest.fixture(scope="module")
def helpers(fixtures):
    return load_file(fixtures / "vampnet" / "sampling.safetensors")


@pytest.fixture(scope="module")
def cases(fixtures):
    return json.loads((fixtures / "vampnet" / "sampling.json").read_text())["cases"]


class Injected(GridNoise):
    """Noise from a fixture instead of a generator's."""

    def __init__(self, uniform=None, exponential=None):
        self.given_uniform, self.given_exponential = uniform, exponential

    def uniform(self, shape):
        return self.given_uniform.view(shape)

    def exponential(self, shape):
        return self.given_exponential.view(shape)


@pytest.mark.parametrize("number", range(6))
def test_typical_filter_keeps_the_tokens_of_the_reference(helpers, cases, number):
    settings = cases[f"typical_filter/{number}"]
    kept = keep_typical(helpers["helpers/logits"], settings["typical_mass"], settings["typical_min_tokens"])
    assert torch.equal(kept, helpers[f"typical_filter/{number}/out"])


@pytest.mark.parametrize("number", range(12))
def test_tokens_are_drawn_as_in_the_reference(helpers, cases, number):
    """Typical filtering is asked for in the last two cases, and does nothing in the reference."""
    case = f"sample_from_logits/{number}"
    settings, logits = cases[case]["kwargs"], helpers["helpers/logits"]
    kept = filtered(logits, Sampling(top_k=settings.get("top_k", 0), top_p=settings.get("top_p", 1.0)))
    assert torch.equal(kept == NEVER, helpers[f"{case}/logits_after"] == NEVER)
    tempered = kept / (settings.get("temperature", 1.0) or 1.0)
    gumbel = None
    if settings["sample"]:
        frames = torch.ones(2, 1, 11, dtype=torch.bool)
        gumbel = Injected(exponential=helpers[f"{case}/exp_q"]).gumbel(frames, 40).view(2, 11, 40)
    tokens = draw(tempered, gumbel)
    assert torch.equal(tokens, helpers[f"{case}/token"].long())
    probability = tempered.softmax(dim=-1).gather(-1, tokens[..., None])[..., 0]
    torch.testing.assert_close(probability, helpers[f"{case}/prob"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("number", range(6))
def test_the_least_confident_cells_are_those_of_the_reference(helpers, number):
    case, probability = f"topk/{number}", helpers["topk/probs"][:, None]
    masked = probability.isfinite()
    noise = torch.zeros_like(probability)
    noise[masked] = Injected(uniform=helpers[f"{case}/u"]).gumbel(masked)
    ranking = probability.log() + helpers[f"{case}/temp"][:, None, None] * noise
    chosen = least_confident(ranking, masked, helpers[f"{case}/num"][:, 0].long())
    assert torch.equal(chosen[:, 0], helpers[f"{case}/mask"])


def test_grid_noise_is_drawn_for_every_cell_frame_by_frame():
    grid = torch.ones(2, 3, 4, dtype=torch.bool)
    whole = GridNoise(torch.Generator().manual_seed(0)).gumbel(grid, 5).view(2, 3, 4, 5)
    drawn = torch.empty(2 * 4 * 3, 5).exponential_(generator=torch.Generator().manual_seed(0))
    assert torch.equal(whole.transpose(1, 2).reshape(24, 5), -drawn.log())
    some = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(1)) < 0.5
    noise = GridNoise(torch.Generator().manual_seed(0))
    assert torch.equal(noise.gumbel(some, 5), whole[some])
    generator = torch.Generator().manual_seed(0)
    torch.empty(24, 5).exponential_(generator=generator)
    uniform = torch.rand(2, 4, 3, generator=generator).transpose(1, 2)[some]
    assert torch.equal(noise.gumbel(some), -torch.log(-torch.log(uniform)))


def test_grid_noise_is_standard_gumbel_noise():
    cells = torch.ones(1, 4, 5000, dtype=torch.bool)
    noise = GridNoise(torch.Generator().manual_seed(0))
    for drawn in (noise.gumbel(cells), noise.gumbel(cells, 2).flatten()):
        assert drawn.isfinite().all()
        assert float(drawn.mean()) == pytest.approx(0.577, abs=0.03)
        assert float(drawn.var()) == pytest.approx(1.645, abs=0.08)


def test_a_total_of_the_batch_couples_the_items():
    """The schedule of two items of 12 cells runs over 24: one cell per step, until half the time is over."""
    logits = random_logits(2, 1, 12, 4)
    stage = Stage(
        levels=(0,), steps=6, schedule=lambda progress: 1 - progress, keep_one_masked=True, fix_each_step=True
    )
    counts = {}
    for total in (None, 12, 24):
        counts[total] = []
        decode(
            Oracle(4),
            torch.zeros(2, 1, 12, dtype=torch.int64),
            torch.ones(2, 1, 12, dtype=torch.bool),
            request(logits),
            Plan((replace(stage, schedule_total=total),)),
            0,
            lambda step, total=total: counts[total].append(int(step.after[0].sum())),
        )
    assert counts[None] == counts[12] == [10, 8, 6, 4, 2, 0]
    assert counts[24] == [11, 10, 9, 8, 4, 0]


def test_noise_that_is_annealed_from_nothing_is_drawn_all_the_same():
    """The reference draws it with a mask temperature of 0 too; a plain 0 draws none."""
    cells = torch.zeros(1, 1, 4, dtype=torch.int64)
    after = []
    for temperature in (0.0, Linear(0.0)):
        generator = torch.Generator().manual_seed(0)
        stage = Stage(levels=(0,), confidence=Confidence(temperature=temperature))
        noise = GridNoise(generator)
        decode(Oracle(3), cells, cells == 0, request(torch.zeros(1, 1, 4, 3)), Plan((stage,)), noise)
        after.append(float(torch.rand(1, generator=generator)))
    assert after[0] != after[1]
