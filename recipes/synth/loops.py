"""Loops of drums, bass, chords, arpeggios and leads: drawn from `styles`, the same for the same generator."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from recipes.synth.drums import KIT
from recipes.synth.instruments import BASSES, KEYS, SOLOISTS
from recipes.synth.score import PITCH_NAMES, Note, Part, Score
from recipes.synth.styles import ACCENTS, MIXES, PROGRESSIONS, SCALES, STYLES, Style
from recipes.synth.voice import Voice, pick, vary

SIXTEENTHS = 16
"""Steps of a bar."""
DRUM_GAINS = {
    "kick": 1.0,
    "snare": 0.75,
    "clap": 0.8,
    "hat": 0.5,
    "open hat": 0.4,
    "tom": 0.6,
    "shaker": 0.5,
    "rim": 0.5,
}


@dataclass(frozen=True, kw_only=True)
class Harmony:
    """The key of a loop, and the chord of each bar."""

    root: int
    """0 is C."""
    mode: str
    """A name of SCALES."""
    degrees: tuple[int, ...]
    """Of the scale, one per bar."""

    def __str__(self) -> str:
        return f"{PITCH_NAMES[self.root]} {self.mode}"

    def pitch(self, degree: int, octave: int) -> int:
        """MIDI number of a degree of the scale; degrees of 7 and more are in the octaves above."""
        up, place = divmod(degree, 7)
        return 12 * (octave + 1 + up) + self.root + SCALES[self.mode][place]

    def chord(self, bar: int, octave: int, size: int = 3) -> list[int]:
        """MIDI numbers of a bar's chord, folded into the octave above the root's, so that voices move little."""
        pitches = [self.pitch(self.degrees[bar] + 2 * third, octave) for third in range(size)]
        floor = 12 * (octave + 1) + 5
        return sorted(floor + (pitch - floor) % 12 for pitch in pitches)


def draw_loop(
    rng: np.random.Generator, style: str | None = None, bars: int | None = None, mix: Sequence[str] | None = None
) -> Score:
    """A loop; what is not given is drawn.

    Args:
        style: a name of STYLES.
        bars: 1 to 4.
        mix: from drums, bass, chords, arpeggio and lead.
    """
    style = style or pick(rng, list(STYLES))
    kind = STYLES[style]
    bars = bars or pick(rng, (1, 2, 2, 4, 4))
    mix = mix or pick(rng, MIXES)
    harmony = draw_harmony(rng, kind, bars)
    swing = rng.uniform(*kind.swing)
    parts: list[Part] = []
    for name in mix:
        parts += PLAYERS[name](rng, kind, harmony, swing)
    return Score(
        tempo=round(float(rng.uniform(*kind.tempo)), 1),
        beats=4 * bars,
        parts=tuple(parts),
        key="" if tuple(mix) == ("drums",) else str(harmony),
        style=style,
        room_seconds=float(rng.uniform(0.2, 1.2)),
    )


def draw_harmony(rng: np.random.Generator, style: Style, bars: int) -> Harmony:
    """A key and the chords of a progression, one per bar."""
    mode = "minor" if rng.random() < style.minor else "major"
    progression = pick(rng, PROGRESSIONS[mode])
    degrees = tuple(progression[bar % len(progression)] for bar in range(bars))
    return Harmony(root=int(rng.integers(12)), mode=mode, degrees=degrees)


def drums(rng: np.random.Generator, style: Style, harmony: Harmony, swing: float) -> Iterator[Part]:
    """A groove with a few strokes changed, and often a fill in the last beat."""
    bars = len(harmony.degrees)
    groove = pick(rng, style.grooves)
    fill = bars > 1 and rng.random() < 0.6
    fill_drum = pick(rng, ("snare", "tom", "kick"))
    for drum, rhythm in groove.items():
        if len(groove) > 2 and rng.random() < 0.1:
            continue
        notes: list[Note] = []
        pattern = _varied(rng, rhythm)
        for bar in range(bars):
            played = pattern if rng.random() < 0.7 else _varied(rng, rhythm)
            if fill and bar == bars - 1 and drum != "kick":
                played = played[:12] + "...."
            notes += _strokes(rng, played, bar, swing, pitch=int(rng.integers(45, 58)))
        yield _drum_part(rng, drum, notes)
    if fill:
        run = "." * 12 + pick(rng, ("xxxX", "x.xX", "XxXx", "oxxX", "X..X"))
        yield _drum_part(rng, fill_drum, _strokes(rng, run, bars - 1, swing, pitch=50))


def bass(rng: np.random.Generator, style: Style, harmony: Harmony, swing: float) -> Iterator[Part]:
    """The chord's root in a rhythm, now and then its fifth or octave."""
    rhythm = pick(rng, style.bass)
    busy, hold = rng.uniform(0, 0.5), rng.uniform(0.5, 1.0)
    steps = [0 if rng.random() > busy or place == 0 else pick(rng, (4, 7, 7)) for place in range(SIXTEENTHS)]
    octave = 1 if harmony.root > 3 else 2
    notes = [
        Note(
            start=start,
            duration=hold * length,
            velocity=loud,
            pitch=harmony.pitch(harmony.degrees[bar] + steps[place], octave),
        )
        for bar in range(len(harmony.degrees))
        for place, start, length, loud in _rhythm(rhythm, bar, swing)
    ]
    yield Part(name="bass", voice=_voice(rng, BASSES), notes=tuple(notes), gain=_gain(rng, 0.7), room=0.02)


