"""Codec metrics: figures that can be worked out by hand, what is undefined, and the report of a round trip."""

import json
import logging
import math
from importlib.util import find_spec

import pytest
import torch

from audiogen.audio import Audio
from audiogen.codecs import CODECS
from audiogen.errors import InputError
from audiogen.metrics.codec import MEL_BANDS, compare, fit, log_mel, mel_distance, mel_loss, pesq, si_sdr, stoi

HAS_PESQ = find_spec("pesq") is not None
NEEDS_PESQ = pytest.mark.skipif(not HAS_PESQ, reason="the one package that needs a C compiler")


def noise(seconds: float = 1.0, rate: int = 16_000, seed: int = 0, level: float = 0.1) -> Audio:
    return Audio(torch.randn(1, int(seconds * rate), generator=torch.Generator().manual_seed(seed)) * level, rate)


def syllables(seconds: float = 2.0, rate: int = 16_000) -> Audio:
    """Noise and buzz in bursts, enough like speech for STOI and PESQ to find some."""
    time = torch.arange(int(seconds * rate)) / rate
    buzz = sum(torch.sin(2 * math.pi * 120 * harmonic * time) / harmonic for harmonic in range(1, 30))
    envelope = torch.sin(2 * math.pi * 2 * time).clamp_min(0)
    return Audio((buzz + noise(seconds, rate).samples) * envelope * 0.2, rate)


def plus(audio: Audio, other: Audio, gain: float = 1.0) -> Audio:
    return Audio(audio.samples + gain * other.samples, audio.sample_rate)


def test_mel_loss_is_that_of_audiotools():
    from audiotools import AudioSignal
    from audiotools.metrics.spectral import MelSpectrogramLoss

    one, other = noise(level=0.1), noise(level=0.02, seed=1)
    signals = [AudioSignal(audio.samples[None], audio.sample_rate) for audio in (other, one)]
    assert mel_loss(one, other) == pytest.approx(float(MelSpectrogramLoss()(*signals)), rel=1e-4)
    assert mel_loss(one, one) == 0


def test_mel_distance_is_the_gain_in_db():
    audio = noise()
    assert mel_distance(audio, audio) == 0
    quieter = Audio(audio.samples / 2, audio.sample_rate)
    assert mel_distance(audio, quieter) == pytest.approx(20 * math.log10(2), abs=0.01)
    assert mel_distance(noise(level=1e-9), Audio(torch.zeros(1, 16_000), 16_000)) == 0, "both are silence"


