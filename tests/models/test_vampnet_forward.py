"""One pass of VampNet against the reference's figures, and what makes our own: circular, padded, bfloat16."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from audiogen.checkpoints.safe import restricted_load
from audiogen.checkpoints.vampnet import official_network
from audiogen.checkpoints.weights import assign_weights
from audiogen.codecs import load_codec
from audiogen.decoding import Condition, Stage, decode
from audiogen.decoding.schedule import masked_counts
from audiogen.errors import InputError
from audiogen.models.vampnet import VampNet, VampNetConfig, vampnet_plan
from audiogen.nn.lora import fold_lora, set_adapters
from audiogen.nn.relative import buckets, distances, wrapped

GOLDEN = Path(__file__).parents[1] / "fixtures" / "vampnet"
CLOSE = {"atol": 1e-4, "rtol": 0}
MASK = 40
FULL_SCHEDULE = [
    2297, 2291, 2280, 2265, 2245, 2221, 2193, 2161, 2124, 2084, 2040, 1991, 1939, 1884, 1824, 1761, 1695, 1626, 1553,
    1478, 1400, 1319, 1235, 1149, 1062, 972, 880, 786, 691, 595, 497, 399, 300, 200, 100, 0,
]  # fmt: skip
"""Cells left masked in 36 steps over 4 levels of 575 frames (golden vampnet SPEC 4)."""


@pytest.fixture(scope="module")
def golden():
    """Integers are stored in the smallest type that holds them."""
    tensors = load_file(GOLDEN / "forward.safetensors")
    return {name: x if x.is_floating_point() else x.long() for name, x in tensors.items()}


@pytest.fixture(scope="module")
def codebooks():
    return load_codec("vampnet-codec", weights=GOLDEN / "models/codec_lac.pth").codebooks()


@pytest.fixture
def official(codebooks):
    """Loads a fixture's network by its file's name, with its adapters."""

    def load(name):
        network = official_network(GOLDEN / f"models/{name}.pth").eval()
        network.use_codebooks(codebooks[: network.config.levels])
        return network

    return load


def whole(model):
    return Stage(levels=model.config.predicted)


@torch.no_grad()
def logits_of(model, codes, **condition):
    return model.logits(codes, model.condition(len(codes), **condition), whole(model))


def in_our_layout(logits, model):
    """The reference's [B, V, T * C], frame by frame, as [B, C, T, V]."""
    return logits.unflatten(-1, (-1, len(model.config.predicted))).permute(0, 3, 2, 1)


def random_codes(model, frames, batch=1, hidden=0.5):
    generator = torch.Generator().manual_seed(frames)
    codes = torch.randint(model.config.vocab_size, (batch, model.config.levels, frames), generator=generator)
    hide = torch.rand(codes.shape, generator=generator) < hidden
    hide[:, : model.config.condition_levels] = False
    return codes.masked_fill(hide, model.mask_token)


@pytest.mark.parametrize("name", ["coarse", "c2f"])
@torch.no_grad()
def test_every_layer_matches_the_reference(name, official, golden):
    model, case = official(name), {key.removeprefix(f"{name}/"): x for key, x in golden.items()}
    prepared = model.prepare(case["codes"], case["codes"] == MASK, model.condition(2), whole(model))
    latents = model.embedding.latents(case["codes"], model.codebooks)
    hidden = model.embedding(case["codes"], model.codebooks)

    assert torch.equal(latents, case["latents"])
    assert torch.equal(prepared["bias"], case["position_bias"].transpose(0, 1).expand_as(prepared["bias"]))
    torch.testing.assert_close(hidden.transpose(1, 2), case["emb"], **CLOSE)
    for layer, expected in zip(model.transformer.layers, case["activations"], strict=True):
        hidden = layer(hidden, prepared["bias"])
        torch.testing.assert_close(hidden, expected, **CLOSE)
    torch.testing.assert_close(model.transformer.norm(hidden), case["final_norm"], **CLOSE)
    torch.testing.assert_close(logits_of(model, case["codes"]), in_our_layout(case["logits_unmerged"], model), **CLOSE)


