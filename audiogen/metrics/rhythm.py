"""Whether a sound keeps the rhythm of another: tempo by librosa's beat tracker, and onsets that coincide.

Units: times in seconds, tempi in beats per minute.
"""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from audiogen.audio import Audio
from audiogen.extras import need

RATE, HOP = 22_050, 256
"""Hz, and samples between the frames of the onset strength (11.6 ms)."""
TOLERANCE = 0.05
"""Seconds by which two onsets may differ and be the same (as MIREX has it)."""


def tempo(audio: Audio) -> float | None:
    """Tempo by the median slope of the tracked beats, of which some may be wrong; None for fewer than two."""
    librosa = need("librosa", "train")
    samples = audio.mono().resample(RATE).samples[0].numpy()
    beats = librosa.beat.beat_track(y=samples, sr=RATE, hop_length=HOP, units="time", trim=False)[1]
    if len(beats) < 2:
        return None
    first, second = np.triu_indices(len(beats), 1)
    return float(60 / np.median((beats[second] - beats[first]) / (second - first)))


def tempo_error(original: Audio, other: Audio) -> float | None:
    """Relative error of the other's tempo, 0 is equal, 1 is twice as fast; None where the original has no beat.

    An `other` without a beat is wrong by 1.
    """
    expected, found = tempo(original), tempo(other)
    if expected is None:
        return None
    return 1.0 if found is None else abs(found - expected) / expected


def onsets(audio: Audio) -> list[float]:
    """Times at which something begins, by the peaks of the spectral flux."""
    librosa = need("librosa", "train")
    samples = audio.mono().resample(RATE).samples[0].numpy()
    padded = np.pad(samples, (RATE // 10, 0))  # what begins at once is an onset too
    times = librosa.onset.onset_detect(y=padded, sr=RATE, hop_length=HOP, units="time")
    return [float(time) - 0.1 for time in times]


def onset_f_measure(original: Audio, other: Audio, tolerance: float = TOLERANCE) -> float | None:
    """F-measure of the other's onsets against the original's; None where neither has any."""
    return f_measure(onsets(original), onsets(other), tolerance)


def f_measure(expected: Sequence[float], found: Sequence[float], tolerance: float = TOLERANCE) -> float | None:
    """2 matches / (expected + found), each time used once, two of them matching up to `tolerance` apart.

    On sorted times, taking the first free partner of each gives the most matches.
    """
    if not expected and not found:
        return None
    expected, found = sorted(expected), sorted(found)
    matches = free = 0
    for time in expected:
        place = max(free, bisect_left(found, time - tolerance))
        if place < len(found) and found[place] <= time + tolerance:
            matches, free = matches + 1, place + 1
    return 2 * matches / (len(expected) + len(found))
