"""Prompts as sets: the algebra, seeds, what each knob does, where frames begin and end."""

import pickle
from itertools import product

import pytest
import torch
from click_loops import click_loop

from audiogen.errors import InputError
from audiogen.prompts import (
    PROMPTS,
    Beats,
    Dropout,
    Everything,
    Grid,
    Inpaint,
    Levels,
    Loop,
    Nothing,
    Onsets,
    Periodic,
    Prefix,
    Prompt,
    Random,
    Suffix,
    mask,
)  # fmt: skip

LOOP = click_loop(120, 8)
GRID = Grid(6, 200, 50.0, LOOP)
SAMPLES: tuple[Prompt, ...] = (
    Prefix(1.0), Suffix(0.7), Inpaint([(0.5, 1.2), (2, 3)]), Inpaint([(2, 2)], "bars"), Levels(2), Loop(),
    Periodic(7), Periodic(5, width=2, offset=3), Random(0.3), Dropout(0.3), Beats(), Onsets(), Everything(), Nothing(),
)  # fmt: skip


def kept(prompt: Prompt, seed: int = 0, grid: Grid = GRID) -> torch.Tensor:
    return ~mask(prompt, grid, seed)[0]


def frames(prompt: Prompt, grid: Grid = GRID) -> list[int]:
    """Frames whose first level is kept."""
    return kept(prompt, grid=grid)[0].nonzero().flatten().tolist()


def test_every_prompt_has_a_sample():
    assert {type(prompt) for prompt in SAMPLES} == set(PROMPTS.values())


@pytest.mark.parametrize("prompt", SAMPLES, ids=str)
def test_a_mask_is_the_rest(prompt):
    found = mask(prompt, GRID, seed=3)
    assert found.shape == (1, 6, 200)
    assert found.dtype == torch.bool
    assert torch.equal(found[0], ~prompt.keep(GRID, torch.Generator().manual_seed(3)))
    assert torch.equal(found, ~mask(~prompt, GRID, seed=3))


@pytest.mark.parametrize(("a", "b"), product(SAMPLES, SAMPLES[::3]), ids=str)
def test_laws_of_sets(a, b):
    assert torch.equal(kept(~(a & b)), kept(~a | ~b)), "De Morgan"
    assert torch.equal(kept(~(a | b)), kept(~a & ~b)), "De Morgan"
    assert torch.equal(kept(a & b), kept(b & a))
    assert torch.equal(kept(a & b), kept(a) & kept(b)), "a prompt is the same alone and in any expression"
    assert torch.equal(kept(a | b), kept(a) | kept(b)), "a prompt is the same alone and in any expression"
    assert (a & b).circular == (a | b).circular == (a.circular or b.circular)


@pytest.mark.parametrize("a", SAMPLES, ids=str)
def test_laws_of_one(a):
    assert torch.equal(kept(a & a), kept(a))
    assert torch.equal(kept(a | a), kept(a))
    assert torch.equal(kept(~~a), kept(a))
    assert torch.equal(kept(a & Everything()), kept(a))
    assert torch.equal(kept(a | Nothing()), kept(a))
    assert not kept(a & ~a).any()
    assert kept(a | ~a).all()
    assert (~a).circular == a.circular == isinstance(a, Loop)


@pytest.mark.parametrize("prompt", [Periodic(50), Random(0.3), Dropout(0.3)], ids=str)
def test_seeds(prompt):
    assert torch.equal(kept(prompt, 1), kept(prompt, 1))
    assert not torch.equal(kept(prompt, 1), kept(prompt, 2))
    assert not torch.equal(kept(prompt, 1), kept(prompt & Everything(), 2))
    generator = torch.Generator().manual_seed(0)
    assert not torch.equal(prompt.keep(GRID, generator), prompt.keep(GRID, generator)), "a generator goes on"


def test_different_prompts_are_independent():
    both = kept(Random(0.5) & Random(0.499)).float().mean()
    assert 0.2 < both < 0.3
    pairs = {tuple(int(kept(Periodic(each), seed)[0].nonzero()[0]) for each in (9, 10)) for seed in range(99)}
    assert len(pairs) > 50, "offsets of different periods do not go together"


