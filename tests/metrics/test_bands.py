"""Log-spectral distance within a band."""

import pytest
import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.metrics.bands import FLOOR_DB, log_spectral_distance

RATE = 22_050


def noise(seed, gain=0.1, seconds=1.0):
    return Audio(gain * torch.randn(1, round(seconds * RATE), generator=torch.Generator().manual_seed(seed)), RATE)


def test_equal_sounds_have_no_distance_and_a_gain_has_its_decibels():
    one = noise(0)
    assert log_spectral_distance(one, one, 4000, 11_025) == 0
    other = Audio(one.samples * 10 ** (-6 / 20), RATE)
    assert log_spectral_distance(one, other, 4000, 11_025) == pytest.approx(6.0, abs=0.01)


def test_only_the_band_counts():
    one = noise(0)
    narrow = one.resample(8000).resample(RATE)
    assert log_spectral_distance(one, narrow, 100, 3000) < 1
    assert log_spectral_distance(one, narrow, 4500, 11_025) > 30


def test_nothing_in_the_band_is_no_farther_than_the_floor():
    one, silence = noise(0), Audio(torch.zeros(1, RATE), RATE)
    assert 40 < log_spectral_distance(one, silence, 4000, 11_025) <= -FLOOR_DB
    assert log_spectral_distance(silence, silence, 4000, 11_025) == 0


def test_other_noise_of_the_same_kind_is_much_nearer_than_none():
    one = noise(0)
    none = one.resample(8000).resample(RATE)
    assert log_spectral_distance(one, noise(1), 4000, 11_025) < 0.3 * log_spectral_distance(one, none, 4000, 11_025)


@pytest.mark.parametrize(
    ("other", "band"), [(noise(1, seconds=0.5), (100, 200)), (Audio(torch.zeros(1, RATE), 16_000), (100, 200))]
)
def test_sounds_that_do_not_fit_are_refused(other, band):
    with pytest.raises(InputError, match="expected two sounds of one rate and length"):
        log_spectral_distance(noise(0), other, *band)


def test_a_band_above_all_bins_is_refused():
    with pytest.raises(InputError, match="expected a band below 11025 Hz"):
        log_spectral_distance(noise(0), noise(1), 12_000, 14_000)
