"""All classes of procedural sounds: draw one, play it, and say what it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audiogen.errors import InputError, nearest
from recipes.synth.mix import reverb
from recipes.synth.procedural.animals import ANIMALS
from recipes.synth.procedural.kinds import Kind
from recipes.synth.procedural.machines import MACHINES
from recipes.synth.procedural.people import PEOPLE
from recipes.synth.procedural.shaping import RATE, equalized
from recipes.synth.procedural.signals import SIGNALS
from recipes.synth.procedural.strokes import STROKES
from recipes.synth.procedural.weather import WEATHER
from recipes.synth.voice import Samples, pick

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (*WEATHER, *MACHINES, *SIGNALS, *STROKES, *ANIMALS, *PEOPLE)}
"""By name."""

PEAK = 0.9
"""Of a sound that is near."""
NEAR, FAR = ("nearby", "close by"), ("in the distance", "far away")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One sound: everything that it and its captions are made of."""

    kind: str
    places: Mapping[str, float]
    """Place of each knob, 0..1."""
    distance: float
    """0 is near, 1 is far away."""
    seed: int
    """Of what no word says."""


def known(name: str) -> Kind:
    """The class of this name.

    Raises:
        InputError: there is none.
    """
    if name not in KINDS:
        raise InputError(f"expected a class of procedural sounds, got {name!r}. The nearest: {nearest(name, KINDS)}.")
    return KINDS[name]


def draw(rng: np.random.Generator, names: Sequence[str] = ()) -> Drawn:
    """A sound of one of the classes `names`, evenly, or of any."""
    kind = known(pick(rng, tuple(names) or tuple(KINDS)))
    return Drawn(
        kind=kind.name,
        places={name: float(rng.random()) for name in kind.knobs},
        distance=float(rng.random()),
        seed=int(rng.integers(2**31)),
    )


def play(drawn: Drawn, seconds: float) -> Samples:
    """[S] at RATE, peak at most PEAK; the same for the same arguments."""
    kind, rng = known(drawn.kind), np.random.default_rng(drawn.seed)
    near = kind.play(kind.values(drawn.places), seconds, rng).astype(np.float32)
    return at_distance(near, drawn.distance, rng)


def at_distance(near: Samples, distance: float, rng: np.random.Generator) -> Samples:
    """[S]: what is left of a sound far away: darker, with more of the room, and up to 14 dB lower."""
    dark = equalized(near, {20: 0.0, 500: -1.0 * distance, 2500: -6.0 * distance, 10000: -20.0 * distance})
    echoes = reverb(dark, 0.3 + 1.2 * distance, rng, RATE, loop=False)
    placed = dark + np.float32(0.03 + 0.6 * distance**2) * echoes
    return np.asarray(placed * (PEAK * 10 ** (-0.7 * distance) / max(1e-6, float(np.abs(placed).max()))), np.float32)


def describe(drawn: Drawn, rng: np.random.Generator) -> str:
    """One way to say what it is; every word of it is true."""
    kind = known(drawn.kind)
    words = {name: word if rng.random() < 0.85 else "" for name, word in kind.words(drawn.places).items()}
    text = kind.say(int(rng.integers(2**16)), words)
    where = NEAR if drawn.distance < 0.3 else FAR if drawn.distance > 0.7 else ()
    return f"{text} {pick(rng, where)}" if where and rng.random() < 0.7 else text


def captions(drawn: Drawn, rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """Up to `count` different ways to say what it is; the first has a word for every knob that is not in the middle."""
    kind = known(drawn.kind)
    found = [kind.say(0, kind.words(drawn.places))]
    for _ in range(4 * count):
        if len(found) < count and (text := describe(drawn, rng)) not in found:
            found.append(text)
    return tuple(found)
