"""Training masks and loss of MaskGCT against the reference's figures (golden maskgct SPEC 6)."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from torch import Generator
from torch.nn import functional as F

from audiogen.errors import InputError
from audiogen.models.maskgct import SemanticToAcoustic, TextToSemantic, s2a_config, t2s_config
from audiogen.training.masking import draw_acoustic_mask, draw_level, draw_semantic_mask, masked_cross_entropy

CLOSE = {"atol": 5e-5, "rtol": 0}
SEEDED = [
    f"{group}/{batch}" for group, batch in [(g, b) for g in ("t2s", "s2a_1layer", "s2a_full") for b in ("a", "short")]
]


@pytest.fixture(scope="module")
def folder(fixtures):
    return fixtures / "maskgct"


@pytest.fixture(scope="module")
def golden(folder):
    return load_file(folder / "training.safetensors"), json.loads((folder / "training.json").read_text())


@pytest.fixture(scope="module")
def models(folder):
    config = json.loads((folder / "tiny/maskgct.json").read_text())["model"]
    files = {"t2s": "t2s_model", "s2a_1layer": "s2a_model/s2a_model_1layer", "s2a_full": "s2a_model/s2a_model_full"}
    built = {"t2s": TextToSemantic(t2s_config(config["t2s_model"]))}
    built |= {name: SemanticToAcoustic(s2a_config(section)) for name, section in config["s2a_model"].items()}
    for name, model in built.items():
        model.load_state_dict(load_file(folder / "tiny" / files[name] / "model.safetensors"))
        model.eval()
    return built


def training_step(model, group, inputs, generator):
    """The step that the docstring of audiogen.models.maskgct describes, with the reference's counted text padding."""
    valid = inputs["x_mask"].bool()
    if group == "t2s":
        codes = inputs["x0"][:, None]
        draw = draw_semantic_mask(*inputs["x0"].shape, generator)
        condition = model.condition(inputs["phone_id"], inputs["phone_mask"], valid)
        length = torch.full_like(condition["text_length"], inputs["phone_id"].shape[1])
        condition = condition.update({"text_length": length})
    else:
        levels = model.config.levels
        codes = inputs["x0"].transpose(1, 2)[:, :levels]
        first = 0 if levels == 1 else 1
        draw = draw_acoustic_mask(len(codes), codes.shape[-1], levels, generator, first_level=first)
        condition = model.condition(inputs["semantic"], valid)
    logits = model.logits(codes.masked_fill(draw.mask, model.mask_token), condition, draw.stage, draw.time)
    return draw, logits, codes[:, draw.stage.levels], draw.scored(valid)


@pytest.mark.parametrize("batch", SEEDED)
def test_training_step_matches_reference(golden, models, batch):
    tensors, arguments = golden
    group = batch.split("/")[0]
    inputs = {name.split("/")[2]: x for name, x in tensors.items() if name.startswith(batch) and name.count("/") == 2}
    seeds = [case for case in arguments if case.startswith(f"{batch}/seed_")]
    assert len(seeds) >= 5
    for case in seeds:
        want = {name.rsplit("/", 1)[1]: x for name, x in tensors.items() if name.startswith(case + "/")}
        generator = Generator().manual_seed(arguments[case]["seed"])
        draw, logits, targets, scored = training_step(models[group], group, inputs, generator)
        assert torch.equal(torch.rand(4, generator=generator), want["rng_after"]), case
        assert torch.equal(draw.time, want["t"]), case
        assert torch.equal(draw.rate, want["mask_prob"]), case
        assert torch.equal(draw.prompt_length, want["prompt_len"]), case
        assert torch.equal(draw.mask[:, draw.stage.levels][:, 0], want["mask"][..., 0].bool()), case
        assert torch.equal(scored[:, 0], want["final_mask"][..., 0].bool()), case
        if "mask_layer" in want:
            assert draw.stage.levels == (int(want["mask_layer"]),), case
        torch.testing.assert_close(logits[:, 0], want["logits"], **CLOSE)
        entropy = F.cross_entropy(logits[:, 0].transpose(1, 2), targets[:, 0], reduction="none")
        torch.testing.assert_close(entropy, want["cross_entropy"], **CLOSE)
        loss = masked_cross_entropy(logits, targets, scored)
        torch.testing.assert_close(loss, want["loss"][0], **CLOSE)
        if "grad_norms" in arguments[case]:
            check_gradients(models[group], loss, arguments[case]["grad_norms"])


