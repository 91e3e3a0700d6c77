"""Animals: tones that slide, rough voices, and legs that rasp."""

import numpy as np

from recipes.synth.procedural.kinds import Kind, Knob, Values
from recipes.synth.procedural.shaping import (
    RATE,
    Curve,
    arch,
    contour,
    equalized,
    hush,
    length,
    phase,
    put,
    regular,
    scattered,
    shaped,
    track,
    voiced,
    wander,
)
from recipes.synth.voice import Samples, sine


def call(
    rng: np.random.Generator, hertz: Samples, mouth: Curve, loudness: Samples, *, rough: float, breath: float
) -> Samples:
    """[S]: a voice with this pitch and loudness at each sample, through a mouth.

    Args:
        rough: how much the pitch flutters, as a share.
        breath: how much noise is in it.
    """
    seconds = len(hertz) / RATE
    flutter = 1 + np.float32(rough) * wander(rng, seconds, 60, -1, 1)[: len(hertz)]
    source = voiced(hertz * flutter, 5000)
    noise = shaped(rng, seconds, {200: -10.0, 2000: 0.0, 10000: -8.0})[: len(hertz)]
    return equalized((source + np.float32(breath) * noise) * loudness, mouth)


def birds(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A bird's song: a phrase of chirps, repeated with small changes; a second bird now and then."""
    phrase = [(2 ** rng.uniform(-0.5, 0.5), 2 ** rng.uniform(-0.6, 0.6), rng.uniform(0.04, 0.14)) for _ in range(4)]

    def chirp(number: int) -> Samples:
        first, last, lasts = phrase[number % len(phrase)]
        lasts *= rng.uniform(0.8, 1.2) * min(1.0, 5 / values["speed"])
        middle = max(first, last) * rng.uniform(1.0, 1.2)
        hertz = np.float32(values["pitch"]) * contour(lasts, ((0.0, first), (0.4, middle), (1.0, last)))
        return np.float32(rng.uniform(0.5, 1.0)) * sine(phase(hertz)) * arch(lasts, 0.3)

    sings = wander(rng, seconds, 0.6, -1, 2)
    times = np.minimum(regular(rng, seconds, values["speed"], 0.25), seconds - 1 / RATE)
    times = times[sings[(times * RATE).astype(np.int64)] > 0]
    return track(seconds, times if len(times) else [0.0], chirp) + hush(rng, seconds, 0.004)


def crickets(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Crickets: each repeats a chirp of a few pulses of one high tone."""
    total = hush(rng, seconds, 0.01)
    for _ in range(int(rng.integers(2, 6))):
        hertz, loud = values["pitch"] * rng.uniform(0.93, 1.07), rng.uniform(0.2, 1.0)
        pulse = sine(phase(np.full(length(0.016), hertz, np.float32))) * arch(0.016, 0.4)
        count, pace = int(rng.integers(2, 5)), values["speed"] * rng.uniform(0.9, 1.1)
        for start in regular(rng, seconds, pace, 0.04):
            for number in range(count):
                put(total, np.float32(loud) * pulse, start + 0.024 * number)
    return total


def frog(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A frog's croak: pulses through the cavity of its throat."""
    tone = values["pitch"]
    mouth: Curve = {80: -20.0, tone: 0.0, 1.6 * tone: -12.0, 2.6 * tone: -4.0, 8000: -40.0}

    def croak(_: int) -> Samples:
        lasts = rng.uniform(0.18, 0.4) * min(1.0, 2 / values["speed"])
        hertz = np.linspace(rng.uniform(28, 40), rng.uniform(42, 60), length(lasts)).astype(np.float32)
        beats = np.maximum(0, sine(phase(hertz))) ** 3
        return call(rng, np.float32(2.2) * hertz, mouth, beats * arch(lasts, 0.3), rough=0.1, breath=0.3)

    croaks = track(seconds, regular(rng, seconds, values["speed"], 0.15), croak)
    return croaks + hush(rng, seconds, 0.0004)


def dog(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Barks: a rough voice that rises and falls within a fifth of a second, single or in pairs."""
    hertz, size = values["pitch"], (values["pitch"] / 450) ** 0.5
    mouth: Curve = {
        100: -24.0, 350 * size: -4.0, 650 * size: 0.0, 1100 * size: -3.0, 1700 * size: -7.0, 2600: -18.0,
        4500: -30.0, 10000: -48.0,
    }  # fmt: skip

    def bark(_: int) -> Samples:
        lasts = rng.uniform(0.12, 0.24) / size**0.5
        tone = contour(lasts, ((0.0, 0.65), (0.25, 1.15), (0.6, 1.0), (1.0, 0.6)))
        loudness = arch(lasts, 0.18, 0.8)
        voice = np.float32(hertz * rng.uniform(0.92, 1.08)) * tone
        return np.float32(rng.uniform(0.6, 1.0)) * call(rng, voice, mouth, loudness, rough=0.12, breath=0.5)

    times = []
    for start in regular(rng, seconds, values["speed"], 0.3):
        times += [start + 0.33 * number for number in range(int(rng.integers(1, 3)) if values["speed"] < 1.5 else 1)]
    return track(seconds, times, bark) + hush(rng, seconds, 0.0015)


def rooster(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A crow of four syllables: two short ones, a high one, and a long one that falls."""
    mouth: Curve = {
        200: -26.0, 600: -8.0, 1100: 0.0, 1800: -3.0, 2600: -5.0, 3500: -12.0, 6000: -22.0, 10000: -34.0,
    }  # fmt: skip

    def crow(_: int) -> Samples:
        whole = np.zeros(length(2.6), np.float32)
        start = 0.0
        for lasts, shape, loud in (
            (0.16, ((0.0, 0.72), (0.5, 0.85), (1.0, 0.8)), 0.6),
            (0.2, ((0.0, 0.85), (0.5, 1.0), (1.0, 0.95)), 0.8),
            (0.34, ((0.0, 1.0), (0.4, 1.3), (1.0, 1.2)), 1.0),
            (1.1, ((0.0, 1.15), (0.15, 1.22), (0.6, 1.05), (1.0, 0.62)), 0.9),
        ):
            lasts *= rng.uniform(0.85, 1.2)
            hertz = np.float32(values["pitch"]) * contour(lasts, shape) * wander(rng, lasts, 8, 0.985, 1.015)
            sound = call(rng, hertz, mouth, arch(lasts, 0.2, 0.7), rough=0.03, breath=0.15)
            put(whole, np.float32(loud) * sound, start)
            start += lasts + rng.uniform(0.0, 0.06)
        return whole

    times = np.minimum(regular(rng, seconds, 0.24, 0.1), max(0.0, seconds - 2.4))
    return track(seconds, times, crow) + hush(rng, seconds, 0.0015)


def cat(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A cat's meow: the mouth opens and closes again."""

    def meow(_: int) -> Samples:
        lasts = rng.uniform(0.5, 0.9)
        hertz = np.float32(values["pitch"]) * contour(lasts, ((0.0, 0.8), (0.3, 1.15), (0.7, 1.05), (1.0, 0.75)))
        mouth: Curve = {200: -8.0, 700: 0.0, 1400: -20.0, 9000: -50.0}
        shut = call(rng, hertz, mouth, arch(lasts, 0.3), rough=0.02, breath=0.1)
        wide = equalized(shut, {300: -10.0, 1000: 0.0, 1500: 14.0, 2600: 12.0, 5000: 6.0})
        opening = arch(lasts, 0.4, 2.0)
        return shut + opening * wide

    return track(seconds, scattered(rng, seconds, 0.45), meow) + hush(rng, seconds, 0.001)


def crow(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A crow's caws, harsh and a little falling."""
    mouth: Curve = {300: -20.0, 900: -3.0, 1500: 0.0, 2200: -4.0, 3600: -14.0, 9000: -36.0}

    def caw(_: int) -> Samples:
        lasts = rng.uniform(0.25, 0.42)
        hertz = np.float32(values["pitch"]) * contour(lasts, ((0.0, 0.9), (0.3, 1.05), (1.0, 0.85)))
        return call(rng, hertz, mouth, arch(lasts, 0.15, 0.6), rough=0.08, breath=0.4)

    caws = track(seconds, regular(rng, seconds, values["speed"], 0.25), caw)
    return caws + hush(rng, seconds, 0.0015)


def bee(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """An insect that buzzes by, near and far in turns."""
    near = wander(rng, seconds, 0.7, 0.1, 1.0)
    hertz = np.float32(values["pitch"]) * wander(rng, seconds, 2.5, 0.9, 1.1) * (0.95 + np.float32(0.1) * near)
    buzz = voiced(hertz, 1800) * (1 + np.float32(0.3) * wander(rng, seconds, 25, -1, 1))
    return near * buzz + hush(rng, seconds, 0.004)


ANIMALS = (
    Kind(
        name="chirping_birds",
        play=birds,
        knobs={"speed": Knob(1.8, 11.0, "slow", "quick"), "pitch": Knob(1900, 5200, "low", "high")},
        names=("a bird chirping", "bird song", "birds singing"),
        phrases=(
            "a bird with {speed} {pitch} chirps", "{speed} {pitch} bird song", "birds singing {speed} {pitch} notes",
        ),
    ),
    Kind(
        name="crickets",
        play=crickets,
        knobs={"speed": Knob(1.0, 6.0, "slow", "fast"), "pitch": Knob(2700, 6000, "low", "high")},
        names=("crickets", "the chirping of crickets"),
        phrases=("{speed} {pitch} crickets", "the {speed} {pitch} chirping of crickets"),
    ),
    Kind(
        name="frog",
        play=frog,
        knobs={"speed": Knob(0.6, 4.0, "slow", "fast"), "pitch": Knob(350, 1500, "deep", "high")},
        names=("a frog", "a frog croaking", "the croaking of a frog"),
        phrases=("a {pitch} frog with {speed} croaks", "the {speed} {pitch} croaking of a frog"),
    ),
    Kind(
        name="dog",
        play=dog,
        knobs={"speed": Knob(0.4, 3.2, "occasional", "constant"), "pitch": Knob(230, 900, "big", "small")},
        names=(
            "a dog barking", "a barking dog", "the bark of a dog", "a dog that barks", "a dog that keeps barking",
            "a dog barking again and again",
        ),
        phrases=(
            "a {pitch} dog with {speed} barks", "the {speed} barks of a {pitch} dog",
            "the {speed} barking of a {pitch} dog", "{speed} barks of a {pitch} dog",
            "a {pitch} barking dog with {speed} barks",
        ),
    ),
    Kind(
        name="rooster",
        play=rooster,
        knobs={"pitch": Knob(420, 900, "low", "high")},
        names=(
            "a rooster crowing", "a rooster that crows", "the crow of a rooster", "a cock crowing", "a crowing rooster",
            "the cock-a-doodle-doo of a rooster",
        ),
        phrases=(
            "a {pitch} rooster crowing", "a {pitch} rooster crows", "the {pitch} crow of a rooster",
            "a {pitch} cock crowing", "the {pitch} cock-a-doodle-doo of a rooster",
        ),
    ),
    Kind(
        name="cat",
        play=cat,
        knobs={"pitch": Knob(380, 950, "low", "high")},
        names=("a cat meowing", "the meow of a cat", "a meowing cat"),
        phrases=("a {pitch} cat meowing", "the {pitch} meow of a cat"),
    ),
    Kind(
        name="crow",
        play=crow,
        knobs={"speed": Knob(0.5, 2.2, "slow", "quick"), "pitch": Knob(300, 700, "low", "high")},
        names=("a crow cawing", "the caw of a crow"),
        phrases=(
            "a crow with {speed} {pitch} caws", "the {speed} {pitch} cawing of a crow",
            "{speed} {pitch} caws of a crow",
        ),
    ),
    Kind(
        name="insects",
        play=bee,
        knobs={"pitch": Knob(110, 420, "low", "high")},
        names=("a buzzing insect", "the buzz of a fly", "an insect buzzing"),
        phrases=("a {pitch} buzzing insect", "the {pitch} buzz of a fly"),
    ),
)  # fmt: skip
