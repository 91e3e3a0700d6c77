"""One pass of MAGNeT against the reference's figures; who sees whom; padding, joined batches, bfloat16."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tiny_music import CLOSE, FRAMES, GOLDEN, case, golden, tiny_magnet

from audiogen.decoding import Condition, Stage, decode
from audiogen.errors import InputError
from audiogen.models.magnet import Magnet, MagnetConfig, magnet_plan
from audiogen.models.musicgen import MusicGen, MusicGenConfig
from audiogen.nn.attention import attend_near
from audiogen.nn.conditioned import frame_positions

ALL = Stage(levels=(0, 1, 2, 3))
"""Its first level is 0: nothing is restricted."""


@pytest.fixture(scope="module")
def tensors():
    return golden("magnet_forward")


@pytest.fixture(scope="module")
def model():
    return tiny_magnet()


def seen_from(level):
    """A stage of all levels that sees what `level` sees, and the order that brings its logits back."""
    order = [level, *(other for other in range(4) if other != level)]
    return Stage(levels=tuple(order)), torch.tensor(order).argsort()


@torch.no_grad()
def logits_of(model, codes, condition, stage=ALL):
    return model.logits(codes, condition, stage)


def random_codes(frames, batch=1, hidden=0.5):
    generator = torch.Generator().manual_seed(frames)
    codes = torch.randint(64, (batch, 4, frames), generator=generator)
    return codes.masked_fill(torch.rand(codes.shape, generator=generator) < hidden, 64)


def text(batch, positions=5):
    """Projected text states."""
    return torch.randn(batch, positions, 64, generator=torch.Generator().manual_seed(positions))


@pytest.mark.parametrize("stage", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("frames", [50, 48, 37])
def test_logits_match_the_reference(frames, stage, model, tensors):
    want = case(tensors, f"T{frames}.stage{stage}")
    planned, back = seen_from(max(stage, 0))
    logits = logits_of(model, want["codes"], model.condition_on(tensors["cond"]), planned)
    torch.testing.assert_close(logits[:, back], want["logits"], **CLOSE)
    head = logits_of(model, want["codes"], model.condition_on(tensors["cond"]), Stage(levels=(max(stage, 0),)))
    torch.testing.assert_close(head, want["logits"][:, [max(stage, 0)]], **CLOSE)


@pytest.mark.parametrize("stage", [0, 1])
@torch.no_grad()
def test_every_layer_matches_the_reference(stage, tensors):
    model, want, seen = tiny_magnet(), case(tensors, f"act.stage{stage}"), {}

    def keep(name):
        return lambda module, inputs, output: seen.update({name: output})

    first = model.blocks[0]
    first.register_forward_pre_hook(lambda module, inputs: seen.update(emb_plus_pos=inputs[0]))
    first.self_attn.register_forward_hook(keep("layer0.self_attn"))
    first.cross_attention.register_forward_hook(keep("layer0.cross_attn"))
    for index, block in enumerate(model.blocks):
        block.register_forward_hook(keep(f"layer{index}"))
    model.out_norm.register_forward_hook(keep("out_norm"))
    logits_of(model, tensors[f"T50.stage{stage}.codes"], model.condition_on(tensors["cond"]), Stage(levels=(stage,)))
    seen["emb_sum"] = seen["emb_plus_pos"] - frame_positions(FRAMES, 64, torch.device("cpu"))
    assert seen.keys() == want.keys()
    for name, expected in want.items():
        torch.testing.assert_close(seen[name], expected, **CLOSE)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_levels_above_0_see_their_neighbours(level, model, tensors):
    codes = tensors[f"T50.stage{level}.codes"]
    prepared = model.prepare(codes, codes == 64, model.condition_on(tensors["cond"]), Stage(levels=(level,)))
    allowed = tensors[f"attn_allowed.stage{level}"].bool()[:FRAMES, :FRAMES]
    seen = torch.eye(FRAMES).expand(2, -1, -1)[:, :, None]  # what reaches a frame of a frame that says its own number
    nothing = torch.zeros_like(seen)
    assert torch.equal(attend_near(nothing, nothing, seen, prepared["band"])[:, :, 0] > 0, allowed.expand(2, -1, -1))


def test_context_may_be_other_or_off(model, tensors):
    codes, condition = tensors["T50.stage1.codes"], model.condition_on(tensors["cond"])
    planned, back = seen_from(1)
    free = logits_of(tiny_magnet(context=-1), codes, condition, planned)[:, back]
    torch.testing.assert_close(free, tensors["T50.stage1.logits_unrestricted"], **CLOSE)
    torch.testing.assert_close(free, logits_of(tiny_magnet(context=49), codes, condition, planned)[:, back], **CLOSE)
    results = [logits_of(tiny_magnet(context=width), codes, condition, planned) for width in (0, 2, 5)]
    assert not any(torch.allclose(one, other, **CLOSE) for one, other in pairwise(results))


def test_padding_of_a_text_counts_as_in_the_reference(model, tensors):
    want = case(tensors, "xpad")
    padded = torch.nn.functional.pad(want["cond_trimmed"], (0, 0, 0, 3))
    trimmed = logits_of(model, want["codes"], model.condition_on(want["cond_trimmed"]))
    torch.testing.assert_close(trimmed, want["logits_trimmed"], **CLOSE)
    torch.testing.assert_close(
        logits_of(model, want["codes"], model.condition_on(padded)), want["logits_padded"], **CLOSE
    )


def test_text_states_are_projected_and_padding_is_zero(model, tensors):
    want = case(tensors, "proj")
    given = model.condition(want["t5_hidden"], want["mask"])
    torch.testing.assert_close(given["memory"], model.condition_on(want["cond"])["memory"], **CLOSE)
    assert not given["memory"][~want["mask"].bool()].any()


def test_without_text_is_the_null_of_guidance(model, tensors):
    states, codes = tensors["proj.t5_hidden"], random_codes(20, batch=2)
    null = logits_of(model, codes, model.condition(states, torch.zeros(2, 7)))
    torch.testing.assert_close(null, logits_of(model, codes, model.condition(states, torch.ones(2, 7)).null()))
    assert not torch.allclose(null, logits_of(model, codes, model.condition(states, torch.ones(2, 7))), **CLOSE)


def test_joined_items_are_as_they_are_alone(model):
    codes, texts = random_codes(20, batch=2), (text(1, 3), text(1, 8))
    joined = logits_of(model, codes, Condition.cat([model.condition_on(one) for one in texts]))
    for item, one in enumerate(texts):
        alone = logits_of(model, codes[item : item + 1], model.condition_on(one))
        torch.testing.assert_close(joined[item : item + 1], alone, **CLOSE)


def test_guidance_branches_fit_into_one_batch(model):
    codes, condition = random_codes(20), model.condition_on(text(1))
    prepared = model.prepare(codes, codes == 64, condition, Stage(levels=(1,)))
    both = Condition.cat([Condition(prepared.tensors), prepared.null()])
    with torch.no_grad():
        hidden = model.hidden(codes.repeat(2, 1, 1), both, Stage(levels=(1,)))
        for half, one in zip(hidden.split(1), (prepared, prepared.null()), strict=True):
            torch.testing.assert_close(half, model.hidden(codes, one, Stage(levels=(1,))), **CLOSE)


@pytest.mark.parametrize("level", [0, 2])
def test_padded_frames_change_nothing(level, model):
    codes, stage = random_codes(30, batch=2), Stage(levels=(level,))
    states, seen = torch.randn(2, 5, 768), torch.ones(2, 5)
    valid = torch.arange(30) < torch.tensor([[19], [30]])
    both = logits_of(model, codes, model.condition(states, seen, valid), stage)
    alone = logits_of(model, codes[:1, :, :19], model.condition(states[:1], seen[:1]), stage)
    torch.testing.assert_close(both[:1, :, :19], alone, **CLOSE)
    torch.testing.assert_close(both[1:], logits_of(model, codes[1:], model.condition(states[1:], seen[1:]), stage))
    assert both.isfinite().all()


@pytest.mark.parametrize("cast", ["to", "autocast"])
@pytest.mark.parametrize("level", [0, 1])
def test_bfloat16_stays_close(level, cast):
    model, codes, stage = tiny_magnet(), random_codes(60, batch=2), Stage(levels=(level,))
    exact = logits_of(model, codes, model.condition_on(text(2)), stage)
    if cast == "to":
        model = model.to(torch.bfloat16)
        rounded = logits_of(model, codes, model.condition_on(text(2)), stage)
    else:
        with torch.autocast("cpu", torch.bfloat16):
            rounded = logits_of(model, codes, model.condition_on(text(2)), stage)
    assert rounded.dtype == torch.bfloat16
    difference, largest = (rounded.float() - exact).abs(), exact.abs().max()
    assert 0 < difference.max() < 0.02 * largest
    assert difference.square().mean().sqrt() < 0.004 * largest


def test_names_and_shapes_are_the_official_ones():
    names = json.loads((GOLDEN / "names.json").read_text())
    for network in (Magnet, MusicGen):
        config = {"vocab_size": 64, "dim": 64, "heads": 4, "layers": 3}
        with torch.device("meta"):
            built = network((MagnetConfig if network is Magnet else MusicGenConfig)(**config))
        assert {name: list(x.shape) for name, x in built.state_dict().items()} == names


@pytest.mark.parametrize("network", [Magnet, MusicGen])
def test_official_size(network):
    config = MagnetConfig() if network is Magnet else MusicGenConfig()
    with torch.device("meta"):
        model = network(config)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(420.4, abs=0.05)


def test_weights_begin_as_in_the_reference():
    torch.manual_seed(0)
    model = Magnet(MagnetConfig(vocab_size=512, dim=128, heads=4, layers=3, condition_dim=64))
    depth = 3
    block = model.blocks[depth - 1]
    expected = {
        model.emb[1].weight: 128**-0.5,
        model.linears[2].weight: 128**-0.5,
        block.linear1.weight: (2 * depth * 128) ** -0.5,
        block.linear2.weight: (2 * depth * 512) ** -0.5,
        block.cross_attention.out_proj.weight: (2 * depth * 128) ** -0.5,
        block.self_attn.in_proj_weight: (3 * 128) ** -0.5,  # even in +-1 / sqrt(D)
    }
    for weight, deviation in expected.items():
        weight = weight.detach()
        assert float(weight.std()) == pytest.approx(deviation, rel=0.03)
        assert float(weight.abs().max()) <= 3 * deviation + 1e-6


def test_untrained_loss_is_near_chance():
    torch.manual_seed(0)
    model = Magnet(MagnetConfig(vocab_size=64, dim=64, heads=4, layers=2, condition_dim=8)).eval()
    codes = random_codes(50, batch=4, hidden=0)
    logits = logits_of(model, torch.full_like(codes, 64), model.condition(torch.randn(4, 3, 8), torch.ones(4, 3)))
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 2), codes.flatten())
    assert 0 < float(loss) - torch.tensor(64.0).log() < 1


def test_dropout_acts_in_training_only():
    model, codes = tiny_magnet(dropout=0.5), random_codes(12)
    condition = model.condition_on(text(1))
    expected = logits_of(model, codes, condition)
    assert torch.equal(logits_of(model, codes, condition), expected)
    assert not torch.allclose(logits_of(model.train(), codes, condition), expected, **CLOSE)
    torch.testing.assert_close(logits_of(tiny_magnet().train(), codes, condition), expected, **CLOSE)


KNOBS = [
    {"steps": (3, 2, 2, 1)},
    {"temperature": 0.5},
    {"annealed": False},
    {"top_p": 0.3},
    {"top_p": 1.0},
    {"top_p": 1.0, "top_k": 3},
    {"guidance": (3.0, 1.0)},
    {"guidance": (10.0, 5.0)},
    {"guidance_every": 2},
    {"span": 1},
    {"arrangement": "stride1"},
    {"scoring": "prod"},
    {"greedy_steps": 2},
]


def test_every_knob_of_the_plan_changes_the_result(model):
    codes, condition = random_codes(24, hidden=0), model.condition_on(text(1))
    mask = torch.ones_like(codes, dtype=torch.bool)
    mask[..., :7] = False

    def run(**knobs):
        return decode(model, codes, mask, condition, magnet_plan(**{"steps": (5, 3, 3, 2), **knobs}), seed=0)

    plain = run()
    assert torch.equal(plain, run()), "same seed, same codes"
    assert torch.equal(plain[~mask], codes[~mask])
    assert plain.max() < 64
    results = [plain, *(run(**knobs) for knobs in KNOBS)]
    for index, result in enumerate(results):
        for other in results[:index]:
            assert not torch.equal(result, other), KNOBS[index - 1]


def test_wrong_input_is_one_clear_line(model):
    codes, condition = random_codes(9), model.condition_on(text(1))
    mistakes = {
        r"codes \[B, K=4, T\], got \[1, 3, 9\]": lambda: model.logits(codes[:, :3], condition, ALL),
        r"levels 0..3, got \(4,\)": lambda: model.logits(codes, condition, Stage(levels=(4,))),
        "condition for 1 items": lambda: model.logits(codes, model.condition_on(text(2)), ALL),
        r"text states \[B, L, 768\] .* got \[1, 5, 64\]": lambda: model.condition(text(1), torch.ones(1, 5)),
        r"and \[1, 4\]": lambda: model.condition(torch.zeros(1, 5, 768), torch.ones(1, 4)),
        "tensor 'memory'": lambda: model.logits(codes, Condition(), ALL),
        "3 heads of even width, got 64": lambda: replace(model.config, heads=3),
    }
    for message, mistake in mistakes.items():
        with pytest.raises(InputError, match=message):
            mistake()
