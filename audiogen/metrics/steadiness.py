"""Whether long music keeps its level: the loudness of its parts."""

import math

from audiogen.audio import Audio

PART = 5.0
"""Seconds."""


def loudness_by_part(audio: Audio, part: float = PART) -> list[float]:
    """LUFS of every `part` seconds from the start; -inf for silence. A rest of less than half a part is left out."""
    size = round(part * audio.sample_rate)
    starts = range(0, max(1, audio.samples.shape[-1] - size // 2), size)
    return [Audio(audio.samples[:, start : start + size], audio.sample_rate).loudness() for start in starts]


def level_drift(audio: Audio, part: float = PART) -> float:
    """The most that a part differs from the first one, in dB; silent parts, which have no level, do not count.

    0 where there is but one part, or none is heard.
    """
    heard = [loudness for loudness in loudness_by_part(audio, part) if math.isfinite(loudness)]
    return max((abs(loudness - heard[0]) for loudness in heard), default=0.0)
