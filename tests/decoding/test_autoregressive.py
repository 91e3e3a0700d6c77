"""Generation frame by frame with a scripted model: what it reads, what it draws, and when a frame is handed out."""

from dataclasses import replace

import pytest
import torch
from causal_oracle import CausalOracle
from oracle import random_logits, request

from audiogen.decoding import NO_CONDITION, Condition, Linear, NoNoise, Sampling
from audiogen.decoding.autoregressive import generate, generate_frames
from audiogen.decoding.delay import DelayPattern
from audiogen.errors import InputError

FRAMES, LEVELS, VOCAB_SIZE = 9, 3, 12
PLAIN = Sampling()
PATTERNS = [
    DelayPattern(3),
    DelayPattern(3, delays=(0, 0, 0)),
    DelayPattern(3, delays=(0, 2, 5)),
    DelayPattern(3, flatten_first=2, empty_initial=1),
]


def condition_for(batch=2, seed=0):
    logits, null = (random_logits(batch, LEVELS, FRAMES, VOCAB_SIZE, seed=number) for number in (seed, seed + 50))
    return request(logits, null)


def run(prompt=None, condition=None, sampling=PLAIN, scale=1.0, seed=0, model=None, frames=FRAMES, **settings):
    model = model or CausalOracle(VOCAB_SIZE, LEVELS, echo=2.0)
    return generate(model, prompt, condition or condition_for(), frames, sampling, scale, seed, **settings)


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("given", [0, 4, 8, 9])
def test_each_code_is_the_answer_to_those_before_it(pattern, given):
    """Reading the result at once, as in training, gives the logits that the codes were drawn from."""
    model = CausalOracle(VOCAB_SIZE, LEVELS, echo=2.0, pattern=pattern)
    prompt = torch.randint(VOCAB_SIZE, (2, LEVELS, given), generator=torch.Generator().manual_seed(1))
    codes = run(prompt, model=model, seed=NoNoise())
    assert torch.equal(codes[..., :given], prompt), "the prompt comes back as it was"
    assert codes.shape == (2, LEVELS, FRAMES)
    best = model.logits(codes, condition_for()).argmax(dim=-1)
    assert torch.equal(codes[..., given:], best[..., given:])


def test_the_prompt_is_read_at_once_and_then_step_by_step():
    model = CausalOracle(VOCAB_SIZE, LEVELS)
    prompt = torch.ones(2, LEVELS, 4, dtype=torch.int64)
    codes = run(prompt, model=model)
    assert [part.shape[-1] for part in model.reads] == [5] + [1] * 6, "T + K - 1 - P passes"
    sequence = model.pattern.delayed(codes, VOCAB_SIZE)
    assert torch.equal(torch.cat(model.reads, dim=-1), sequence[..., :-1]), "what is not drawn yet is never read"


def test_steps_without_a_cell_to_draw_are_read_with_the_next():
    """Level 1 lags by five steps: the prompt still goes on when level 0 is done."""
    model = CausalOracle(VOCAB_SIZE, LEVELS, pattern=DelayPattern(3, delays=(0, 5, 5)))
    codes = run(torch.ones(2, LEVELS, 8, dtype=torch.int64), model=model, seed=NoNoise())
    assert [part.shape[-1] for part in model.reads] == [9, 5]
    assert (codes[..., 8] == condition_for()["logits"][:, :, 8].argmax(dim=-1)).all()


def test_a_greedy_continuation_of_a_beginning_is_the_whole():
    whole = run(seed=NoNoise())
    assert torch.equal(run(whole[..., :5], seed=NoNoise()), whole)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_frames_are_handed_out_as_soon_as_they_are_complete(pattern):
    model = CausalOracle(VOCAB_SIZE, LEVELS, echo=2.0, pattern=pattern)
    prompt = torch.zeros(2, LEVELS, 3, dtype=torch.int64)
    heard, read = [], []
    codes = run(prompt, model=model, on_frame=lambda frame: (heard.append(frame), read.append(len(model.reads))))
    assert torch.equal(torch.cat(heard, dim=-1), codes[..., 3:])
    assert len(heard) == FRAMES - 3
    first = pattern.places(FRAMES)[:, 3:].min()
    assert read == [int(pattern.places(FRAMES)[:, frame].max() - first) + 1 for frame in range(3, FRAMES)]