def check_gradients(model, loss, norms):
    model.zero_grad(set_to_none=True)
    loss.backward()
    for name, parameter in model.named_parameters():
        if norms[name] is None:
            assert parameter.grad is None or not parameter.grad.any(), name
        else:
            assert parameter.grad is not None, name
            assert float(parameter.grad.norm()) == pytest.approx(norms[name], rel=1e-3, abs=1e-8), name
    missing = set(norms) - {name for name, _ in model.named_parameters()}
    assert missing <= {"diff_estimator.embed_tokens.weight"}
    model.zero_grad(set_to_none=True)


@pytest.mark.parametrize("levels", [12, 8])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "uniform"])
@pytest.mark.parametrize("first_level", [0, 1])
def test_levels_are_drawn_as_in_the_reference(golden, levels, schedule, first_level):
    tensors, _ = golden
    case = f"mask_layer/{levels}/{schedule}/{'without' if first_level else 'with'}_first"
    generator = Generator().manual_seed(20240919)
    drawn = [draw_level(levels, generator, schedule, first_level) for _ in range(64)]
    assert drawn == tensors[f"{case}/draws"].tolist()


@pytest.mark.parametrize("frames", range(1, 12))
def test_every_item_has_something_to_learn_however_short(frames):
    for seed in range(20):
        generator = Generator().manual_seed(seed)
        semantic = draw_semantic_mask(3, frames, generator)
        acoustic = draw_acoustic_mask(3, frames, 4, generator)
        for draw in (semantic, acoustic):
            assert draw.scored().any(dim=2).all()
            assert (draw.prompt_length < frames).all()


def test_prompt_dropout_is_the_chance_of_no_prompt():
    generator = Generator().manual_seed(0)
    assert all(draw_semantic_mask(2, 40, generator, 0.0).prompt_length.all() for _ in range(50))
    assert not any(draw_semantic_mask(2, 40, generator, 1.0).prompt_length.any() for _ in range(50))


def test_levels_above_the_trained_one_are_hidden_after_the_prompt_and_those_below_shown():
    draw = draw_acoustic_mask(4, 30, 6, Generator().manual_seed(4), prompt_dropout=0.0)
    (level,) = draw.stage.levels
    after = torch.arange(30) >= draw.prompt_length[:, None]
    assert not draw.mask[:, :level].any()
    assert not (draw.mask[:, level] & ~after).any()
    assert torch.equal(draw.mask[:, level + 1 :], after[:, None].expand(-1, 5 - level, -1))


def test_loss_of_nothing_is_zero_and_of_random_codes_is_log_v():
    torch.manual_seed(0)
    logits = torch.randn(2, 1, 50, 64) * 0.01
    targets = torch.randint(64, (2, 1, 50))
    nothing = torch.zeros(2, 1, 50, dtype=torch.bool)
    assert masked_cross_entropy(logits, targets, nothing) == 0
    assert float(masked_cross_entropy(logits, targets, ~nothing)) == pytest.approx(math.log(64), abs=0.02)


def test_unknown_schedule_and_no_level_are_refused():
    with pytest.raises(InputError, match="linear"):
        draw_level(4, Generator(), "liner")
    with pytest.raises(InputError, match="level"):
        draw_level(1, Generator(), "linear", first_level=1)


def test_a_draw_moves_as_a_whole():
    draw = draw_acoustic_mask(2, 9, 3, Generator().manual_seed(0))
    moved = draw.to("meta")
    assert moved.stage == draw.stage
    assert {x.device.type for x in (moved.time, moved.rate, moved.prompt_length, moved.mask)} == {"meta"}