def chords(rng: np.random.Generator, style: Style, harmony: Harmony, swing: float) -> Iterator[Part]:
    """The chord of each bar in a rhythm."""
    rhythm, size = pick(rng, style.chords), pick(rng, (3, 3, 4))
    hold = pick(rng, (0.3, 0.6, 1.0))
    notes = [
        Note(start=start, duration=max(0.15, hold * length), pitch=pitch, velocity=0.8 * loud)
        for bar in range(len(harmony.degrees))
        for _, start, length, loud in _rhythm(rhythm, bar, swing)
        for pitch in harmony.chord(bar, 3, size)
    ]
    yield Part(name="chords", voice=_voice(rng, KEYS), notes=tuple(notes), gain=_gain(rng, 0.28), room=_room(rng))


def arpeggio(rng: np.random.Generator, style: Style, harmony: Harmony, swing: float) -> Iterator[Part]:
    """The tones of each chord one after the other: up, down, up and down, or in a fixed random order."""
    rhythm, octave = pick(rng, style.arpeggio), pick(rng, (3, 4))
    size = pick(rng, (3, 4, 5))
    up = list(range(size))
    orders = (up, up[::-1], up + up[-2:0:-1], [int(place) for place in rng.permutation(size)])
    order = pick(rng, orders)
    notes = []
    for bar in range(len(harmony.degrees)):
        tones = harmony.chord(bar, octave)
        tones = [tone + 12 * up for up in range(2) for tone in tones][:size]
        notes += [
            Note(start=start, duration=0.9 * length, pitch=tones[order[turn % len(order)]], velocity=loud)
            for turn, (_, start, length, loud) in enumerate(_rhythm(rhythm, bar, swing))
        ]
    yield Part(name="arpeggio", voice=_voice(rng, SOLOISTS), notes=tuple(notes), gain=_gain(rng, 0.4), room=_room(rng))


def lead(rng: np.random.Generator, style: Style, harmony: Harmony, swing: float) -> Iterator[Part]:
    """A motif of one bar that walks along the scale, repeated with small changes."""
    rhythm = "".join(pick(rng, "Xx..") if step % 2 == 0 or rng.random() < 0.2 else "." for step in range(16))
    rhythm = "X" + rhythm[1:]
    walk = np.cumsum(rng.choice([-2, -1, -1, 0, 1, 1, 2], SIXTEENTHS))
    notes = []
    for bar, degree in enumerate(harmony.degrees):
        change = pick(rng, (0, 0, 1, -1))
        for place, start, length, loud in _rhythm(rhythm, bar, swing):
            step = degree + int(np.clip(walk[place] + (change if place > 8 else 0), -4, 7))
            notes.append(Note(start=start, duration=0.95 * length, pitch=harmony.pitch(step, 4), velocity=loud))
    yield Part(name="lead", voice=_voice(rng, SOLOISTS), notes=tuple(notes), gain=_gain(rng, 0.45), room=_room(rng))


PLAYERS = {"drums": drums, "bass": bass, "chords": chords, "arpeggio": arpeggio, "lead": lead}
"""A part of a mix -> what plays it: (rng, style, harmony, swing) -> parts."""


def _rhythm(rhythm: str, bar: int, swing: float) -> Iterator[tuple[int, float, float, float]]:
    """Place in the bar, start and length in beats up to the next stroke, and velocity of each stroke of a rhythm."""
    places = [place for place, sign in enumerate(rhythm) if sign != "."]
    for place, following in zip(places, [*places, SIXTEENTHS][1:], strict=True):
        start = 4 * bar + place / 4 + (swing / 4 if place % 2 else 0)
        yield place, start, (following - place) / 4, ACCENTS[rhythm[place]]


def _strokes(rng: np.random.Generator, rhythm: str, bar: int, swing: float, pitch: int) -> list[Note]:
    """The strokes of a drum, a little uneven; the loudness has five steps, as samplers have."""
    return [
        Note(start=start, duration=0.25, pitch=pitch, velocity=round(5 * loud * rng.uniform(0.85, 1)) / 5)
        for _, start, _, loud in _rhythm(rhythm, bar, swing)
    ]


def _varied(rng: np.random.Generator, rhythm: str) -> str:
    """The rhythm with a soft stroke more or a soft one less."""
    signs = list(rhythm)
    for place, sign in enumerate(signs):
        if sign == "." and place % 2 and rng.random() < 0.04:
            signs[place] = "o"
        elif sign == "o" and rng.random() < 0.3:
            signs[place] = "."
    return "".join(signs)


def _drum_part(rng: np.random.Generator, drum: str, notes: Sequence[Note]) -> Part:
    room = float(rng.uniform(0, 0.12)) if drum != "kick" else 0.0
    return Part(name=drum, voice=vary(KIT[drum], rng), notes=tuple(notes), gain=_gain(rng, DRUM_GAINS[drum]), room=room)


def _voice(rng: np.random.Generator, kinds: Sequence[type[Voice]]) -> Voice:
    return vary(pick(rng, kinds), rng)


def _gain(rng: np.random.Generator, typical: float) -> float:
    """Up to 3 dB more or less than is typical."""
    return typical * math.pow(10, rng.uniform(-3, 3) / 20)


def _room(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.05, 0.35))