def test_any_expression_draws_one_number():
    """So that what follows does not depend on the prompt."""
    after = set()
    for prompt in (Nothing(), Random(0.5), Random(0.1) & ~Dropout(0.2) | Periodic(5)):
        generator = torch.Generator().manual_seed(0)
        prompt.keep(GRID, generator)
        after.add(float(torch.rand(1, generator=generator)))
    assert len(after) == 1


@pytest.mark.parametrize(
    ("prompt", "other"),
    [
        (Prefix(1), Prefix(1.1)),
        (Suffix(1), Suffix(1.1)),
        (Inpaint([(0, 1)]), Inpaint([(0, 1.1)])),
        (Inpaint([(1, 2)], "beats"), Inpaint([(1, 2)], "bars")),
        (Levels(2), Levels(3)),
        (Loop(), Loop(1)),
        (Periodic(7), Periodic(8)),
        (Periodic(7, width=2), Periodic(7, width=3)),
        (Periodic(7, offset=2), Periodic(7, offset=3)),
        (Random(0.1), Random(0.2)),
        (Dropout(0.1), Dropout(0.2)),
        (Beats(), Beats(before=0.05)),
        (Beats(), Beats(after=0.1)),
        (Beats(), Beats(every=2)),
        (Onsets(), Onsets(2)),
    ],
    ids=str,
)
def test_every_knob_matters(prompt, other):
    assert not torch.equal(kept(prompt), kept(other))


@pytest.mark.parametrize("prompt", SAMPLES, ids=str)
def test_prompts_are_values(prompt):
    assert pickle.loads(pickle.dumps(prompt)) == prompt
    assert len({prompt, pickle.loads(pickle.dumps(prompt))}) == 1
    with pytest.raises(AttributeError):
        prompt.period = 3


def test_numbers_that_are_equal_are_one():
    assert Prefix(1) == Prefix(1.0)
    assert str(Prefix(1)) == str(Prefix(1.0))
    assert str(Prefix(-0.0)) == "prefix(0)"
    assert Periodic(7.0) == Periodic(7)
    assert isinstance(Periodic(7.0).period, int)
    assert Inpaint([[1, 2]]) == Inpaint(((1.0, 2.0),))


# --------------------------------------------------------------------------------------------------------------- places


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.0, 0.1, range(5)),
        (0.1, 0.2, range(5, 10)),
        (0.11, 0.19, range(5, 10)),  # what a span touches
        (0.58, 0.62, range(29, 31)),  # 0.58 * 50 is 28.999999999999996
        (0.101, 0.102, range(5, 6)),
        (0.1, 0.1, range(0)),
        (-1.0, 0.02, range(1)),
        (3.99, 9.0, range(199, 200)),
        (5.0, 9.0, range(0)),
    ],
)
def test_seconds_to_frames(start, end, expected):
    assert list(range(200))[GRID.frames_of(start, end)] == list(expected)


@pytest.mark.parametrize("rate", [50.0, 57.421875, 86.1328125, 44100 / 768])
def test_regions_that_share_a_frame_boundary_share_no_frame(rate):
    grid = Grid(1, 500, rate)
    for frame in range(1, 500):
        assert grid.frames_of(0, frame / rate) == slice(0, frame)
        assert grid.frames_of(frame / rate, grid.duration) == slice(frame, 500)


def test_places():
    assert frames(Prefix(0.1)) == [0, 1, 2, 3, 4]
    assert frames(Suffix(0.05)) == [197, 198, 199]
    assert frames(Prefix(0)) == frames(Suffix(0)) == frames(Nothing()) == []
    assert frames(Prefix(9)) == frames(Suffix(9)) == frames(Everything()) == list(range(200))
    assert frames(~Inpaint([(0.1, 0.2), (3.98, 4)])) == [5, 6, 7, 8, 9, 199]
    assert frames(~Inpaint([(0, 4)])) == list(range(200))
    assert frames(~Loop(0.08)) == [0, 1, 198, 199]
    assert frames(~Loop(0)) == []
    assert frames(Loop(99)) == []
    assert kept(Levels(2))[:2].all()
    assert not kept(Levels(2))[2:].any()
    assert kept(Levels(99)).all()
    assert not kept(Levels(0)).any()


