"""Machines: engines, rotors and tools."""

import numpy as np

from recipes.synth.procedural.kinds import Kind, Knob, Values
from recipes.synth.procedural.shaping import (
    RATE,
    Curve,
    arch,
    bump,
    equalized,
    hush,
    length,
    phase,
    put,
    regular,
    shaped,
    voiced,
    wander,
)
from recipes.synth.voice import Samples, overtones, sine


def pulses(rng: np.random.Generator, hertz: Samples, roughness: float) -> Samples:
    """[S]: one click for each turn, of unequal strength."""
    turns = np.floor(np.cumsum(hertz, dtype=np.float64) / RATE).astype(np.int64)
    begins = np.flatnonzero(np.diff(turns, prepend=turns[0] - 1))
    clicks = np.zeros(len(hertz), np.float32)
    clicks[begins] = 1 + roughness * rng.standard_normal(len(begins))
    return clicks


def engine(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A car's engine: firing strokes through its pipe, and the noise of the rest."""
    hertz = np.float32(values["speed"]) * wander(rng, seconds, 0.5, 0.9, 1.12)
    strokes = pulses(rng, hertz, 0.15)
    pipe: Curve = {30: -4.0, 90: 0.0, 180: -4.0, 260: 0.0, 600: -14.0, 1500: -24.0, 8000: -50.0}
    noise = shaped(rng, seconds, {100: -10.0, 400: 0.0, 1500: -10.0, 9000: -34.0})
    return 30 * equalized(strokes, pipe) + np.float32(0.12) * noise * (
        1 + np.float32(0.5) * sine(phase(np.float32(0.5) * hertz))
    )


def helicopter(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Blades that beat the air, over the rush and the whine of the turbine."""
    hertz = np.float32(values["speed"]) * wander(rng, seconds, 0.3, 0.98, 1.02)
    turn = phase(hertz)
    beat = np.exp(-((turn - np.float32(0.3)) ** 2) / np.float32(0.02))
    low = shaped(rng, seconds, {20: -8.0, 70: 0.0, 200: -4.0, 600: -14.0, 2500: -30.0, 6000: -46.0, 10000: -66.0})
    slap = shaped(rng, seconds, {100: -8.0, 400: 0.0, 1500: -8.0, 5000: -26.0, 10000: -50.0})
    thump = sine(phase(hertz * 7)) * beat
    whine = sine(phase(np.float32(rng.uniform(900, 2500)) * wander(rng, seconds, 0.3, 0.99, 1.01)))
    passing = wander(rng, seconds, 0.15, 0.75, 1.1)
    whole = thump + low * (0.6 + 0.8 * beat) + np.float32(0.2) * slap * (0.5 + beat) + np.float32(0.012) * whine
    return whole * passing


def chainsaw(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A two-stroke engine, bright and rough, that is revved up and sinks under load."""
    load = wander(rng, seconds, values["speed"], 0.62, 1.15)
    hertz = np.float32(values["pitch"]) * load * (1 + np.float32(0.02) * wander(rng, seconds, 12, -1, 1))
    strokes = pulses(rng, hertz, 0.3)
    voice: Curve = {40: -26.0, 120: -8.0, 400: 0.0, 1200: 0.0, 3500: -1.0, 6000: -9.0, 11000: -22.0}
    teeth = shaped(rng, seconds, {200: -16.0, 1000: -3.0, 3500: 0.0, 11000: -14.0})
    gas = np.clip(2.6 * (load - np.float32(0.5)), 0.12, 1.0) * wander(rng, seconds, 1.0, 0.6, 1.0)
    whole = 25 * equalized(strokes, voice) + np.float32(0.5) * teeth * (1.4 - load)
    return gas * np.tanh(whole)


def drill(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """An electric motor that whines, now and then under load."""
    load = wander(rng, seconds, 0.7, 0.0, 1.0)
    hertz = np.float32(values["pitch"]) * (1 - np.float32(0.25) * load)
    whine = voiced(hertz, 2500) + 0.5 * voiced(hertz * 1.51, 3500)
    bite = shaped(rng, seconds, {150: -12.0, 900: -3.0, 3000: 0.0, 10000: -10.0})
    return whine * (0.5 + 0.3 * load) + np.float32(0.35) * load * bite * (1 + sine(phase(hertz * np.float32(1 / 6))))


def hand_saw(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Strokes to and fro through wood, the second of each pair brighter."""
    total = hush(rng, seconds, 0.004)
    lasts = 0.75 / values["speed"]
    for number, start in enumerate(regular(rng, seconds, values["speed"], 0.06)):
        up = 1.3 if number % 2 else 0.85
        noise = shaped(rng, lasts, {200: -20.0, 700 * up: -4.0, 1800 * up: 0.0, 4500 * up: -5.0, 11000: -20.0})
        teeth = 1 + sine(phase(np.float32(90 * up * values["speed"]) * arch(lasts, 0.5, 0.5)))
        put(total, (0.7 + 0.3 * up) * noise * teeth * arch(lasts, 0.25), start)
    return total


def vacuum_cleaner(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """The rush of air and the tone of the motor, steady."""
    hertz = np.float32(values["pitch"]) * wander(rng, seconds, 0.4, 0.985, 1.015)
    air = shaped(rng, seconds, {60: -8.0, 300: 0.0, 1500: -5.0, 5000: -12.0, 11000: -26.0})
    hum = overtones(phase(hertz), (0.4, 0.5, 0.2, 0.0, 0.0, 0.2))
    return air + np.float32(0.9) * hum


def airplane(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A plane that passes: its roar swells and fades, and its tone falls."""
    near = arch(seconds, rng.uniform(0.4, 0.6), 2.0) + np.float32(0.1)
    roar = shaped(rng, seconds, {30: -6.0, 120: 0.0, 500: -4.0, 2000: -16.0, 9000: -44.0})
    rush = shaped(rng, seconds, {200: -16.0, 900: 0.0, 3000: -8.0, 10000: -30.0})
    tone = voiced(np.float32(values["pitch"]) * np.linspace(1.12, 0.9, length(seconds)).astype(np.float32), 900)
    return near * roar + np.float32(0.5) * near**2 * rush + np.float32(1.2) * near * tone


def train(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Wheels over the joints of the rails, two and two, and the rolling of the whole."""
    total = np.float32(0.35) * shaped(rng, seconds, {30: 0.0, 150: -2.0, 700: -14.0, 3000: -26.0, 10000: -44.0})
    gap = 0.16 / values["speed"] ** 0.5
    for start in regular(rng, seconds, values["speed"], 0.02):
        for late, gain in ((0.0, 1.0), (gap, 0.8)):
            blow = shaped(rng, 0.12, bump(220, 3.0, 20.0)) * np.exp2(-np.arange(length(0.12)) / RATE / 0.018)
            put(total, (gain * blow).astype(np.float32), start + late)
    return total


MACHINES = (
    Kind(
        name="engine",
        play=engine,
        knobs={"speed": Knob(18, 95, "idling", "revving")},
        names=("an engine", "a car engine", "a car with its engine running"),
        phrases=("a {speed} engine", "a {speed} car engine", "a car with a {speed} engine"),
    ),
    Kind(
        name="helicopter",
        play=helicopter,
        knobs={"speed": Knob(5, 19, "slow", "fast")},
        names=(
            "a helicopter", "a helicopter flying", "a helicopter overhead", "the rotor noise of a helicopter",
            "the blades of a helicopter", "a helicopter with its engine running",
        ),
        phrases=(
            "a helicopter with a {speed} rotor", "a {speed} helicopter flying", "a {speed} helicopter overhead",
            "the {speed} rotor noise of a helicopter", "the {speed} blades of a helicopter",
        ),
    ),
    Kind(
        name="chainsaw",
        play=chainsaw,
        knobs={"speed": Knob(0.2, 2.2, "steady", "restless"), "pitch": Knob(65, 190, "low", "high")},
        names=(
            "a chainsaw", "a chainsaw running", "a roaring chainsaw", "the noise of a chainsaw",
            "a chainsaw cutting wood", "somebody using a chainsaw",
        ),
        phrases=(
            "a {speed} {pitch} chainsaw", "a {speed} {pitch} chainsaw running",
            "a {speed} chainsaw with a {pitch} roar", "the noise of a {speed} {pitch} chainsaw",
            "a {speed} {pitch} chainsaw cutting wood",
        ),
    ),
    Kind(
        name="drill",
        play=drill,
        knobs={"pitch": Knob(170, 620, "low", "high")},
        names=("a drill", "a power drill", "drilling"),
        phrases=("a {pitch} drill", "a {pitch} power drill", "the {pitch} whine of a drill"),
    ),
    Kind(
        name="hand_saw",
        play=hand_saw,
        knobs={"speed": Knob(1.0, 4.5, "slow", "fast")},
        names=("sawing", "sawing of wood by hand", "a hand saw"),
        phrases=("{speed} sawing", "{speed} sawing of wood by hand", "{speed} strokes of a hand saw"),
    ),
    Kind(
        name="vacuum_cleaner",
        play=vacuum_cleaner,
        knobs={"pitch": Knob(110, 420, "low", "high")},
        names=("a vacuum cleaner", "a vacuum cleaner running"),
        phrases=("a {pitch} vacuum cleaner", "the {pitch} hum of a vacuum cleaner"),
    ),
    Kind(
        name="airplane",
        play=airplane,
        knobs={"pitch": Knob(50, 190, "deep", "high")},
        names=("an airplane", "a plane passing overhead", "an airplane flying by"),
        phrases=("a {pitch} airplane", "the {pitch} roar of an airplane flying by"),
    ),
    Kind(
        name="train",
        play=train,
        knobs={"speed": Knob(0.7, 3.2, "slow", "fast")},
        names=("a train", "a train on its rails", "a train passing"),
        phrases=("a {speed} train", "a {speed} train on its rails", "a {speed} train passing"),
    ),
)  # fmt: skip
