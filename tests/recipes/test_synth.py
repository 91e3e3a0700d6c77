"""Synthesised music: the same for the same seed, as long and as fast as its score says, and never clipped."""

import io
from dataclasses import fields, replace

import mido
import numpy as np
import pytest

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.metrics.rhythm import tempo
from recipes.synth.drums import KIT
from recipes.synth.fluid import PROGRAMS, midi_file, play_fluid
from recipes.synth.instruments import BASSES, KEYS, SOLOISTS
from recipes.synth.loops import draw_loop
from recipes.synth.mix import SAMPLE_RATE, play, render
from recipes.synth.score import Note, Part, Score
from recipes.synth.styles import ACCENTS, STYLES
from recipes.synth.tunes import draw_tune, read_tune
from recipes.synth.voice import frequency, vary

PITCHED = sorted({*BASSES, *KEYS, *SOLOISTS}, key=lambda kind: kind.__name__)
VOICES = [*PITCHED, *KIT.values()]


def rng(seed=0):
    return np.random.default_rng(seed)


def sound(voice, pitch=57, seconds=0.4, velocity=0.8):
    return voice.play(pitch, seconds, velocity, SAMPLE_RATE, rng())


def midi(*tracks, metre=(4, 4)):
    """A MIDI file of tracks, each a list of (start, length, pitch) in beats."""
    file = mido.MidiFile(ticks_per_beat=480)
    for number, notes in enumerate(tracks):
        track = mido.MidiTrack()
        if number == 0:
            track.append(mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]))
        events = [(480 * start, "note_on", pitch) for start, _, pitch in notes]
        events += [(480 * (start + length), "note_off", pitch) for start, length, pitch in notes]
        now = 0
        for tick, kind, pitch in sorted(events, key=lambda event: (event[0], event[1] == "note_on")):
            track.append(mido.Message(kind, note=pitch, velocity=100, time=int(tick - now)))
            now = tick
        file.tracks.append(track)
    stream = io.BytesIO()
    file.save(file=stream)
    return stream.getvalue()


@pytest.mark.parametrize("seed", range(6))
def test_a_loop_is_as_long_as_its_score_and_the_same_every_time(seed):
    score = draw_loop(rng(seed))
    samples = render(score, seed)
    assert len(samples) == round(score.beats * 60 / score.tempo * SAMPLE_RATE)
    assert samples.dtype == np.float32
    assert 0.01 < np.abs(samples).max() < 0.98
    assert draw_loop(rng(seed)) == score
    assert np.array_equal(render(score, seed), samples)
    assert not np.array_equal(render(score, seed + 1), samples), "noise and room follow the seed"


@pytest.mark.parametrize("style", ["house", "hip hop", "rock"])
def test_the_beat_tracker_hears_the_tempo(style):
    score = draw_loop(rng(3), style=style, bars=4, mix=["drums", "bass"])
    heard = tempo(Audio(np.tile(render(score), 2), SAMPLE_RATE))
    assert min(abs(heard * factor / score.tempo - 1) for factor in (0.5, 1, 2)) < 0.03


def test_a_loop_goes_on_at_its_start():
    score = draw_loop(rng(1), style="ambient", bars=2, mix=["chords"])
    once, alone = render(score, level=0.02), render(replace(score, loop=False), level=0.02)
    second = render(
        replace(score, beats=2 * score.beats, parts=tuple(map(twice(score.beats), score.parts))), level=0.02
    )
    assert np.abs(second[: len(once)] - once).max() < 1e-3, "the second time sounds as the first: tails wrap"
    assert np.abs(alone - once).max() > 1e-2


def twice(beats):
    return lambda part: replace(part, notes=part.notes + tuple(replace(n, start=n.start + beats) for n in part.notes))


def test_what_is_asked_for_is_in_the_score():
    score = draw_loop(rng(2), style="reggae", bars=3, mix=["drums", "bass", "chords", "arpeggio", "lead"])
    assert (score.style, score.beats) == ("reggae", 12)
    low, high = STYLES["reggae"].tempo
    assert low <= score.tempo <= high
    assert {"bass", "chords", "arpeggio", "lead"} < {part.name for part in score.parts}
    assert score.key.split()[1] in ("major", "minor")
    assert all(0 <= note.start < score.beats for part in score.parts for note in part.notes)
    assert draw_loop(rng(2), style="reggae", bars=3, mix=["drums"]).key == ""


@pytest.mark.parametrize("kind", VOICES, ids=lambda kind: kind.__name__)
def test_every_voice_sounds_and_every_knob_is_heard(kind):
    voice = kind()
    usual = sound(voice, seconds=1.5)
    assert usual.dtype == np.float32
    assert np.isfinite(usual).all()
    assert 0.1 < np.abs(usual).max() < 2
    assert np.abs(usual[-8:]).max() < 0.05, "it ends without a click"
    assert np.array_equal(usual, sound(voice, seconds=1.5))
    assert np.abs(sound(voice, seconds=1.5, velocity=0.4)).max() < np.abs(usual).max()
    assert vary(kind, rng(1)) != vary(kind, rng(2))
    for knob in fields(kind):
        other = sound(replace(voice, **{knob.name: knob.metadata["range"][1]}), seconds=1.5)
        assert len(other) != len(usual) or not np.array_equal(other, usual), f"{knob.name} has no effect"