def test_log_mel_of_a_full_scale_sine_is_near_0_db():
    """A few dB more, as the window spreads it over several bins of one band."""
    time = torch.arange(24_000) / 24_000
    mel = log_mel(Audio(torch.sin(2 * math.pi * 1000 * time), 24_000))
    assert mel.shape == (MEL_BANDS, 24_000 // 256 + 1)
    assert -6 < mel[:, 10:-10].amax(0).min() <= mel.max() < 6
    assert log_mel(Audio(torch.ones(1), 48_000)).shape[1] == 1, "a single sample has a spectrum"


@pytest.mark.parametrize("decibels", [-10, 0, 20])
def test_si_sdr_is_the_distance_of_added_noise(decibels: int):
    audio, other = noise(10), noise(10, seed=1)
    decoded = plus(audio, other, gain=10 ** (-decibels / 20))
    assert si_sdr(audio, decoded) == pytest.approx(decibels, abs=0.2)
    louder = Audio(decoded.samples * 0.3, 16_000)
    assert si_sdr(audio, louder) == pytest.approx(si_sdr(audio, decoded), abs=1e-3), "a gain changes nothing"


def test_si_sdr_at_its_ends():
    audio, silence = noise(), Audio(torch.zeros(1, 16_000), 16_000)
    assert si_sdr(audio, audio) == 100
    assert si_sdr(audio, silence) is None
    assert si_sdr(silence, audio) is None


@pytest.mark.parametrize(("score", "best"), [(stoi, 1), pytest.param(pesq, 4.644, marks=NEEDS_PESQ)])
def test_stoi_and_pesq_rank_what_is_worse_lower(score, best):
    speech, hiss = syllables(), noise(2, seed=3)
    better, worse = plus(speech, hiss, 0.05), plus(speech, hiss, 1)
    assert score(speech, speech) == pytest.approx(best, rel=2e-3)
    assert score(speech, speech) > score(speech, better) > score(speech, worse)


@pytest.mark.parametrize("score", [stoi, pytest.param(pesq, marks=NEEDS_PESQ)])
def test_what_has_no_speech_has_no_score(score):
    silence, blip = Audio(torch.zeros(1, 16_000), 16_000), noise(0.1)
    assert score(silence, silence) is None
    assert score(blip, blip) is None


def test_stoi_of_a_word_in_long_silence_is_undefined_not_tiny():
    samples = torch.zeros(1, 16_000)
    samples[:, :2000] = noise().samples[:, :2000]
    assert stoi(Audio(samples, 16_000), Audio(samples, 16_000)) is None


@NEEDS_PESQ
def test_pesq_of_a_long_recording_is_the_mean_of_its_pieces(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("audiogen.metrics.codec.PESQ_SECONDS", 2)
    first, second = syllables(), plus(syllables(), noise(2, seed=3), 0.3)
    twice = Audio(syllables().samples.repeat(1, 2), 16_000)
    decoded = Audio(torch.cat([first.samples, second.samples], dim=1), 16_000)
    expected = (pesq(syllables(), first) + pesq(syllables(), second)) / 2
    assert pesq(twice, decoded) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["encodec-24khz", "encodec-48khz", "dac-16khz"])
def test_report_of_a_round_trip(name: str):
    codec = CODECS[name].tiny(name)
    result = compare(codec, syllables())
    assert result.original.samples.shape == result.decoded.samples.shape
    assert result.original.samples.shape[0] == codec.channels
    report = json.loads(json.dumps(result.report.to_json()))
    assert report["bitrate_kbps"] == pytest.approx(codec.bitrate / 1000)
    assert report["duration"] == pytest.approx(2.0)
    assert report["encode_rtf"] > 0
    assert report["decode_rtf"] > 0
    assert report["mel_distance"] > 0
    assert (1 <= report["pesq"] < 4.64) if HAS_PESQ else report["pesq"] is None
    assert report["stoi"] < 1
    assert report["si_sdr"] < 20


def test_without_a_compiler_only_the_pesq_figure_is_missing(monkeypatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr("audiogen.metrics.codec.find_spec", lambda name: None)
    with caplog.at_level(logging.WARNING):
        report = compare(CODECS["dac-16khz"].tiny("dac-16khz"), syllables(1)).report
    assert report.pesq is None
    assert report.stoi is not None
    assert "audiogen[metrics]" in caplog.text


def test_bitrate_of_the_official_encodec():
    codec = CODECS["encodec-24khz"].tiny("encodec-24khz")
    assert codec.bitrate == 4 * 5 * 75, "4 levels of 5 bits at 75 frames per second"


def test_sound_is_fitted_to_the_codec():
    stereo, mono = CODECS["encodec-48khz"].tiny("encodec-48khz"), CODECS["dac-16khz"].tiny("dac-16khz")
    assert fit(noise(), stereo).samples.shape == (2, 48_000)
    assert fit(Audio(torch.zeros(2, 44_100), 44_100), mono).samples.shape == (1, 16_000)
    audio = noise()
    assert fit(audio, mono) is audio


def test_a_codec_of_features_is_refused():
    with pytest.raises(InputError, match="codec of sound"):
        compare(CODECS["maskgct-semantic"].tiny("maskgct-semantic"), noise())


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "pystoi", None)
    with pytest.raises(InputError, match=r"audiogen\[scoring\]"):
        stoi(syllables(), syllables())