def test_frames_are_only_made_when_they_are_asked_for():
    model = CausalOracle(VOCAB_SIZE, LEVELS)
    frames = generate_frames(model, None, condition_for(), FRAMES, Sampling(), 1.0)
    next(frames)
    assert len(model.reads) == LEVELS
    next(frames)
    assert len(model.reads) == LEVELS + 1


def test_items_are_the_same_alone_and_in_any_batch():
    condition, seeds = condition_for(3), [5, 6, 5]
    settings = {"sampling": Sampling(top_p=0.9, temperature=Linear(1.5, 0.5)), "scale": 2.0}
    prompt = torch.randint(VOCAB_SIZE, (3, LEVELS, 2), generator=torch.Generator().manual_seed(1))
    together = run(prompt, condition, seed=seeds, **settings)
    for row, seed in enumerate(seeds):
        item = torch.tensor([row])
        alone = run(prompt[item], condition.take(item), seed=seed, **settings)
        assert torch.equal(alone, together[item])


@pytest.mark.parametrize(
    ("base", "change"),
    [
        ({}, {"seed": 1}),
        ({}, {"scale": 3.0}),
        ({}, {"temperature": 0.1}),
        ({}, {"temperature": Linear(1.0)}),
        ({}, {"temperature_floor": 3.0}),
        ({}, {"top_k": 2}),
        ({}, {"top_fraction": 0.2}),
        ({}, {"top_p": 0.3}),
        ({}, {"typical_mass": 0.2}),
        ({"typical_mass": 0.01}, {"typical_min_tokens": 9}),
        ({"top_p": 0.5, "temperature": 3.0}, {"filter_tempered": True}),
        ({}, {"greedy_steps": 8}),
        ({}, {"noise_by_rank": True}),
    ],
)
def test_every_knob_changes_the_result(base, change):
    def made(**settings):
        outer = {name: settings.pop(name) for name in ("seed", "scale") if name in settings}
        return run(sampling=replace(Sampling(), **settings), **outer)

    assert torch.equal(made(**base), made(**base)), "same seed, same codes"
    assert not torch.equal(made(**base), made(**{**base, **change})), f"{change} has no effect"


def test_scale_one_is_off_and_reads_no_second_branch():
    model = CausalOracle(VOCAB_SIZE, LEVELS)
    run(model=model, scale=1.0)
    run(model=model, scale=1.5)
    assert model.batches == [2, 4]


def test_guidance_goes_from_null_past_conditioned():
    """Token 0 leads in both branches, but the condition speaks for token 1."""
    logits, null = torch.zeros(1, LEVELS, FRAMES, VOCAB_SIZE), torch.zeros(1, LEVELS, FRAMES, VOCAB_SIZE)
    logits[..., 0], logits[..., 1], null[..., 0] = 1.0, 0.8, 1.0
    for scale, token in [(0.5, 0), (1.0, 0), (1.2, 0), (1.3, 1), (5.0, 1)]:
        model = CausalOracle(VOCAB_SIZE, LEVELS)
        assert (run(condition=request(logits, null), scale=scale, seed=NoNoise(), model=model) == token).all(), scale


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": torch.zeros(2, 4, 3, dtype=torch.int64)}, "K=3"),
        ({"prompt": torch.zeros(2, 3, 3)}, "int64"),
        ({"prompt": torch.full((2, 3, 3), VOCAB_SIZE)}, "without holes"),
        ({"prompt": torch.zeros(2, 3, 10, dtype=torch.int64)}, "10, got 9"),
        ({"prompt": torch.zeros(1, 3, 3, dtype=torch.int64)}, "for 1 items"),
        ({"frames": 0}, "1 frame"),
        ({"condition": NO_CONDITION}, "how many items"),
        ({"seed": [1, 2, 3]}, "one seed or 2"),
    ],
)
def test_wrong_input_is_named(change, words):
    good = {"prompt": None, "condition": condition_for(), "frames": FRAMES, "seed": 0}
    model = CausalOracle(VOCAB_SIZE, LEVELS)
    with pytest.raises(InputError, match=words):
        generate(model, **{**good, **change})


def test_a_condition_can_be_taken_apart_and_repeated():
    condition = Condition({"text": torch.arange(6).view(3, 2)}, {"text": torch.zeros(3, 2)})
    taken = condition.take(torch.tensor([2, 0, 2]))
    assert taken["text"].tolist() == [[4, 5], [0, 1], [4, 5]]
    assert taken.null()["text"].shape == (3, 2)
