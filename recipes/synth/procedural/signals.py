"""Signals: bells, clocks, alarms, and other sounds that people make to be heard."""

import numpy as np

from recipes.synth.procedural.kinds import Kind, Knob, Values
from recipes.synth.procedural.shaping import (
    RATE,
    arch,
    bump,
    burst,
    contour,
    hush,
    length,
    modes,
    phase,
    put,
    regular,
    shaped,
    track,
    voiced,
    wander,
)
from recipes.synth.voice import Samples, faded, sine, square

BELL = ((0.5, 0.5, 1.6), (1.0, 1.0, 1.0), (1.19, 0.6, 0.7), (1.5, 0.4, 0.5), (2.0, 0.9, 0.55), (2.52, 0.4, 0.3),
        (3.01, 0.35, 0.2), (4.17, 0.3, 0.12), (5.43, 0.2, 0.07))  # fmt: skip
"""Partials of a church bell: ratio to its note, amplitude, half-life as a share of the note's."""

CLOCK = ((1.0, 1.0), (1.63, 0.8), (2.41, 0.6), (0.31, 0.5))
"""Modes of a clock's case: ratio to the strongest, amplitude."""


def bell(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Strokes on a bell that keeps ringing."""
    hertz = values["pitch"]
    life = 0.9 * (440 / hertz) ** 0.5
    ring = modes([(hertz * ratio, gain, life * share) for ratio, gain, share in BELL], min(seconds, 10 * life))
    stroke = burst(rng, 0.0005, 0.004, {300: -12.0, 2000: 0.0, 9000: -6.0})
    total = hush(rng, seconds, 0.0005)
    for start in regular(rng, seconds, values["speed"], 0.02):
        put(total, ring, start)
        put(total, np.float32(0.4) * stroke, start)
    return total


def clock_tick(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Tick and tock of a clock: two short knocks that take turns, in a quiet room."""
    hertz = 2 ** rng.uniform(10.6, 12.4)
    sounds = []
    for shift in (1.0, rng.uniform(0.72, 1.0)):
        body = [(hertz * shift * ratio, gain, 0.004) for ratio, gain in CLOCK]
        knock = burst(rng, 0.0002, 0.0015, {400: -12.0, 2500: 0.0, 9000: -3.0})
        sounds.append(modes(body, 0.06))
        put(sounds[-1], knock, 0.0)
        put(sounds[-1], np.float32(0.5) * knock, rng.uniform(0.008, 0.03))
    ticks = track(seconds, regular(rng, seconds, values["speed"], 0.01), lambda number: sounds[number % 2])
    return ticks + hush(rng, seconds, 0.004)


def alarm(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Electronic beeps, in pairs or fours, again and again."""
    group, beep = int(rng.choice([1, 2, 4])), 0.5 / values["speed"]
    tone = square(phase(np.full(length(beep), values["pitch"], np.float32)), 0.8) * arch(beep, 0.04, 0.5)
    times = [
        start + number * 1.6 * beep
        for start in regular(rng, seconds, values["speed"] / (group * 1.6 / 2 + 0.6), 0.0)
        for number in range(group)
    ]
    return track(seconds, times, lambda _: tone)


def siren(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A tone that rises and falls."""
    sweep = 0.5 + 0.5 * sine(phase(np.full(length(seconds), values["speed"], np.float32)) + np.float32(rng.random()))
    hertz = np.float32(values["pitch"]) * (1 + np.float32(rng.uniform(0.6, 1.1)) * sweep)
    return voiced(hertz, 4000) * wander(rng, seconds, 0.3, 0.8, 1.0)


def phone_ring(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A telephone's bell: a tone that trills, rings, and pauses."""
    ring = 0.45 / values["speed"]
    trill = sine(phase(np.full(length(ring), rng.uniform(18, 26), np.float32)))
    hertz = np.float32(values["pitch"]) * (1 + np.float32(0.1) * np.sign(trill))
    tone = sine(phase(hertz)) + 0.4 * sine(phase(hertz * np.float32(2.4))) + 0.2 * sine(phase(hertz * np.float32(3.9)))
    return track(seconds, regular(rng, seconds, values["speed"]), lambda _: tone * arch(ring, 0.03, 0.5))


def beep(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Single tones of an electronic device."""
    lasts = min(0.4, 0.4 / values["speed"])
    tone = sine(phase(np.full(length(lasts), values["pitch"], np.float32))) * arch(lasts, 0.03, 0.5)
    return track(seconds, regular(rng, seconds, values["speed"], 0.02), lambda _: tone)


def whistle(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Somebody whistles a few notes, each of which slides."""
    total = hush(rng, seconds, 0.0008)
    lasts = 0.8 / values["speed"]
    for start in regular(rng, seconds, values["speed"], 0.05):
        first, last = (2 ** (rng.integers(-5, 6) / 12) for _ in range(2))
        glide = contour(lasts, ((0.0, 0.9 * first), (0.2, first), (0.7, last), (1.0, last)))
        hertz = np.float32(values["pitch"]) * glide * wander(rng, lasts, 6, 0.99, 1.01)
        breath = shaped(rng, lasts, bump(values["pitch"] * float(first), 1.0, 20.0))
        put(total, (sine(phase(hertz)) + np.float32(0.06) * breath) * arch(lasts, 0.15), start)
    return total


def car_horn(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Two tones a third apart, pressed now and then."""
    lasts = min(0.9, 0.6 / values["speed"])
    hertz = np.full(length(lasts), values["pitch"], np.float32)
    tone = (voiced(hertz, 3500) + voiced(hertz * np.float32(1.26), 3500)) * arch(lasts, 0.05, 0.5)
    return track(seconds, regular(rng, seconds, values["speed"], 0.15), lambda _: faded(tone, RATE))


SIGNALS = (
    Kind(
        name="bell",
        play=bell,
        knobs={"speed": Knob(0.25, 1.8, "slow", "quick"), "pitch": Knob(180, 1300, "low", "high")},
        names=("a bell", "a bell ringing", "a church bell"),
        phrases=(
            "a {pitch} bell with {speed} strokes", "a {speed} {pitch} bell ringing",
            "the {speed} ringing of a {pitch} church bell", "a {speed} {pitch} bell tolling",
        ),
    ),
    Kind(
        name="clock_tick",
        play=clock_tick,
        knobs={"speed": Knob(0.9, 5.5, "slow", "fast")},
        names=(
            "a clock ticking", "a ticking clock", "the steady ticking of a clock", "the tick-tock of a clock",
            "a clock", "a clock that ticks",
        ),
        phrases=(
            "a {speed} clock ticking", "a {speed} ticking clock", "the {speed} ticking of a clock",
            "the {speed} tick-tock of a clock", "a clock with a {speed} tick",
        ),
    ),
    Kind(
        name="alarm",
        play=alarm,
        knobs={"speed": Knob(2.0, 9.0, "slow", "fast"), "pitch": Knob(500, 2800, "low", "high")},
        names=("an alarm", "an alarm clock", "an electronic alarm"),
        phrases=(
            "a {speed} {pitch} alarm", "a {speed} alarm clock with {pitch} beeps",
            "a {speed} {pitch} electronic alarm",
        ),
    ),
    Kind(
        name="siren",
        play=siren,
        knobs={"speed": Knob(0.15, 3.5, "slow", "fast"), "pitch": Knob(350, 1000, "low", "high")},
        names=("a siren", "a siren wailing", "the siren of a police car"),
        phrases=(
            "a {speed} {pitch} siren", "the {speed} {pitch} siren of a police car", "a {speed} {pitch} siren wailing",
        ),
    ),
    Kind(
        name="phone_ring",
        play=phone_ring,
        knobs={"speed": Knob(0.3, 1.6, "slow", "fast"), "pitch": Knob(600, 1900, "low", "high")},
        names=("a phone ringing", "a telephone", "the ring of a telephone"),
        phrases=(
            "a {speed} {pitch} phone ringing", "the {speed} ring of a {pitch} telephone",
            "a {pitch} telephone with {speed} rings",
        ),
    ),
    Kind(
        name="beep",
        play=beep,
        knobs={"speed": Knob(0.5, 5.0, "slow", "fast"), "pitch": Knob(350, 3500, "low", "high")},
        names=("beeps", "a beeping machine"),
        phrases=("{speed} {pitch} beeps", "a {speed} {pitch} beeping", "a machine with {speed} {pitch} beeps"),
    ),
    Kind(
        name="whistle",
        play=whistle,
        knobs={"speed": Knob(0.6, 3.5, "slow", "fast"), "pitch": Knob(800, 2200, "low", "high")},
        names=("a person whistling", "whistling", "somebody whistling"),
        phrases=(
            "a person whistling {speed} {pitch} notes", "{speed} {pitch} whistling",
            "somebody whistles {speed} {pitch} notes",
        ),
    ),
    Kind(
        name="car_horn",
        play=car_horn,
        knobs={"speed": Knob(0.4, 2.5, "slow", "hasty"), "pitch": Knob(220, 560, "low", "high")},
        names=("a car horn", "a car honking", "honking of a car"),
        phrases=(
            "a {pitch} car horn with {speed} honks", "a car with {speed} {pitch} honks",
            "{speed} {pitch} honking of a car",
        ),
    ),
)  # fmt: skip
