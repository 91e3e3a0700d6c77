"""Instruments with a pitch: plucked, struck, blown and electronic; every knob has the range that sounds like it."""

import math
from dataclasses import dataclass

import numpy as np

from recipes.synth.voice import (
    Samples,
    Voice,
    below_nyquist,
    between,
    brightness,
    coloured,
    cycles,
    envelope,
    faded,
    fall,
    frequency,
    knob,
    modulated,
    overtones,
    saw,
    sine,
    times,
)


@dataclass(frozen=True, kw_only=True)
class Pluck(Voice):
    """A plucked string: the harmonics of where it is plucked, the upper ones dying first."""

    position: float = knob(0.2, 0.1, 0.45)
    """Where along the string."""
    half_life: float = knob(0.3, 0.15, 0.6)
    """Seconds, at middle C."""
    softness: float = knob(1.5, 1.0, 2.2)
    """Exponent with which harmonics are weaker."""

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hertz, length = frequency(pitch), seconds + 0.25
        strength = [math.sin(math.pi * h * self.position) / h**self.softness for h in range(1, 25)]
        life = self.half_life * (262 / hertz) ** 0.4
        damping = fall(length, rate, 8 * life)
        tone = overtones(cycles(hertz, length, rate), below_nyquist(strength, hertz, rate), damping)
        tone *= fall(length, rate, life) * envelope(seconds, rate, 0.002, 0, 1, 0.25)
        return tone * np.float32(velocity / max(1e-6, float(np.abs(tone).max())))


@dataclass(frozen=True, kw_only=True)
class ElectricPiano(Voice):
    """Frequency modulation: a body at the fundamental, a tine far above it."""

    bite: float = knob(1.2, 0.6, 2.2)
    """Modulation index at full velocity."""
    tine: float = knob(0.25, 0.05, 0.45)
    half_life: float = knob(0.6, 0.3, 1.0)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hertz, length = frequency(pitch), seconds + 0.15
        phase = cycles(hertz, length, rate)
        index = self.bite * velocity * fall(length, rate, self.half_life / 2)
        body = modulated(phase, sine(phase), index)
        if 14 * hertz < 0.45 * rate:
            body += self.tine * velocity * sine(14 * phase % 1) * fall(length, rate, 0.06)
        return 0.8 * velocity * body * fall(length, rate, self.half_life) * envelope(seconds, rate, 0.003, 0, 1, 0.15)


@dataclass(frozen=True, kw_only=True)
class Organ(Voice):
    """Drawbars, with a click at the start and a slow tremolo."""

    fifth: float = knob(0.4, 0.0, 0.8)
    octave: float = knob(0.6, 0.2, 1.0)
    upper: float = knob(0.3, 0.0, 0.6)
    tremolo: float = knob(0.1, 0.0, 0.3)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hertz, length = frequency(pitch), seconds + 0.03
        bars = (1.0, self.octave, self.fifth, self.upper, 0.0, 0.6 * self.upper, 0.0, 0.5 * self.upper)
        tone = overtones(cycles(hertz, length, rate), below_nyquist(bars, hertz, rate))
        tone *= 1 + self.tremolo * sine(cycles(6.2, length, rate))
        return velocity / sum(bars) * 1.2 * tone * envelope(seconds, rate, 0.004, 0.02, 0.85, 0.03)


@dataclass(frozen=True, kw_only=True)
class Sub(Voice):
    """A sine that is driven a little, for the lowest octaves."""

    drive: float = knob(1.5, 0.5, 3.0)
    half_life: float = knob(1.0, 0.3, 2.0)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        length = seconds + 0.06
        tone = np.tanh(self.drive * sine(cycles(frequency(pitch), length, rate)))
        loud = velocity / math.tanh(self.drive)
        return loud * tone * fall(length, rate, self.half_life) * envelope(seconds, rate, 0.006, 0, 1, 0.06)


@dataclass(frozen=True, kw_only=True)
class Synth(Voice):
    """A sawtooth through a filter that closes: bass, stab or arpeggio, by its pitch and its cutoff."""

    cutoff: float = knob(600, 250, 1500)
    """Hz, when the filter has closed."""
    sweep: float = knob(4000, 1500, 8000)
    """Hz above it, at the start."""
    half_life: float = knob(0.08, 0.03, 0.2)
    """Of the sweep."""
    squareness: float = knob(0.3, 0.0, 1.0)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hertz, length = frequency(pitch), seconds + 0.08
        phase = cycles(hertz, length, rate)
        bright = brightness(hertz, self.cutoff + self.sweep * velocity * fall(length, rate, self.half_life), rate)
        tone = between(phase, self.squareness, bright)
        return velocity * tone * envelope(seconds, rate, 0.003, 0.2, 0.7, 0.08)


@dataclass(frozen=True, kw_only=True)
class Pad(Voice):
    """Three sawtooths out of tune with each other, slow and dark."""

    detune: float = knob(0.1, 0.04, 0.2)
    """Semitones."""
    cutoff: float = knob(1200, 500, 3000)
    attack: float = knob(0.25, 0.05, 0.6)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        length = seconds + 0.5
        tone = np.zeros(round(length * rate), np.float32)
        for offset in (-self.detune, 0.0, 1.1 * self.detune):
            hertz = frequency(pitch + offset)
            phase = (cycles(hertz, length, rate) + np.float32(noise.random())) % 1
            tone += saw(phase, brightness(hertz, self.cutoff, rate))
        return 0.4 * velocity * tone * envelope(seconds, rate, min(self.attack, 0.5 * seconds), 0.1, 0.9, 0.5)


