"""Folk tunes from MIDI files (the Nottingham set): an excerpt with melody and chords, at a tempo and on instruments of
its own each time.

The MIDI files and their encodings are GPL-3.0 data: they are read where they are and nothing of them is copied here.
"""

import io
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audiogen.errors import InputError
from audiogen.extras import need
from recipes.synth.instruments import KEYS, SOLOISTS, Pluck, Strings, Sub, Synth
from recipes.synth.score import Note, Part, Score
from recipes.synth.voice import Voice, pick, vary

if TYPE_CHECKING:
    import mido

TEMPI = (80.0, 150.0)
"""Beats per minute of an excerpt."""


@dataclass(frozen=True, kw_only=True)
class Tune:
    """The notes of one MIDI file."""

    beats: float
    beats_per_bar: float
    melody: tuple[Note, ...]
    chords: tuple[Note, ...]
    """Empty where the file has one track only."""


def read_tune(data: bytes, name: str = "MIDI file") -> Tune:
    """Melody (first track with notes) and chords (the second) of a MIDI file.

    Raises:
        InputError: no MIDI file, or one without notes.
    """
    mido = need("mido", "train")
    try:
        file = mido.MidiFile(file=io.BytesIO(data))
    except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"{name}: expected a MIDI file, got something else ({error}). Download it again.") from error
    tracks = [notes for track in file.tracks if (notes := _notes(track, file.ticks_per_beat))]
    if not tracks:
        raise InputError(f"{name}: expected a MIDI file with notes, got none. Leave it out.")
    metres = [message for track in file.tracks for message in track if message.type == "time_signature"]
    per_bar = 4 * metres[0].numerator / metres[0].denominator if metres else 4.0
    end = max(note.start + note.duration for notes in tracks for note in notes)
    return Tune(
        beats=end, beats_per_bar=per_bar, melody=tuple(tracks[0]), chords=tuple(tracks[1]) if len(tracks) > 1 else ()
    )


def draw_tune(rng: np.random.Generator, tune: Tune, seconds: tuple[float, float] = (10.0, 20.0)) -> Score:
    """An excerpt of whole bars between the two lengths (or the whole tune where that is shorter), transposed."""
    tempo = round(float(rng.uniform(*TEMPI)), 1)
    bar = tune.beats_per_bar
    longest = max(1, int(seconds[1] * tempo / 60 / bar))
    shortest = min(longest, -int(-seconds[0] * tempo / 60 // bar))
    bars = min(int(rng.integers(shortest, longest + 1)), max(1, int(tune.beats / bar)))
    first = int(rng.integers(0, max(1, int(tune.beats / bar) - bars + 1)))
    shift = int(rng.integers(-5, 6))
    start, length = first * bar, bars * bar
    melody = excerpt(tune.melody, start, length, shift + 12 * pick(rng, (0, 0, 1, -1)))
    chords = excerpt(tune.chords, start, length, shift)
    parts = [_part(rng, "melody", SOLOISTS, melody, 0.6)]
    if chords and rng.random() < 0.85:
        parts.append(_part(rng, "chords", KEYS, chords, 0.22))
    if chords and rng.random() < 0.4:
        parts.append(_part(rng, "bass", (Sub, Synth, Pluck, Strings), lowest(chords), 0.4))
    return Score(
        tempo=tempo,
        beats=length,
        parts=tuple(parts),
        style="folk",
        beats_per_bar=bar,
        loop=False,
        room_seconds=float(rng.uniform(0.3, 1.5)),
    )


def excerpt(notes: tuple[Note, ...], start: float, length: float, shift: int) -> tuple[Note, ...]:
    """The notes that begin between `start` and `start + length`, moved to begin at 0, by `shift` semitones."""
    return tuple(
        Note(
            start=note.start - start,
            duration=min(note.duration, start + length - note.start),
            pitch=note.pitch + shift,
            velocity=note.velocity,
        )
        for note in notes
        if start <= note.start < start + length
    )


def lowest(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """The lowest note of each chord, an octave down."""
    by_start: dict[float, list[Note]] = defaultdict(list)
    for note in notes:
        by_start[note.start].append(note)
    roots = [min(chord, key=lambda note: note.pitch) for chord in by_start.values()]
    return tuple(
        Note(start=note.start, duration=note.duration, pitch=note.pitch - 12, velocity=note.velocity) for note in roots
    )


def _part(
    rng: np.random.Generator, name: str, kinds: tuple[type[Voice], ...], notes: tuple[Note, ...], gain: float
) -> Part:
    voice = vary(pick(rng, kinds), rng)
    return Part(
        name=name, voice=voice, notes=notes, gain=gain * rng.uniform(0.7, 1.3), room=float(rng.uniform(0.05, 0.3))
    )


def _notes(track: "mido.MidiTrack", ticks_per_beat: int) -> list[Note]:
    """The notes of a track, in the order of their starts; one that is never released is left out."""
    notes: list[Note] = []
    sounding: dict[int, tuple[int, int]] = {}
    tick = 0
    for message in track:
        tick += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        if message.note in sounding:
            start, velocity = sounding.pop(message.note)
            length = max(1, tick - start)
            notes.append(
                Note(
                    start=start / ticks_per_beat,
                    duration=length / ticks_per_beat,
                    pitch=message.note,
                    velocity=velocity / 127,
                )
            )
        if message.type == "note_on" and message.velocity:
            sounding[message.note] = (tick, message.velocity)
    return sorted(notes, key=lambda note: (note.start, note.pitch))
