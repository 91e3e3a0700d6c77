"""A tune and its attributes to a score: in that key and tempo, on these instruments, backed as its metre asks.

In every metre the bass plays on the first beat of a bar, and the chords on the others, so that one can hear the metre.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from audiogen.errors import InputError
from audiogen.extras import need
from recipes.synth.captions import Attributes
from recipes.synth.instruments import Bell, Brass, ElectricPiano, Flute, Lead, Marimba, Organ, Pluck, Strings
from recipes.synth.score import PITCH_NAMES, Note, Part, Score
from recipes.synth.tunes import Tune, excerpt
from recipes.synth.voice import Voice, pick, vary

LEADS: dict[str, type[Voice]] = {
    "flute": Flute,
    "fiddle": Strings,
    "guitar": Pluck,
    "trumpet": Brass,
    "bells": Bell,
    "marimba": Marimba,
    "organ": Organ,
    "synthesizer": Lead,
}
"""Instrument of a melody -> what plays it."""
BACKINGS: dict[str, type[Voice]] = {
    "guitar": Pluck,
    "electric piano": ElectricPiano,
    "organ": Organ,
    "strings": Strings,
}
"""Instrument of chords and bass -> what plays them."""
BASS_FLOOR, CHORD_FLOOR = 36, 50
"""Lowest pitches of bass and chords."""
EARLY = 0.01
"""Quarters by which a note may come late and still be there on the beat."""
ENHARMONIC = {"Db": "C#", "D#": "Eb", "Gb": "F#", "G#": "Ab", "A#": "Bb", "Cb": "B", "E#": "F", "Fb": "E", "B#": "C"}


@dataclass(frozen=True, kw_only=True)
class Metre:
    """How a metre is counted and backed. Times are in quarter notes."""

    bar: float
    beat: float
    tempo: tuple[int, int]
    """Beats per minute of a tune in it, from and to."""
    chords: tuple[float, ...]
    """Where in a bar the chords are struck; the bass is on its first beat."""


METRES = {
    "2/4": Metre(bar=2, beat=1, tempo=(70, 140), chords=(1,)),
    "3/4": Metre(bar=3, beat=1, tempo=(80, 170), chords=(1, 2)),
    "4/4": Metre(bar=4, beat=1, tempo=(80, 170), chords=(1, 2, 3)),
    "6/8": Metre(bar=3, beat=1.5, tempo=(60, 130), chords=(1, 1.5, 2.5)),
}


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a MIDI file says that its notes do not."""

    metre: str
    key: str
    """As in `Attributes`."""

    @property
    def mode(self) -> str:
        return self.key.split()[1]


def read_signature(data: bytes, name: str = "MIDI file") -> Signature | None:
    """Metre and key of a MIDI file; None where it has none or several of them, or the metre is none of METRES.

    Raises:
        InputError: no MIDI file.
    """
    mido = need("mido", "train")
    try:
        file = mido.MidiFile(file=io.BytesIO(data))
    except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{name}: expected a MIDI file, got something else ({error}). Download it again.") from error
    messages = [message for track in file.tracks for message in track]
    metres = {f"{m.numerator}/{m.denominator}" for m in messages if m.type == "time_signature"}
    keys = {m.key for m in messages if m.type == "key_signature"}
    if len(metres) != 1 or len(keys) != 1 or not metres <= METRES.keys():
        return None
    (metre,), (key,) = metres, keys
    tonic = ENHARMONIC.get(key.removesuffix("m"), key.removesuffix("m"))
    mode = "minor" if key.endswith("m") else "major"
    return Signature(metre=metre, key=f"{tonic} {mode}")


def draw_attributes(rng: np.random.Generator, metre: str, mode: str) -> Attributes:
    """All that a tune in this metre and mode leaves open, evenly; two different instruments."""
    lead = pick(rng, tuple(LEADS))
    return Attributes(
        tempo=int(rng.integers(METRES[metre].tempo[0], METRES[metre].tempo[1] + 1)),
        metre=metre,
        key=f"{pick(rng, PITCH_NAMES)} {mode}",
        lead=lead,
        backing=pick(rng, [name for name in BACKINGS if name != lead]),
    )


