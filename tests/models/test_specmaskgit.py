"""SpecMaskGIT: the decoder's protocol, positions, every way for the condition to enter, padding, representation."""

import math
from itertools import pairwise

import pytest
import torch
from tiny_nano_sound import ROWS, VOCAB, tiny_specmaskgit

from audiogen.decoding import Condition, Stage, decode
from audiogen.errors import InputError
from audiogen.models.specmaskgit import SpecMaskGIT, SpecMaskGITConfig, specmaskgit_plan
from audiogen.nn.packed import PackedLinear, packable

CLOSE = {"atol": 2e-5, "rtol": 1e-4}
ALL = Stage(levels=tuple(range(ROWS)))
ENTRIES = ("masked", "prefix", "norms")
WIDTH = 16


@pytest.fixture(scope="module", params=ENTRIES)
def model(request):
    return tiny_specmaskgit(entry=request.param)


def random_codes(columns, batch=1, hidden=0.5):
    generator = torch.Generator().manual_seed(columns)
    codes = torch.randint(VOCAB, (batch, ROWS, columns), generator=generator)
    return codes.masked_fill(torch.rand(codes.shape, generator=generator) < hidden, VOCAB)


def embedding(batch=1, seed=0):
    drawn = torch.randn(batch, WIDTH, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(drawn, dim=-1)


def plan(**settings):
    return specmaskgit_plan(**{"steps": 5, "rows": ROWS, **settings})


@torch.no_grad()
def logits_of(model, codes, condition, stage=ALL):
    return model.logits(codes, condition, stage)


def filled(model, codes, mask, given, **settings):
    seed = settings.pop("seed", 0)
    return decode(model, codes, mask, model.condition(given), plan(**settings), seed)


def test_the_defaults_are_the_papers_size():
    config = SpecMaskGITConfig()
    with torch.device("meta"):
        parameters = sum(weight.numel() for weight in SpecMaskGIT(config).parameters())
    assert 165e6 < parameters < 175e6
    assert (config.rows * config.columns, config.vocab_size, config.condition_dim) == (265, 1024, 512)


def test_decoding_fills_the_mask_and_nothing_else(model):
    codes = random_codes(9, batch=2, hidden=0.0)
    mask = torch.rand(codes.shape, generator=torch.Generator().manual_seed(3)) < 0.4
    made = filled(model, codes, mask, embedding(2))
    assert torch.equal(made[~mask], codes[~mask])
    assert int(made.max()) < VOCAB
    assert not torch.equal(made[mask], codes[mask])


def test_an_item_is_the_same_alone_and_in_a_padded_batch(model):
    codes, mask, given = random_codes(11, batch=2, hidden=0.0), torch.ones(2, ROWS, 11, dtype=torch.bool), embedding(2)
    valid = torch.arange(11) < torch.tensor([[7], [11]])
    together = decode(model, codes, mask, model.condition(given, valid), plan(), [4, 5])
    alone = filled(model, codes[:1, :, :7], mask[:1, :, :7], given[:1], seed=[4])
    assert torch.equal(together[:1, :, :7], alone)
    assert torch.equal(together[:1, :, 7:], codes[:1, :, 7:]), "padding is left as it is"
    assert torch.equal(together[1:], filled(model, codes[1:], mask[1:], given[1:], seed=[5]))


def test_padded_columns_change_no_logit(model):
    codes, given = random_codes(10, batch=2), embedding(2)
    valid = torch.arange(10) < torch.tensor([[6], [10]])
    both = logits_of(model, codes, model.condition(given, valid))
    alone = logits_of(model, codes[:1, :, :6], model.condition(given[:1]))
    torch.testing.assert_close(both[:1, :, :6], alone, **CLOSE)
    torch.testing.assert_close(both[1:], logits_of(model, codes[1:], model.condition(given[1:])), **CLOSE)
    assert both.isfinite().all()


def test_conditions_are_joined_for_the_branches_of_guidance(model):
    codes, condition = random_codes(8), model.condition(embedding(), torch.arange(8)[None] < 6)
    prepared = model.prepare(codes, codes == VOCAB, condition, ALL)
    both = Condition.cat([Condition(prepared.tensors), prepared.null()])
    with torch.no_grad():
        hidden = model.hidden(codes.repeat(2, 1, 1), both, ALL)
        for half, one in zip(hidden.split(1), (prepared, prepared.null()), strict=True):
            torch.testing.assert_close(half, model.hidden(codes, one, ALL), **CLOSE)


def test_rows_and_columns_are_told_apart(model):
    """With all cells masked, only positions tell cells from each other."""
    codes = torch.full((1, ROWS, 12), VOCAB)
    found = logits_of(model, codes, model.condition(embedding()))[0]
    rows = [found[row, 4] for row in range(ROWS)]
    columns = [found[2, column] for column in range(12)]
    for cells in (rows, columns):
        assert all((one - other).abs().max() > 1e-3 for i, one in enumerate(cells) for other in cells[:i])


@pytest.mark.parametrize("columns", [1, 27, 53, 60])
def test_grids_of_any_length_are_computed(model, columns):
    found = logits_of(model, random_codes(columns), model.condition(embedding()))
    assert found.shape == (1, ROWS, columns, VOCAB)
    assert found.isfinite().all()


def test_the_null_condition_is_an_embedding_of_zeros(model):
    codes, given = random_codes(8, batch=2), embedding(2)
    null = logits_of(model, codes, model.condition(given).null())
    torch.testing.assert_close(null, logits_of(model, codes, model.condition(torch.zeros(2, WIDTH))))
    conditioned = [logits_of(model, codes, model.condition(one)) for one in (given, embedding(2, seed=9))]
    for one, other in pairwise([null, *conditioned]):
        assert (one - other).abs().max() > 1e-2


def test_a_conditional_mask_says_nothing_where_nothing_is_masked():
    model, codes = tiny_specmaskgit(entry="masked"), random_codes(8, hidden=0.0)
    condition = model.condition(embedding())
    assert torch.equal(logits_of(model, codes, condition), logits_of(model, codes, condition.null()))


def test_a_new_model_whose_norms_are_shaped_ignores_the_condition_until_it_has_learnt():
    model, codes = SpecMaskGIT(tiny_specmaskgit(entry="norms").config).eval(), random_codes(8)
    condition = model.condition(embedding())
    assert torch.equal(logits_of(model, codes, condition), logits_of(model, codes, condition.null()))
    model.logits(codes, condition, ALL).sum().backward()
    assert all(block.shaping.weight.grad.abs().max() > 0 for block in model.blocks)


def test_a_stage_may_ask_for_some_rows(model):
    codes, condition = random_codes(8), model.condition(embedding())
    whole = logits_of(model, codes, condition)
    torch.testing.assert_close(logits_of(model, codes, condition, Stage(levels=(4, 1))), whole[:, [4, 1]], **CLOSE)


@pytest.mark.parametrize(
    "knob",
    [
        {"steps": 2},
        {"temperature": 0.3},
        {"guidance": 1.0},
        {"guidance_end": 1.0},
        {"confidence_temperature": 0.0},
        {"top_k": 1},
        {"top_p": 0.2},
        {"guidance_every": 3},
        {"seed": 1},
    ],
    ids=lambda knob: next(iter(knob)),
)
def test_every_knob_changes_the_result(knob):
    model, codes = tiny_specmaskgit(), torch.zeros(1, ROWS, 12, dtype=torch.int64)
    results = [filled(model, codes, codes == 0, embedding(), **settings) for settings in ({}, {}, knob)]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_plan_defaults():
    (stage,) = specmaskgit_plan()
    assert (stage.levels, stage.steps) == ((0, 1, 2, 3, 4), 16)
    assert [round(stage.schedule(progress), 4) for progress in (0, 0.5, 1)] == [1, round(math.sqrt(0.5), 4), 0]
    assert stage.guidance.scale_at(1.0) == stage.guidance.scale_at(0.2) > 1
    noise = [stage.confidence.temperature.at(step, 16) for step in range(16)]
    assert noise[0] == pytest.approx(4.5 * 15 / 16)
    assert noise == sorted(noise, reverse=True)
    assert noise[-1] == 0


@pytest.mark.parametrize("layer", [None, 0, 1, 2])
def test_representations_have_a_vector_for_every_cell(model, layer):
    codes = random_codes(7, batch=2, hidden=0.0)
    with torch.no_grad():
        found = model.representation(codes, layer=layer)
        given = model.representation(codes, model.condition(torch.zeros(2, WIDTH)), layer)
    assert found.shape == (2, 7, ROWS * 32)
    torch.testing.assert_close(found, given)
    cells = found.unflatten(2, (ROWS, -1))
    changed = codes.clone()
    changed[0, 3, 5] = (codes[0, 3, 5] + 1) % VOCAB
    with torch.no_grad():
        moved = (model.representation(changed, layer=layer).unflatten(2, (ROWS, -1)) - cells).abs().amax(dim=-1)
    assert int(moved[0].flatten().argmax()) == 5 * ROWS + 3, "vectors stand in the order of the grid"
    assert not moved[1].any()


def test_deeper_layers_know_more():
    model, codes = tiny_specmaskgit(), random_codes(7, hidden=0.0)
    changed = codes.clone()
    changed[0, 0, 0] = (codes[0, 0, 0] + 1) % VOCAB
    with torch.no_grad():
        moved = [
            (model.representation(changed, layer=layer) - model.representation(codes, layer=layer))[0, 6].abs().max()
            for layer in (0, 2)
        ]
    assert moved[0] == 0 < moved[1]


@pytest.mark.parametrize("entry", ENTRIES)
def test_accelerated_models_say_the_same(entry):
    plain, fast = (tiny_specmaskgit(entry=entry).to(torch.bfloat16) for _ in range(2))
    fast.accelerate()
    codes = torch.zeros(2, ROWS, 10, dtype=torch.int64)
    results = [filled(model, codes, codes == 0, embedding(2)) for model in (plain, fast)]
    assert torch.equal(*results)
    assert not any(parameter.requires_grad for parameter in fast.parameters())
    if packable(torch.zeros(1, 1, dtype=torch.bfloat16)):
        assert isinstance(fast.out, PackedLinear)


@pytest.mark.parametrize("cast", ["to", "autocast"])
def test_bfloat16_stays_close(model, cast):
    codes, given = random_codes(20, batch=2), embedding(2)
    exact = logits_of(model, codes, model.condition(given))
    if cast == "to":
        other = tiny_specmaskgit(entry=model.config.entry).to(torch.bfloat16)
        rounded = logits_of(other, codes, other.condition(given))
    else:
        with torch.autocast("cpu", torch.bfloat16):
            rounded = logits_of(model, codes, model.condition(given))
    assert rounded.dtype == torch.bfloat16
    assert 0 < (rounded.float() - exact).abs().max() < 0.03 * exact.abs().max()


def test_what_does_not_fit_is_refused(model):
    condition = model.condition(embedding())
    with pytest.raises(InputError, match=r"codes \[B, F=6, T\], got \[1, 4, 8\]"):
        logits_of(model, torch.zeros(1, 4, 8, dtype=torch.int64), condition)
    with pytest.raises(InputError, match="a condition for 2 items"):
        logits_of(model, random_codes(8, batch=2), condition)
    with pytest.raises(InputError, match=r"embeddings \[B, 16\], got \[1, 9\]"):
        model.condition(torch.zeros(1, 9))
    with pytest.raises(InputError, match=r"the rows 0..5, got \(6,\)"):
        logits_of(model, random_codes(8), condition, Stage(levels=(6,)))
    with pytest.raises(InputError, match=r"a layer of 0..2, got 3"):
        model.representation(random_codes(8), layer=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"heads": 5}, "heads of even width"), ({"columns": 0}, "sizes of 1 or more"), ({"entry": "mask"}, "masked")],
)
def test_sizes_that_have_no_meaning_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SpecMaskGITConfig(**settings)
