"""Procedural sounds: sound that can be used, and captions that are true of it."""

import time

import numpy as np
import pytest

from audiogen.errors import InputError
from recipes.synth.procedural.catalogue import KINDS, PEAK, Drawn, captions, draw, play
from recipes.synth.procedural.kinds import sentence
from recipes.synth.procedural.shaping import RATE

ESC10 = (
    "chainsaw", "clock_tick", "crackling_fire", "crying_baby", "dog", "helicopter", "rain", "rooster", "sea_waves",
    "sneezing",
)  # fmt: skip
KNOBS = [(name, knob) for name, kind in KINDS.items() for knob in kind.knobs]


def drawn(name, seed=0, distance=0.0, **places):
    """A sound whose knobs are in the middle, but for `places`."""
    middle = dict.fromkeys(KINDS[name].knobs, 0.5)
    return Drawn(kind=name, places={**middle, **places}, distance=distance, seed=seed)


def envelope(samples, seconds=0.01):
    """Level of each stretch."""
    size = round(seconds * RATE)
    return np.sqrt(np.mean(samples[: len(samples) // size * size].reshape(-1, size) ** 2, axis=1))


def onsets(samples):
    """How often it becomes loud."""
    level = np.convolve(envelope(samples), np.ones(3) / 3, "same")
    loud = level > 0.3 * np.quantile(level, 0.995)
    return np.sum(loud[1:] & ~loud[:-1])


def swells(samples, seconds=1.0):
    """How often its smoothed level turns."""
    window = np.hanning(round(seconds / 0.02))
    slope = np.diff(np.convolve(envelope(samples, 0.02), window / window.sum(), "valid"))
    return np.sum((slope[1:] > 0) != (slope[:-1] > 0))


def beats(samples, low=3.0, high=30.0):
    """The strongest modulation in Hz."""
    level = envelope(samples, 0.3 / high / 2)
    power = np.abs(np.fft.rfft((level - level.mean()) * np.hanning(len(level))))
    hertz = np.fft.rfftfreq(len(level), 0.3 / high / 2)
    return hertz[(hertz > low) & (hertz < high)][power[(hertz > low) & (hertz < high)].argmax()]


def centroid(samples):
    """Mean frequency."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return (power * np.fft.rfftfreq(len(samples), 1 / RATE)).sum() / power.sum()


def tone(samples):
    """Fundamental in Hz of the loudest stretches: the shortest distance at which they are much like themselves."""
    frames = samples[: len(samples) // 4096 * 4096].reshape(-1, 4096)
    loudest = frames[np.argsort(np.abs(frames).sum(axis=1))[-8:]] * np.hanning(4096)
    power = np.abs(np.fft.rfft(loudest, 8192)) ** 2
    correlation = np.fft.irfft((power / power.sum(axis=1, keepdims=True)).sum(axis=0))[: RATE // 15]
    correlation[: int(np.argmax(correlation < 0))] = 0  # around the first peak, everything is like itself
    peaks = np.flatnonzero((correlation[1:-1] > correlation[:-2]) & (correlation[1:-1] >= correlation[2:])) + 1
    return RATE / peaks[correlation[peaks] > 0.7 * correlation[peaks].max()][0]


def bottom(samples):
    """The strongest frequency in Hz below 600."""
    power = np.convolve(np.abs(np.fft.rfft(samples)) ** 2, np.ones(25), "same")
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return hertz[hertz < 600][power[hertz < 600].argmax()]


def lasting(samples):
    """Share of the time in which it is no more than 26 dB below its loudest."""
    level = envelope(samples)
    return np.mean(level > 0.05 * level.max())


def evenness(samples):
    """Mean level as a share of the peak."""
    return samples.std() / np.abs(samples).max()


TELLING = {
    **{(name, "speed"): onsets for name, knob in KNOBS if knob == "speed"},
    **{(name, "pitch"): centroid for name, knob in KNOBS if knob == "pitch"},
    **{(name, "pitch"): tone for name in ("rooster", "crow", "crying_baby", "vacuum_cleaner", "airplane")},
    ("wind", "speed"): swells,
    ("sea_waves", "speed"): swells,
    ("chainsaw", "speed"): swells,
    **{(name, "speed"): lambda samples: swells(samples, 0.5) for name in ("siren", "train", "bell")},
    **{(name, "pitch"): bottom for name in ("sneezing", "snoring", "coughing")},
    ("engine", "speed"): lambda samples: beats(samples, 10, 120),
    ("chainsaw", "pitch"): lambda samples: beats(samples, 30, 300),
    ("helicopter", "speed"): beats,
    ("crackling_fire", "speed"): evenness,
    ("rain", "strength"): evenness,
    ("clapping", "crowd"): evenness,
    ("thunder", "length"): lasting,
    ("explosion", "length"): lasting,
    ("glass", "size"): lasting,
    ("footsteps", "ground"): centroid,
}
"""Class and knob -> what is larger where the knob is turned up."""


def test_there_are_the_classes_that_there_should_be():
    assert len(KINDS) >= 20
    assert set(ESC10) <= set(KINDS)
    assert all(len(KINDS[name].names) >= 6 for name in ESC10)


@pytest.mark.parametrize("name", KINDS)
def test_every_sound_can_be_used(name):
    rng = np.random.default_rng(1)
    for seconds in (0.5, 3.0):
        for _ in range(2):
            sound = draw(rng, [name])
            samples = play(sound, seconds)
            assert samples.dtype == np.float32
            assert samples.shape == (round(seconds * RATE),)
            assert np.isfinite(samples).all()
            assert 0.05 < np.abs(samples).max() <= PEAK + 1e-3
            assert samples.std() > 1e-4, "it is not silent"


@pytest.mark.parametrize("name", KINDS)
def test_a_sound_is_its_seed(name):
    one, again, other = (play(drawn(name, seed), 2.0) for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert not np.allclose(one, other, atol=1e-3)


@pytest.mark.parametrize(("name", "knob"), KNOBS)
def test_a_knob_does_what_the_caption_says(name, knob):
    seconds = 20.0 if TELLING[name, knob] is swells else 6.0
    few, many = (
        np.mean([TELLING[name, knob](play(drawn(name, seed, **{knob: place}), seconds)) for seed in range(3)])
        for place in (0.05, 0.95)
    )
    assert many > 1.1 * few
    said = [captions(drawn(name, **{knob: place}), np.random.default_rng(0), 1)[0] for place in (0.05, 0.95)]
    assert KINDS[name].knobs[knob].few in said[0]
    assert KINDS[name].knobs[knob].many in said[1]


@pytest.mark.parametrize("name", ["rain", "typing", "dog", "alarm"])
def test_what_is_far_away_is_softer_and_darker(name):
    near, far = (play(drawn(name, distance=distance), 3.0) for distance in (0.0, 1.0))
    assert far.std() < 0.5 * near.std()
    assert centroid(far) < centroid(near)


@pytest.mark.parametrize("name", KINDS)
def test_captions_are_sentences_without_gaps(name):
    rng = np.random.default_rng(0)
    for _ in range(10):
        said = captions(draw(rng, [name]), rng, 6)
        assert len(said) == len(set(said)) >= 1
        for text in said:
            assert text == " ".join(text.split())
            assert "{" not in text
            assert text[0].islower()


def test_nothing_is_said_of_a_knob_in_the_middle():
    said = captions(drawn("clock_tick", distance=0.5), np.random.default_rng(0), 6)
    assert not any(word in text.split() for text in said for word in ("slow", "fast", "nearby", "distance"))


def test_articles_fit_the_next_word():
    assert sentence("a {x} dog and an {y} cat", {"x": "old", "y": ""}) == "an old dog and a cat"


def test_sounds_are_much_faster_than_real_time():
    started = time.process_time()
    for name in KINDS:
        play(drawn(name), 4.0)
    assert time.process_time() - started < 0.25 * 4.0 * len(KINDS)


def test_an_unknown_class_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"got 'doge'. The nearest: dog"):
        draw(np.random.default_rng(0), ["doge"])