@pytest.mark.parametrize("kind", PITCHED, ids=lambda kind: kind.__name__)
def test_voices_are_in_tune(kind):
    samples = sound(kind(), pitch=60, seconds=1.0)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 17))
    near = np.fft.rfftfreq(1 << 17, 1 / SAMPLE_RATE)
    band = (near > 0.94 * frequency(60)) & (near < 1.06 * frequency(60))
    peak = near[band][spectrum[band].argmax()]
    assert abs(12 * np.log2(peak / frequency(60))) < 0.15


def test_equal_notes_are_computed_once_and_sound_equal():
    kick = KIT["snare"]()
    part = Part(name="snare", voice=kick, notes=tuple(Note(start=beat, duration=0.2, pitch=40) for beat in range(4)))
    score = Score(tempo=60, beats=4, parts=(part,))
    one, two, *_ = play(part, score, rng()).reshape(4, -1)
    assert np.array_equal(one, two)


def test_rhythms_fill_a_bar():
    for style in STYLES.values():
        rhythms = [
            *style.bass,
            *style.chords,
            *style.arpeggio,
            *(r for groove in style.grooves for r in groove.values()),
        ]
        assert all(len(rhythm) == 16 and set(rhythm) <= {".", *ACCENTS} for rhythm in rhythms)
        assert all(set(groove) <= set(KIT) for groove in style.grooves)


def test_a_tune_is_read_and_an_excerpt_keeps_its_bars():
    melody = [(beat / 2, 0.5, 60 + beat % 8) for beat in range(96)]
    chords = [(beat, 3, pitch) for beat in range(0, 48, 3) for pitch in (48, 52, 55)]
    tune = read_tune(midi(melody, chords, metre=(3, 4)))
    assert (tune.beats, tune.beats_per_bar, len(tune.melody), len(tune.chords)) == (48, 3, 96, 48)
    assert (tune.melody[1].start, tune.melody[1].duration, tune.melody[1].pitch) == (0.5, 0.5, 61)
    for seed in range(8):
        score = draw_tune(rng(seed), tune, (6.0, 10.0))
        assert score.beats % 3 == 0
        assert score.seconds <= 10
        assert all(note.start + note.duration <= score.beats + 1e-9 for part in score.parts for note in part.notes)
        steps = np.diff([note.pitch for note in score.parts[0].notes])
        assert set(steps.tolist()) <= {1, -7}, "transposed as a whole"
    assert draw_tune(rng(1), tune) == draw_tune(rng(1), tune)
    samples = render(draw_tune(rng(1), tune))
    assert np.abs(samples[-3:]).max() < 1e-3


@pytest.mark.parametrize("data", [b"", b"no MIDI file", midi([])])
def test_what_is_no_tune_is_refused(data):
    with pytest.raises(InputError, match="MIDI file"):
        read_tune(data, "x.mid")


@pytest.fixture
def folk():
    """A score as `draw_tune` makes it."""
    melody = [(beat, 1, 60 + beat % 8) for beat in range(48)]
    chords = [(beat, 4, pitch) for beat in range(0, 48, 4) for pitch in (48, 52, 55)]
    return draw_tune(rng(4), read_tune(midi(melody, chords)), (4.0, 6.0))


def test_a_score_survives_its_midi_file(folk):
    stream = io.BytesIO()
    midi_file(folk).save(file=stream)
    tune = read_tune(stream.getvalue())
    pitches = [note.pitch for note in sorted(folk.parts[0].notes, key=lambda note: (note.start, note.pitch))]
    assert [note.pitch for note in tune.melody] == pitches
    assert tune.beats == folk.beats


def test_every_instrument_of_a_tune_has_a_program():
    assert {kind.__name__ for kind in PITCHED} == set(PROGRAMS)


def test_fluidsynth_is_called_with_the_soundfont_and_its_sound_cut_to_the_score(folk, tmp_path, monkeypatch):
    soundfont = tmp_path / "gm.sf2"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="expected the program fluidsynth"):
        play_fluid(folk, soundfont)
    Audio(0.1 * np.sin(np.arange(4 * SAMPLE_RATE) / 20, dtype=np.float32), SAMPLE_RATE).save(tmp_path / "sound.wav")
    program = tmp_path / "fluidsynth"
    program.write_text(
        f'#!/bin/sh\n[ "${{10}}" = {soundfont} ] && /bin/cp {tmp_path}/sound.wav "$9" || echo "no, $9"\n'
    )
    program.chmod(0o755)
    for wrong in (b"", b"a text file"):
        soundfont.write_bytes(wrong)
        with pytest.raises(InputError, match=r"expected a soundfont \(.sf2, .sf3\), got .*gm.sf2"):
            play_fluid(folk, soundfont)
    soundfont.write_bytes(b"RIFF\0\0\0\0sfbk")
    with pytest.raises(InputError, match=r"other.sf2 to play, got: no, .*\.wav"):
        play_fluid(folk, soundfont.rename(tmp_path / "other.sf2"))
    (tmp_path / "other.sf2").rename(soundfont)
    samples = play_fluid(folk, soundfont, level=0.1)
    assert len(samples) == round(folk.seconds * SAMPLE_RATE)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.1, abs=0.01)
