"""What makes MAGNeT and its twin fast does not change what they say; what does change it is off unless asked for."""

import pytest
import torch
from tiny_music import CLOSE, tiny_magnet, tiny_musicgen

from audiogen.decoding import NoNoise, Stage, decode
from audiogen.decoding.autoregressive import generate
from audiogen.models.magnet import magnet_plan
from audiogen.models.musicgen import ROOM

STEPS = (5, 3, 3, 3)


def text(batch=1, positions=5):
    """Projected text states."""
    return torch.randn(batch, positions, 64, generator=torch.Generator().manual_seed(positions))


def whole_grid(batch=1, frames=40):
    return torch.zeros(batch, 4, frames, dtype=torch.int64), torch.ones(batch, 4, frames, dtype=torch.bool)


def random_codes(frames):
    return torch.randint(65, (1, 4, frames), generator=torch.Generator().manual_seed(frames))


@pytest.mark.parametrize("level", [0, 2])
@torch.no_grad()
def test_attention_to_a_text_of_zeros_is_nothing(level):
    """So that the null branch of guidance may leave it out (golden magnet SPEC trap 2)."""
    model, codes, stage = tiny_magnet(), random_codes(40), Stage(levels=(level,))
    zeros = model.condition_on(torch.zeros(1, 7, 64))
    assert zeros["memory"].shape[1] == 7
    assert zeros.null()["memory"].shape[1] == 0
    attended = model.blocks[0].cross_attention(torch.randn(1, 3, 64), zeros["memory"][:, :, 0], None)
    assert not attended.any()
    assert torch.equal(model.logits(codes, zeros, stage), model.logits(codes, zeros.null(), stage))


class Watched:
    """A model that counts what it is asked."""

    def __init__(self, model):
        self.model, self.passes, self.frames = model, 0, []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def hidden(self, *arguments):
        self.passes += 1
        return self.model.hidden(*arguments)

    def head(self, hidden, stage):
        self.frames.append(hidden.shape[1])
        return self.model.head(hidden, stage)


def watched_decode(batch=1, **settings):
    model, steps = Watched(tiny_magnet()), []
    codes, mask = whole_grid(batch)
    plan = magnet_plan(steps=STEPS, **settings)
    result = decode(model, codes, mask, model.condition_on(text(batch)), plan, 0, steps.append)
    return result, model, steps


def test_logits_are_computed_of_masked_cells_only():
    _, model, steps = watched_decode(batch=2)
    masked = [int(step.before.sum()) for step in steps for _ in range(1 if step.index == step.stage.steps - 1 else 2)]
    assert model.frames == masked
    assert masked[-1] < masked[0]


def test_guidance_may_leave_out_passes():
    passes = {every: watched_decode(guidance_every=every)[1].passes for every in (1, 2, 9)}
    assert passes[1] == 2 * sum(STEPS) - len(STEPS), "the last step of a level has scale 1"
    assert passes[2] == sum(STEPS) + 2 + 1 + 1 + 1
    assert passes[9] == sum(STEPS) + len(STEPS)


def test_left_out_passes_change_the_codes_and_none_left_out_does_not():
    plain = watched_decode()[0]
    assert torch.equal(watched_decode(guidance_every=1)[0], plain)
    assert not torch.equal(watched_decode(guidance_every=2)[0], plain)
    assert torch.equal(watched_decode(guidance_every=2, guidance=(1.0, 1.0))[0], watched_decode(guidance=(1.0, 1.0))[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_accelerated_models_say_the_same(dtype):
    plain, fast = (tiny_magnet().to(dtype) for _ in range(2))
    fast.accelerate()
    codes, mask = whole_grid()
    results = [
        decode(model, codes, mask, model.condition_on(text()), magnet_plan(steps=STEPS), 0) for model in (plain, fast)
    ]
    assert torch.equal(*results)
    assert not any(parameter.requires_grad for parameter in fast.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_accelerated_twin_says_the_same(dtype):
    plain, fast = (tiny_musicgen().to(dtype) for _ in range(2))
    fast.accelerate()
    results = [generate(model, None, model.condition_on(text()), 30, seed=NoNoise()) for model in (plain, fast)]
    assert torch.equal(*results)


@torch.no_grad()
def test_a_twin_that_runs_out_of_room_gets_more():
    model, sequence = tiny_musicgen(), random_codes(ROOM + 30)
    condition = model.condition_on(text())
    stream = model.start(condition, 1)
    parts = [stream(part) for part in sequence.split([ROOM - 3, *[1] * 8, 25], dim=2)]
    torch.testing.assert_close(torch.cat(parts, dim=2), model.sequence_logits(sequence, condition), **CLOSE)