def test_bars_and_beats_count_from_one():
    """120 bpm, two bars: a beat is 0.5 s, 25 frames."""
    assert frames(~Inpaint([(1, 1)], "bars")) == list(range(100))
    assert frames(~Inpaint([(2, 2)], "bars")) == list(range(100, 200))
    assert frames(~Inpaint([(1, 2)], "bars")) == list(range(200))
    assert frames(~Inpaint([(4, 5), (8, 8)], "beats")) == [*range(75, 125), *range(175, 200)]


@pytest.mark.parametrize(
    ("prompt", "valid"),
    [
        (Inpaint([(3, 4.1)]), "0 to 4 seconds"),
        (Inpaint([(5, 6)]), "0 to 4 seconds"),
        (Inpaint([(-1, 1)]), "0 to 4 seconds"),
        (Inpaint([(2, 3)], "bars"), "bars 1 to 2"),
        (Inpaint([(0, 1)], "bars"), "bars 1 to 2"),
        (Inpaint([(9, 9)], "beats"), "beats 1 to 8"),
    ],
    ids=str,
)
def test_regions_outside_the_sound(prompt, valid):
    with pytest.raises(InputError, match=f"expected regions within this sound, {valid}, got"):
        mask(prompt, GRID)


# ------------------------------------------------------------------------------------------------------------- patterns


def test_patterns():
    assert frames(Periodic(60, offset=10)) == [10, 70, 130, 190]
    assert frames(Periodic(60, width=2, offset=59)) == [0, 59, 60, 119, 120, 179, 180]
    assert frames(Periodic(1)) == list(range(200))
    assert frames(Periodic(0)) == []
    assert frames(Periodic(3, width=9)) == list(range(200))
    assert kept(Random(0.25)).sum() == 300
    assert not kept(Random(0)).any()
    assert kept(Random(1)).all()
    dropped = kept(Dropout(0.25))
    assert dropped[0].sum() == 50
    assert (dropped == dropped[:1]).all(), "whole frames"
    assert kept(Dropout(1)).all()
    offsets = {int(kept(Periodic(7), seed)[0].nonzero()[0]) for seed in range(60)}
    assert offsets == set(range(7)), "every offset is drawn"


def test_beats_and_onsets():
    assert frames(Beats(after=0.02)) == [0, 25, 50, 75, 100, 125, 150, 175]
    assert frames(Beats(before=0.02, after=0, every=4)) == [99]
    assert frames(Beats(before=0, after=0)) == []
    assert frames(Onsets(0)) == []
    near = set(frames(Beats(before=0.03, after=0.03)))
    assert set(frames(Onsets())) & near, "the hits are on the beats"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Prefix(-1), lambda: Prefix(float("nan")), lambda: Prefix(float("inf")), lambda: Suffix("1"),
        lambda: Periodic(2.5), lambda: Periodic(-1), lambda: Periodic(10**400), lambda: Periodic(7, width=0),
        lambda: Periodic(7, offset=-1), lambda: Random(1.1), lambda: Dropout(-0.1), lambda: Beats(every=0),
        lambda: Beats(before=-1), lambda: Onsets(0.5), lambda: Levels(None), lambda: Loop(-1), lambda: Inpaint([]),
        lambda: Inpaint([(2, 1)]), lambda: Inpaint([(1, 1)]), lambda: Inpaint((1, 2)), lambda: Inpaint(3),
        lambda: Inpaint([(1, float("nan"))]), lambda: Inpaint([(1.5, 2)], "bars"), lambda: Inpaint([(1, 2)], "bar"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_with_an_example(make):
    with pytest.raises(InputError, match=r"^\w+: expected .*, got .*\. An example: \w+\("):
        make()


@pytest.mark.parametrize("grid", [(0, 1, 50.0), (1, 0, 50.0), (1, 1, 0.0)])
def test_no_grid_without_cells(grid):
    with pytest.raises(InputError, match="at least one level and one frame"):
        Grid(*grid)
