"""Strokes: steps, knocks, claps, keys, and things that break."""

import numpy as np

from recipes.synth.procedural.kinds import Kind, Knob, Values
from recipes.synth.procedural.shaping import (
    bump,
    burst,
    drops,
    hush,
    length,
    modes,
    put,
    regular,
    scattered,
    track,
)
from recipes.synth.voice import Samples, fall

BOARD = ((1.0, 1.0), (1.7, 0.7), (2.9, 0.5), (4.6, 0.4), (7.1, 0.2))
"""Modes of a board: ratio to the lowest, amplitude."""


def footsteps(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Heel and sole, left and right; on gravel they crunch."""
    grit = values["ground"]

    def step(number: int) -> Samples:
        thump = burst(rng, 0.003, 0.025, {40: -4.0, 120: 0.0, 500: -14.0, 3000: -34.0})
        crunch = drops(rng, 0.22, 40 + 500 * grit, (1500, 2800, 4400, 6500), 0.002) * fall(0.22, 22_050, 0.06)
        whole = np.zeros(length(0.4), np.float32)
        put(whole, np.float32(1.2 - grit) * thump, 0.0)
        put(whole, np.float32(0.5 * (1.2 - grit)) * thump, 0.09)
        put(whole, np.float32(0.35 * grit + 0.03) * crunch, 0.02)
        return np.float32(1.0 if number % 2 else 0.8) * whole

    steps = track(seconds, regular(rng, seconds, values["speed"], 0.06), step)
    return steps + hush(rng, seconds, 0.004)


def knocking(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Knuckles on a wooden door, a few times, and again."""
    hertz, count = 2 ** rng.uniform(6.8, 8.4), int(rng.integers(2, 6))
    board = [(hertz * ratio, gain, 0.02) for ratio, gain in BOARD]
    gap = 1 / values["speed"]
    pause = count * gap + rng.uniform(0.5, 1.2)
    times = [
        start + number * gap * rng.uniform(0.95, 1.05)
        for start in np.arange(rng.uniform(0, 0.4), seconds, pause)
        for number in range(count)
    ]

    def knock(_: int) -> Samples:
        sound = np.float32(rng.uniform(0.7, 1.0)) * modes(board, 0.25)
        put(sound, np.float32(0.4) * burst(rng, 0.0005, 0.004, {300: 0.0, 2000: -6.0, 9000: -24.0}), 0.0)
        return sound

    return track(seconds, times, knock) + hush(rng, seconds, 0.004)


def clapping(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Hands of one person, or of a crowd: each claps at a pace and with a pitch of their own."""
    people = max(1, round(values["crowd"]))
    total = hush(rng, seconds, 0.003)
    for _ in range(people):
        clap = burst(rng, 0.0006, rng.uniform(0.006, 0.014), bump(rng.uniform(900, 2300), 2.0, 22.0))
        loud = rng.uniform(0.4, 1.0)
        for start in regular(rng, seconds, rng.uniform(2.5, 5.0), 0.08):
            put(total, np.float32(loud * rng.uniform(0.7, 1.0)) * clap, start)
    return total


def typing(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Keys go down and up, sometimes in runs."""

    def key(_: int) -> Samples:
        down = burst(rng, 0.0004, 0.003, bump(rng.uniform(1800, 4200), 2.0, 20.0))
        bottom = modes([(rng.uniform(180, 420), 0.6, 0.008), (rng.uniform(900, 1500), 0.3, 0.004)], 0.08)
        whole = np.zeros(length(0.2), np.float32)
        put(whole, down, 0.0)
        put(whole, bottom, 0.004)
        put(whole, np.float32(0.35) * down, rng.uniform(0.06, 0.12))
        return np.float32(rng.uniform(0.5, 1.0)) * whole

    keys = track(seconds, regular(rng, seconds, values["speed"], 0.45), key)
    return keys + hush(rng, seconds, 0.005)


def glass(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """Glass that shatters: a blow, then pieces that ring as they fall."""
    total = hush(rng, seconds, 0.002)
    for start in np.minimum(scattered(rng, seconds, 0.2), max(0.0, seconds - 1.0)):
        put(total, burst(rng, 0.001, 0.02, {400: -14.0, 2500: 0.0, 11000: -4.0}), start)
        for _ in range(int(rng.integers(20, 50))):
            late = rng.exponential(0.18 * values["size"])
            hertz = 2 ** rng.uniform(11.0, 13.3) / values["size"] ** 0.5
            ring = [(hertz * ratio, rng.uniform(0.3, 1.0), rng.uniform(0.01, 0.06)) for ratio in (1.0, 1.37, 2.11)]
            put(total, np.float32(0.25 * np.exp(-late)) * modes(ring, 0.3), start + late)
    return total


def mouse_click(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A button goes down and up."""
    hertz = values["pitch"]

    def click(_: int) -> Samples:
        down = burst(rng, 0.0002, 0.0012, bump(hertz, 2.0, 20.0))
        whole = np.zeros(length(0.15), np.float32)
        put(whole, down, 0.0)
        put(whole, np.float32(0.6) * burst(rng, 0.0002, 0.001, bump(1.25 * hertz, 2.0, 20.0)), rng.uniform(0.05, 0.1))
        return np.float32(rng.uniform(0.7, 1.0)) * whole

    clicks = track(seconds, regular(rng, seconds, values["speed"], 0.3), click)
    return clicks + hush(rng, seconds, 0.004)


def hammering(values: Values, seconds: float, rng: np.random.Generator) -> Samples:
    """A hammer on a nail: metal and wood."""
    hertz = values["pitch"]
    metal = [(hertz * ratio, gain, 0.03) for ratio, gain in ((1.0, 0.6), (1.58, 0.5), (2.24, 0.4), (2.92, 0.3))]
    wood = [(180.0, 1.0, 0.02), (330.0, 0.6, 0.015), (610.0, 0.4, 0.01)]

    def blow(_: int) -> Samples:
        sound = modes(metal + wood, 0.35)
        put(sound, np.float32(0.8) * burst(rng, 0.0004, 0.003, {400: 0.0, 3000: -3.0, 10000: -12.0}), 0.0)
        return np.float32(rng.uniform(0.7, 1.0)) * sound

    blows = track(seconds, regular(rng, seconds, values["speed"], 0.06), blow)
    return blows + hush(rng, seconds, 0.004)


STROKES = (
    Kind(
        name="footsteps",
        play=footsteps,
        knobs={"speed": Knob(0.9, 4.0, "slow", "fast"), "ground": Knob(0.06, 1.0, "hard", "crunching")},
        names=("footsteps", "a person walking", "steps of a person"),
        phrases=(
            "{speed} {ground} footsteps", "a person walking with {speed} {ground} steps",
            "{speed} {ground} steps of a person",
        ),
    ),
    Kind(
        name="knocking",
        play=knocking,
        knobs={"speed": Knob(1.8, 7.5, "slow", "fast")},
        names=("knocking", "knocking on a door", "knocks on a wooden door"),
        phrases=("{speed} knocking", "{speed} knocking on a door", "{speed} knocks on a wooden door"),
    ),
    Kind(
        name="clapping",
        play=clapping,
        knobs={"crowd": Knob(1, 45, "sparse", "dense")},
        names=("clapping", "applause", "clapping of hands"),
        phrases=("{crowd} clapping", "{crowd} applause", "{crowd} clapping of hands"),
    ),
    Kind(
        name="typing",
        play=typing,
        knobs={"speed": Knob(2.0, 12.0, "slow", "fast")},
        names=("typing", "typing on a keyboard", "a computer keyboard"),
        phrases=("{speed} typing", "{speed} typing on a keyboard", "a person with {speed} typing"),
    ),
    Kind(
        name="glass",
        play=glass,
        knobs={"size": Knob(0.5, 3.0, "small", "large")},
        names=("a glass breaking", "breaking glass", "a window that shatters"),
        phrases=("a {size} glass breaking", "a {size} window that shatters", "{size} breaking glass"),
    ),
    Kind(
        name="mouse_click",
        play=mouse_click,
        knobs={"speed": Knob(0.6, 5.5, "slow", "fast"), "pitch": Knob(1500, 5200, "dull", "bright")},
        names=("clicks of a mouse", "mouse clicks", "a clicking button"),
        phrases=(
            "{speed} {pitch} clicks of a mouse", "{speed} {pitch} mouse clicks",
            "a button with {speed} {pitch} clicks",
        ),
    ),
    Kind(
        name="hammering",
        play=hammering,
        knobs={"speed": Knob(0.8, 4.5, "slow", "fast"), "pitch": Knob(900, 2600, "dull", "bright")},
        names=("hammering", "a hammer", "a hammer on a nail"),
        phrases=(
            "{speed} {pitch} hammering", "a hammer with {speed} {pitch} blows", "{speed} {pitch} blows of a hammer",
        ),
    ),
)  # fmt: skip
