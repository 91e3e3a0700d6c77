"""Beats, bars, onsets and the tempo of loops, on clicks whose times are known."""

import pytest
import torch
from click_loops import RATE, click_loop, drone, noise, silence

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.prompts import Beats, Grid, Inpaint, Onsets, mask
from audiogen.prompts.beats import BLOCK, HOP, loop_tempo, onset_strength, track, track_onsets


@pytest.mark.parametrize(
    ("bpm", "beats"),
    [(97, 4), (120, 16), (130, 32), (75, 8), (150, 8), (90, 6), (110, 2), (136, 12), (84, 24), (100, 3)],
)
def test_a_loop_gets_its_tempo_and_its_bars(bpm, beats):
    loop = click_loop(bpm, beats)
    assert loop_tempo(loop) == pytest.approx(bpm, rel=1e-3)
    found = track(loop)
    assert found.tempo == loop_tempo(loop)
    assert found.times == pytest.approx([beat * 60 / bpm for beat in range(beats)], abs=2e-3)
    assert found.downbeats == found.times[::4]


def test_level_rate_and_channels_do_not_matter():
    loop = click_loop(97, 8)
    quiet = Audio(loop.samples * 0.01, RATE)
    stereo = Audio(loop.resample(44_100).samples.repeat(2, 1), 44_100)
    assert track(quiet).times == pytest.approx(track(loop).times)
    assert track(stereo).times == pytest.approx(track(loop).times, abs=1e-3)


def test_music_of_any_length_is_tracked():
    """A cut that is no whole number of beats, and begins 91 ms before a beat."""
    loop = click_loop(105, 16)
    cut = Audio(loop.samples[:, 2000:-5000], RATE)
    assert loop_tempo(cut) is None
    found = track(cut)
    assert found.tempo == pytest.approx(105, rel=0.01)
    expected = [beat * 60 / 105 - 2000 / RATE for beat in range(1, 16)]
    assert found.times == pytest.approx(expected, abs=0.03)
    assert found.downbeats[1] - found.downbeats[0] == pytest.approx(4 * 60 / 105, abs=0.05)
    assert set(found.downbeats) <= set(found.times)


@pytest.mark.parametrize(
    "sound", [silence(3), silence(0.1), noise(4), noise(0.1), drone(4), click_loop(120, 1), Audio(torch.ones(1), RATE)]
)
def test_no_beat_where_there_is_none(sound):
    assert loop_tempo(sound) is None
    found = track(sound)
    assert (found.times, found.downbeats, found.tempo) == ((), (), None)
    grid = Grid(4, 20, 20 / sound.duration, sound)
    for prompt in (Beats(), Inpaint([(1, 1)], "bars")):
        with pytest.raises(InputError, match=r"expected a sound with a beat.*Use prompts that need no beat"):
            mask(prompt, grid)


def test_onsets():
    loop = click_loop(120, 4)
    found = track_onsets(loop)
    assert found[0] == 0, "what begins at once is an onset"
    for hit in (0.25 * index for index in range(8)):
        assert min(abs(hit - time) for time in found) < 0.05
    late = Audio(torch.roll(click_loop(60, 1, per_beat=1).samples, -1500, dims=-1), RATE)
    assert track_onsets(late) == pytest.approx([1 - 1500 / RATE], abs=0.05), (
        "a hit just before the end is none at the start"
    )
    assert track_onsets(silence(1)) == track_onsets(drone(4)) == ()
    with pytest.raises(InputError, match="expected a sound in which notes or hits begin"):
        mask(Onsets(), Grid(4, 50, 50.0, silence(1)))


def test_what_listens_needs_a_sound():
    for prompt in (Beats(), Onsets(), Inpaint([(1, 1)], "beats")):
        with pytest.raises(InputError, match=r"got none. Pass Grid\(..., audio=audio\)"):
            mask(prompt, Grid(4, 50, 50.0))


def test_a_sound_is_tracked_once(monkeypatch):
    grid = Grid(4, 100, 50.0, click_loop(120, 4))
    first = grid.beats
    monkeypatch.setattr("audiogen.prompts.grid.track", lambda audio: pytest.fail("tracked again"))
    assert grid.beats is first


def test_long_sounds_are_analysed_in_blocks(monkeypatch):
    sound = click_loop(120, 8)
    whole = onset_strength(sound)
    assert len(whole) < BLOCK
    monkeypatch.setattr("audiogen.prompts.beats.BLOCK", 50)
    torch.testing.assert_close(torch.from_numpy(onset_strength(sound)), torch.from_numpy(whole))
    assert len(whole) == -(-sound.samples.shape[-1] // HOP)
