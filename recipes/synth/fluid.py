"""Scores played by FluidSynth with a General MIDI soundfont, where both are installed: sampled instruments.

Not the default: what it makes depends on the program's version and on the soundfont.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.extras import need
from recipes.synth.mix import SAMPLE_RATE, soft_clip
from recipes.synth.score import Part, Score
from recipes.synth.voice import Samples

if TYPE_CHECKING:
    import mido

PROGRAMS = {
    "Bell": 9,
    "Brass": 61,
    "ElectricPiano": 4,
    "Flute": 73,
    "Lead": 80,
    "Marimba": 12,
    "Organ": 16,
    "Pad": 89,
    "Pluck": 24,
    "Strings": 48,
    "Sub": 38,
    "Synth": 81,
}
"""Class of an instrument -> number of the General MIDI instrument like it, from 0."""
TICKS = 480
"""Per beat."""


def play_fluid(score: Score, soundfont: Path, level: float = 0.14) -> Samples:
    """[S] float32: the score, exactly as long as it says, at 32 kHz; its parts must have a pitch.

    Args:
        level: root mean square before the soft limit.
    Raises:
        InputError: FluidSynth is not installed, the file is no soundfont, or it does not play.
    """
    program = shutil.which("fluidsynth")
    if program is None:
        raise InputError("expected the program fluidsynth, got none. Install it, or leave out render.soundfont.")
    if not soundfont.is_file() or not is_soundfont(soundfont):
        raise InputError(f"render.soundfont: expected a soundfont (.sf2, .sf3), got {soundfont}. Name another file.")
    with tempfile.TemporaryDirectory() as folder:
        notes, sound = Path(folder) / "score.mid", Path(folder) / "score.wav"
        midi_file(score).save(notes)
        options = ["-n", "-i", "-q", "-r", str(SAMPLE_RATE), "-T", "wav", "-F", str(sound)]
        ran = subprocess.run([program, *options, soundfont, notes], capture_output=True, text=True, check=False)
        if not sound.is_file():
            said = (ran.stderr or ran.stdout).strip()
            raise InputError(f"render.soundfont: expected {soundfont} to play, got: {said}. Use another one.")
        samples = Audio.read(sound).mono().resample(SAMPLE_RATE).samples[0].numpy()
    total, end = round(score.seconds * SAMPLE_RATE), SAMPLE_RATE // 20
    samples = np.pad(samples[:total], (0, max(0, total - len(samples))))
    samples[-end:] *= np.linspace(1, 0, end, dtype=np.float32)
    gain = level / max(1e-6, float(np.sqrt(np.mean(samples**2))))
    return soft_clip(np.asarray(gain * samples, np.float32))


def is_soundfont(path: Path) -> bool:
    """Whether a file begins as soundfonts do: for others FluidSynth plays the system's own, without a word."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"sfbk"


def midi_file(score: Score) -> "mido.MidiFile":
    """The score as a MIDI file with one track per part."""
    mido = need("mido", "train")
    file = mido.MidiFile(ticks_per_beat=TICKS)
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(score.tempo))]))
    for channel, part in enumerate(score.parts):
        file.tracks.append(_track(part, channel))
    return file


def _track(part: Part, channel: int) -> "mido.MidiTrack":
    mido = need("mido", "train")
    events = []
    for note in part.notes:
        start, end = round(note.start * TICKS), round((note.start + note.duration) * TICKS)
        loudness = max(1, min(127, round(127 * note.velocity)))
        events += [(start, 1, note.pitch, loudness), (max(end, start + 1), 0, note.pitch, 0)]
    volume = max(1, min(127, round(127 * part.gain)))
    track = mido.MidiTrack(
        [
            mido.Message("program_change", channel=channel, program=PROGRAMS[type(part.voice).__name__]),
            mido.Message("control_change", channel=channel, control=7, value=volume),
        ]
    )
    now = 0
    for tick, on, pitch, loudness in sorted(events):  # at one time, the old note ends before the new one begins
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, channel=channel, note=pitch, velocity=loudness, time=tick - now))
        now = tick
    return track
