"""Loops to try the demo with, synthesised when it starts: drums and bass, a broken beat, chords.

Each is a whole number of bars of four beats, so that it repeats without a seam. S samples at RATE Hz.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from audiogen.audio import Audio

Samples = NDArray[np.float64]

RATE = 44_100
LOUDNESS = -16.0
"""LUFS of every loop."""


def _seconds(duration: float) -> Samples:
    return np.arange(int(duration * RATE)) / RATE


def _kick() -> Samples:
    t = _seconds(0.28)
    phase = 2 * np.pi * np.cumsum(48 + 130 * np.exp(-t * 38)) / RATE
    return np.sin(phase) * np.exp(-t * 11)


def _snare() -> Samples:
    t = _seconds(0.2)
    noise = np.random.default_rng(1).standard_normal(len(t))
    return 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-t * 26) + 0.35 * noise * np.exp(-t * 20)


def _hat(decay: float = 70) -> Samples:
    t = _seconds(0.12)
    noise = np.random.default_rng(2).standard_normal(len(t))
    return 0.22 * np.diff(noise, prepend=0) * np.exp(-t * decay)


def _tone(note: float, duration: float, partials: int, decay: float) -> Samples:
    """A falling sawtooth of few partials; `note` is a MIDI number."""
    t = _seconds(duration)
    pitch = 440 * 2 ** ((note - 69) / 12)
    wave = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, partials + 1))
    edge = np.minimum(1, np.minimum(t, duration - t) / 0.005)  # 5 ms, against clicks
    return 0.4 * wave * np.exp(-t * decay) * edge


class _Loop:
    """A ring of samples: what rings past the end is heard at the start."""

    def __init__(self, bpm: float, bars: int):
        self.beat = 60 / bpm
        self.samples = np.zeros((2, round(4 * bars * self.beat * RATE)))

    def add(self, sound: Samples, beats: Sequence[float], gain: float = 1.0, pan: float = 0.0) -> "_Loop":
        """Mix `sound` in at each of `beats`; `pan` -1 is left, 1 right."""
        sides = gain * np.array([[min(1, 1 - pan)], [min(1, 1 + pan)]])
        for beat in beats:
            places = (round(beat * self.beat * RATE) + np.arange(len(sound))) % self.samples.shape[1]
            self.samples[:, places] += sides * sound
        return self

    def audio(self) -> Audio:
        return Audio(torch.from_numpy(self.samples * (0.5 / np.abs(self.samples).max())), RATE).normalize(LOUDNESS)


def _drums_and_bass() -> Audio:
    loop = _Loop(124, bars=2)
    loop.add(_kick(), range(8)).add(_snare(), [1, 3, 5, 7], 0.7).add(_hat(), np.arange(0.5, 8, 1).tolist(), pan=0.3)
    loop.add(_hat(), np.arange(0.25, 8, 0.5).tolist(), 0.4, pan=-0.3)
    for beat, note in [(0.5, 36), (1.5, 36), (2.75, 39), (3.5, 34), (4.5, 36), (5.5, 43), (6.75, 41), (7.5, 39)]:
        loop.add(_tone(note, 0.3, partials=6, decay=4), [beat], 0.8)
    return loop.audio()


def _broken_beat() -> Audio:
    loop = _Loop(96, bars=2)
    loop.add(_kick(), [0, 0.75, 2.5, 4, 4.75, 5.75, 6.5]).add(_snare(), [1, 3, 3.75, 5, 7], 0.8)
    loop.add(_hat(45), np.arange(0, 8, 0.5).tolist(), 0.8, pan=0.2).add(_hat(20), [3.5, 7.5], pan=0.4)
    return loop.audio()


def _chords() -> Audio:
    loop = _Loop(110, bars=4)
    for bar, chord in enumerate([(57, 60, 64, 67), (53, 57, 60, 64), (48, 55, 60, 64), (55, 59, 62, 65)]):
        for part, note in enumerate(chord):
            stroke = _tone(note, 0.9, partials=5, decay=2.5)
            loop.add(stroke, [4 * bar, 4 * bar + 1.5, 4 * bar + 3], 0.5, pan=(part - 1.5) / 3)
        loop.add(_tone(chord[0] - 24, 1.6, partials=4, decay=1), [4 * bar], 0.9)
    loop.add(_hat(), np.arange(0.5, 16, 1).tolist(), 0.3)
    return loop.audio()


LOOPS: dict[str, Callable[[], Audio]] = {
    "Drums and bass": _drums_and_bass,
    "Broken beat": _broken_beat,
    "Chords": _chords,
}


def write_examples(folder: Path) -> dict[str, Path]:
    """Render every loop as FLAC into `folder`: name of the loop -> its file."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: make().save(folder / f"{name.lower().replace(' ', '-')}.flac") for name, make in LOOPS.items()}
