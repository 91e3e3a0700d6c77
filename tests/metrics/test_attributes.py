"""What the judge of attributes hears: tones, repeats, and whatever it is taught."""

import numpy as np
import pytest
import torch

from audiogen.audio import Audio
from audiogen.metrics.attributes import (
    DISTANCES,
    RATE,
    TEMPO_BINS,
    AttributeConfig,
    AttributeJudge,
    Summary,
    load_judge,
    repeats,
    save_judge,
    summary,
    tempo_of,
    tempo_target,
    tones,
)

CONFIG = AttributeConfig(metres=("3/4", "4/4"), leads=("flute", "organ", "bells"), dim=16)


def chord(*pitches, seconds=3.0):
    clock = torch.arange(round(seconds * RATE)) / RATE
    return sum(torch.sin(2 * torch.pi * 440 * 2 ** ((pitch - 69) / 12) * clock) for pitch in pitches) / len(pitches)


def clicks(tempo, seconds=8.0):
    samples = 1e-3 * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(0))
    for beat in range(int(seconds * tempo / 60)):
        start = round(beat * 60 / tempo * RATE)
        samples[start : start + 400] += torch.hann_window(400) * torch.sin(torch.arange(400) * 0.4)
    return samples


def judge():
    torch.manual_seed(0)
    return AttributeJudge(CONFIG).eval()


def test_tones_are_those_that_sound_in_bass_and_harmony():
    bass, harmony = tones(chord(38, 62, 65, 69))  # D below, D minor above
    assert int(bass.argmax()) == 2
    assert set(harmony.topk(3).indices.tolist()) == {2, 5, 9}


@pytest.mark.parametrize("tempo", [72, 100, 141])
def test_onsets_repeat_at_the_beat(tempo):
    found = repeats(clicks(tempo)).mean(dim=0)
    beat = DISTANCES[found[DISTANCES.lt(90 / tempo)].argmax()]
    assert 60 / float(beat) == pytest.approx(tempo, rel=0.04)


def test_a_summary_does_not_depend_on_the_level_and_takes_any_sound():
    audio = Audio(0.5 * chord(60, 64, 67), RATE)
    one, other = summary(audio), summary(Audio(0.1 * audio.samples, RATE))
    torch.testing.assert_close(one.tones, other.tones, atol=1e-3, rtol=0)
    torch.testing.assert_close(one.spectrum, other.spectrum, atol=0.5, rtol=0)
    for samples in (np.zeros((1, 32000), np.float32), np.zeros((2, 44100), np.float32)):
        heard = judge().listen(Audio(samples, 44100))
        assert heard.metre in CONFIG.metres


def test_a_key_and_its_transposition_are_judged_alike():
    network = judge()
    found = network(Summary.stack([summary(Audio(chord(48, 60, 64, 67), RATE))]))["key"][0]
    tones_up = Summary.stack([summary(Audio(chord(48, 60, 64, 67), RATE))])
    moved = network(Summary(tones_up.tones.roll(3, dims=-1), tones_up.repeats, tones_up.spectrum))["key"][0]
    torch.testing.assert_close(moved.unflatten(0, (2, 12)), found.unflatten(0, (2, 12)).roll(3, dims=-1))


@pytest.mark.parametrize("tempo", [60.0, 97.3, 120.0, 169.0])
def test_a_tempo_and_its_bins(tempo):
    target = tempo_target(torch.tensor([tempo]))
    assert target.shape == (1, TEMPO_BINS)
    assert float(target.sum()) == pytest.approx(1)
    assert tempo_of(target[0].clamp(min=1e-6).log()) == pytest.approx(tempo, rel=0.001)


def test_what_is_saved_comes_back(tmp_path):
    audio = Audio(0.5 * chord(60, 64, 67), RATE)
    network = judge()
    save_judge(network, tmp_path)
    assert load_judge(tmp_path).listen(audio) == network.listen(audio)