@pytest.mark.parametrize("case", ["", "/T1", "/long", "/allmask", "/nomask"])
@pytest.mark.parametrize("name", ["coarse", "c2f"])
def test_logits_match_the_reference(name, case, official, golden):
    model = official(name)
    codes, expected = golden[f"{name}{case}/codes"], in_our_layout(golden[f"{name}{case}/logits"], model)
    torch.testing.assert_close(logits_of(model, codes), expected, **CLOSE)
    fold_lora(model)
    torch.testing.assert_close(logits_of(model, codes), expected, **CLOSE)


def test_a_checkpoint_saved_in_evaluation_mode_gets_its_adapter_twice_as_in_the_reference(official, golden):
    model = official("coarse_saved_in_eval")
    expected = in_our_layout(golden["coarse_saved_in_eval/logits"], model)
    torch.testing.assert_close(logits_of(model, golden["coarse/codes"]), expected, **CLOSE)


def test_an_official_adapter_takes_the_place_of_the_one_in_the_model(official, golden):
    model, path = official("coarse"), GOLDEN / "models/coarse_lora.pth"
    set_adapters(model, restricted_load(path), path)
    expected = in_our_layout(golden["coarse_lora/logits"], model)
    torch.testing.assert_close(logits_of(model, golden["coarse/codes"]), expected, **CLOSE)


def test_buckets_match_the_reference(golden):
    assert torch.equal(buckets(golden["buckets/relative_position"]), golden["buckets/bucket"])


class TestControls:
    """Fixture `extra: ctrl`."""

    @pytest.fixture(scope="class")
    def case(self):
        tensors = load_file(GOLDEN / "extra.safetensors")
        return {key.removeprefix("ctrl/"): x for key, x in tensors.items() if key.startswith("ctrl/")}

    @pytest.fixture(scope="class")
    def model(self, codebooks):
        config = VampNetConfig(
            vocab_size=40, dim=64, heads=4, layers=1, dropout=0.0, control_dims={"rmsq16": 1, "hchroma": 12}
        )
        model, path = VampNet(config, codebooks[:4]).eval(), GOLDEN / "models/coarse_ctrl.safetensors"
        assign_weights(model, load_file(path), path)
        return model

    @staticmethod
    def given(case, keep=None):
        names = ("rmsq16", "hchroma")
        masks = {name: case[f"mask/{name}"] * (1 if keep is None else keep[name]) for name in names}
        return {"controls": {name: case[f"in/{name}"] for name in names}, "control_masks": masks}

    def test_matches_the_reference(self, model, case):
        condition = model.condition(3, **self.given(case))
        torch.testing.assert_close(condition["controls"].transpose(1, 2), case["eval_ctrl_emb"], **CLOSE)
        logits = logits_of(model, case["codes"].long(), **self.given(case))
        torch.testing.assert_close(logits, in_our_layout(case["eval_logits"], model), **CLOSE)

    def test_without_controls_is_the_null_of_guidance(self, model, case):
        expected = in_our_layout(case["eval_logits_zero_mask"], model)
        torch.testing.assert_close(logits_of(model, case["codes"].long()), expected, **CLOSE)
        null = model.condition(3, **self.given(case)).null()
        with torch.no_grad():
            logits = model.logits(case["codes"].long(), null, whole(model))
        torch.testing.assert_close(logits, expected, **CLOSE)

    def test_dropping_controls_in_training_is_a_matter_of_masks(self, model, case):
        """One draw per control, then one for all at half the chance, as the reference draws them."""
        generator = torch.Generator().manual_seed(2101)
        draw = partial(torch.rand, (3, 1), generator=generator)
        keep = {name: draw() > 0.2 for name in ("rmsq16", "hchroma")}
        both = draw() > 0.1
        logits = logits_of(
            model, case["codes"].long(), **self.given(case, {name: x * both for name, x in keep.items()})
        )
        torch.testing.assert_close(logits, in_our_layout(case["train_logits"], model), **CLOSE)
        assert torch.equal(torch.rand(1, generator=generator), case["train_after"])

    def test_unknown_or_wrong_controls(self, model, case):
        with pytest.raises(InputError, match="nearest: hchroma"):
            model.condition(3, controls={"chroma": case["in/hchroma"]})
        with pytest.raises(InputError, match=r"expected the control 'hchroma' as \[B, 12, T\]"):
            model.condition(3, controls={"hchroma": case["in/rmsq16"]})


