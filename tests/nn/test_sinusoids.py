"""The bank sings what it is told, the analysis hears what was sung, and cutting a sound changes nothing."""

import math

import pytest
import torch

from audiogen.nn.sinusoids import BLOCK, PartialAnalysis, Partials, SinusoidBank, band_centres, band_widths

RATE, HOP = 32000, 160


@pytest.fixture(scope="module")
def bank() -> SinusoidBank:
    return SinusoidBank(RATE, HOP)


@pytest.fixture(scope="module")
def analysis() -> PartialAnalysis:
    return PartialAnalysis(RATE, 2 * HOP)


def quiet(bank: SinusoidBank, frames: int) -> Partials:
    return Partials(torch.zeros(1, bank.bands, frames), torch.zeros(1, bank.bands, frames))


def tone(hertz: float, amplitude: float = 0.3, seconds: float = 1.0) -> torch.Tensor:
    return amplitude * torch.cos(2 * math.pi * hertz * torch.arange(int(RATE * seconds)) / RATE)[None]


def test_bands_are_a_semitone_wide_where_that_is_more_than_the_step():
    centres, widths = band_centres(), band_widths()
    assert torch.allclose(widths, centres.diff(prepend=torch.zeros(1)))
    assert torch.all(widths[:16] == widths[0])
    high = centres[centres > 600]
    torch.testing.assert_close(high[1:] / high[:-1], torch.full_like(high[1:], 2 ** (1 / 12)))


@pytest.mark.parametrize("hertz", [55.0, 440.0, 1003.0, 5000.0])
def test_analysis_finds_frequency_and_amplitude_of_a_tone(analysis, hertz):
    found = analysis(tone(hertz))
    assert found.magnitude.shape == found.deviation.shape == (1, len(band_centres()), 100)
    band = int(found.magnitude[0, :, 50].argmax())
    assert float(found.magnitude[0, band, 50]) == pytest.approx(0.3, rel=0.01)
    assert float(band_centres()[band] + found.deviation[0, band, 50]) == pytest.approx(hertz, abs=0.1)


def test_analysis_of_silence_is_nothing_in_the_middle_of_each_band(analysis):
    found = analysis(torch.zeros(1, RATE))
    assert not found.magnitude.any()
    assert not found.deviation.any()


def test_bank_sings_the_frequency_it_is_told(bank, analysis):
    partials = quiet(bank, 201)
    partials.amplitude[0, 20] = 0.5
    partials.deviation[0, 20] = 7.0
    audio, _ = bank(partials, bank.silence(1))
    assert audio.shape == (1, 200 * HOP)
    assert float(audio.abs().max()) == pytest.approx(0.5, abs=1e-3)
    found = analysis(audio)
    band = int(found.magnitude[0, :, 50].argmax())
    wanted = float(bank.centres[20]) + 7
    assert float(band_centres()[band] + found.deviation[0, band, 50]) == pytest.approx(wanted, abs=0.05)


def test_frequency_and_amplitude_glide_between_frames(bank):
    partials = quiet(bank, 51)
    partials.amplitude[0, 30] = torch.linspace(0, 0.5, 51)
    partials.deviation[0, 30] = torch.linspace(-20, 20, 51)
    audio, _ = bank(partials, bank.silence(1))
    jumps = audio.diff().abs().max()
    assert float(jumps) < 0.5 * 2 * math.pi * (float(bank.centres[30]) + 20) / RATE * 1.05, "no clicks"


@pytest.mark.parametrize("cut", [1, 77, BLOCK, BLOCK + 1])
def test_a_sound_in_two_parts_is_the_whole(bank, cut):
    generator = torch.Generator().manual_seed(0)
    shape = (2, bank.bands, BLOCK + 50)
    partials = Partials(torch.rand(shape, generator=generator) * 0.02, torch.randn(shape, generator=generator) * 9)
    whole, end = bank(partials, bank.silence(2))
    first, phases = bank(partials.frames(0, cut + 1), bank.silence(2))
    second, last = bank(partials.frames(cut, shape[-1]), phases)
    torch.testing.assert_close(torch.cat([first, second], -1), whole, atol=1e-5, rtol=0)
    torch.testing.assert_close((last - end + 0.5).frac(), torch.full_like(end, 0.5), atol=1e-9, rtol=0)


def test_gradient_reaches_amplitudes_and_nothing_else(bank):
    amplitude = torch.full((1, bank.bands, 11), 0.1, requires_grad=True)
    deviation = torch.zeros(1, bank.bands, 11, requires_grad=True)
    bank(Partials(amplitude, deviation), bank.silence(1))[0].square().mean().backward()
    assert amplitude.grad is not None
    assert float(amplitude.grad.abs().min()) > 0
    assert deviation.grad is None