def arrange(rng: np.random.Generator, tune: Tune, written: str, attributes: Attributes, seconds: float) -> Score:
    """Some bars of a tune in the key `written` (of the same mode), again from their start if they are too few."""
    metre = METRES[attributes.metre]
    tempo = attributes.tempo * metre.beat  # a score's beat is the quarter
    total = seconds * tempo / 60
    melody, chords = _bars(rng, tune, metre.bar, total)
    up = shift(written, attributes.key)
    backing = BACKINGS[attributes.backing]
    parts = (
        _part(rng, "melody", LEADS[attributes.lead], _moved(melody, up), 0.6),
        _part(rng, "chords", backing, tuple(_strums(_moved(chords, up), metre, total)), 0.2),
        _part(rng, "bass", backing, tuple(_bass(_moved(chords, up), metre, total)), 0.45),
    )
    return Score(
        tempo=tempo,
        beats=total,
        parts=parts,
        key=attributes.key,
        style="folk",
        beats_per_bar=metre.bar,
        loop=False,
        room_seconds=float(rng.uniform(0.3, 1.2)),
    )


def shift(written: str, wanted: str) -> int:
    """Semitones, -6 to 5, from one key to another."""
    one, other = (PITCH_NAMES.index(key.split()[0]) for key in (written, wanted))
    return (other - one + 6) % 12 - 6


def _bars(rng: np.random.Generator, tune: Tune, bar: float, total: float) -> tuple[tuple[Note, ...], tuple[Note, ...]]:
    """Melody and chords of whole bars from a drawn one on, `total` quarters or more."""
    first = (tune.chords or tune.melody)[0].start % bar  # what is before the first chord is no whole bar
    bars = max(1, int((tune.beats - first) / bar))
    wanted = math.ceil(total / bar)
    start = first + bar * int(rng.integers(0, max(1, bars - wanted + 1)))
    length = min(wanted, bars) * bar
    melody, chords = (
        _repeated(excerpt(notes, start, length, 0), length, total) for notes in (tune.melody, tune.chords)
    )
    return melody, chords


def _repeated(notes: tuple[Note, ...], length: float, total: float) -> tuple[Note, ...]:
    times = math.ceil(total / length)
    return tuple(replace(note, start=note.start + length * time) for time in range(times) for note in notes)


def _moved(notes: tuple[Note, ...], semitones: int) -> tuple[Note, ...]:
    return tuple(replace(note, pitch=note.pitch + semitones) for note in notes)


def _strums(chords: tuple[Note, ...], metre: Metre, total: float) -> Iterator[Note]:
    """The chord of the moment wherever the metre has it struck."""
    ends = [*metre.chords[1:], metre.bar]
    for bar in range(math.ceil(total / metre.bar)):
        for at, end in zip(metre.chords, ends, strict=True):
            start = bar * metre.bar + at
            for pitch in sorted({_folded(note.pitch, CHORD_FLOOR) for note in _sounding(chords, start)}):
                yield Note(start=start, duration=0.8 * (end - at), pitch=pitch, velocity=0.7)


def _bass(chords: tuple[Note, ...], metre: Metre, total: float) -> Iterator[Note]:
    """The lowest tone of the chord, the root, on the first beat of every bar."""
    for bar in range(math.ceil(total / metre.bar)):
        sounding = _sounding(chords, bar * metre.bar)
        if sounding:
            lowest = _folded(min(note.pitch for note in sounding), BASS_FLOOR)
            yield Note(start=bar * metre.bar, duration=metre.beat, pitch=lowest, velocity=0.9)


def _sounding(notes: tuple[Note, ...], time: float) -> list[Note]:
    return [note for note in notes if note.start <= time + EARLY < note.start + note.duration]


def _folded(pitch: int, floor: int) -> int:
    """The same tone in the octave from `floor` on."""
    return floor + (pitch - floor) % 12


def _part(rng: np.random.Generator, name: str, kind: type[Voice], notes: tuple[Note, ...], gain: float) -> Part:
    gain *= rng.uniform(0.8, 1.2)
    return Part(name=name, voice=vary(kind, rng), notes=notes, gain=gain, room=float(rng.uniform(0.05, 0.25)))
