"""Examples, controls, presets and sessions: what the page is made of, without a page."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
import soundfile
import torch

from audiogen.audio import Audio
from audiogen.checkpoints.vampnet import VampDecoding
from audiogen.errors import InputError
from audiogen.pipelines.music import Music
from audiogen.pipelines.replay import replay
from audiogen.pipelines.vamp import Vamp
from audiogen.prompts import Grid, mask, parse
from audiogen.prompts.beats import loop_tempo
from audiogen.prompts.presets import PRESETS
from audiogen.serving.demo import studio as pictures
from audiogen.serving.demo.controls import BY_NAME, DEFAULTS, format_regions, prompt_of, read_regions
from audiogen.serving.demo.inlets import Sent
from audiogen.serving.demo.presets import _CONTROLS, BUILT_IN, Presets, clean_name
from audiogen.serving.demo.request import SETTINGS, Request, settings_of
from audiogen.serving.demo.seeds import LARGEST, drawn
from audiogen.serving.demo.session import MOST_INPUTS, MOST_TAKES, Session
from audiogen.serving.demo.studio import Studio
from audiogen.serving.demo.vamp_events import Events

HINTED = Request("periodic(3) & levels(4)", steps=2)

# -------------------------------------------------------------------------------------------------------- examples


@pytest.mark.parametrize(("name", "tempo"), [("Drums and bass", 124), ("Broken beat", 96), ("Chords", 110)])
def test_examples_are_loops_with_a_beat(loops, name, tempo):
    audio = Audio.read(loops[name])
    beats = audio.duration * tempo / 60
    assert beats == pytest.approx(round(beats), abs=1e-3)
    assert round(beats) % 4 == 0, "whole bars"
    assert loop_tempo(audio) == pytest.approx(tempo, rel=0.01)
    assert -21 < audio.loudness() < -14
    jump = (audio.samples[:, 0] - audio.samples[:, -1]).abs().max()
    assert jump <= 1.5 * audio.samples.diff(dim=-1).abs().max(), "no click where the end meets the start"


# -------------------------------------------------------------------------------------------------------- controls


def cells(prompt, loops, seed=3):
    audio = Audio.read(loops["Drums and bass"])
    return mask(prompt, Grid(12, 194, 50, audio), seed)


@pytest.mark.parametrize(
    "moved",
    [
        {"periodic": 13}, {"levels": 2}, {"beats": 50}, {"beats": 50, "every": 2}, {"onsets": 2}, {"random": 0.1},
        {"dropout": 0.3}, {"regions": "1-2"}, {"regions": "1-2", "unit": "bars"}, {"regions": "1-2", "unit": "beats"},
        {"prefix": 1}, {"suffix": 1}, {"loop": 0.5, "periodic": 1},
    ],
)  # fmt: skip
def test_every_control_changes_what_is_kept(moved, loops):
    changed = prompt_of(moved)
    assert parse(str(changed)) == changed, "the text says the same as the controls"
    without_last = dict(list(moved.items())[:-1])
    assert not torch.equal(cells(changed, loops), cells(prompt_of(without_last), loops))


def test_controls_begin_as_the_usual_preset():
    assert list(DEFAULTS) == list(BY_NAME)
    assert str(prompt_of({})) == PRESETS["medium"].prompt


@pytest.mark.parametrize("name", PRESETS)
def test_built_in_presets_keep_what_the_presets_of_the_prompts_keep(name, loops):
    assert torch.equal(cells(prompt_of(_CONTROLS[name]), loops), cells(parse(PRESETS[name].prompt), loops))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"periodic": 99}, "Periodic: expected a number from 0 to 64, got 99"),
        ({"periodic": "seven"}, "Periodic: expected a number"),
        ({"regions": "one-two"}, "Regions: expected start-end pairs"),
        ({"regions": ", ".join(["1-2"] * 65)}, "at most 64"),
        ({"unit": "miles"}, "expected seconds or bars or beats, got 'miles'"),
        ({"tempo": 3}, "expected the controls periodic"),
    ],
)
def test_wrong_values_of_controls_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        prompt_of(values)


def test_regions_as_text():
    assert read_regions(" 1.5-2.25, 4 – 5,") == ((1.5, 2.25), (4, 5))
    assert read_regions("3") == ((3, 3),)
    assert format_regions([(0, 1.23456), (2, 3.8708)]) == "0-1.234, 2-3.87", "never beyond the end of the sound"
    assert read_regions("") == ()


@pytest.mark.parametrize("wrong", [-1, LARGEST + 1])
def test_seeds(wrong):
    assert drawn(7) == 7
    assert drawn(None) != drawn(0), "random ones"
    with pytest.raises(InputError, match="expected a seed"):
        drawn(wrong)


# --------------------------------------------------------------------------------------------------------- presets


def test_presets_are_kept_in_one_file(tmp_path):
    presets = Presets(tmp_path / "new folder")
    kept = presets.save("  Tom's\n loop ", {**DEFAULTS, "periodic": 9, "regions": "1-2"})
    assert kept == "Tom's loop"
    assert json.loads(presets.path.read_text())[kept] == {"periodic": 9, "regions": "1-2"}
    assert Presets(tmp_path / "new folder").get(kept)["periodic"] == 9
    assert presets.names() == [*BUILT_IN, kept]
    presets.delete(kept)
    assert presets.names() == list(BUILT_IN)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b\\c", "<script>", "x" * 500, "ÄÖ 音"])
def test_names_of_presets_never_reach_the_file_system(tmp_path, name):
    presets = Presets(tmp_path / "settings")
    kept = presets.save(name, {"periodic": 3})
    assert len(kept) <= 40
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["vamp_presets.json"]
    assert presets.get(kept)["periodic"] == 3


@pytest.mark.parametrize("name", ["", "  ", "\x00\n", "...", None, "Medium Variation"])
def test_names_that_presets_cannot_have(name):
    with pytest.raises(InputError, match="expected a name"):
        clean_name(name)


def test_presets_that_are_not_there_or_damaged(tmp_path):
    presets = Presets(tmp_path)
    for forget in (presets.delete, presets.get):
        with pytest.raises(InputError, match="expected a preset"):
            forget("nobody's")
    with pytest.raises(InputError, match="Only those can be deleted"):
        presets.delete("medium variation")
    presets.path.write_text("[1, 2")
    with pytest.raises(InputError, match="cannot be read"):
        presets.names()
    presets.path.write_text('{"mine": {"periodic": 1000}}')
    with pytest.raises(InputError, match="Periodic: expected a number"):
        presets.get("mine")


# -------------------------------------------------------------------------------------------------------- sessions


@pytest.fixture
def session(tmp_path, studio, loops) -> Session:
    session = Session(tmp_path)
    studio.load(session, str(loops["Broken beat"]))
    return session


def test_takes_of_other_tabs_become_the_input(session, studio, models, tmp_path):
    """With their codes where these are of the same codec, or else as the sound that they are."""
    vamped = studio.vamp(session.loaded().given, "nothing()", steps=1)[0]
    sent = Sent(vamped, vamped.save(tmp_path / "vamped.wav"))
    assert studio.receive(session, sent).given is vamped
    again = studio.make(session, Request("everything()", steps=1), seed=1, variations=1)[0]
    assert torch.equal(again.take.codes, vamped.codes), "not encoded again"
    made = Music(models["music"], models["twin"])("a jig", seconds=1.0, steps=1)
    path = made.save(tmp_path / "jig.wav")
    received = studio.receive(session, Sent(made, path))
    assert (received.given, received.name) == (path, "jig")
    take = studio.make(session, HINTED, seed=1, variations=1)[0].take
    assert take.samples.shape == made.samples.shape
    assert torch.equal(replay(take.save(tmp_path / "take.wav")).samples, take.samples)


def test_takes_become_inputs_with_their_codes_and_back(session, studio):
    first = session.loaded()
    made = studio.make(session, HINTED, seed=5, variations=2)
    assert [version.name for version in made] == ["Take 1", "Take 2"]
    assert [version.take.seed for version in made] == [5, 6]
    assert not torch.equal(made[0].take.codes, made[1].take.codes)
    studio.use(session, made[1].id)
    assert session.loaded().audio is made[1].take
    again = studio.make(session, Request("everything()", steps=2), seed=1, variations=1)[0]
    assert torch.equal(again.take.codes, made[1].take.codes), "not encoded again"
    assert again.take.notes, "that nothing was made new is said"
    assert session.undo() is first
    with pytest.raises(InputError, match="nothing to undo"):
        session.undo()


def test_what_is_exported_can_be_replayed_from_the_file_that_was_uploaded(session, studio, loops):
    studio.use(session, studio.make(session, HINTED, seed=5, variations=1)[0].id)
    exported = studio.make(session, Request("periodic(5)", steps=2), seed=9, variations=2)[1]
    again = replay(exported.path, audio=loops["Broken beat"])
    assert torch.equal(again.samples, exported.take.samples)


def test_undo_shows_the_input_that_it_goes_back_to(session, studio, tmp_path):
    events = Events(studio, Presets(tmp_path), tmp_path)
    made = studio.make(session, HINTED, seed=5, variations=1)[0]
    value, _ = events.use(session, gr.EventData(None, {"id": made.id}))
    assert (value["tracks"][0]["name"], value["can_undo"]) == ("Input: Take 1", True)
    value, line = events.undo(session)
    assert (value["tracks"][0]["name"], value["can_undo"]) == ("Input: broken-beat", False)
    assert line == "Back to broken-beat."


def test_the_player_is_given_all_versions_with_files(session, studio):
    made = studio.make(session, HINTED, seed=5, variations=1)[0]
    value = json.loads(json.dumps(pictures.player_value(session, made.id)))
    assert [track["name"] for track in value["tracks"]] == ["Input: broken-beat", "Take 1"]
    assert (value["show"], value["can_undo"], value["sample_rate"]) == (made.id, False, 44100)
    assert len(value["beats"]) == 8
    assert len(value["downbeats"]) == 2
    take = value["tracks"][1]
    assert "96bpm" in take["file"]["path"] or "bpm" not in take["file"]["path"]
    assert Audio.read(take["file"]["path"]).duration == session.loaded().audio.duration
    assert json.loads(Path(take["settings"]["path"]).read_text())["passes"][0]["settings"]["prompt"] == HINTED.prompt


def test_the_picture_of_the_mask_is_the_mask(session, studio):
    value = pictures.mask_value(session, "levels(2)", "1-2", "seconds", seed=0)
    bits = np.unpackbits(np.frombuffer(base64.b64decode(value["bits"]), np.uint8))[: value["levels"] * value["frames"]]
    rows = bits.reshape(value["levels"], value["frames"])
    assert value["frames"] == 250
    assert not rows[:2].any()
    assert rows[2:].all()
    assert value["regions"] == [[1.0, 2.0]]
    assert "expected the name of a prompt" in pictures.mask_value(session, "perodic(2)", "", "seconds", 0)["error"]
    assert "within this sound" in pictures.mask_value(session, "inpaint(1-99)", "", "seconds", 0)["error"]
    made = studio.make(session, HINTED, seed=5, variations=1)[0]
    assert pictures.made_value(made)["about"].endswith("were made new")


def test_old_takes_inputs_and_files_go(session, studio):
    take = studio.takes(session.loaded().audio, HINTED, 1, 1)[0]
    kept = [session.keep(take, HINTED.prompt) for _ in range(MOST_TAKES + 2)]
    assert len(session.versions) == MOST_TAKES
    assert not kept[0].path.exists()
    assert kept[-1].path.exists()
    assert kept[-1].sidecar.exists()
    with pytest.raises(InputError, match="was forgotten"):
        studio.use(session, kept[0].id)
    for _ in range(MOST_INPUTS + 3):
        studio.use(session, kept[-1].id)
    assert len(session.before) == MOST_INPUTS
    session.close()
    assert not session.folder.exists()


def test_a_sound_that_fails_leaves_the_session_as_it_was(session, studio, tmp_path):
    before = session.loaded()
    text = tmp_path / "song.wav"
    text.write_text("this is no sound")
    surround = tmp_path / "surround.wav"
    soundfile.write(surround, np.zeros((1000, 6)), 48000)
    long = tmp_path / "long.wav"
    soundfile.write(long, np.zeros(8000 * 60 * 30, dtype=np.int16), 8000)
    for path, message in [(text, "^song.wav: expected an audio file"), (surround, "6 channels"), (long, "5 minutes")]:
        with pytest.raises(InputError, match=message):
            studio.load(session, str(path))
    assert session.loaded() is before


@pytest.mark.parametrize(
    ("seconds", "level", "message"), [(0.1, 0.5, "expected 0.5 seconds of sound or more"), (2, 0, "got silence")]
)
def test_sounds_that_cannot_be_vamped(studio, tmp_path, seconds, level, message):
    session = Session(tmp_path)
    noise = Audio(level * (torch.rand(1, int(seconds * 8000)) - 0.5), 8000)
    studio.load(session, str(noise.save(tmp_path / "noise.wav")))
    pictures.player_value(session)
    with pytest.raises(InputError, match=message):
        studio.make(session, HINTED, 1, 1)


def test_phone_audio_works(studio, tmp_path):
    session = Session(tmp_path)
    noise = Audio(0.5 * (torch.rand(1, 16000) - 0.5), 8000)
    studio.load(session, str(noise.save(tmp_path / "phone.wav")))
    take = studio.make(session, HINTED, 1, 1)[0].take
    assert (take.sample_rate, take.samples.shape) == (8000, (1, 16000))


def test_without_an_input_the_page_says_what_to_do(studio, tmp_path):
    session = Session(tmp_path)
    with pytest.raises(InputError, match="Choose an example"):
        studio.make(session, HINTED, 1, 1)
    assert pictures.player_value(session) == pictures.mask_value(session, "x", "", "seconds", 0) == {}
    assert pictures.draw(session, None) is None


def test_each_setting_changes_the_take(models, session):
    vamp = Vamp(models["model"])
    vamp.system = replace(vamp.system, decoding=replace(vamp.system.decoding, typical_min_tokens=1))  # of 32 codes
    studio, audio = Studio(vamp), session.loaded().audio
    other = {
        "steps": 4, "temperature": 2, "top_p": 0.3, "typical_mass": 0.2, "greedy_steps": 2, "feedback": 2, "pitch": 5,
        "stretch": 2, "bars": 1, "keep_original": True,
    }  # fmt: skip
    assert {*other} == {*(one.name for one in SETTINGS), "keep_original"} == {*HINTED.settings}
    for name, value in other.items():
        prompt = "inpaint(1-2)" if name == "keep_original" else HINTED.prompt
        plain = studio.takes(audio, Request(prompt, steps=2), 1, 1)[0]
        changed = studio.takes(audio, Request(**{"prompt": prompt, "steps": 2, name: value}), 1, 1)[0]
        same = plain.samples.shape == changed.samples.shape and torch.equal(plain.samples, changed.samples)
        assert not same, f"{name} has no effect"


def test_endless_goes_on_from_the_last_pass_when_the_prompt_changes(studio, session):
    first = studio.more(session, None, HINTED, seed=3)
    second = studio.more(session, None, HINTED, seed=3)
    assert (first[0], second[0]) == (1, 2)
    assert not torch.equal(first[1].codes, second[1].codes)
    kept = studio.more(session, None, Request("everything()", steps=2), seed=3)
    assert kept[0] == 3
    assert torch.equal(kept[1].codes, second[1].codes), "made from the last pass"
    assert pictures.pass_value(session, *kept)["name"] == "Pass 3"
    shifted = Request(HINTED.prompt, steps=2, stretch=2)
    lengths = [studio.more(session, None, replace(shifted, steps=steps), seed=3)[1].duration for steps in (2, 3)]
    assert lengths == [kept[1].duration] * 2, "what changes the input is done once, not whenever a setting moves"
    studio.make(session, HINTED, 9, 1)
    other = studio.more(session, session.versions[0].id, HINTED, seed=3)
    assert other[0] == 1, "another start begins anew"


def test_passes_can_be_kept(studio, session, tmp_path):
    events = Events(studio, Presets(tmp_path), tmp_path)
    asked = [HINTED.prompt, 2, 1, 1, 1, 0, 1, 0, 1, 0, False, 3]
    heard = events.more(session, gr.EventData(None, {"id": "source"}), *asked)
    value, line = events.keep(session, HINTED.prompt, gr.EventData(None, {"pass": heard["id"]}))
    assert (line, value["tracks"][-1]["name"]) == ("Kept Pass 1.", "Pass 1")
    with pytest.raises(InputError, match="one that is gone"):
        events.keep(session, HINTED.prompt, gr.EventData(None, {"pass": 99}))
    events.halt(session)
    assert session.endless is None


def test_what_goes_wrong_in_endless_mode_is_told_to_the_player(studio, session, tmp_path):
    events = Events(studio, Presets(tmp_path), tmp_path)
    asked = ["inpaint(90-99)", 2, 1, 1, 1, 0, 1, 0, 1, 0, False, 3]
    with pytest.warns(UserWarning, match="within this sound"):  # shown in the page, where there is one
        value = events.more(session, gr.EventData(None, {"id": "source"}), *asked)
    assert "within this sound" in value["error"]
    assert session.endless is None


def test_a_page_starts_with_the_settings_of_its_system():
    tuned = VampDecoding(top_p=0.8, temperature=0.7, steps=50)
    defaults = {one.name: one.default for one in settings_of(tuned)}
    plain = {one.name: one.default for one in SETTINGS}
    assert defaults == {**plain, "top_p": 0.8, "temperature": 0.7}
    assert {name for name, value in Request("periodic(7)").settings.items() if value is None} >= {
        "top_p",
        "temperature",
    }
