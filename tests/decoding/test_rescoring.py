"""A second opinion on what was drawn, and the best of several results, with scripted models."""

from dataclasses import replace

import pytest
import torch
from causal_oracle import CausalOracle
from oracle import Oracle, random_logits, request, sure_of

from audiogen.decoding import Confidence, Guidance, Linear, NoNoise, Plan, Stage, decode, linear
from audiogen.decoding.candidates import best_of
from audiogen.decoding.rescorers import CausalRescorer, MaskedRescorer
from audiogen.decoding.rescoring import Rescoring
from audiogen.errors import InputError

FRAMES, LEVELS, VOCAB_SIZE = 10, 2, 8
PLAN = Plan((Stage(levels=(0,), steps=5, span=2), Stage(levels=(1,), steps=4)))


class Opinion:
    """A rescorer that always says the same of each cell [B, K, T], and remembers what it was shown."""

    def __init__(self, probabilities):
        self.probabilities, self.drafts = probabilities, []

    def __call__(self, draft):
        self.drafts.append(draft)
        return self.probabilities[:, draft.stage.levels]


def one_stage(**settings):
    return Plan((Stage(**{"levels": (0,), "steps": 4, "schedule": linear, **settings}),))


def run(rescoring=None, plan=PLAN, condition=None, prompt=0, seed=0, frames=FRAMES):
    """Codes and steps; the first `prompt` frames are given, as zeros."""
    condition = request(random_logits(2, LEVELS, frames, VOCAB_SIZE)) if condition is None else condition
    batch, levels, frames, vocab_size = condition["logits"].shape
    codes, steps = torch.zeros(batch, levels, frames, dtype=torch.int64), []
    mask = (torch.arange(frames) >= prompt).expand_as(codes) & (torch.arange(levels)[:, None] < len(plan))
    model = Oracle(vocab_size, echo=2.0)
    return decode(model, codes, mask, condition, plan, seed, steps.append, rescoring), steps


def opinion(seed=3):
    return Opinion(torch.rand(2, LEVELS, FRAMES, generator=torch.Generator().manual_seed(seed)))


def second_model(kind, **settings):
    condition = request(*(random_logits(2, LEVELS, FRAMES, VOCAB_SIZE, seed=seed) for seed in (7, 8)))
    model = CausalOracle(VOCAB_SIZE, LEVELS, echo=1.0) if kind is CausalRescorer else Oracle(VOCAB_SIZE, echo=1.0)
    return kind(model=model, condition=condition, **settings)


@pytest.mark.parametrize("off", [{"weight": 0.0}, {"steps": 0}, {"weight": Linear(0.0, 0.0)}], ids=str)
def test_off_is_no_rescoring_and_asks_nothing(off):
    second = opinion()
    codes, steps = run(Rescoring(second, **off))
    plain, plain_steps = run()
    assert torch.equal(codes, plain)
    for step, other in zip(steps, plain_steps, strict=True):
        assert torch.equal(step.confidence, other.confidence)
    assert not second.drafts


def test_weight_one_ranks_by_the_rescorer_alone():
    condition = request(sure_of(torch.tensor([[[0.9, 0.8, 0.7, 0.6]]])))
    second = Opinion(torch.tensor([[[0.1, 0.3, 0.2, 0.4]]]))
    _, steps = run(Rescoring(second, 1.0), one_stage(), condition, seed=NoNoise())
    assert [step.fixed.nonzero()[:, 2].tolist() for step in steps] == [[3], [1], [2], [0]]
    drawn = steps[0].confidence[steps[0].before]
    assert torch.equal(drawn, second.probabilities[steps[0].before])


@pytest.mark.parametrize("kind", ["probability", "log_probability"])
def test_in_between_probabilities_are_mixed(kind):
    """Once as they are, once as logarithms of the mixture, whose sum over a span is that of a product."""
    own, other = torch.tensor([[[0.9, 0.8, 0.7, 0.6]]]), torch.tensor([[[0.1, 0.0, 0.9, 0.8]]])
    plan = one_stage(span=2, steps=2, confidence=Confidence(kind=kind, over_span="sum"))
    condition = request(sure_of(own))
    _, steps = run(Rescoring(Opinion(other), 0.75), plan, condition, seed=NoNoise())
    mixed = 0.75 * other + 0.25 * own
    torch.testing.assert_close(steps[0].confidence, mixed if kind == "probability" else mixed.log())
    assert steps[0].fixed.tolist() == [[[False, False, True, True]]]
    _, plain = run(None, plan, condition, seed=NoNoise())
    assert plain[0].fixed.tolist() == [[[True, True, False, False]]]