@pytest.mark.parametrize(
    ("config", "millions"),
    [
        (VampNetConfig(), 335.9),
        (VampNetConfig(levels=14, condition_levels=4, layers=16), 277.8),
    ],
)
def test_official_sizes(config, millions):
    with torch.device("meta"):
        model = VampNet(config)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize("name", ["coarse", "c2f"])
@pytest.mark.parametrize("frames", [1, 2, 9, 36, 301])
def test_circular_models_do_not_know_where_the_loop_begins(name, frames, official):
    model = official(name)
    codes = random_codes(model, frames)
    for shift in {1, frames // 3, frames - 1}:
        turned = logits_of(model, codes.roll(shift, dims=-1), circular=True)
        torch.testing.assert_close(turned, logits_of(model, codes, circular=True).roll(shift, dims=2), **CLOSE)
    if frames > 2:
        straight = logits_of(model, codes)
        assert not torch.allclose(straight, logits_of(model, codes, circular=True), **CLOSE)
        assert not torch.allclose(straight.roll(1, dims=2), logits_of(model, codes.roll(1, dims=-1)), **CLOSE)


def test_distances_on_a_circle_take_the_shorter_way():
    around = wrapped(distances(7), torch.tensor(7))
    assert around[0].tolist() == [0, 1, 2, 3, -3, -2, -1]
    assert torch.equal(around[3], around[0].roll(3))
    assert wrapped(distances(6), torch.tensor(6))[0].tolist() == [0, 1, 2, -3, -2, -1]


@pytest.mark.parametrize("circular", [False, True])
def test_padding_changes_nothing(circular, official):
    model = official("coarse")
    codes, alone = random_codes(model, 30, batch=2), random_codes(model, 30, batch=2)[:1, :, :19]
    codes[0, :, :19] = alone[0]
    valid = torch.arange(30) < torch.tensor([[19], [30]])
    both = logits_of(model, codes, circular=circular, valid=valid)
    torch.testing.assert_close(both[:1, :, :19], logits_of(model, alone, circular=circular), **CLOSE)
    torch.testing.assert_close(both[1:], logits_of(model, codes[1:], circular=circular), **CLOSE)


def test_loops_and_others_share_a_batch(official):
    model = official("coarse")
    codes = random_codes(model, 20, batch=2)
    condition = Condition.cat([model.condition(1, circular=True), model.condition(1)])
    with torch.no_grad():
        logits = model.logits(codes, condition, whole(model))
    torch.testing.assert_close(logits[:1], logits_of(model, codes[:1], circular=True), **CLOSE)
    torch.testing.assert_close(logits[1:], logits_of(model, codes[1:]), **CLOSE)


@pytest.mark.parametrize("name", ["coarse", "c2f"])
@pytest.mark.parametrize("cast", ["to", "autocast"])
def test_bfloat16_stays_close(name, cast, official):
    model = official(name)
    fold_lora(model)
    codes = random_codes(model, 60, batch=2)
    exact = logits_of(model, codes)
    if cast == "to":
        rounded = logits_of(model.to(torch.bfloat16), codes)
    else:
        with torch.autocast("cpu", torch.bfloat16):
            rounded = logits_of(model, codes)
    assert rounded.dtype == torch.bfloat16
    difference, largest = (rounded.float() - exact).abs(), exact.abs().max()
    assert 0 < difference.max() < 0.03 * largest
    assert difference.square().mean().sqrt() < 0.005 * largest


def test_the_bias_is_exact_in_bfloat16(official):
    """It is computed in float32; only its table is rounded."""
    model = official("coarse")
    codes = random_codes(model, 30)
    exact, rounded = (
        network.prepare(codes, codes == MASK, network.condition(1), whole(network))["bias"]
        for network in (model, official("coarse").to(torch.bfloat16))
    )
    assert rounded.dtype == torch.float32
    assert torch.equal(rounded, exact.to(torch.bfloat16).float())


def test_some_levels_are_a_part_of_all(official):
    model = official("c2f")
    codes = random_codes(model, 12)
    some = model.logits(codes, model.condition(1), Stage(levels=(7, 4, 13)))
    torch.testing.assert_close(some, logits_of(model, codes)[:, [3, 0, 9]], **CLOSE)


def test_dropout_acts_in_training_only(official):
    model = official("coarse")
    codes, plain = random_codes(model, 12), VampNet(replace(model.config, dropout=0.0), model.codebooks)
    plain.load_state_dict(model.state_dict())
    expected = logits_of(model, codes)
    assert torch.equal(logits_of(model, codes), expected)
    assert not torch.allclose(logits_of(model.train(), codes), expected, **CLOSE)
    torch.testing.assert_close(logits_of(plain.train(), codes), expected, **CLOSE)


def test_the_schedule_counts_as_the_reference_does():
    (stage,) = vampnet_plan(range(4))
    units = torch.tensor([2300])
    assert [int(masked_counts(stage.schedule, step, 36, units)) for step in range(36)] == FULL_SCHEDULE


KNOBS = [
    {"steps": 3},
    {"temperature": 0.5},
    {"confidence_temperature": 0.0},
    {"top_p": 0.5},
    {"typical_mass": 0.2, "typical_min_tokens": 1},
    {"typical_mass": 0.2, "typical_min_tokens": 20},
    {"greedy_steps": 5},
]


def test_every_knob_of_the_plan_changes_the_result(official):
    model = official("coarse")
    codes = random_codes(model, 24, hidden=0.0)
    mask = torch.ones_like(codes, dtype=torch.bool)
    mask[..., ::6] = False

    def run(**knobs):
        settings = {"steps": 5, **knobs}
        return decode(model, codes, mask, model.condition(1), vampnet_plan(range(4), **settings), seed=0)

    plain = run()
    assert torch.equal(plain, run()), "same seed, same codes"
    assert torch.equal(plain[~mask], codes[~mask])
    assert plain.max() < MASK
    results = [plain, *(run(**knobs) for knobs in KNOBS)]
    for index, result in enumerate(results):
        for other in results[:index]:
            assert not torch.equal(result, other), KNOBS[index - 1]


def test_wrong_input_is_one_clear_line(official, codebooks):
    model, codes = official("c2f"), random_codes(official("c2f"), 9)
    condition, stage = model.condition(1), whole(model)
    bare = VampNet(replace(model.config, layers=1))
    mistakes = {
        r"codes \[B, K=14, T\], got \[1, 4, 9\]": lambda: model.logits(codes[:, :4], condition, stage),
        r"levels 4..13, got \(3, 4\)": lambda: model.logits(codes, condition, Stage(levels=(3, 4))),
        "condition for 1 items": lambda: model.logits(codes, model.condition(2), stage),
        "codec's codebooks, got none": lambda: bare.logits(codes, condition, stage),
        r"of \[14, 40, 8\], got \[4, 40, 8\]": lambda: model.use_codebooks(codebooks[:4]),
        "tensor 'circular'": lambda: model.logits(codes, Condition(), stage),
        "divisible by heads": lambda: VampNetConfig(dim=30, heads=4),
        "condition_levels in 0..3": lambda: VampNetConfig(condition_levels=4),
    }
    for message, mistake in mistakes.items():
        with pytest.raises(InputError, match=message):
            mistake()


def test_untrained_logits_are_near_chance():
    torch.manual_seed(0)
    config = VampNetConfig(vocab_size=64, codebook_dim=4, dim=64, layers=2, heads=4)
    model = VampNet(config, torch.randn(4, 64, 4)).eval()
    codes = random_codes(model, 50, batch=2, hidden=0.0)
    logits = logits_of(model, torch.full_like(codes, model.mask_token))
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 2), codes.flatten())
    assert abs(float(loss) - math.log(64)) < 0.4
