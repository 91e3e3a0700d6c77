"""From a score to sound: every part played, a room, a level, and a soft limit.

Shapes: S samples; mono.
"""

import numpy as np
from scipy.fft import irfft, rfft

from recipes.synth.score import Part, Score
from recipes.synth.voice import Samples

SAMPLE_RATE = 32_000
KNEE = 0.6
"""Samples above this are bent, so that none passes 0.98."""


def render(score: Score, seed: int = 0, level: float = 0.14, rate: int = SAMPLE_RATE) -> Samples:
    """[S] float32 in -0.98..0.98, exactly as long as the score; the same for the same score and seed.

    Args:
        level: root mean square before the soft limit.
    """
    total = round(score.seconds * rate)
    dry, wet = np.zeros(total, np.float32), np.zeros(total, np.float32)
    for number, part in enumerate(score.parts):
        track = play(part, score, np.random.default_rng((seed, number)), rate)
        dry += part.gain * track
        wet += part.gain * part.room * track
    mix = dry + reverb(wet, score.room_seconds, np.random.default_rng((seed, len(score.parts))), rate, score.loop)
    if not score.loop:
        length = min(total, rate // 20)
        mix[-length:] *= np.linspace(1, 0, length, dtype=np.float32)
    return soft_clip(mix * (level / max(1e-6, float(np.sqrt(np.mean(mix**2))))))


def play(part: Part, score: Score, noise: np.random.Generator, rate: int = SAMPLE_RATE) -> Samples:
    """[S]: one part of the score. Equal notes sound equal, as from a sampler: each is computed once."""
    track = np.zeros(round(score.seconds * rate), np.float32)
    second = 60 / score.tempo
    sounds: dict[tuple[int, float, float], Samples] = {}
    for note in part.notes:
        key = (note.pitch, round(note.duration * second, 3), round(note.velocity, 2))
        if key not in sounds:
            sounds[key] = part.voice.play(*key, rate, noise)
        add(track, sounds[key], round(note.start * second * rate), score.loop)
    return track


def add(track: Samples, sound: Samples, start: int, loop: bool) -> None:
    """Add `sound` to `track` from `start` on; what passes the end goes on at the start of a loop, or is lost."""
    total = len(track)
    while len(sound) and (loop or start < total):
        start %= total
        length = min(len(sound), total - start)
        track[start : start + length] += sound[:length]
        sound, start = sound[length:], total


def reverb(wet: Samples, seconds: float, noise: np.random.Generator, rate: int, loop: bool) -> Samples:
    """[S]: `wet` in a room whose echoes fall by 60 dB in `seconds`; in a loop the tail goes on at the start."""
    length = max(1, round(seconds * rate))
    clock = np.arange(length, dtype=np.float32) / np.float32(rate)
    echoes = noise.standard_normal(length, dtype=np.float32) * np.exp(clock * np.float32(-6.9 / seconds))
    echoes = np.convolve(echoes, np.array([0.25, 0.5, 0.25], np.float32), "same")  # walls take the highest frequencies
    echoes[: round(0.008 * rate)] = 0  # the first wall is some steps away
    echoes /= np.float32(np.sqrt(np.sum(echoes**2)) + 1e-9)
    total = len(wet)
    if not loop:
        size = total + length
        return np.asarray(irfft(rfft(wet, size) * rfft(echoes, size), size)[:total], np.float32)
    circle = np.zeros(total, np.float32)
    add(circle, echoes, 0, loop=True)
    return np.asarray(irfft(rfft(wet) * rfft(circle), total), np.float32)


def soft_clip(samples: Samples) -> Samples:
    """The samples as they are up to the knee, and bent towards 0.98 above it."""
    room = 0.98 - KNEE
    over = np.maximum(np.abs(samples) - KNEE, 0)
    return np.asarray(np.sign(samples) * (np.minimum(np.abs(samples), KNEE) + room * np.tanh(over / room)), np.float32)
