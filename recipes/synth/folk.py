"""Tunes like those people dance to, drawn note by note: a motif of two bars over plain chords, again and again."""

from collections.abc import Sequence

import numpy as np

from recipes.synth.loops import Harmony
from recipes.synth.score import Note
from recipes.synth.tunes import Tune
from recipes.synth.voice import pick

RHYTHMS: dict[str, tuple[str, ...]] = {
    "2/4": ("x.x.x.x.", "x.xxx.x.", "x...x.x.", "x.xxx...", "xxx.x.x.", "x..xx.x."),
    "3/4": ("x.....x.....", "x...x...x...", "x.....x.x...", "x.x.x.x.x.x.", "x.......x...", "x...x.x.x..."),
    "4/4": ("x.x.x.x.x.x.x.x.", "x...x.x.x.x.x...", "x.x.x...x.x.x...", "x...x...x.x.x.x.", "x...x...x...x..."),
    "6/8": ("x.x.x.x.x.x.", "x...x.x.x.x.", "x...x.x...x.", "x.x.x.x.....", "x.....x.x.x.", "x...x.x....."),
}
"""Metre -> rhythms of a bar in sixteenths."""
PROGRESSIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "major": ((0, 0, 3, 4), (0, 3, 0, 4), (0, 4, 0, 4), (0, 5, 3, 4), (0, 0, 4, 4), (0, 1, 4, 4), (0, 3, 4, 0)),
    "minor": ((0, 0, 6, 6), (0, 6, 0, 4), (0, 3, 0, 4), (0, 6, 5, 4), (0, 2, 6, 0), (0, 0, 3, 4), (0, 5, 6, 0)),
}
"""Mode -> degrees of the scale on which the chords stand, one per bar."""
LOWEST, HIGHEST = -2, 9
"""Degrees of the scale, from the tonic, that a melody keeps to."""


def draw_folk_tune(rng: np.random.Generator, metre: str, mode: str, bars: int) -> Tune:
    """A tune in C of `bars` bars, which ends on the tonic; its chords last a bar each, root lowest."""
    progression = pick(rng, PROGRESSIONS[mode])
    degrees = [progression[bar % len(progression)] for bar in range(bars)]
    degrees[-1] = 0
    harmony = Harmony(root=0, mode=mode, degrees=tuple(degrees))
    length = len(RHYTHMS[metre][0]) / 4
    motif = (pick(rng, RHYTHMS[metre]), pick(rng, RHYTHMS[metre]))
    walks = [[pick(rng, (-2, -1, -1, 1, 1, 2)) for _ in rhythm] for rhythm in motif]
    melody: list[Note] = []
    place = pick(rng, (0, 2, 4, 7))
    for bar, degree in enumerate(degrees):
        walk = walks[bar % 2] if rng.random() < 0.75 else walks[bar % 2][::-1]
        places = _bar(motif[bar % 2], walk, degree, place)
        if bar == bars - 1:
            places[-1] = 0 if places[-1] < 4 else 7
        melody += _notes(motif[bar % 2], [harmony.pitch(one, 4) for one in places], bar * length, length)
        place = places[-1]
    chords = [
        Note(start=bar * length, duration=length, pitch=harmony.pitch(degree + third, 2))
        for bar, degree in enumerate(degrees)
        for third in (0, 2, 4)
    ]
    return Tune(beats=bars * length, beats_per_bar=length, melody=tuple(melody), chords=tuple(chords))


def _bar(rhythm: str, walk: Sequence[int], degree: int, place: int) -> list[int]:
    """Degrees of a bar's notes, from `place` on: tones of the chord on its two halves, steps between them."""
    places = []
    for at, sign in enumerate(rhythm):
        if sign == ".":
            continue
        place = min(max(place + walk[at], LOWEST), HIGHEST)
        if at % (len(rhythm) // 2) == 0:
            place = min(_tones(degree), key=lambda tone: abs(tone - place))
        places.append(place)
    return places


def _tones(degree: int) -> list[int]:
    """Degrees of the chord that stands on `degree`, in all octaves that a melody may be in."""
    return [tone for tone in range(LOWEST, HIGHEST + 1) if (tone - degree) % 7 in (0, 2, 4)]


def _notes(rhythm: str, pitches: Sequence[int], start: float, length: float) -> list[Note]:
    """The notes of a bar of `length` quarters that begins at `start`; the first of a half is louder."""
    begins = [at for at, sign in enumerate(rhythm) if sign == "x"]
    return [
        Note(
            start=start + at / 4,
            duration=(following - at) / 4,
            pitch=pitch,
            velocity=0.9 if at % (len(rhythm) // 2) == 0 else 0.75,
        )
        for at, following, pitch in zip(begins, [*begins[1:], len(rhythm)], pitches, strict=True)
    ]