def test_a_rescorer_may_be_sure_that_something_is_wrong():
    """Probability 0 is not -inf among logarithms: the rest of the span still counts."""
    own, never = torch.full((1, 1, 4), 0.5), torch.zeros(1, 1, 4)
    plan = one_stage(span=2, steps=2, confidence=Confidence(kind="log_probability", over_span="sum"))
    _, steps = run(Rescoring(Opinion(never), 1.0), plan, request(sure_of(own)), seed=NoNoise())
    assert steps[0].ranking.isfinite().all()


def test_the_tokens_that_are_drawn_stay():
    """The first pass draws the same tokens; only which of them are kept differs."""
    codes, steps = run(Rescoring(opinion(), 0.9))
    plain, plain_steps = run()
    assert torch.equal(steps[0].tokens, plain_steps[0].tokens)
    assert not torch.equal(steps[0].fixed, plain_steps[0].fixed)
    assert not torch.equal(codes, plain)


def test_the_rescorer_sees_the_filled_grid_and_its_gaps():
    second = opinion()
    _, steps = run(Rescoring(second, 0.5), prompt=3)
    assert [(draft.stage.levels, draft.index) for draft in second.drafts] == [
        *(((0,), index) for index in range(4)),
        *(((1,), index) for index in range(3)),
    ], "the last pass of a stage keeps everything"
    rescored = [step for step in steps if step.index < step.stage.steps - 1]
    for draft, step in zip(second.drafts, rescored, strict=True):
        level = step.stage.levels
        assert torch.equal(draft.seen[:, level] == VOCAB_SIZE, step.before)
        assert torch.equal(draft.filled[:, level][step.before], step.tokens[step.before])
        assert torch.equal(draft.filled[:, level][~step.before], draft.seen[:, level][~step.before])
        assert (draft.filled[..., :3] == 0).all(), "the prompt"
        assert (draft.filled[:, level[0] + 1 :, 3:] == VOCAB_SIZE).all(), "levels to come"
        assert torch.equal(draft.time, torch.full((2,), 1 - draft.index * (1 / draft.stage.steps)))
        assert torch.equal(draft.mask[:, 0].any(dim=0), torch.arange(FRAMES) >= 3)
        torch.testing.assert_close(step.codes[:, level][step.fixed], step.tokens[step.fixed])


@pytest.mark.parametrize(
    "change", [{"weight": 0.2}, {"weight": Linear(1.0)}, {"steps": 1}, {"rescorer": opinion(4)}], ids=str
)
def test_every_knob_changes_the_result(change):
    base = Rescoring(opinion(), 0.9)
    assert torch.equal(run(base)[0], run(base)[0])
    assert not torch.equal(run(base)[0], run(replace(base, **change))[0]), f"{change} has no effect"


@pytest.mark.parametrize("kind", [CausalRescorer, MaskedRescorer])
@pytest.mark.parametrize("change", [{"temperature": 4.0}, {"guidance_scale": 3.0}], ids=str)
def test_every_knob_of_a_second_model_changes_the_result(kind, change):
    base = run(Rescoring(second_model(kind), 1.0))[0]
    assert not torch.equal(base, run()[0])
    assert not torch.equal(base, run(Rescoring(second_model(kind, **change), 1.0))[0]), f"{change} has no effect"


@pytest.mark.parametrize("kind", [CausalRescorer, MaskedRescorer])
def test_a_second_model_is_read_once_per_pass(kind):
    rescorer, asked = second_model(kind), []
    read = rescorer.model.logits if kind is CausalRescorer else rescorer.model.hidden
    setattr(rescorer.model, read.__name__, lambda *arguments: asked.append(1) or read(*arguments))
    _, steps = run(Rescoring(rescorer))
    assert len(asked) == len([step for step in steps if step.index < step.stage.steps - 1])


def test_a_causal_model_judges_each_code_by_those_before_it():
    rescorer = second_model(CausalRescorer, temperature=2.0)
    second = Opinion(torch.zeros(2, LEVELS, FRAMES))
    run(Rescoring(second))
    for draft in (second.drafts[1], second.drafts[-1]):
        level = draft.stage.levels[0]
        logits = rescorer.model.logits(draft.filled, rescorer.condition)[:, level] / 2.0
        want = logits.softmax(dim=-1).gather(-1, draft.filled[:, level, :, None])[..., 0]
        torch.testing.assert_close(rescorer(draft)[:, 0], want)


def test_the_model_as_its_own_rescorer_changes_nothing():
    """Where tokens are drawn from all there are, at temperature 1, it says what it has said before."""
    condition = request(random_logits(2, LEVELS, FRAMES, VOCAB_SIZE), random_logits(2, LEVELS, FRAMES, VOCAB_SIZE, 5))
    plan = Plan(tuple(replace(stage, guidance=Guidance(scale=3.0)) for stage in PLAN))
    again = MaskedRescorer(model=Oracle(VOCAB_SIZE, echo=2.0), condition=condition, guidance_scale=3.0)
    for step, other in zip(run(Rescoring(again, 0.7), plan, condition)[1], run(None, plan, condition)[1], strict=True):
        torch.testing.assert_close(step.confidence[step.before], other.confidence[step.before])
        assert torch.equal(step.codes, other.codes)


