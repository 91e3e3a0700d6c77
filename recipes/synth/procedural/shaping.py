"""What the playing functions share: shaped noise, wandering curves, resonances, and sounds scattered in time.

Shapes: S samples at RATE, mono. Units: frequencies in Hz, times in seconds, gains of spectral curves in dB.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from recipes.synth.mix import add
from recipes.synth.voice import Samples, faded, fall, saw

RATE = 22_050
Curve = Mapping[float, float]
"""Frequency in Hz -> gain in dB; straight lines between them over the logarithm of the frequency."""
Partial = tuple[float, float, float]
"""Frequency, amplitude, and half-life in seconds of one mode of a thing that was struck."""


def length(seconds: float) -> int:
    """S of so many seconds."""
    return max(1, round(seconds * RATE))


def shaped(rng: np.random.Generator, seconds: float, curve: Curve) -> Samples:
    """[S]: noise whose spectrum follows `curve`, of standard deviation 1."""
    noise = equalized(rng.standard_normal(length(seconds), dtype=np.float32), curve)
    return noise / np.float32(noise.std() + 1e-9)


def hush(rng: np.random.Generator, seconds: float, level: float) -> Samples:
    """[S]: the noise of a quiet place, of standard deviation `level`."""
    return np.float32(level) * shaped(rng, seconds, {60: 0.0, 400: -12.0, 8000: -34.0})


def equalized(samples: Samples, curve: Curve) -> Samples:
    """[S]: the samples through a filter with the gains of `curve`, without delay."""
    size = next_fast_len(len(samples) + RATE // 20)
    gains = _gains(tuple(sorted(curve.items())), size)
    return np.asarray(irfft(rfft(samples, size) * gains, size)[: len(samples)], np.float32)


@functools.lru_cache(maxsize=64)
def _gains(points: tuple[tuple[float, float], ...], size: int) -> NDArray[np.float32]:
    hertz, decibels = zip(*points, strict=True)
    places = np.log(np.maximum(np.arange(size // 2 + 1) * RATE / size, 1.0))
    return np.asarray(10 ** (np.interp(places, np.log(hertz), decibels) / 20), np.float32)


def wander(rng: np.random.Generator, seconds: float, hertz: float, low: float, high: float) -> Samples:
    """[S]: a smooth random curve between `low` and `high` that turns about `hertz` times a second."""
    points = max(2, math.ceil(seconds * hertz)) + 1
    heights = rng.uniform(low, high, points + 1)
    place = np.arange(length(seconds)) * (points / length(seconds))
    before = place.astype(np.int64)
    rise = (1 - np.cos(math.pi * (place - before))) / 2
    return np.asarray(heights[before] + rise * (heights[before + 1] - heights[before]), np.float32)


def through(rng: np.random.Generator, seconds: float, centre: Samples, octaves: float, steps: int = 7) -> Samples:
    """[S]: noise in a band about `octaves` wide whose centre [S] moves: a mixture of `steps` fixed bands."""
    low, high = float(np.log2(centre.min())), float(np.log2(centre.max()))
    total = np.zeros(length(seconds), np.float32)
    for place in np.linspace(low, high, steps if high > low else 1):
        hertz = 2.0**place
        gain = np.exp(-(((np.log2(centre) - place) / max(octaves, (high - low) / steps)) ** 2))
        total += gain * shaped(rng, seconds, bump(hertz, octaves))
    return total


def bump(hertz: float, octaves: float, height: float = 40.0) -> Curve:
    """A band `octaves` wide around a frequency, `height` dB above what is an octave and more beyond."""
    edge, far = 2 ** (octaves / 2), 2 ** (octaves / 2 + 1)
    return {hertz / far: -height, hertz / edge: -3.0, hertz: 0.0, hertz * edge: -3.0, hertz * far: -height}


def phase(hertz: Samples) -> Samples:
    """[S]: the phase in cycles, 0 to 1, of a tone with this frequency at each sample."""
    return (np.cumsum(hertz, dtype=np.float64) / RATE % 1).astype(np.float32)


def voiced(hertz: Samples, cutoff: float) -> Samples:
    """[S]: a sawtooth with this frequency at each sample, dark above `cutoff`."""
    return saw(phase(hertz), np.exp(-hertz * np.float32(1 / cutoff + 8 / RATE)))


def modes(partials: Iterable[Partial], seconds: float) -> Samples:
    """[S]: the sum of sines that begin at once and die away, each at its own pace."""
    total = np.zeros(length(seconds), np.float32)
    clock = np.arange(length(seconds), dtype=np.float32) * np.float32(2 * math.pi / RATE)
    for hertz, amplitude, half_life in partials:
        if hertz < 0.48 * RATE:
            part = slice(0, min(len(total), length(12 * half_life)))
            decay = fall(seconds, RATE, half_life)[part]
            total[part] += np.float32(amplitude) * decay * np.sin(np.float32(hertz) * clock[part])
    return total


def burst(rng: np.random.Generator, attack: float, half_life: float, curve: Curve) -> Samples:
    """[S]: shaped noise that rises in `attack` seconds and dies away."""
    seconds = attack + 8 * half_life
    noise = shaped(rng, seconds, curve)
    rise = np.minimum(1, np.arange(len(noise), dtype=np.float32) / np.float32(max(1.0, attack * RATE)))
    late = np.maximum(0, np.arange(len(noise), dtype=np.float32) / RATE - np.float32(attack))
    return faded(noise * rise * np.exp2(-late / np.float32(half_life)), RATE)


def scattered(rng: np.random.Generator, seconds: float, rate: float) -> NDArray[np.float64]:
    """Times of events that know nothing of each other, `rate` a second on average; one at least."""
    count = max(1, int(rng.poisson(rate * seconds)))
    return np.sort(rng.uniform(0, seconds, count))


def regular(rng: np.random.Generator, seconds: float, rate: float, jitter: float = 0.0) -> NDArray[np.float64]:
    """Times of events `rate` a second, each off by a share `jitter` of the period at most; one at least."""
    period = 1 / rate
    times = np.arange(rng.uniform(0, min(period, 0.5 * seconds)), seconds, period)
    return np.maximum(0, times + period * jitter * rng.uniform(-1, 1, len(times)))


def put(total: Samples, sound: Samples, start: float) -> None:
    """Add a sound to another from a time on; what passes the end is lost."""
    add(total, sound, round(start * RATE), loop=False)


def track(seconds: float, times: Sequence[float] | NDArray[np.float64], make: Callable[[int], Samples]) -> Samples:
    """[S]: the sound `make` gives for the number of each event, at its time."""
    total = np.zeros(length(seconds), np.float32)
    for number, start in enumerate(times):
        put(total, make(number), float(start))
    return total


def drops(rng: np.random.Generator, seconds: float, rate: float, bands: Sequence[float], ring: float) -> Samples:
    """[S]: `rate` tiny knocks a second of very different loudness, each in one of `bands`, which ring for `ring`."""
    total = np.zeros(length(seconds), np.float32)
    for hertz in bands:
        knocks = np.zeros(length(seconds), np.float32)
        where = (scattered(rng, seconds, rate / len(bands)) * RATE).astype(np.int64)
        knocks[np.minimum(where, len(knocks) - 1)] = rng.lognormal(0, 0.9, len(where))
        size = next_fast_len(len(knocks) + length(8 * ring))
        answer = modes([(hertz, 1.0, ring)], 8 * ring)
        total += irfft(rfft(knocks, size) * rfft(answer, size), size)[: len(total)].astype(np.float32)
    return total


def arch(seconds: float, rise: float = 0.3, power: float = 1.0) -> Samples:
    """[S]: from 0 up to 1 in a share `rise` of the time, and down to 0 again, smoothly."""
    place = np.linspace(0, 1, length(seconds), dtype=np.float32)
    up, down = place / np.float32(rise), (1 - place) / np.float32(1 - rise)
    return np.asarray(np.sin(np.minimum(np.minimum(up, down), 1) * np.float32(math.pi / 2)) ** power, np.float32)


def contour(seconds: float, points: Sequence[tuple[float, float]]) -> Samples:
    """[S]: straight lines through (share of the time, value)."""
    places, heights = zip(*points, strict=True)
    return np.interp(np.linspace(0, 1, length(seconds)), places, heights).astype(np.float32)
