"""What is played: notes, parts and scores as plain data. Times are in beats, so that a tempo can be chosen last."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recipes.synth.voice import Voice

PITCH_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@dataclass(frozen=True, kw_only=True)
class Note:
    """One note, or one stroke of a drum."""

    start: float
    """Beats from the start of the score."""
    duration: float
    """Beats."""
    pitch: int
    """MIDI number: 60 is middle C, 69 is A at 440 Hz. Of the drums only the tom has a pitch."""
    velocity: float = 0.8
    """0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """The notes of one instrument."""

    name: str
    """Its role: bass, chords, arpeggio, lead, melody, or the name of the drum."""
    voice: "Voice"
    notes: tuple[Note, ...]
    gain: float = 1.0
    room: float = 0.1
    """Share that also goes through the reverb."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A piece of music with everything that a caption or a beat tracker's test needs to know about it."""

    tempo: float
    """Beats per minute."""
    beats: float
    """Length."""
    parts: tuple[Part, ...]
    key: str = ""
    """As "A minor"; empty where nothing has a pitch."""
    style: str = ""
    beats_per_bar: float = 4
    loop: bool = True
    """The end flows into the start: what still sounds at the end is heard at the start."""
    room_seconds: float = 0.6
    """Time in which the reverb falls by 60 dB."""

    @property
    def seconds(self) -> float:
        return self.beats * 60 / self.tempo