def test_codes_that_nobody_predicts_have_probability_zero():
    """Cells outside the request may hold the mask token when a rescorer reads them."""
    rescorer = second_model(CausalRescorer)
    second = opinion()
    run(Rescoring(second))
    draft = second.drafts[0]
    unknown = replace(draft, filled=torch.full_like(draft.filled, VOCAB_SIZE))
    assert (rescorer(unknown) == 0).all()


@pytest.mark.parametrize("kind", [CausalRescorer, MaskedRescorer])
def test_items_are_the_same_alone_and_in_any_batch(kind):
    condition, rescorer = request(random_logits(2, LEVELS, FRAMES, VOCAB_SIZE)), second_model(kind)
    together, _ = run(Rescoring(rescorer), condition=condition, seed=[4, 5])
    for row, seed in enumerate([4, 5]):
        item = torch.tensor([row])
        own = replace(rescorer, condition=rescorer.condition.take(item))
        alone, _ = run(Rescoring(own), condition=condition.take(item), seed=seed)
        assert torch.equal(alone, together[item])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Rescoring(opinion(), 1.1), "between 0"),
        (lambda: Rescoring(opinion(), Linear(0.5, -0.1)), "between 0"),
        (lambda: Rescoring(opinion(), 0.5, -1), "steps of 0"),
        (lambda: second_model(CausalRescorer, temperature=0.0), "above 0"),
        (lambda: candidates(0, rate), "1 candidate"),
        (lambda: candidates(2, lambda codes, rows: torch.zeros(1)), "each of 4"),
        (lambda: candidates(2, lambda codes, rows: torch.full((4,), torch.nan)), "NaN"),
    ],
)
def test_wrong_input_is_named(make, words):
    with pytest.raises(InputError, match=words):
        make()


def rate(codes, rows):
    """A scorer of whole candidates: likes code 3."""
    return (codes == 3).sum(dim=(1, 2)).float()


def candidates(count, score, seeds=(4, 5), items=(0, 1), weight=0.5):
    """The best of `count` results for these items of the two, each rescored by a twin."""
    condition = request(random_logits(2, LEVELS, FRAMES, VOCAB_SIZE)).take(torch.tensor(items))
    twin = second_model(CausalRescorer)
    twin = replace(twin, condition=twin.condition.take(torch.tensor(items)))

    def make(rows, row_seeds):
        second = replace(twin, condition=twin.condition.take(rows))
        return run(Rescoring(second, weight), condition=condition.take(rows), seed=row_seeds)[0]

    return best_of(count, make, score, seeds)


def test_one_candidate_is_the_plain_result():
    condition = request(random_logits(2, LEVELS, FRAMES, VOCAB_SIZE))
    plain, _ = run(Rescoring(second_model(CausalRescorer)), condition=condition, seed=[4, 5])
    assert torch.equal(candidates(1, rate), plain)
    assert torch.equal(candidates(3, lambda codes, rows: torch.zeros(len(rows))), plain), "the first one wins a draw"


def test_the_best_candidate_of_each_item_is_kept():
    shown = []

    def watch(codes, rows):
        shown.append((codes, rows))
        return rate(codes, rows)

    best = candidates(6, watch)
    ((codes, rows),) = shown
    assert rows.tolist() == [0] * 6 + [1] * 6, "all in one batch"
    for item in range(2):
        of_item = rate(codes, rows).view(2, 6)[item]
        assert len(set(of_item.tolist())) > 1
        assert torch.equal(best[item], codes[6 * item + int(of_item.argmax())])


def test_candidates_of_an_item_depend_on_its_own_seed_only():
    together = candidates(4, rate)
    for item, seed in enumerate([4, 5]):
        alone = candidates(4, rate, seeds=[seed], items=[item])
        assert torch.equal(alone[0], together[item])


def test_a_scorer_may_prefer_what_a_twin_finds_probable():
    """The same models serve both: rescoring in every pass, or a choice at the end."""
    condition = request(random_logits(2, LEVELS, FRAMES, VOCAB_SIZE, seed=7))
    twin = CausalOracle(VOCAB_SIZE, LEVELS)

    def likelihood(codes, rows):
        logits = twin.logits(codes, condition.take(rows)).log_softmax(dim=-1)
        return logits.gather(-1, codes[..., None]).mean(dim=(1, 2, 3))

    rows = torch.arange(2)
    scores = [likelihood(candidates(count, likelihood), rows) for count in (1, 3, 9)]
    assert (scores[0] <= scores[1]).all()
    assert (scores[1] <= scores[2]).all()
    assert (scores[0] < scores[2]).any()
