"""An item is the same alone and in any batch, at any place, with any padding and any neighbours."""

import pytest
import torch
from oracle import Oracle, random_logits, request

from audiogen.decoding import Confidence, Guidance, ItemNoise, Linear, Plan, Sampling, Stage, StreamNoise, decode
from audiogen.errors import InputError

VOCAB_SIZE = 12
LENGTHS = (9, 20, 1, 14)
PLAN = Plan(
    tuple(
        Stage(
            levels=levels,
            steps=steps,
            span=span,
            arrangement=arrangement,
            sampling=Sampling(temperature=Linear(1.2), top_p=0.9, greedy_steps=1),
            confidence=Confidence(temperature=Linear(1.0), over_span="sum" if arrangement == "stride1" else "max"),
            guidance=Guidance(scale=3.0, scale_end=1.0, rescale=0.7),
        )
        for levels, steps, span, arrangement in [
            ((0,), 6, 1, "nonoverlap"),
            ((1,), 9, 3, "nonoverlap"),
            ((2, 3), 3, 2, "nonoverlap"),
            ((1,), 5, 3, "stride1"),
            ((0, 2), 4, 2, "stride1"),
        ]
    )
)


def items():
    """One request per length: codes, mask (a prompt of a third), logits and null logits."""
    made = []
    for number, frames in enumerate(LENGTHS):
        generator = torch.Generator().manual_seed(number)
        codes = torch.randint(VOCAB_SIZE, (1, 4, frames), generator=generator)
        mask = (torch.arange(frames) >= frames // 3).expand(1, 4, frames)
        null = random_logits(1, 4, frames, VOCAB_SIZE, seed=90 + number)
        made.append((codes, mask, random_logits(1, 4, frames, VOCAB_SIZE, seed=number), null))
    return made


def batch_of(chosen, frames):
    """The chosen items side by side, padded to `frames` with rubbish."""
    codes = torch.full((len(chosen), 4, frames), 7)
    mask = torch.ones_like(codes, dtype=torch.bool)  # padding is kept out by `valid`
    valid = torch.zeros(len(chosen), frames, dtype=torch.bool)
    logits, null = (random_logits(len(chosen), 4, frames, VOCAB_SIZE, seed=seed) for seed in (7, 8))
    for row, item in enumerate(chosen):
        length = item[0].shape[-1]
        for whole, part in zip((codes, mask, logits, null), item, strict=True):
            whole[row, :, :length] = part[0]
        valid[row, :length] = True
    return codes, mask, request(logits, null, valid)


def alone(item, seed):
    codes, mask, logits, null = item
    return decode(Oracle(VOCAB_SIZE, echo=2.0), codes, mask, request(logits, null), PLAN, seed)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 1, 0)])
@pytest.mark.parametrize("padding", [0, 5])
def test_items_are_the_same_alone_and_in_any_batch(order, padding):
    made = items()
    chosen = [made[index] for index in order]
    seeds = [100 + place for place in range(len(order))]
    frames = max(item[0].shape[-1] for item in chosen) + padding
    together = decode(Oracle(VOCAB_SIZE, echo=2.0), *batch_of(chosen, frames), PLAN, seeds)
    for row, (item, seed) in enumerate(zip(chosen, seeds, strict=True)):
        length = item[0].shape[-1]
        assert torch.equal(together[row : row + 1, :, :length], alone(item, seed)), row
        assert (together[row, :, length:] == 7).all(), "padding is left as it came"


def test_one_seed_serves_every_item():
    item = items()[0]
    together = decode(Oracle(VOCAB_SIZE, echo=2.0), *batch_of([item, item], 9), PLAN, 5)
    assert torch.equal(together[0], together[1])
    assert torch.equal(together[:1], alone(item, 5))
    apart = decode(Oracle(VOCAB_SIZE, echo=2.0), *batch_of([item, item], 9), PLAN, [5, 6])
    assert torch.equal(apart[0], together[0])
    assert not torch.equal(apart[1], together[1])


def test_a_shared_stream_couples_the_items_and_equals_item_noise_on_one():
    item = items()[0]
    codes, mask, condition = batch_of([item, item], 9)
    stream = StreamNoise(torch.Generator().manual_seed(5))
    together = decode(Oracle(VOCAB_SIZE, echo=2.0), codes, mask, condition, PLAN, stream)
    assert not torch.equal(together[0], together[1])
    single = StreamNoise(torch.Generator().manual_seed(5))
    codes, mask, condition = batch_of([item], 9)
    assert torch.equal(decode(Oracle(VOCAB_SIZE, echo=2.0), codes, mask, condition, PLAN, single), alone(item, 5))


def test_item_noise_needs_a_seed_per_item():
    with pytest.raises(InputError, match="one seed or 1"):
        decode(Oracle(VOCAB_SIZE), *batch_of([items()[0]], 9), PLAN, [1, 2])
    noise = ItemNoise([1, 2])
    places = torch.tensor([[True, False], [True, True]])
    assert noise.gumbel(places, 5).shape == (3, 5)
    assert noise.gumbel(places).shape == (3,)
