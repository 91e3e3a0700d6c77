"""What MaskGCT promises beyond the reference: batches with padding, aligned phones, conditions that see neighbours."""

import json

import pytest
import torch

from audiogen.decoding import Condition, Linear, NoNoise, Plan, Stage, decode
from audiogen.errors import InputError
from audiogen.models.maskgct import (
    SEMANTIC,
    SemanticToAcoustic,
    SemanticToAcousticConfig,
    TextToSemantic,
    TextToSemanticConfig,
    s2a_config,
    s2a_plan,
    t2s_config,
    t2s_plan,
)
from audiogen.training.masking import draw_acoustic_mask, draw_semantic_mask, masked_cross_entropy

SMALL = {"dim": 32, "layers": 2, "heads": 4, "vocab_size": 40}
LENGTHS = ((4, 13), (0, 9), (7, 16))  # prompt and target frames of each item


def lively(model):
    """Freshly built weights are nearly silent; larger ones make mistakes visible."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    return model.eval()


def small_t2s(**settings):
    torch.manual_seed(0)
    return lively(TextToSemantic(TextToSemanticConfig(**{**SMALL, "phone_vocab_size": 30, **settings})))


def small_s2a(**settings):
    torch.manual_seed(0)
    return lively(
        SemanticToAcoustic(SemanticToAcousticConfig(**{**SMALL, "levels": 3, "semantic_vocab_size": 40, **settings}))
    )


def pad(rows, value=0):
    """Rows [1, ..., t] of different length -> [B, ..., T], and which frames are real."""
    longest = max(row.shape[-1] for row in rows)
    padded = [torch.nn.functional.pad(row, (0, longest - row.shape[-1]), value=value) for row in rows]
    valid = torch.arange(longest) < torch.tensor([row.shape[-1] for row in rows])[:, None]
    return torch.cat(padded), valid


def requests(levels, vocab_size=40):
    """(codes with a prompt, mask) for each of LENGTHS."""
    generator = torch.Generator().manual_seed(2)
    for prompt, target in LENGTHS:
        codes = torch.randint(vocab_size, (1, levels, prompt + target), generator=generator)
        yield codes, (torch.arange(prompt + target) >= prompt).expand(1, levels, -1).clone()


def check_alone_equals_batch(model, items, conditions, together, plan):
    codes, _ = pad([codes for codes, _ in items])
    mask, valid = pad([mask for _, mask in items], value=True)
    seeds = [11, 12, 13]
    batch = decode(model, codes, mask, together(valid), plan, seeds)
    for row, ((item, item_mask), condition, seed) in enumerate(zip(items, conditions, seeds, strict=True)):
        alone = decode(model, item, item_mask, condition, plan, seed)
        assert torch.equal(batch[row : row + 1, :, : item.shape[-1]], alone), row
        assert torch.equal(alone[~item_mask], item[~item_mask])
        assert (alone < model.mask_token).all()


@pytest.mark.parametrize("condition_layers", [0, 2])
def test_text_to_semantic_gives_each_item_of_a_batch_what_it_gets_alone(condition_layers):
    model = small_t2s(condition_layers=condition_layers)
    items = list(requests(1))
    texts = [torch.randint(29, (1, length)) for length in (6, 17, 2)]
    phones, phones_valid = pad(texts)

    def together(valid):
        return model.condition(phones, phones_valid, valid)

    conditions = [model.condition(text) for text in texts]
    check_alone_equals_batch(model, items, conditions, together, t2s_plan(steps=6, top_fraction=0.5))


@pytest.mark.parametrize("condition_layers", [0, 2])
def test_aligned_text_to_semantic_gives_each_item_of_a_batch_what_it_gets_alone(condition_layers):
    model = small_t2s(aligned=True, condition_layers=condition_layers)
    items = list(requests(1))
    phones = [torch.randint(29, (1, codes.shape[-1])) for codes, _ in items]

    def together(valid):
        return model.condition(pad(phones, value=5)[0], valid=valid)

    conditions = [model.condition(phone) for phone in phones]
    check_alone_equals_batch(model, items, conditions, together, t2s_plan(steps=6, top_fraction=0.5))


@pytest.mark.parametrize("condition_layers", [0, 2])
def test_semantic_to_acoustic_gives_each_item_of_a_batch_what_it_gets_alone(condition_layers):
    model = small_s2a(condition_layers=condition_layers)
    items = list(requests(3))
    semantic = [torch.randint(40, (1, codes.shape[-1])) for codes, _ in items]

    def together(valid):
        return model.condition(pad(semantic, value=5)[0], valid)

    conditions = [model.condition(codes) for codes in semantic]
    check_alone_equals_batch(model, items, conditions, together, s2a_plan(steps=(5, 3, 1), top_fraction=0.5))


def test_conditions_made_one_by_one_can_be_batched():
    model = small_t2s(aligned=True)
    phones = [torch.randint(29, (1, length)) for length in (5, 9)]
    padded, valid = pad(phones)
    batched = Condition.cat([model.condition(phone) for phone in phones])
    whole = model.condition(padded, valid=valid)
    for name in ("frames", "valid"):
        torch.testing.assert_close(batched[name], whole[name])


@torch.no_grad()
def test_the_unguided_pass_of_text_to_semantic_sees_the_target_alone():
    model = small_t2s()
    codes, mask = next(requests(1))
    codes = codes.masked_fill(mask, model.mask_token)
    prepared = model.prepare(codes, mask, model.condition(torch.randint(29, (1, 8))), SEMANTIC)
    time = torch.tensor([0.7])
    unguided = model.hidden(codes, prepared.null(), SEMANTIC, time)
    target = codes[:, :, 4:]
    nothing = model.condition(torch.zeros(1, 0, dtype=torch.int64))
    alone = model.hidden(target, model.prepare(target, mask[:, :, 4:], nothing, SEMANTIC), SEMANTIC, time)
    torch.testing.assert_close(unguided[:, 4:], alone, atol=1e-5, rtol=0)
    assert not torch.allclose(model.hidden(codes, prepared, SEMANTIC, time)[:, 4:], alone, atol=1e-2)


@torch.no_grad()
def test_the_unguided_pass_of_an_aligned_model_equals_text_that_was_dropped_in_training():
    model = small_t2s(aligned=True)
    codes, mask = list(requests(1))[1]  # without a prompt
    codes = codes.masked_fill(mask, model.mask_token)
    phones = torch.randint(29, (1, 9))
    time = torch.tensor([0.7])
    prepared = model.prepare(codes, mask, model.condition(phones), SEMANTIC)
    unguided = model.head(model.hidden(codes, prepared.null(), SEMANTIC, time), SEMANTIC)
    dropped = model.condition(phones, keep=torch.tensor([False]))
    torch.testing.assert_close(unguided, model.logits(codes, dropped, SEMANTIC, time))


@torch.no_grad()
@pytest.mark.parametrize("aligned", [False, True])
def test_keep_drops_the_text_of_single_items(aligned):
    model = small_t2s(aligned=aligned)
    codes = torch.full((2, 1, 9), model.mask_token)
    phones = torch.randint(29, (1, 9)).repeat(2, 1)
    time = torch.full((2,), 0.5)
    kept, dropped = model.logits(codes, model.condition(phones, keep=torch.tensor([True, False])), SEMANTIC, time)
    whole = model.logits(codes, model.condition(phones), SEMANTIC, time)
    torch.testing.assert_close(kept, whole[0], atol=1e-5, rtol=0)
    assert not torch.allclose(dropped, whole[1], atol=1e-2)


@torch.no_grad()
def test_condition_layers_let_a_frame_see_its_neighbours_condition():
    codes, time = torch.full((1, 1, 20), 40), torch.ones(1)
    phones = torch.randint(29, (1, 20))
    other = phones.clone()
    other[0, 10] = (other[0, 10] + 1) % 29
    for layers, reach in ((0, 0), (1, 3), (2, 6)):
        model = small_t2s(aligned=True, condition_layers=layers)
        change = (model.condition(phones)["frames"] - model.condition(other)["frames"]).abs().amax(dim=(0, 2))
        assert change.nonzero()[:, 0].tolist() == list(range(10 - reach, 11 + reach))
        assert model.logits(codes, model.condition(phones), SEMANTIC, time).shape == (1, 1, 20, 40)


def test_levels_that_are_not_wanted_are_left_out():
    """Cutting the request at level 1 is not the same as waiting for level 2 (golden maskgct SPEC 1.9)."""
    model = small_s2a()
    codes, mask = next(requests(3))
    codes = codes.masked_fill(mask, model.mask_token)
    condition = model.condition(torch.randint(40, (1, codes.shape[-1])))
    fewer = mask.clone()
    fewer[:, 2] = False
    plan = s2a_plan(steps=(5, 3, 1), top_fraction=0.5)
    whole, cut = decode(model, codes, mask, condition, plan), decode(model, codes, fewer, condition, plan)
    assert (cut[:, 2, 4:] == model.mask_token).all()
    assert not torch.equal(cut[:, :2], whole[:, :2])


def test_reference_defaults_of_the_plans():
    (semantic,) = t2s_plan()
    acoustic = s2a_plan()
    assert [stage.steps for stage in acoustic] == [25, 10, *[1] * 10]
    assert semantic.steps == 25
    for stage, temperature in ((semantic, 0.9), (acoustic.stages[0], 1.5)):
        assert stage.guidance.scale == 3.5
        assert stage.guidance.on == "hidden"
        assert stage.sampling.temperature == Linear(temperature)
        assert stage.sampling.greedy_steps == 1
    assert acoustic.stages[2].sampling.temperature == 0.2
    assert acoustic.stages[2].sampling.greedy_steps == 0


def test_names_and_shapes_are_those_of_the_official_files(fixtures):
    official = json.loads((fixtures / "maskgct" / "official_tensors.json").read_text())["files"]
    with torch.device("meta"):
        models = {
            "t2s_model/model.safetensors": TextToSemantic(TextToSemanticConfig()),
            "s2a_model/s2a_model_1layer/model.safetensors": SemanticToAcoustic(SemanticToAcousticConfig(levels=1)),
            "s2a_model/s2a_model_full/model.safetensors": SemanticToAcoustic(SemanticToAcousticConfig()),
        }
    for file, model in models.items():
        wanted = {name: shape for name, shape in official[file].items() if 0 not in shape}
        assert {name: list(tensor.shape) for name, tensor in model.state_dict().items()} == wanted


def test_the_empty_official_tensor_may_be_there_or_not_and_a_full_one_is_refused():
    model = small_s2a()
    state = model.state_dict()
    model.load_state_dict(state)
    model.load_state_dict({**state, "diff_estimator.embed_tokens.weight": torch.zeros(0, 256)})
    with pytest.raises(RuntimeError, match="embed_tokens"):
        model.load_state_dict({**state, "diff_estimator.embed_tokens.weight": torch.zeros(1, 256)})


def test_official_configuration_is_read(official_config):
    assert t2s_config(official_config["t2s_model"]).vocab_size == 50
    full = s2a_config(official_config["s2a_model"]["s2a_full"])
    assert (full.levels, full.vocab_size, full.semantic_vocab_size, full.dim) == (12, 60, 50, 48)


def test_fresh_weights_are_small_and_biases_zero():
    torch.manual_seed(0)
    model = TextToSemantic(TextToSemanticConfig(**SMALL))
    assert not model.phone_emb.weight[-1].any()
    assert float(model.to_logit.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
    for name, parameter in model.named_parameters():
        assert "bias" not in name or not parameter.any(), name


def overfit(model, step, updates, rate=3e-3):
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), rate)
    losses = []
    for _ in range(updates):
        loss = step()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    return losses


def test_aligned_text_to_semantic_learns_one_batch_and_speaks_it():
    torch.manual_seed(0)
    config = TextToSemanticConfig(**SMALL, phone_vocab_size=30, aligned=True, condition_layers=1, dropout=0.05)
    model = TextToSemantic(config)
    codes, phones = torch.randint(40, (4, 1, 20)), torch.randint(29, (4, 20))
    generator = torch.Generator().manual_seed(0)

    def step():
        draw = draw_semantic_mask(4, 20, generator)
        keep = torch.rand(4, generator=generator) > 0.1
        condition = model.condition(phones, keep=keep)
        logits = model.logits(codes.masked_fill(draw.mask, model.mask_token), condition, draw.stage, draw.time)
        return masked_cross_entropy(logits, codes[:, draw.stage.levels], draw.scored())

    losses = overfit(model, step, 150)
    assert losses[0] == pytest.approx(3.69, abs=0.2), "log 40"
    mask = (torch.arange(20) >= 4).expand(4, 1, 20)
    spoken = decode(model, codes, mask, model.condition(phones), t2s_plan(steps=8, guidance_scale=1.0), NoNoise())
    assert float((spoken == codes).float().mean()) > 0.95


def test_one_model_learns_and_generates_all_levels():
    torch.manual_seed(0)
    model = SemanticToAcoustic(SemanticToAcousticConfig(**SMALL, levels=4, semantic_vocab_size=40, condition_layers=1))
    codes, semantic = torch.randint(40, (3, 4, 16)), torch.randint(40, (3, 16))
    generator = torch.Generator().manual_seed(0)

    def step():
        draw = draw_acoustic_mask(3, 16, 4, generator)
        logits = model.logits(
            codes.masked_fill(draw.mask, model.mask_token), model.condition(semantic), draw.stage, draw.time
        )
        return masked_cross_entropy(logits, codes[:, draw.stage.levels], draw.scored())

    overfit(model, step, 250)
    mask = torch.ones_like(codes, dtype=torch.bool)
    plan = s2a_plan(steps=(6, 4, 1, 1), guidance_scale=1.0)
    made = decode(model, codes, mask, model.condition(semantic), plan, NoNoise())
    assert float((made == codes).float().mean()) > 0.95


def test_dropout_acts_in_training_only():
    model = small_t2s(dropout=0.5)
    codes, time = torch.full((1, 1, 9), 40), torch.ones(1)
    condition = model.condition(torch.randint(29, (1, 5)))

    def logits():
        return model.logits(codes, condition, SEMANTIC, time)

    assert torch.equal(logits(), logits())
    model.train()
    assert not torch.equal(logits(), logits())


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: small_t2s().condition(torch.tensor([[30]])), "0..29"),
        (lambda: small_s2a().condition(torch.tensor([[-1]])), "0..39"),
        (lambda: s2a_logits(codes=torch.zeros(1, 2, 5, dtype=torch.int64)), "K=3"),
        (lambda: s2a_logits(frames=6), "6"),
        (lambda: s2a_logits(stage=Stage(levels=(0, 1))), "one of the levels"),
        (lambda: s2a_logits(stage=Stage(levels=(3,))), "0..2"),
        (lambda: t2s_logits(aligned=True, phones=4), "5 frames"),
        (lambda: small_t2s(dim=36), "multiple of 8"),
    ],
)
def test_wrong_input_is_named(act, words):
    with pytest.raises(InputError, match=words):
        act()


def s2a_logits(codes=None, frames=5, stage=SEMANTIC):
    model = small_s2a()
    codes = torch.zeros(1, 3, 5, dtype=torch.int64) if codes is None else codes
    return model.logits(codes, model.condition(torch.zeros(1, frames, dtype=torch.int64)), stage, torch.ones(1))


def t2s_logits(aligned, phones):
    model = small_t2s(aligned=aligned)
    condition = model.condition(torch.zeros(1, phones, dtype=torch.int64))
    return model.logits(torch.zeros(1, 1, 5, dtype=torch.int64), condition, SEMANTIC, torch.ones(1))


def test_the_loop_accepts_plans_of_one_level_as_the_1_layer_model_has():
    model = small_s2a(levels=1)
    codes, mask = next(requests(1))
    plan = Plan(s2a_plan().stages[:1])
    made = decode(model, codes, mask, model.condition(torch.randint(40, (1, codes.shape[-1]))), plan)
    assert (made < 40).all()
