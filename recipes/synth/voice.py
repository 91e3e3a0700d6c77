"""What every instrument is made of: the `Voice` contract, envelopes and oscillators.

Waves are power series in z = r exp(2 pi i c), c the phase in cycles and r < 1 the brightness. A sum of a_h z^h is an
additive tone whose upper harmonics fall as r^h; sum z^h / h = -log(1 - z) is a sawtooth in closed form. With
r = exp(-frequency / cutoff) the brightness is a low-pass filter whose cutoff may move, and it keeps harmonics that
would alias away, so one formula is oscillator, filter and anti-aliasing.
Shapes: S samples. Units: frequencies in Hz, times in seconds, phases in cycles.
"""

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]
T = TypeVar("T")
V = TypeVar("V", bound="Voice")

NYQUIST_DAMPING = 4.0
"""exp(-4) = -35 dB: what is left of a sawtooth's harmonic at half the sample rate, beside its 1/h."""


def knob(default: float, low: float, high: float) -> Any:
    """A field with a range, from which `vary` draws."""
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True, kw_only=True)
class Voice(ABC):
    """One instrument with its settings; playing it changes nothing in it."""

    @abstractmethod
    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        """One note, its release after `seconds` included, peak about `velocity`."""


def vary(kind: type[V], rng: np.random.Generator) -> V:
    """The instrument `kind` with every knob drawn from its range."""
    return kind(**{knob.name: float(rng.uniform(*knob.metadata["range"])) for knob in fields(kind)})


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def frequency(pitch: float) -> float:
    """Hz of a MIDI number."""
    return float(440.0 * 2 ** ((pitch - 69) / 12))


def times(seconds: float, rate: int) -> Samples:
    """[S]: the time of each sample."""
    return np.arange(max(1, round(seconds * rate)), dtype=np.float32) / np.float32(rate)


def cycles(hertz: float, seconds: float, rate: int, vibrato: float = 0.0, vibrato_rate: float = 5.5) -> Samples:
    """[S]: the phase in cycles, 0 to 1; `vibrato` is in semitones to each side and sets in after 0.2 s."""
    clock = np.arange(max(1, round(seconds * rate))) / rate  # in double precision: a long note has many cycles
    phase = hertz * clock
    if vibrato:
        depth = hertz * vibrato * math.log(2) / 12 / (2 * math.pi * vibrato_rate)
        phase += depth * np.minimum(1, clock / 0.2) * np.sin(2 * math.pi * vibrato_rate * clock)
    return (phase % 1).astype(np.float32)


def sine(phase: Samples) -> Samples:
    """[S]: a sine of the phase in cycles."""
    return np.sin(np.float32(2 * math.pi) * phase)


def modulated(phase: Samples, modulator: Samples, index: Samples) -> Samples:
    """[S]: a sine whose phase follows `modulator`, `index` in radians: frequency modulation."""
    return np.sin(np.float32(2 * math.pi) * phase + index * modulator)


def saw(phase: Samples, brightness: Samples | float) -> Samples:
    """[S]: a sawtooth, Im(-log(1 - z)), between -1 and 1."""
    angle = np.float32(2 * math.pi) * phase
    wave = np.arctan2(brightness * np.sin(angle), 1 - brightness * np.cos(angle))
    return (wave * np.float32(2 / math.pi)).astype(np.float32)


def square(phase: Samples, brightness: Samples | float) -> Samples:
    """[S]: a square wave: a sawtooth without its even harmonics."""
    return saw(phase, brightness) - 0.5 * saw(2 * phase % 1, np.square(brightness))


def between(phase: Samples, squareness: float, brightness: Samples | float) -> Samples:
    """[S]: a sawtooth at `squareness` 0, a square wave at 1."""
    one, other = saw(phase, brightness), square(phase, brightness)
    return one + np.float32(squareness) * (other - one)


def overtones(phase: Samples, amplitudes: Sequence[float], brightness: Samples | float = 1.0) -> Samples:
    """[S]: the sum of the harmonics with these amplitudes, from the fundamental up, each times brightness^h."""
    z = (brightness * np.exp(np.complex64(2j * math.pi) * phase)).astype(np.complex64)
    total = np.full_like(z, amplitudes[-1])
    for amplitude in amplitudes[-2::-1]:  # Horner's scheme
        total *= z
        total += np.complex64(amplitude)
    return np.ascontiguousarray((total * z).imag)


def brightness(hertz: float, cutoff: Samples | float, rate: int) -> Samples:
    """[S] or one number: r of a low-pass filter with that cutoff, and dark enough not to alias."""
    return np.exp(-hertz * (1 / np.asarray(cutoff, np.float32) + np.float32(2 * NYQUIST_DAMPING / rate)))


def below_nyquist(amplitudes: Sequence[float], hertz: float, rate: int) -> list[float]:
    """The amplitudes of the harmonics that lie under 90 % of half the sample rate; one at least."""
    return list(amplitudes[: max(1, int(0.45 * rate / hertz))])


def envelope(seconds: float, rate: int, attack: float, decay: float, sustain: float, release: float) -> Samples:
    """[S]: straight lines 0, 1, `sustain`, and after `seconds` down to 0; a short note begins its release early."""
    length = seconds + release
    points = np.array([0.0, attack, attack + decay, max(seconds, attack + decay), length])
    levels = np.interp(np.minimum(points, seconds), points[:4], [0.0, 1.0, sustain, sustain])
    levels[-1] = 0.0
    return np.interp(times(length, rate), np.minimum(points, [seconds] * 4 + [length]), levels).astype(np.float32)


def fall(seconds: float, rate: int, half_life: float) -> Samples:
    """[S]: an exponential fall that begins at 1."""
    return np.exp(times(seconds, rate) * np.float32(-math.log(2) / half_life))


def faded(samples: Samples, rate: int, seconds: float = 0.004) -> Samples:
    """The samples with a short fade at their end, so that nothing clicks."""
    length = min(len(samples), round(seconds * rate))
    samples[-length:] *= np.linspace(1, 0, length, dtype=np.float32)
    return samples


def coloured(noise: np.random.Generator, seconds: float, rate: int, low: float, high: float) -> Samples:
    """[S]: white noise between two frequencies, of standard deviation about 1."""
    from scipy.signal import sosfilt

    white = noise.standard_normal(max(1, round(seconds * rate)), dtype=np.float32)
    band = sosfilt(_band(low, min(high, 0.48 * rate), rate), white).astype(np.float32)
    return np.asarray(band / max(1e-6, float(band.std())), np.float32)


@functools.lru_cache(maxsize=256)
def _band(low: float, high: float, rate: int) -> NDArray[np.float32]:
    from scipy.signal import butter

    return np.asarray(butter(2, (low, high), "bandpass", fs=rate, output="sos"), np.float32)