@dataclass(frozen=True, kw_only=True)
class Lead(Voice):
    """A square or sawtooth with vibrato."""

    squareness: float = knob(0.5, 0.0, 1.0)
    cutoff: float = knob(3000, 1200, 6000)
    vibrato: float = knob(0.15, 0.0, 0.35)
    """Semitones."""

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hertz, length = frequency(pitch), seconds + 0.1
        phase = cycles(hertz, length, rate, self.vibrato)
        bright = brightness(hertz, self.cutoff, rate)
        tone = between(phase, self.squareness, bright)
        return velocity * tone * envelope(seconds, rate, 0.01, 0.1, 0.8, 0.1)


@dataclass(frozen=True, kw_only=True)
class Bell(Voice):
    """Frequency modulation at a ratio that is no whole number."""

    ratio: float = knob(3.5, 1.4, 3.6)
    index: float = knob(1.5, 0.6, 2.5)
    half_life: float = knob(0.5, 0.2, 1.0)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hertz, length = frequency(pitch), seconds + 0.8
        index = self.index * fall(length, rate, self.half_life / 2)
        modulator = sine(cycles(self.ratio * hertz, length, rate))
        tone = modulated(cycles(hertz, length, rate), modulator, index)
        return faded(0.8 * velocity * tone * fall(length, rate, self.half_life), rate, 0.2)


@dataclass(frozen=True, kw_only=True)
class Marimba(Voice):
    """A struck bar: partials at 1, 4 and 10 times the fundamental."""

    half_life: float = knob(0.12, 0.05, 0.25)
    wood: float = knob(0.3, 0.1, 0.6)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hertz, length = frequency(pitch), seconds + 0.3
        tone = sine(cycles(hertz, length, rate)) * fall(length, rate, self.half_life)
        for ratio, share in ((3.93, 0.6), (9.8, 0.3)):
            if ratio * hertz < 0.45 * rate:
                partial = sine(cycles(ratio * hertz, length, rate))
                tone += share * self.wood * partial * fall(length, rate, self.half_life / ratio)
        return faded(0.8 * velocity * tone, rate, 0.1)


@dataclass(frozen=True, kw_only=True)
class Flute(Voice):
    """Few harmonics, breath, and vibrato."""

    breath: float = knob(0.05, 0.02, 0.12)
    second: float = knob(0.35, 0.1, 0.6)
    vibrato: float = knob(0.15, 0.05, 0.3)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hertz, length = frequency(pitch), seconds + 0.08
        strength = (1.0, self.second, 0.5 * self.second, 0.1)
        tone = overtones(
            cycles(hertz, length, rate, self.vibrato, 5.0), below_nyquist(strength, hertz, rate), 0.6 + 0.4 * velocity
        )
        tone = 0.7 * tone + self.breath * coloured(noise, length, rate, 800, 6000)
        return velocity * tone * envelope(seconds, rate, 0.05, 0.1, 0.85, 0.08)


@dataclass(frozen=True, kw_only=True)
class Brass(Voice):
    """Harmonics that grow brighter as the note swells."""

    bright: float = knob(0.86, 0.75, 0.93)
    """What each harmonic has of the one below, at the loudest."""
    swell: float = knob(0.08, 0.03, 0.15)
    """Seconds until the loudest."""

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        hertz, length = frequency(pitch), seconds + 0.08
        shape = envelope(seconds, rate, self.swell, 0.15, 0.8, 0.08)
        phase = cycles(hertz, length, rate, 0.08)
        strength = below_nyquist([0.35] * 20, hertz, rate)
        return velocity * 0.8 * shape * overtones(phase, strength, self.bright * (0.5 + 0.5 * shape * velocity))


@dataclass(frozen=True, kw_only=True)
class Strings(Voice):
    """Bowed strings: two sawtooths with vibrato that do not quite agree."""

    vibrato: float = knob(0.12, 0.05, 0.25)
    cutoff: float = knob(2500, 1200, 4500)
    attack: float = knob(0.1, 0.04, 0.2)

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        length = seconds + 0.2
        tone = np.zeros(len(times(length, rate)), np.float32)
        for offset, speed in ((-0.05, 5.1), (0.06, 5.9)):
            hertz = frequency(pitch + offset)
            phase = cycles(hertz, length, rate, self.vibrato, speed)
            tone += saw(phase, brightness(hertz, self.cutoff, rate))
        return 0.5 * velocity * tone * envelope(seconds, rate, min(self.attack, 0.5 * seconds), 0.1, 0.9, 0.2)


BASSES: tuple[type[Voice], ...] = (Sub, Synth, Pluck)
KEYS: tuple[type[Voice], ...] = (ElectricPiano, Organ, Pad, Strings, Synth, Pluck, Brass)
SOLOISTS: tuple[type[Voice], ...] = (Lead, Flute, Brass, Bell, Marimba, Pluck, ElectricPiano, Synth, Strings)
