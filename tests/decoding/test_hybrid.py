"""An autoregressive beginning and a masked rest, with scripted models."""

from dataclasses import replace

import pytest
import torch
from causal_oracle import CausalOracle
from oracle import Oracle, random_logits, request

from audiogen.decoding import Plan, Sampling, Stage, decode
from audiogen.decoding.autoregressive import generate
from audiogen.decoding.hybrid import Beginning, hybrid, hybrid_parts
from audiogen.decoding.rescoring import Rescoring
from audiogen.errors import InputError

FRAMES, LEVELS, VOCAB_SIZE = 12, 2, 10
PLAN = Plan((Stage(levels=(0,), steps=4, span=3), Stage(levels=(1,), steps=2)))
SEEDS = [3, 4, 5]


def condition_for(seed, batch=3):
    return request(*(random_logits(batch, LEVELS, FRAMES, VOCAB_SIZE, seed=number) for number in (seed, seed + 50)))


def beginning(frames=5, **settings):
    model = CausalOracle(VOCAB_SIZE, LEVELS, echo=2.0)
    return Beginning(
        **{"model": model, "condition": condition_for(1), "frames": frames, "sampling": Sampling(), **settings}
    )


def prompt_of(frames):
    return torch.randint(VOCAB_SIZE, (3, LEVELS, frames), generator=torch.Generator().manual_seed(0))


def run(start, prompt=None, seed=SEEDS, frames=FRAMES, model=None, **settings):
    model = model or Oracle(VOCAB_SIZE, echo=2.0)
    return hybrid(start, model, prompt, condition_for(2), frames, PLAN, seed, **settings)


@pytest.mark.parametrize("given", [0, 4])
@pytest.mark.parametrize("frames", [1, 5, 7])
def test_autoregressive_cells_are_kept_bit_for_bit(given, frames):
    start, prompt = beginning(frames), prompt_of(given)
    codes = run(start, prompt)
    settings = (start.sampling, start.guidance_scale, SEEDS)
    made = generate(start.model, prompt, start.condition, given + frames, *settings)
    assert torch.equal(codes[..., : given + frames], made)
    assert codes.shape[-1] == FRAMES
    assert (codes < VOCAB_SIZE).all()


def test_the_masked_model_sees_the_beginning_as_a_prompt():
    model = Oracle(VOCAB_SIZE)
    codes = run(beginning(5), prompt_of(2), model=model)
    for seen, _, _ in model.seen:
        assert torch.equal(seen[..., :7], codes[..., :7])
    assert (model.seen[0][0][..., 7:] == VOCAB_SIZE).all()


def test_nothing_autoregressive_is_masked_decoding():
    start = beginning(0)
    codes = torch.zeros(3, LEVELS, FRAMES, dtype=torch.int64)
    plain = decode(Oracle(VOCAB_SIZE, echo=2.0), codes, codes == 0, condition_for(2), PLAN, SEEDS)
    assert torch.equal(run(start), plain)
    assert not start.model.reads


@pytest.mark.parametrize("frames", [FRAMES, 99])
def test_all_autoregressive_is_generation(frames):
    start, model = beginning(frames), Oracle(VOCAB_SIZE)
    whole = generate(start.model, None, start.condition, FRAMES, start.sampling, start.guidance_scale, SEEDS)
    assert torch.equal(run(start, model=model), whole)
    assert not model.seen


def test_frames_are_handed_out_while_the_beginning_is_made():
    start, model = beginning(5), Oracle(VOCAB_SIZE, echo=2.0)
    parts = hybrid_parts(start, model, None, condition_for(2), FRAMES, PLAN, SEEDS)
    heard = []
    for number in range(5):
        heard.append(next(parts))
        assert heard[-1].shape == (3, LEVELS, 1)
        assert len(start.model.reads) == LEVELS + number
        assert not model.seen, "the masked model waits"
    heard.extend(parts)
    assert len(heard) == 6
    assert torch.equal(torch.cat(heard, dim=-1), run(beginning(5)))


def test_items_are_the_same_alone_and_in_any_batch():
    together = run(beginning(5), prompt_of(2))
    for row, seed in enumerate(SEEDS):
        item = torch.tensor([row])
        start = beginning(5, condition=condition_for(1).take(item))
        alone = hybrid(
            start, Oracle(VOCAB_SIZE, echo=2.0), prompt_of(2)[item], condition_for(2).take(item), FRAMES, PLAN, seed
        )
        assert torch.equal(alone, together[item])


@pytest.mark.parametrize(
    "change", [{"frames": 6}, {"sampling": Sampling(temperature=0.1)}, {"guidance_scale": 1.0}], ids=str
)
def test_every_setting_of_the_beginning_matters(change):
    assert torch.equal(run(beginning()), run(beginning()))
    assert not torch.equal(run(beginning()), run(replace(beginning(), **change)))


def test_seed_steps_and_rescoring_reach_both_parts():
    plain, steps = run(beginning()), []
    other = run(beginning(), seed=[9, 9, 9], on_step=steps.append)
    assert not torch.equal(plain[..., :5], other[..., :5])
    assert not torch.equal(plain[..., 5:], other[..., 5:])
    assert len(steps) > 2
    later_first = Rescoring(lambda draft: torch.linspace(0, 1, FRAMES).expand(3, 1, FRAMES), 1.0)
    rescored = run(beginning(), rescoring=later_first)
    assert torch.equal(plain[..., :5], rescored[..., :5])
    assert not torch.equal(plain, rescored)


def test_wrong_input_is_named():
    with pytest.raises(InputError, match="all masked"):
        beginning(-1)
    with pytest.raises(InputError, match="12, got 5"):
        run(beginning(), prompt_of(12), frames=5)
