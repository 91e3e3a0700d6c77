"""The harmonic-plus-noise synthesis sounds at the pitch it is told, evenly, and the same wherever it is cut."""

import pytest
import torch
from torch import Tensor

from audiogen.nn.harmonic import Gains, HarmonicSynth, Source

RATE, HOP, N_FFT = 24000, 120, 480
FRAMES = 200


@pytest.fixture(scope="module")
def synth() -> HarmonicSynth:
    return HarmonicSynth(RATE, N_FFT, HOP)


def gains(harmonic: float, noise: float) -> Gains:
    shape = (1, N_FFT // 2 + 1, FRAMES)
    return Gains(torch.full(shape, harmonic, dtype=torch.complex64), torch.full(shape, noise))


def source(pitch: float | Tensor, voicing: float = 1.0) -> Source:
    return Source(torch.as_tensor(pitch).expand(1, FRAMES).float(), torch.full((1, FRAMES), voicing))


@pytest.mark.parametrize("pitch", [80.0, 137.0, 250.0, 390.0])
def test_pitch_is_the_one_asked_for(synth: HarmonicSynth, pitch: float) -> None:
    audio = synth(source(pitch), gains(1.0, 0.0))
    assert audio.shape == (1, FRAMES * HOP)
    spectrum = torch.fft.rfft(audio[0] * torch.hann_window(audio.shape[-1])).abs()
    near = [spectrum[round(k * pitch) - 3 : round(k * pitch) + 4] for k in (1, 2, 3, 4, 5)]  # of 1 s: bins are Hz
    comb = [float(bins.max()) for bins in near]
    assert min(comb) > 0.7 * max(comb), "harmonics are equally strong"
    between = spectrum[round(1.5 * pitch) - 3 : round(1.5 * pitch) + 4].max()
    assert between < 0.05 * min(comb), "nothing sounds between them"


def test_power_of_pulses_does_not_depend_on_pitch(synth: HarmonicSynth) -> None:
    powers = [float(synth(source(pitch), gains(1.0, 0.0)).square().mean()) for pitch in (80.0, 160.0, 320.0)]
    assert max(powers) / min(powers) < 1.1
    assert 0.9 < powers[0] < 1.1


def test_noise_alone_has_power_one_and_voicing_silences_the_pulses(synth: HarmonicSynth) -> None:
    assert 0.9 < float(synth(source(100.0), gains(0.0, 1.0)).square().mean()) < 1.1
    assert float(synth(source(100.0, voicing=0.0), gains(1.0, 0.0)).abs().max()) == 0.0


def test_noise_is_the_same_at_the_same_place(synth: HarmonicSynth) -> None:
    whole = synth.noise(0, 5000)
    assert torch.equal(synth.noise(1234, 100), whole[1234:1334])
    assert torch.equal(synth.noise(1 << 18, 100), whole[:100]), "the table is read in a circle"


def test_phase_restarts_where_there_is_no_voice(synth: HarmonicSynth) -> None:
    pitch = torch.full((1, 400), 100.0)
    voicing = torch.ones(1, 400)
    voicing[:, 100:200] = 0
    cycles = synth.cycles(pitch, voicing, torch.full((1,), 0.25, dtype=torch.float64))
    step = 100.0 / RATE
    torch.testing.assert_close(cycles[0, 0].item(), 0.25 + step)
    assert float(cycles[0, 150]) == 0.0
    torch.testing.assert_close(cycles[0, 200].item(), step)


def test_gradient_reaches_the_gains(synth: HarmonicSynth) -> None:
    shape = (1, N_FFT // 2 + 1, FRAMES)
    size, phase = torch.zeros(shape, requires_grad=True), torch.zeros(shape, requires_grad=True)
    synth(source(120.0), Gains(torch.polar(size.exp(), phase), torch.ones(shape))).square().mean().backward()
    assert size.grad is not None
    assert float(size.grad.abs().max()) > 0
    assert torch.isfinite(size.grad).all()


def test_pulses_do_not_jump_where_one_more_harmonic_fits(synth: HarmonicSynth) -> None:
    cycles = torch.linspace(0, 1, 500, dtype=torch.float64)[None]
    below, above = (torch.full((1, 500), 12000 / (60 + side)) for side in (1e-4, -1e-4))
    voiced = torch.ones(1, 500)
    jump = synth.pulses(cycles, below, voiced) - synth.pulses(cycles, above, voiced)
    assert float(jump.abs().max()) < 0.01 * float(synth.pulses(cycles, below, voiced).abs().max())
