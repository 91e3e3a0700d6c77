"""Tempo and onsets of clicks, whose times are known."""

import pytest
import torch

from audiogen.audio import Audio
from audiogen.metrics.rhythm import f_measure, onset_f_measure, onsets, tempo, tempo_error

RATE = 32_000


def clicks(bpm, seconds=8.0, late=0.0):
    """A short noise on every beat."""
    samples = torch.zeros(round(seconds * RATE))
    burst = torch.randn(800, generator=torch.Generator().manual_seed(0)) * torch.linspace(0.5, 0, 800)
    for beat in range(int(seconds * bpm / 60)):
        start = round((beat * 60 / bpm + late) * RATE)
        samples[start : start + 800] += burst[: len(samples) - start]
    return Audio(samples, RATE)


SILENCE = Audio(torch.zeros(4 * RATE), RATE)


@pytest.mark.parametrize("bpm", [90, 117, 140])
def test_tempo_of_clicks(bpm):
    assert tempo(clicks(bpm)) == pytest.approx(bpm, rel=0.01)


def test_tempo_error_is_relative_to_the_original():
    assert tempo_error(clicks(100), clicks(100, late=0.01)) < 0.01
    assert tempo_error(clicks(100), clicks(110)) == pytest.approx(0.1, abs=0.01)
    assert tempo_error(SILENCE, clicks(100)) is None
    assert tempo_error(clicks(100), SILENCE) == 1


def test_onsets_are_where_the_clicks_are_the_first_included():
    found = onsets(clicks(120, seconds=4))
    assert found == pytest.approx([0.5 * beat for beat in range(8)], abs=0.03)


def test_f_measure_counts_each_time_once():
    assert f_measure([0, 1, 2, 3], [0.04, 1.06, 2]) == pytest.approx(4 / 7)
    assert f_measure([1.0], [0.96, 1.04]) == pytest.approx(2 / 3)
    assert f_measure([0.0, 0.06], [0.03, 0.09]) == 1
    assert f_measure([1.0], [1.2], tolerance=0.3) == 1
    assert f_measure([], [1.0]) == 0
    assert f_measure([], []) is None


def test_onsets_that_are_late_do_not_count():
    assert onset_f_measure(clicks(120), clicks(120, late=0.02)) > 0.9
    assert onset_f_measure(clicks(120), clicks(120, late=0.1)) < 0.1
    assert onset_f_measure(SILENCE, SILENCE) is None
