"""The delay pattern against the reference's layouts (golden magnet SPEC 10)."""

import json

import pytest
import torch

from audiogen.decoding.delay import DelayPattern
from audiogen.errors import InputError

PATTERNS = {
    "delay_default": DelayPattern(4),
    "delay_custom": DelayPattern(4, delays=(0, 2, 2, 2)),
    "delay_empty_initial_1": DelayPattern(4, empty_initial=1),
    "delay_flatten_first_1": DelayPattern(4, flatten_first=1),
    "parallel": DelayPattern(4, delays=(0, 0, 0, 0)),
}
CASES = [(name, steps) for name in PATTERNS for steps in ("full", "valid")]


@pytest.fixture(scope="module")
def golden(fixtures):
    return json.loads((fixtures / "magnet" / "patterns.json").read_text())


def counted(frames):
    """Codes 0, 1, 2, .. as in the fixture, [1, K, T]."""
    return torch.arange(4 * frames).view(1, 4, frames)


@pytest.mark.parametrize(("name", "steps"), CASES)
def test_sequences_and_masks_are_those_of_the_reference(golden, name, steps):
    pattern, case = PATTERNS[name], golden[name]
    frames, want = case["timesteps"], case[steps]
    count = len(want["sequence"][0])
    assert count == (pattern.length(frames) if steps == "full" else pattern.full_steps(frames))
    assert pattern.delayed(counted(frames), -1)[0, :, :count].tolist() == want["sequence"]
    assert pattern.cells(frames)[:, :count].long().tolist() == want["mask"]


@pytest.mark.parametrize(("name", "steps"), CASES)
def test_predictions_are_read_a_step_before_their_cell(golden, name, steps):
    pattern, frames, want = PATTERNS[name], golden[name]["timesteps"], golden[name][steps]
    count = len(want["sequence"][0])
    logits = torch.arange(count).float().view(1, 1, count, 1).expand(2, 4, count, 3)
    read = pattern.predictions(logits, frames)
    known = torch.tensor(want["logit_mask"]).bool()
    assert torch.equal(pattern.within(frames, count), known)
    assert torch.equal(~read.isnan(), known[None, ..., None].expand_as(read))
    steps_read = [[None if step != step else step for step in row] for row in read[1, ..., 2].tolist()]
    assert steps_read == want["logit_step_for_token"]


@pytest.mark.parametrize("name", PATTERNS)
def test_generation_begins_where_the_first_unknown_frame_begins(golden, name):
    first = golden[name]["first_step_with_timestep"]
    places = PATTERNS[name].places(golden[name]["timesteps"])
    for frame in range(golden[name]["timesteps"]):
        assert int(places[:, frame].min()) == first[str(frame)]


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("frames", [0, 1, 2, 9])
def test_there_and_back(name, frames):
    pattern = PATTERNS[name]
    codes = torch.randint(50, (3, 4, frames), generator=torch.Generator().manual_seed(0))
    sequence = pattern.delayed(codes, 50)
    assert torch.equal(pattern.revert(sequence, frames), codes)
    assert int((sequence == 50).sum()) == sequence.numel() - codes.numel()


@pytest.mark.parametrize("name", PATTERNS)
def test_what_comes_later_leaves_the_sequence_of_a_beginning_as_it_is(name):
    pattern = PATTERNS[name]
    assert torch.equal(pattern.places(9)[:, :5], pattern.places(5))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"levels": 0}, "1 level"),
        ({"levels": 3, "delays": (0, 1)}, "3 delays"),
        ({"levels": 2, "delays": (0, -1)}, "0 or more"),
        ({"levels": 2, "flatten_first": -1}, "flatten_first"),
        ({"levels": 2, "empty_initial": -1}, "empty_initial"),
    ],
)
def test_wrong_settings_are_named(settings, words):
    with pytest.raises(InputError, match=words):
        DelayPattern(**settings)


def test_codes_of_other_levels_are_refused():
    with pytest.raises(InputError, match="K=4"):
        DelayPattern(4).delayed(torch.zeros(1, 3, 5, dtype=torch.int64), 9)
