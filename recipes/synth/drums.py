"""Drums: tuned decays and bands of noise; a stroke lasts as long as it sounds, whatever the note's length."""

import math
from dataclasses import dataclass

import numpy as np

from recipes.synth.voice import Samples, Voice, coloured, cycles, faded, fall, frequency, knob, sine, square, times


@dataclass(frozen=True, kw_only=True)
class Kick(Voice):
    """A sine whose pitch drops, and a click."""

    low: float = knob(48, 40, 62)
    """Hz it falls to."""
    drop: float = knob(4.0, 2.0, 7.0)
    """How many times that it begins at, less one."""
    half_life: float = knob(0.08, 0.04, 0.16)
    click: float = knob(0.2, 0.0, 0.5)
    drive: float = knob(1.5, 1.0, 3.0)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        length = 5 * self.half_life + 0.03
        hertz = self.low * (1 + self.drop * fall(length, rate, 0.018))
        phase = (np.cumsum(hertz, dtype=np.float64) / rate % 1).astype(np.float32)
        tone = np.tanh(self.drive * sine(phase) * fall(length, rate, self.half_life))
        tone += self.click * 0.4 * coloured(noise, length, rate, 1500, 9000) * fall(length, rate, 0.003)
        return faded(velocity * tone.astype(np.float32), rate, 0.02)


@dataclass(frozen=True, kw_only=True)
class Snare(Voice):
    """Two tones of the head and the noise of the wires."""

    head: float = knob(185, 150, 240)
    wires: float = knob(0.6, 0.4, 0.8)
    half_life: float = knob(0.06, 0.03, 0.1)
    top: float = knob(8000, 5000, 11000)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        length = 6 * self.half_life
        tone = sine(cycles(self.head, length, rate)) + 0.6 * sine(cycles(1.78 * self.head, length, rate))
        tone *= (1 - self.wires) * fall(length, rate, 0.6 * self.half_life)
        rattle = coloured(noise, length, rate, 900, self.top) * fall(length, rate, self.half_life)
        return faded(velocity * (tone + 0.45 * self.wires * rattle), rate)


@dataclass(frozen=True, kw_only=True)
class Clap(Voice):
    """Four bursts of noise, the last with a tail."""

    spread: float = knob(0.011, 0.007, 0.016)
    half_life: float = knob(0.05, 0.03, 0.1)
    centre: float = knob(1500, 1000, 2200)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        length = 3 * self.spread + 6 * self.half_life
        clock = times(length, rate)
        shape = np.zeros_like(clock)
        for burst in range(4):
            since = clock - np.float32(burst * self.spread)
            life = self.half_life if burst == 3 else 0.003
            shape = np.maximum(shape, np.where(since >= 0, np.exp2(-np.maximum(since, 0) / np.float32(life)), 0))
        band = coloured(noise, length, rate, 0.6 * self.centre, 3 * self.centre)
        return faded((velocity * 0.35 * shape * band).astype(np.float32), rate)


@dataclass(frozen=True, kw_only=True)
class Hat(Voice):
    """A hi-hat: metallic squares and bright noise."""

    half_life: float = knob(0.02, 0.01, 0.035)
    metal: float = knob(0.4, 0.1, 0.7)
    low: float = knob(6500, 5000, 8000)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        return self._ring(6 * self.half_life, self.half_life, velocity, rate, noise)

    def _ring(self, length: float, half_life: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hiss = coloured(noise, length, rate, self.low, 0.47 * rate)
        partials = sum(square(cycles(hertz, length, rate), 0.9) for hertz in (5410.0, 6270.0, 7930.0))
        ring = 0.25 * (1 - self.metal) * hiss + 0.2 * self.metal * partials
        return faded((velocity * ring * fall(length, rate, half_life)).astype(np.float32), rate)


@dataclass(frozen=True, kw_only=True)
class OpenHat(Hat):
    """A hi-hat that rings."""

    half_life: float = knob(0.12, 0.06, 0.2)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        return self._ring(3.5 * self.half_life, self.half_life, velocity, rate, noise)


@dataclass(frozen=True, kw_only=True)
class Tom(Voice):
    """A drum with a pitch that drops a little."""

    half_life: float = knob(0.1, 0.06, 0.18)
    drop: float = knob(0.4, 0.2, 0.8)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        length = 5 * self.half_life
        hertz = frequency(pitch) * (1 + self.drop * fall(length, rate, 0.03))
        phase = (np.cumsum(hertz, dtype=np.float64) / rate % 1).astype(np.float32)
        tone = sine(phase) * fall(length, rate, self.half_life)
        tone += 0.1 * coloured(noise, length, rate, 300, 4000) * fall(length, rate, 0.01)
        return faded((velocity * tone).astype(np.float32), rate, 0.02)


@dataclass(frozen=True, kw_only=True)
class Shaker(Voice):
    """Noise that swells and falls."""

    length: float = knob(0.09, 0.05, 0.14)
    low: float = knob(4000, 3000, 6000)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hiss = coloured(noise, self.length, rate, self.low, 0.45 * rate)
        arch = np.sin(np.float32(math.pi) * times(self.length, rate) / np.float32(self.length)) ** 2
        return (velocity * 0.25 * hiss * arch).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Rim(Voice):
    """A stick on the rim, or a wood block: one short high tone."""

    hertz: float = knob(1700, 800, 2600)
    half_life: float = knob(0.012, 0.006, 0.03)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        length = 7 * self.half_life
        tone = sine(cycles(self.hertz, length, rate)) + 0.4 * sine(cycles(2.7 * self.hertz, length, rate))
        return faded((0.6 * velocity * tone * fall(length, rate, self.half_life)).astype(np.float32), rate)


KIT: dict[str, type[Voice]] = {
    "kick": Kick,
    "snare": Snare,
    "clap": Clap,
    "hat": Hat,
    "open hat": OpenHat,
    "tom": Tom,
    "shaker": Shaker,
    "rim": Rim,
}
