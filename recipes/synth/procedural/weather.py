"""Weather, water and fire: noise that swells, and many small knocks."""

import numpy as np

from recipes.synth.procedural.kinds import Kind, Knob, Values
from recipes.synth.procedural.shaping import (
    RATE,
    Curve,
    arch,
    bump,
    burst,
    drops,
    length,
    phase,
    put,
    scattered,
    shaped,
    through,
    track,
    wander,
)
from recipes.synth.voice import Samples, faded, fall, sine

HISS: Curve = {60: -8.0, 250: 0.0, 1000: -5.0, 4000: -13.0, 11000: -24.0}
"""Water that falls or runs, of mel bands about as loud as each other."""


def rain(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A hiss of far drops and the knocks of near ones; the more of them, the steadier."""
    near = drops(rng, seconds, values["strength"], (900, 1500, 2300, 3400, 5200, 7600), 0.002)
    hiss = shaped(rng, seconds, HISS) * wander(rng, seconds, 0.6, 0.9, 1.1)
    return hiss + np.float32(3 * values["strength"] ** -0.5) * near


def wind(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Low noise with gusts, and a whistle that follows them."""
    gust = wander(rng, seconds, values["speed"], 0.15, 1.0)
    low = shaped(rng, seconds, {30: -6.0, 120: 0.0, 400: -8.0, 1500: -26.0, 8000: -50.0})
    whistle = through(rng, seconds, values["pitch"] * (0.7 + 0.8 * gust), 0.5)
    return gust * low + np.float32(0.5) * gust**2 * whistle


def thunder(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Cracks, and rumbles that roll for a while."""
    total = np.float32(0.02) * shaped(rng, seconds, HISS)
    for start in np.minimum(scattered(rng, seconds, 0.15), 0.6 * seconds):
        put(total, np.float32(0.9) * burst(rng, 0.004, 0.05, {60: 0.0, 800: -6.0, 6000: -24.0}), start)
        for late in rng.exponential(values["length"] / 2, int(rng.integers(5, 12))):
            gain = np.float32(rng.uniform(0.4, 1.0) * np.exp(-late / values["length"]))
            roll = burst(rng, 0.08, rng.uniform(0.15, 0.7), {25: 0.0, 90: 0.0, 300: -14.0, 1200: -34.0, 6000: -60.0})
            put(total, gain * roll, start + late)
    return total


def sea_waves(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Surf: each wave rises, breaks with a hiss, and draws back."""
    low = shaped(rng, seconds, {40: -14.0, 90: 0.0, 400: -3.0, 1500: -12.0, 6000: -30.0})
    hiss = shaped(rng, seconds, {100: -12.0, 500: 0.0, 3000: -7.0, 11000: -20.0})
    swell = np.full(length(seconds), 0.25, np.float32)
    start = -rng.uniform(0, 1) / values["speed"]
    while start < seconds:
        lasts = rng.uniform(0.8, 1.3) / values["speed"]
        wave = np.float32(rng.uniform(0.6, 1.0)) * arch(1.2 * lasts, rng.uniform(0.3, 0.45), 2.0)
        put(swell, wave[max(0, -round(start * RATE)) :], max(0.0, start))
        start += lasts
    return swell * low + np.float32(0.8) * swell**1.6 * hiss


def stream(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A brook: bubbles, each a tone that rises and dies, over a soft hiss."""

    def bubble(_: int) -> Samples:
        life, hertz = rng.uniform(0.004, 0.02), values["pitch"] * 2 ** rng.normal(0, 0.6)
        time = 7 * life
        rise = hertz * (1 + 1.5 * np.arange(length(time), dtype=np.float32) / RATE)
        tone = sine(phase(np.minimum(rise, 0.45 * RATE))) * fall(time, RATE, life)
        return faded(np.float32(rng.lognormal(-1, 0.7)) * tone, RATE)

    bubbles = track(seconds, scattered(rng, seconds, values["speed"]), bubble)
    hiss = shaped(rng, seconds, {100: -14.0, 500: 0.0, 2000: -8.0, 11000: -28.0})
    return bubbles + np.float32(0.08) * hiss


def water_drops(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Single drops that fall into water: a click and a ringing bubble."""

    def drop(_: int) -> Samples:
        hertz = values["pitch"] * rng.uniform(0.8, 1.25) * np.exp2(np.linspace(0, 0.8, length(0.12)))
        tone = sine(phase(np.minimum(hertz, 0.45 * RATE).astype(np.float32))) * fall(0.12, RATE, 0.018)
        tone[: length(0.003)] += np.float32(0.5) * rng.standard_normal(length(0.003), dtype=np.float32)
        return faded(np.float32(rng.uniform(0.4, 1.0)) * tone, RATE)

    return track(seconds, scattered(rng, seconds, values["speed"]), drop)


def crackling_fire(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A low roar, and crackles of very different loudness."""
    roar = shaped(rng, seconds, {30: 0.0, 90: -3.0, 300: -20.0, 1200: -30.0, 11000: -38.0})
    roar *= wander(rng, seconds, 2.0, 0.6, 1.2)

    def crackle(_: int) -> Samples:
        sound = burst(rng, 0.0005, rng.uniform(0.001, 0.007), bump(2 ** rng.uniform(10.3, 13.2), 2.0, 18.0))
        return np.float32(min(8.0, rng.pareto(1.6) + 0.15)) * sound

    crackles = track(seconds, scattered(rng, seconds, values["speed"]), crackle)
    hiss = shaped(rng, seconds, {500: -10.0, 3000: 0.0, 11000: -6.0})
    return np.float32(0.25) * roar + np.float32(0.55) * crackles + np.float32(0.02) * hiss


def explosion(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A blow, a roar that darkens, and rubble that comes down."""
    blow = burst(rng, 0.003, 0.05 * values["length"], {30: 0.0, 500: -3.0, 8000: -16.0})
    roar = burst(rng, 0.03, 0.3 * values["length"], {25: 0.0, 120: -2.0, 700: -20.0, 5000: -44.0})
    rubble = drops(rng, 3.0, 40, (700, 1300, 2600), 0.004) * np.exp2(-np.arange(length(3.0)) / RATE)
    parts = ((0.0, 1.6 * blow), (0.0, roar), (0.35 * values["length"], 0.25 * rubble))
    start = rng.uniform(0, 0.25 * min(seconds, 4.0))
    sound = track(seconds, [start + late for late, _ in parts], lambda number: parts[number][1].astype(np.float32))
    return np.tanh(2 * sound) + np.float32(0.002) * shaped(rng, seconds, HISS)


def fireworks(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Rockets that whistle up and burst, with a crackle after some."""

    def rocket(_: int) -> Samples:
        up = rng.uniform(0.5, 1.0)
        whistle = sine(phase(np.linspace(900, rng.uniform(2000, 4000), length(up)).astype(np.float32)))
        bang = burst(rng, 0.002, 0.09, {50: 0.0, 300: 0.0, 2500: -14.0, 9000: -30.0})
        crackle = drops(rng, 1.2, 60, (1800, 3100, 5000), 0.002) * arch(1.2, 0.2)
        times = (0.0, up + 0.05, up + 0.35)
        sounds = (np.float32(0.06) * whistle * arch(up, 0.4), bang, np.float32(rng.uniform(0, 0.5)) * crackle)
        return track(up + 2.0, times, lambda number: sounds[number])

    return track(seconds, np.minimum(scattered(rng, seconds, values["speed"]), 0.7 * seconds), rocket)


WEATHER = (
    Kind(
        name="rain",
        play=rain,
        knobs={"strength": Knob(12, 900, "light", "heavy")},
        names=("rain", "rain falling", "rain pattering down", "rain outdoors", "rainfall", "drops of rain"),
        phrases=(
            "{strength} rain", "{strength} rain falling", "{strength} rain pattering down", "{strength} rain outdoors",
            "drops of {strength} rain", "{strength} rainfall",
        ),
    ),
    Kind(
        name="wind",
        play=wind,
        knobs={"speed": Knob(0.25, 1.6, "steady", "gusty"), "pitch": Knob(220, 900, "low", "whistling")},
        names=("wind", "wind blowing", "wind outdoors"),
        phrases=("{speed} {pitch} wind", "a {speed} {pitch} wind blowing", "the howl of a {speed} {pitch} wind"),
    ),
    Kind(
        name="thunder",
        play=thunder,
        knobs={"length": Knob(0.5, 3.0, "short", "long rolling")},
        names=("thunder", "a clap of thunder", "a thunderstorm"),
        phrases=("{length} thunder", "{length} thunder during a storm", "a {length} clap of thunder"),
    ),
    Kind(
        name="sea_waves",
        play=sea_waves,
        knobs={"speed": Knob(0.09, 0.4, "slow", "quick")},
        names=(
            "sea waves", "waves of the sea", "sea waves rolling onto a beach", "the surf of the sea",
            "ocean waves breaking on the shore", "the sea with its waves",
        ),
        phrases=(
            "{speed} sea waves", "{speed} waves of the sea", "{speed} sea waves rolling onto a beach",
            "{speed} surf of the sea", "{speed} ocean waves breaking on the shore", "the sea with {speed} waves",
        ),
    ),
    Kind(
        name="stream",
        play=stream,
        knobs={"speed": Knob(25, 160, "trickling", "rushing"), "pitch": Knob(450, 1400, "deep", "bright")},
        names=("a stream", "a brook", "water running in a stream"),
        phrases=(
            "a {speed} {pitch} stream", "a {speed} {pitch} brook", "{speed} {pitch} water running in a stream",
        ),
    ),
    Kind(
        name="water_drops",
        play=water_drops,
        knobs={"speed": Knob(0.8, 7.0, "slow", "quick"), "pitch": Knob(500, 2200, "low", "high")},
        names=("water drops", "dripping water", "a dripping tap"),
        phrases=(
            "{speed} {pitch} water drops", "{speed} {pitch} dripping water", "{speed} {pitch} drips of a tap",
        ),
    ),
    Kind(
        name="crackling_fire",
        play=crackling_fire,
        knobs={"speed": Knob(5, 45, "calm", "lively")},
        names=(
            "a crackling fire", "a fire crackling", "burning wood that crackles", "the crackle of a wood fire",
            "a campfire", "flames crackling",
        ),
        phrases=(
            "a {speed} crackling fire", "a {speed} fire crackling", "the crackle of a {speed} wood fire",
            "a {speed} campfire", "{speed} flames crackling",
        ),
    ),
    Kind(
        name="explosion",
        play=explosion,
        knobs={"length": Knob(0.35, 2.6, "short", "long")},
        names=("an explosion", "something exploding", "a blast"),
        phrases=("a {length} explosion", "something explodes with a {length} boom", "a {length} blast"),
    ),
    Kind(
        name="fireworks",
        play=fireworks,
        knobs={"speed": Knob(0.3, 2.0, "sparse", "dense")},
        names=("fireworks", "fireworks going off"),
        phrases=("{speed} fireworks", "{speed} fireworks going off", "rockets of {speed} fireworks"),
    ),
)  # fmt: skip
