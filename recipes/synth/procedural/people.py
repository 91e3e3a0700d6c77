"""Sounds of people that are no words."""

import numpy as np

from recipes.synth.procedural.animals import call
from recipes.synth.procedural.kinds import Kind, Knob, Values
from recipes.synth.procedural.shaping import (
    Curve,
    arch,
    burst,
    contour,
    hush,
    length,
    put,
    regular,
    scattered,
    shaped,
    track,
    wander,
)
from recipes.synth.voice import Samples

AH: Curve = {150: -6.0, 700: 0.0, 1150: -3.0, 1800: -16.0, 2600: -12.0, 4000: -26.0, 9000: -40.0}
"""The mouth of an "ah"."""
SH: Curve = {300: -24.0, 1200: -8.0, 2500: 0.0, 5000: -3.0, 10000: -14.0}
"""The noise of a "sh"."""


def sneezing(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A breath is drawn, louder and louder, and bursts out again."""
    hertz = values["pitch"]

    def sneeze(_: int) -> Samples:
        whole = np.zeros(length(1.5), np.float32)
        draw = rng.uniform(0.25, 0.5)
        voice = np.float32(hertz) * contour(draw, ((0.0, 0.9), (1.0, 1.3)))
        put(whole, np.float32(0.35) * call(rng, voice, AH, arch(draw, 0.85, 1.5), rough=0.03, breath=0.9), 0.0)
        out = rng.uniform(0.12, 0.22)
        shout = np.float32(1.3 * hertz) * contour(out, ((0.0, 1.1), (0.3, 1.2), (1.0, 0.7)))
        put(whole, 2.5 * call(rng, shout, AH, arch(out, 0.12, 0.6), rough=0.08, breath=0.8), draw + 0.03)
        hiss = burst(rng, 0.012, rng.uniform(0.035, 0.07), SH)
        put(whole, np.float32(1.2) * hiss, draw + 0.03)
        return whole

    sneezes = track(seconds, np.minimum(scattered(rng, seconds, values["speed"]), max(0.0, seconds - 1.0)), sneeze)
    return sneezes + hush(rng, seconds, 0.0003)


def coughing(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Bursts from the throat, two or three at a time."""

    def cough(number: int) -> Samples:
        whole = np.zeros(length(0.6), np.float32)
        blow = burst(rng, 0.004, 0.03, {150: -10.0, 600: 0.0, 1500: -3.0, 4000: -12.0, 10000: -26.0})
        put(whole, blow, 0.0)
        voice = np.float32(values["pitch"]) * contour(0.16, ((0.0, 1.2), (1.0, 0.75)))
        put(whole, np.float32(0.9) * call(rng, voice, AH, arch(0.16, 0.15), rough=0.15, breath=0.8), 0.025)
        return np.float32(1.0 if number % 3 == 0 else 0.75) * whole

    times = [
        start + 0.38 * number
        for start in regular(rng, seconds, values["speed"], 0.2)
        for number in range(int(rng.integers(2, 4)))
    ]
    return track(seconds, times, cough) + hush(rng, seconds, 0.0015)


def crying_baby(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Wails that rise and fall, one for each breath, and the breaths between."""
    mouth: Curve = {250: -18.0, 600: -6.0, 1100: 0.0, 1700: -6.0, 3200: -2.0, 4500: -12.0, 9000: -28.0}
    total = hush(rng, seconds, 0.001)
    start = -rng.uniform(0, 0.5)
    while start < seconds:
        lasts = rng.uniform(0.7, 1.3) / values["speed"]
        hertz = np.float32(values["pitch"] * rng.uniform(0.93, 1.07)) * contour(
            lasts, ((0.0, 0.8), (0.2, 1.1), (0.7, 1.02), (1.0, 0.72))
        )
        hertz = hertz * wander(rng, lasts, 9, 0.97, 1.03)
        wail = call(rng, hertz, mouth, arch(lasts, 0.2, 0.7), rough=rng.uniform(0.01, 0.08), breath=0.12)
        put(total, np.float32(rng.uniform(0.7, 1.0)) * wail, max(0.0, start))
        breath = arch(0.18, 0.6) * shaped(rng, 0.18, SH)
        put(total, np.float32(0.03) * breath, max(0.0, start + lasts + 0.03))
        start += lasts + rng.uniform(0.15, 0.4) / values["speed"]
    return total


def snoring(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Breath in with a rattle, breath out with a sigh."""
    total = hush(rng, seconds, 0.002)
    for start in regular(rng, seconds, values["speed"], 0.06):
        inward, outward = 0.4 / values["speed"], 0.35 / values["speed"]
        hertz = np.float32(values["pitch"]) * wander(rng, inward, 5, 0.85, 1.15)
        mouth: Curve = {60: -6.0, 250: 0.0, 600: -6.0, 1500: -16.0, 8000: -40.0}
        put(total, call(rng, hertz, mouth, arch(inward, 0.6), rough=0.3, breath=0.6), start)
        sigh = shaped(rng, outward, {200: -10.0, 900: 0.0, 3000: -10.0, 9000: -26.0}) * arch(outward, 0.3)
        put(total, np.float32(0.08) * sigh, start + 1.1 * inward)
    return total


def laughing(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Ha-ha-ha: short voiced syllables that fall in pitch, and again."""
    total = hush(rng, seconds, 0.0015)
    start, lasts = rng.uniform(0, 0.4), 0.6 / values["speed"]
    while start < seconds:
        count = int(rng.integers(4, 9))
        for number in range(count):
            sink = 1.15 - 0.35 * number / count
            hertz = np.float32(values["pitch"] * sink) * contour(lasts, ((0.0, 1.0), (0.3, 1.08), (1.0, 0.9)))
            voice = call(rng, hertz, AH, arch(lasts, 0.3), rough=0.03, breath=0.35)
            put(total, np.float32(1.1 - 0.6 * number / count) * voice, start + number / values["speed"])
        start += count / values["speed"] + rng.uniform(0.5, 1.5)
    return total


def heartbeat(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Lub-dub, as a stethoscope hears it."""
    total = np.float32(0.004) * shaped(rng, seconds, {40: 0.0, 200: -10.0, 1000: -40.0})
    gap = min(0.3, 0.33 / values["speed"])
    for start in regular(rng, seconds, values["speed"], 0.02):
        put(total, burst(rng, 0.012, 0.03, {25: -4.0, 50: 0.0, 110: -8.0, 300: -34.0}), start)
        put(total, np.float32(0.7) * burst(rng, 0.01, 0.022, {35: -4.0, 75: 0.0, 150: -8.0, 400: -34.0}), start + gap)
    return total


PEOPLE = (
    Kind(
        name="sneezing",
        play=sneezing,
        knobs={"speed": Knob(0.12, 0.6, "rare", "repeated"), "pitch": Knob(130, 380, "deep", "high")},
        names=(
            "a person sneezing", "someone sneezing", "the sneeze of a person", "a loud sneeze", "a sneeze",
            "a sneezing person",
        ),
        phrases=(
            "a person with {speed} {pitch} sneezes", "{speed} {pitch} sneezes of a person", "{speed} {pitch} sneezing",
            "someone with {speed} {pitch} sneezes", "{speed} loud {pitch} sneezes",
        ),
    ),
    Kind(
        name="coughing",
        play=coughing,
        knobs={"speed": Knob(0.25, 0.9, "rare", "frequent"), "pitch": Knob(100, 320, "deep", "high")},
        names=("coughing", "a person coughing", "coughs of a person"),
        phrases=(
            "{speed} {pitch} coughing", "a person with {speed} {pitch} coughs", "{speed} {pitch} coughs of a person",
        ),
    ),
    Kind(
        name="crying_baby",
        play=crying_baby,
        knobs={"speed": Knob(0.6, 1.8, "slow", "quick"), "pitch": Knob(330, 620, "low", "high")},
        names=(
            "a baby crying", "a crying baby", "a small crying baby", "an infant wailing", "the cries of a baby",
            "the crying of an infant",
        ),
        phrases=(
            "a baby crying with {speed} {pitch} wails", "the {speed} {pitch} crying of a baby",
            "the {speed} {pitch} cries of a baby", "an infant with {speed} {pitch} wails",
            "a small baby with {speed} {pitch} cries",
        ),
    ),
    Kind(
        name="snoring",
        play=snoring,
        knobs={"speed": Knob(0.2, 0.6, "slow", "quick"), "pitch": Knob(45, 120, "deep", "high")},
        names=("snoring", "a person snoring", "the snores of a sleeper"),
        phrases=("{speed} {pitch} snoring", "a person with {speed} {pitch} snores"),
    ),
    Kind(
        name="laughing",
        play=laughing,
        knobs={"speed": Knob(2.8, 6.5, "slow", "quick"), "pitch": Knob(120, 420, "deep", "high")},
        names=("laughing", "a person laughing", "laughter"),
        phrases=("{speed} {pitch} laughing", "a person with a {speed} {pitch} laugh", "{speed} {pitch} laughter"),
    ),
    Kind(
        name="heartbeat",
        play=heartbeat,
        knobs={"speed": Knob(0.7, 2.8, "slow", "fast")},
        names=("a heartbeat", "a beating heart", "the beat of a heart"),
        phrases=("a {speed} heartbeat", "a {speed} beating heart", "the {speed} beat of a heart"),
    ),
)  # fmt: skip
