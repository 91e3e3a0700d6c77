"""Captions are true of their clips; arranged tunes have the key, tempo and metre that they are said to have."""

import io
import re

import mido
import numpy as np
import pytest

from audiogen.errors import InputError
from recipes.captioned import Order, make_clip, orders, read_descriptions
from recipes.clips import SAMPLE_RATE, read_list
from recipes.described import write_lists
from recipes.sources import write_sources
from recipes.synth.arrange import BACKINGS, LEADS, METRES, Signature, arrange, draw_attributes, read_signature, shift
from recipes.synth.captions import GENRES, KEYS, MOODS, NAMES, STYLES, Attributes, caption, draw_captions
from recipes.synth.fluid import PROGRAMS
from recipes.synth.folk import RHYTHMS, draw_folk_tune
from recipes.synth.loops import SCALES
from recipes.synth.tunes import read_tune

WALTZ = Attributes(tempo=96, metre="3/4", key="F# minor", lead="flute", backing="guitar")


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", range(12))
def test_a_full_caption_names_everything_and_nothing_wrong(seed):
    text = caption(rng(seed), WALTZ, full=True).lower()
    for words in ("waltz", "96", "3/4", "minor", "flute", "guitar"):
        assert words in text
    assert "f# minor" in text or "f sharp minor" in text
    assert any(mood in text for mood in MOODS["minor", False])
    others = [genre for metre, genres in GENRES.items() if metre != "3/4" for genre in genres]
    assert not set(re.findall(r"[\w/#]+", text)) & {*others, "major", "organ", "trumpet"}


def test_other_captions_name_something_only():
    texts = {caption(rng(seed), WALTZ, full=False) for seed in range(60)}
    assert len(texts) > 30
    assert all(texts)
    assert any("flute" not in text.lower() for text in texts)
    assert any("slow" in text or "moderate" in text or "walking" in text for text in texts), "tempo in words"


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_every_style_can_name_any_one_thing(style, name):
    assert "odd" in style({name: "odd"}).lower()


def test_the_first_of_a_clips_captions_is_exact():
    for seed in range(10):
        assert "96" in draw_captions(rng(seed), WALTZ, 3)[0]


def test_attributes_that_have_no_meaning_are_refused():
    with pytest.raises(InputError, match="Leave the tune out"):
        Attributes(tempo=96, metre="5/4", key="D minor", lead="flute", backing="guitar")


def test_all_that_can_be_drawn_is_drawn():
    drawn = [draw_attributes(rng(seed), "6/8", "major") for seed in range(300)]
    assert {one.lead for one in drawn} == set(LEADS)
    assert {one.backing for one in drawn} == set(BACKINGS)
    assert {one.key for one in drawn} == set(KEYS[:12])
    assert all(one.lead != one.backing for one in drawn)
    low, high = METRES["6/8"].tempo
    assert low <= min(one.tempo for one in drawn) < max(one.tempo for one in drawn) <= high


def test_every_instrument_has_a_midi_program():
    assert {kind.__name__ for kind in (*LEADS.values(), *BACKINGS.values())} <= set(PROGRAMS)
    assert set(METRES) == set(GENRES) == set(RHYTHMS)


@pytest.mark.parametrize("metre", METRES)
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_a_drawn_tune_is_whole_bars_of_its_scale_and_ends_on_the_tonic(metre, mode):
    tune = draw_folk_tune(rng(1), metre, mode, bars=8)
    assert tune.beats == 8 * METRES[metre].bar
    assert {note.pitch % 12 for note in tune.melody} <= set(SCALES[mode])
    assert tune.melody[-1].pitch % 12 == 0
    assert max(note.start + note.duration for note in tune.melody) <= tune.beats
    assert draw_folk_tune(rng(1), metre, mode, bars=8) == tune != draw_folk_tune(rng(2), metre, mode, bars=8)


@pytest.mark.parametrize("metre", METRES)
def test_an_arrangement_has_the_key_tempo_and_metre_it_is_said_to_have(metre):
    attributes = Attributes(tempo=100, metre=metre, key="A minor", lead="flute", backing="organ")
    score = arrange(rng(3), draw_folk_tune(rng(3), metre, "minor", 8), "C minor", attributes, 10.0)
    assert score.seconds == pytest.approx(10)
    assert score.tempo / METRES[metre].beat == pytest.approx(100)
    melody, chords, bass = score.parts
    scale = {(9 + step) % 12 for step in SCALES["minor"]}
    assert {note.pitch % 12 for part in score.parts for note in part.notes} <= scale
    bar = METRES[metre].bar
    assert {note.start % bar for note in bass.notes} == {0}
    assert {round(note.start % bar, 6) for note in chords.notes} == set(METRES[metre].chords)
    assert max(note.start for note in melody.notes) > score.beats - bar, "short tunes begin again"


def test_keys_are_reached_by_the_shorter_way():
    assert (shift("C major", "D major"), shift("D major", "C major")) == (2, -2)
    assert {shift("C major", key) for key in KEYS} == set(range(-6, 6))


def midi(numerator=6, denominator=8, *keys):
    track = mido.MidiTrack()
    for key in keys:
        track.append(mido.MetaMessage("key_signature", key=key))
        track.append(mido.MetaMessage("time_signature", numerator=numerator, denominator=denominator))
    for _ in range(30):
        track.append(mido.Message("note_on", note=66, velocity=90))
        track.append(mido.Message("note_off", note=66, time=480))
    file, out = mido.MidiFile(ticks_per_beat=480, tracks=[track]), io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def test_the_signature_of_a_midi_file():
    assert read_signature(midi(6, 8, "F#m")) == Signature(metre="6/8", key="F# minor")
    assert read_signature(midi(4, 4, "Db")) == Signature(metre="4/4", key="C# major")
    assert read_signature(midi(9, 8, "G")) is None, "a metre that is not used"
    assert read_signature(midi()) is None, "no key"
    assert read_signature(midi(6, 8, "G", "G")) == Signature(metre="6/8", key="G major")
    assert read_signature(midi(6, 8, "G", "D")) is None, "a key that changes"
    with pytest.raises(InputError, match="expected a MIDI file"):
        read_signature(b"X:1\nT:no")


def test_a_tune_without_chords_can_be_arranged():
    score = arrange(rng(), read_tune(midi(3, 4, "F#m")), "F# minor", WALTZ, 4.0)
    assert [bool(part.notes) for part in score.parts] == [True, False, False]


@pytest.fixture
def order(tmp_path):
    write_sources([], tmp_path / "none.jsonl")
    (tmp_path / "clips").mkdir()
    return orders({"drawn": 2}, tmp_path / "none.jsonl", tmp_path / "clips", 2.0, 4, (0, 1))[1]


def test_a_clip_is_the_same_every_time_and_its_list_comes_back(order: Order):
    from audiogen.audio import Audio

    made = make_clip(order)
    path = order.folder / f"{order.id}.flac"
    sound = path.read_bytes()
    assert make_clip(order) == made, "of a clip that is there, the same is said"
    path.unlink()
    assert make_clip(order) == made
    assert path.read_bytes() == sound
    write_lists([made], order.folder)
    assert read_list(order.folder) == [made[0]]
    assert read_descriptions(order.folder) == [made[1]]
    audio = Audio.read(path)
    assert (audio.sample_rate, audio.duration) == (SAMPLE_RATE, 2.0)
    assert len(made[1].captions) == 4


def test_a_folder_without_captions_is_refused(tmp_path):
    with pytest.raises(InputError, match="Run the stage render"):
        read_descriptions(tmp_path)
