"""Two versions of a sound as one, by time and frequency; the cutoff of a sound; regions and what they touch."""

import math

import pytest
import torch

from audiogen.audio import PEAK_LIMIT, Audio
from audiogen.errors import InputError
from audiogen.pipelines.bands import blend
from audiogen.pipelines.bandwidth import cutoff_of
from audiogen.pipelines.sound_regions import Region, read_region, regions_of
from audiogen.pipelines.splice import FADE

RATE = 16_000
EDGES = [0.0, 1000.0, 2000.0, 4000.0, 8000.0]


def noise(seed: int, seconds: float = 1.0, rate: int = RATE, channels: int = 2) -> Audio:
    generator = torch.Generator().manual_seed(seed)
    return Audio(0.1 * torch.randn(channels, round(seconds * rate), generator=generator), rate)


def band(audio: Audio, low: float, high: float) -> torch.Tensor:
    """What the sound has from `low` to `high` Hz, by one transform of all of it."""
    spectrum = torch.fft.rfft(audio.samples)
    hertz = torch.linspace(0, audio.sample_rate / 2, spectrum.shape[-1])
    return torch.fft.irfft(spectrum * ((hertz >= low) & (hertz <= high)), audio.samples.shape[-1])


# --------------------------------------------------------------------------------------------------------------- blend


@pytest.mark.parametrize("rate", [8000, 22_050, 48_000])
def test_all_frequencies_of_a_time(rate: int) -> None:
    old, new = noise(0, rate=rate), noise(1, rate=rate)
    made = blend(old, new, [Region(0.25, 0.5)]).samples
    first, last, fade = round(0.25 * rate), round(0.5 * rate), round(FADE * rate)
    assert torch.equal(made[:, : first - fade], old.samples[:, : first - fade])
    assert torch.equal(made[:, last + fade :], old.samples[:, last + fade :])
    torch.testing.assert_close(made[:, first:last], new.samples[:, first:last])


def test_a_band_of_a_time() -> None:
    old, new = noise(0), noise(1)
    made = blend(old, new, [Region(0.25, 0.75, 2000, 4000)])
    first, last, fade = RATE // 4, 3 * RATE // 4, round(FADE * RATE)
    assert torch.equal(made.samples[:, : first - fade], old.samples[:, : first - fade])
    assert torch.equal(made.samples[:, last + fade :], old.samples[:, last + fade :])
    middle = slice(first + 1000, last - 1000)
    for low, high, wanted in ((0, 1950, old), (2300, 3700, new), (4050, 8000, old)):
        found, known = band(made, low, high)[:, middle], band(wanted, low, high)[:, middle]
        assert float((found - known).square().mean()) < 2e-3 * float(known.square().mean()), (low, high)


def test_a_band_to_the_top_leaves_all_below() -> None:
    old, new = noise(0, 40.0), noise(1, 40.0)
    made = blend(old, new, [Region(0, 40, low=4000)])
    for low, high, wanted in ((0, 3990, old), (4300, 8000, new)):
        found, known = band(made, low, high), band(wanted, low, high)
        assert float((found - known).square().mean()) < 1e-3 * float(known.square().mean()), (low, high)


def test_regions_together() -> None:
    old, new = noise(0), noise(1)
    regions = [Region(0.2, 0.4), Region(0.3, 0.8, 1000, 3000), Region(0.3, 0.8, 1000, 3000)]
    made = blend(old, new, regions).samples
    torch.testing.assert_close(made[:, RATE // 5 : 2 * RATE // 5], new.samples[:, RATE // 5 : 2 * RATE // 5])
    once = blend(old, new, regions[:2]).samples
    assert torch.equal(made, once), "what two regions share is made once"
    assert torch.equal(blend(old, old, regions).samples, old.samples)


def test_what_is_added_makes_room_for_peaks() -> None:
    time = torch.arange(RATE) / RATE
    old = Audio(0.97 * torch.sin(2 * math.pi * 300 * time), RATE)
    new = Audio(0.9 * torch.sin(2 * math.pi * 3000 * time), RATE)
    made = blend(old, new, [Region(0, 1, low=2000)])
    assert float(made.samples.abs().max()) <= PEAK_LIMIT + 1e-5
    found, known = band(made, 0, 1500), band(old, 0, 1500)
    assert float((found - known).square().mean()) < 0.02 * float(known.square().mean())


# -------------------------------------------------------------------------------------------------------------- cutoff


@pytest.mark.parametrize("cutoff", [3000, 4000, 7000])
@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_the_edge_of_a_filter_is_found(cutoff: int, rate: int) -> None:
    whole = noise(0, 3.0, rate)
    narrow = Audio(band(whole, 0, cutoff), rate)
    in_16_bits = Audio((0.02 * narrow.samples * 2**15).round() / 2**15, rate)
    for audio in (narrow, in_16_bits):
        assert cutoff_of(audio) == pytest.approx(cutoff, rel=0.06)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100])
def test_without_an_edge_it_is_half_the_sample_rate(rate: int) -> None:
    whole = noise(0, 2.0, rate)
    falling = torch.fft.rfft(whole.samples)
    falling = falling / torch.linspace(1, 200, falling.shape[-1])
    for audio in (whole, Audio(torch.fft.irfft(falling), rate), Audio(0.1 * torch.ones(1, 500), rate)):
        assert cutoff_of(audio) == rate / 2


# ------------------------------------------------------------------------------------------------------------- regions


def test_cells_that_a_region_touches() -> None:
    grid = Region(0.3, 0.6, 1000, 3000).touched(EDGES, 10, 10.0)
    assert grid.any(dim=1).tolist() == [False, True, True, False], "1000 Hz is the edge of the row below"
    assert grid.any(dim=0).nonzero()[:, 0].tolist() == [3, 4, 5]
    assert Region(0.31, 0.61).touched(EDGES, 10, 10.0).sum() == 4 * 4


def test_a_spectrogram_is_covered_where_its_middles_are() -> None:
    centres = torch.tensor([100.0, 500.0, 1000.0, 3000.0])
    covered = Region(0.1, 0.3, 400, 1000).covered(centres, 5, 10.0)
    assert covered.nonzero().tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert Region(0.0, 0.5).covered(centres, 5, 10.0).all()


def test_regions_are_checked() -> None:
    assert regions_of([(0.5, 1), [0, 1.0004, 0, 8000], (0, 1, 0, 2000)], 1.0, 8000.0) == (
        Region(0.5, 1), Region(0, 1.0004), Region(0, 1, 0, 2000),
    )  # fmt: skip
    assert Region(0, 1).has_all_frequencies
    assert not Region(0, 1, 0, 8000).has_all_frequencies
    for wrong in ((0.5, 1.1), (1, 0.5), (0.5,), (0, 1, 2, 3, 4), (0, 1, 500, 600), (0, 1, 5000, 9000)):
        with pytest.raises(InputError, match="expected"):
            regions_of([wrong], 1.0, 8000.0)


@pytest.mark.parametrize("text", ["", "1", "1:2:3", "a:b", "1-2", "1:2:3:4:5"])
def test_regions_that_are_typed_wrongly(text: str) -> None:
    with pytest.raises(InputError, match=r"expected a region.*1\.5:2"):
        read_region(text)
    assert read_region("1.5:2") == (1.5, 2.0)
    assert read_region("1.5:2:500:4000") == (1.5, 2.0, 500.0, 4000.0)
