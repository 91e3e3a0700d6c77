"""The pipeline that musicians call, on a tiny system with random networks."""

import itertools
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_vamp import COARSE, LEVELS, tiny_vamp
from torch import Tensor

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.pipelines import fill
from audiogen.pipelines.replay import replay
from audiogen.pipelines.take import Take, VampSettings
from audiogen.pipelines.vamp import Vamp
from audiogen.prompts import Grid, Inpaint, Periodic, mask, parse
from audiogen.prompts.presets import PRESETS

RATE, FRAMES = 22_050, 100
SECONDS = 2.0


def music(seconds: float = SECONDS, rate: int = RATE, channels: int = 2) -> Audio:
    """A pulse of 120 bpm over a chord, with noise on the right."""
    time = torch.arange(round(seconds * rate)) / rate
    beat = torch.exp(-20 * (time % 0.5))
    chord = sum(torch.sin(2 * math.pi * hertz * time) for hertz in (220.0, 277.2, 329.6))
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(0))
    sound = torch.stack([0.1 * chord * (0.3 + beat), 0.05 * chord + 0.1 * beat * noise])
    return Audio(sound if channels == 2 else sound.mean(0, keepdim=True), rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vamp(tmp_path_factory.mktemp("vamp"))


@pytest.fixture(scope="module")
def vamp(folder: Path) -> Vamp:
    return Vamp(folder)


@pytest.fixture(scope="module")
def take(vamp: Vamp) -> Take:
    return vamp(music(), "periodic(7)", seed=3)[0]


def source_codes(vamp: Vamp, audio: Audio) -> Tensor:
    return vamp(audio, "everything()")[0].codes


# --------------------------------------------------------------------------------------------------------- what comes


def test_everything_about_a_take_fits_together(vamp: Vamp, take: Take) -> None:
    assert take.samples.shape == music().samples.shape
    assert take.sample_rate == RATE
    assert take.codes.shape == take.mask.shape == take.trace.step[0].shape == (LEVELS, FRAMES)
    assert (take.codes.dtype, take.mask.dtype) == (torch.int64, torch.bool)
    assert int(take.codes.max()) < 32, "no mask token is left"
    assert torch.equal(take.trace.step[0] >= 0, take.mask), "every generated cell was fixed in some pass, and no other"
    assert take.trace.confidence[0][take.mask].isfinite().all()
    assert take.trace.step[0, :COARSE].max() == 5
    assert take.trace.step[0, COARSE:].max() == 7, "passes of the fine model follow those of the coarse one"
    assert not take.circular
    assert take.notes == ()
    assert repr(take) == "Take(2.00 s, 22050 Hz, stereo, seed 3, 85% generated)"
    expected = mask(parse("periodic(7)"), Grid(LEVELS, FRAMES, 50), 3)[0]
    assert torch.equal(take.mask, expected), "the mask that one sees before is the one that is used"


@pytest.mark.parametrize(
    "prompt", ["periodic(7)", "levels(2)", "random(0.5)", "inpaint(0.5-1)", "prefix(1) & levels(5)", "loop(0.2)"]
)
def test_what_is_kept_comes_back_in_all_levels(vamp: Vamp, prompt: str) -> None:
    source = source_codes(vamp, music())
    made = vamp(music(), prompt)[0]
    if not made.circular:
        assert torch.equal(made.codes[~made.mask], source[~made.mask])
    again = vamp(made, "everything()")[0]
    assert torch.equal(again.codes, made.codes), "a Take is never encoded again"
    assert bool((vamp(made, prompt, seed=9)[0].codes == made.codes)[~vamp(made, prompt, seed=9)[0].mask].all())


@pytest.mark.parametrize(
    "audio",
    [music(), music(channels=1), music(rate=8000), music(0.5), music(1.2345, rate=48_000), music(3.21, rate=11_025)],
    ids=["stereo", "mono", "8 kHz", "short", "48 kHz", "odd"],
)
@pytest.mark.parametrize("prompt", ["periodic(5)", "loop(0.2)"])
def test_length_rate_channels_and_loudness_are_those_of_the_input(vamp: Vamp, audio: Audio, prompt: str) -> None:
    made = vamp(audio, prompt)[0]
    assert made.samples.shape == audio.samples.shape
    assert made.sample_rate == audio.sample_rate
    assert made.loudness() == pytest.approx(audio.loudness(), abs=0.2)


def test_the_stereo_image_is_that_of_the_input(vamp: Vamp) -> None:
    mono = music(channels=1).samples[0]
    silent = vamp(Audio(torch.stack([mono, torch.zeros_like(mono)]), RATE), "periodic(5)")[0]
    assert not silent.samples[1].any()
    assert silent.samples[0].any()
    equal = vamp(Audio(torch.stack([mono, mono]), RATE), "periodic(5)")[0]
    assert torch.equal(equal.samples[0], equal.samples[1])
    assert vamp(Audio(torch.stack([mono, -mono]), RATE), "periodic(5)")[0].samples.any(), "opposite channels are heard"


def test_same_request_same_take_and_variations_are_those_of_their_seeds(vamp: Vamp, take: Take) -> None:
    assert torch.equal(vamp(music(), "periodic(7)", seed=3)[0].samples, take.samples)
    several = vamp(music(), "periodic(7)", seed=2, variations=3)
    assert [one.seed for one in several] == [2, 3, 4]
    assert torch.equal(several[1].codes, take.codes), "in a batch as alone"
    assert torch.equal(several[1].mask, take.mask)
    assert len({one.codes.numpy().tobytes() for one in several}) == 3


def test_more_variations_than_fit_at_once(vamp: Vamp, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = vamp(music(0.5), "random(0.3)", variations=5)
    monkeypatch.setattr(fill, "items_at_once", lambda device, numbers: 2)
    assert [torch.equal(one.codes, other.codes) for one, other in zip(
        vamp(music(0.5), "random(0.3)", variations=5), whole, strict=True
    )] == [True] * 5  # fmt: skip


TYPICAL = {"typical_mass": 0.1, "typical_min_tokens": 1}


@pytest.mark.parametrize(
    ("knob", "plain"),
    [
        ({"seed": 1}, {}),
        ({"steps": 2}, {}),
        ({"temperature": 3.0}, {}),
        ({"confidence_temperature": 0.0}, {}),
        ({"greedy_steps": 3}, {}),
        ({"top_p": 0.2}, {}),
        (TYPICAL, {}),
        ({"typical_min_tokens": 30}, TYPICAL),
        ({"feedback": 2}, {}),
        ({"pitch": 5}, {}),
        ({"stretch": 2}, {}),
        ({"bars": 1}, {}),
        ({"keep_original": True}, {"prompt": "inpaint(0.5-1.5)"}),
        ({"prompt": "periodic(6)"}, {}),
    ],
    ids=lambda knob: "-".join(knob),
)
def test_every_knob_changes_the_result(vamp: Vamp, knob: dict[str, Any], plain: dict[str, Any]) -> None:
    audio = music(4.0) if "bars" in knob else music()
    plain = {"prompt": "periodic(7, offset=0)", **plain}
    changed, same = vamp(audio, **{**plain, **knob})[0], vamp(audio, **plain)[0]
    assert changed.samples.shape != same.samples.shape or not torch.equal(changed.samples, same.samples)


def test_settings_reach_the_plan(vamp: Vamp) -> None:
    settings = VampSettings(prompt="nothing()", steps=3, temperature=2, top_p=0.5, typical_mass=0.4, greedy_steps=1)
    (stage,) = vamp.system.decoding.coarse_plan(**settings.plan)
    assert (stage.steps, stage.sampling.temperature, stage.sampling.top_p) == (3, 2, 0.5)
    assert (stage.sampling.typical_mass, stage.sampling.greedy_steps) == (0.4, 1)


def test_stretch_repeats_frames_and_makes_those_in_between(vamp: Vamp) -> None:
    source = source_codes(vamp, music())
    made = vamp(music(), "everything()", stretch=3)[0]
    assert made.samples.shape == (2, 3 * music().samples.shape[-1])
    assert torch.equal(made.codes[:, ::3], source)
    assert torch.equal(made.mask, (torch.arange(3 * FRAMES) % 3 != 0).expand(LEVELS, -1))


def test_feedback_draws_the_prompt_anew_in_every_round(vamp: Vamp) -> None:
    once = vamp(music(), "periodic(7)")[0]
    twice = vamp(music(), "periodic(7)", feedback=4)[0]
    assert once.mask.float().mean() < twice.mask.float().mean()
    kept = vamp(music(), "inpaint(0.5-1)", feedback=3)[0]
    assert torch.equal(kept.codes[~kept.mask], source_codes(vamp, music())[~kept.mask])


def test_progress_is_told_up_to_the_end(vamp: Vamp) -> None:
    told: list[tuple[int, int]] = []
    vamp(music(), "periodic(7)", feedback=2, on_step=lambda done, planned: told.append((done, planned)))
    assert told == [(number, 14) for number in range(1, 15)], "two rounds of 6 passes, and 2 of the fine model"


def test_prompts_that_keep_everything_or_nothing_say_so(vamp: Vamp) -> None:
    everything, nothing = vamp(music(), "everything()")[0], vamp(music(), "nothing()")[0]
    assert "keeps everything" in everything.notes[0]
    assert "keeps nothing" in nothing.notes[0]
    assert not everything.mask.any()
    assert nothing.mask.all()


def test_presets_are_prompts(vamp: Vamp) -> None:
    for name, preset in PRESETS.items():
        made = mask(parse(preset.prompt), Grid(LEVELS, FRAMES, 50, music()), 0)
        assert made.any(), name
    assert vamp(music())[0].settings["passes"][0]["settings"]["prompt"] == PRESETS["medium"].prompt


# ------------------------------------------------------------------------------------------------- original and loops


def test_keep_original_is_the_input_to_the_sample(vamp: Vamp) -> None:
    made = vamp(music(), Inpaint([(0.5, 1.0)]), keep_original=True)[0]
    fade = math.ceil(0.015 * RATE) + 1
    first, last = round(0.5 * RATE) - fade, round(1.0 * RATE) + fade
    assert torch.equal(made.samples[:, :first], music().samples[:, :first])
    assert torch.equal(made.samples[:, last:], music().samples[:, last:])
    assert not torch.equal(made.samples[:, first:last], music().samples[:, first:last])
    assert torch.equal(vamp(music(), "everything()", keep_original=True)[0].samples, music().samples)


def test_loops_have_whole_frames_and_stay_loops(vamp: Vamp) -> None:
    odd = music(2.007)
    made = vamp(odd, "loop(0.3)")[0]
    assert made.circular
    assert made.codes.shape[-1] == 100, "2.007 s are 100.35 frames"
    assert made.samples.shape == odd.samples.shape
    assert vamp(odd, "periodic(7)")[0].codes.shape[-1] == 101
    assert vamp(made, "periodic(7)")[0].circular
    turned = vamp(vamp(odd, "periodic(7)")[0], "loop(0.3)")[0]
    assert turned.codes.shape[-1] == 100, "a Take that was none becomes one without being encoded again"
    longer = vamp(vamp(music(2.013), "loop(0.3)", stretch=2)[0], "everything()")[0]
    assert longer.codes.shape[-1] == 202, "twice 101, though its 4.026 s are 201.3 frames"


def test_a_loop_can_be_turned(vamp: Vamp) -> None:
    """Its codes do not know where the seam is: rolling the input by whole frames rolls the codes."""
    audio = music(2.0, rate=32_000, channels=1)
    turned = Audio(audio.samples.roll(40 * 640, dims=-1), 32_000)
    one, other = (vamp(sound, "everything() & loop(0)")[0] for sound in (audio, turned))
    assert float((one.codes.roll(40, dims=-1) == other.codes).float().mean()) > 0.95, (
        "but for a gain that hardly differs"
    )


def test_a_loop_closes(vamp: Vamp) -> None:
    """From its last sample to its first it is no farther than between others; in another take it is."""
    for prompt, closes in (("periodic(7) & loop(0.3)", True), ("loop(0)", True), ("periodic(7)", False)):
        samples = vamp(music(2.007), prompt, seed=1)[0].samples
        jump = (samples[:, 0] - samples[:, -1]).abs().max()
        assert bool(jump < 4 * samples.diff().abs().mean()) is closes, prompt


def test_what_is_outside_a_window_is_seen_by_the_next(vamp: Vamp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long sounds: windows follow each other, every cell is generated once, and what is kept is kept."""
    monkeypatch.setattr(fill, "COARSE_SECONDS", 1.0)
    monkeypatch.setattr(fill, "COARSE_CONTEXT", 0.2)
    monkeypatch.setattr(fill, "FINE_SECONDS", 0.5)
    monkeypatch.setattr(fill, "FINE_CONTEXT", 0.1)
    audio = music(2.5)
    for prompt in ("periodic(7)", "periodic(7) & loop(0.3)", "inpaint(1.5-1.6)", "random(0.5)"):
        told: list[tuple[int, int]] = []
        made = vamp(audio, prompt, variations=2, on_step=lambda done, planned: told.append((done, planned)))  # noqa: B023
        for one in made:
            assert torch.equal(one.trace.step[0] >= 0, one.mask), prompt
            assert int(one.codes.max()) < 32, prompt
        assert told[-1][0] == told[-1][1], prompt
        assert torch.equal(vamp(audio, prompt, seed=1)[0].codes, made[1].codes), prompt
    monkeypatch.undo()
    assert not torch.equal(vamp(audio, "random(0.5)")[0].codes, made[0].codes), "the windows were in use"


def test_endless_passes_are_loops_of_one_length_loudness_and_seam(vamp: Vamp) -> None:
    audio = music(2.007)
    passes = list(itertools.islice(vamp.endless(audio, "periodic(7)", seed=5, steps=2), 6))
    assert [one.seed for one in passes] == [5, 6, 7, 8, 9, 10]
    first = passes[0]
    for one, other in itertools.pairwise(passes):
        assert other.samples.shape == audio.samples.shape
        assert not torch.equal(one.codes, other.codes)
        assert torch.equal(other.codes[~other.mask], one.codes[~other.mask]), "each is made from the one before"
        assert other.loudness() == pytest.approx(audio.loudness(), abs=0.5)
        assert torch.equal(other.samples[:, 0], first.samples[:, 0]), "any pass can follow any other"
        torch.testing.assert_close(other.samples[:, -1], first.samples[:, -1], atol=0.01, rtol=0)
    assert all(one.circular and one.origin is first.origin for one in passes)
    played = torch.cat([one.samples for one in passes], dim=-1).diff().abs()
    seams = played[:, audio.samples.shape[-1] - 1 :: audio.samples.shape[-1]]
    assert float(seams.max()) < float(played.max()) / 2, "nothing clicks where passes meet"


def test_endless_of_bars(vamp: Vamp) -> None:
    one, other = itertools.islice(vamp.endless(music(8.0), "periodic(5)", bars=2, steps=1), 2)
    assert one.duration == other.duration == pytest.approx(4.0, abs=0.05)
    with pytest.raises(InputError, match="at most the 4 bars"):
        next(vamp.endless(music(8.0), "periodic(5)", bars=9))
    with pytest.raises(InputError, match="nearest: steps"):
        vamp.endless(music(), "periodic(5)", stepps=2)
    with pytest.raises(InputError, match="one variation"):
        vamp.endless(music(), variations=2)


# ------------------------------------------------------------------------------------------------------ files, replay


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return music().save(tmp_path / "in" / "song.wav") if (tmp_path / "in").mkdir() is None else tmp_path


def test_replay_is_the_same_file_bit_for_bit(vamp: Vamp, song: Path, tmp_path: Path) -> None:
    made = vamp(song, "periodic(7) & levels(5)", seed=4, variations=2, temperature=1.3)[1]
    path = made.save(tmp_path / "out.wav")
    again = replay(path)
    assert torch.equal(again.codes, made.codes)
    assert again.save(tmp_path / "again.wav").read_bytes() == path.read_bytes()
    moved = tmp_path / "elsewhere"
    shutil.copytree(song.parent, moved / "in")
    for name in ("out.wav", "out.wav.json"):
        shutil.copy(tmp_path / name, moved / name)
    shutil.rmtree(song.parent)
    assert torch.equal(replay(moved / "out.wav.json").samples, made.samples), "both folders can be moved together"


def test_half_precision_is_another_sound_and_replays_as_such(folder: Path, song: Path, tmp_path: Path) -> None:
    half = Vamp(folder, dtype="bfloat16")
    made = half(song, "periodic(7)", seed=2)[0]
    assert made.settings["passes"][0]["made_with"]["dtype"] == "bfloat16"
    assert torch.equal(replay(made.save(tmp_path / "half.wav")).samples, made.samples)
    assert not torch.equal(made.samples, Vamp(folder)(song, "periodic(7)", seed=2)[0].samples)
    with pytest.raises(InputError, match="float32, bfloat16"):
        Vamp(folder, dtype="int4")


def test_replay_of_takes_of_takes(vamp: Vamp, song: Path, tmp_path: Path) -> None:
    *_, last = itertools.islice(vamp.endless(song, "periodic(5)", seed=2, steps=2), 3)
    last = vamp(last, "inpaint(0.5-1)", keep_original=True, variations=2)[1]
    told = json.loads(sidecar := last.save(tmp_path / "last.flac").with_suffix(".flac.json").read_text())
    assert len(told["passes"]) == 4, sidecar
    assert told["input"]["path"] == "in/song.wav"
    again = replay(tmp_path / "last.flac")
    assert torch.equal(again.samples, last.samples)
    assert again.facts == last.facts == told["result"]


def test_replay_sets_the_threads(vamp: Vamp, song: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = vamp(song, "nothing()")[0].save(tmp_path / "out.wav")
    sidecar = Path(f"{path}.json")
    told = json.loads(sidecar.read_text())
    told["passes"][0]["made_with"] |= {"threads": torch.get_num_threads() + 1, "torch": "1.0"}
    sidecar.write_text(json.dumps(told))
    before = torch.get_num_threads()
    replay(path)
    assert torch.get_num_threads() == before
    assert "torch 1.0, not" in caplog.text


def test_replay_of_samples_in_memory_needs_them(vamp: Vamp, tmp_path: Path) -> None:
    made = vamp(music(), "nothing()", steps=1)[0]
    path = made.save(tmp_path / "out.wav")
    with pytest.raises(InputError, match="that was no file"):
        replay(path)
    assert torch.equal(replay(path, audio=music()).samples, made.samples)


def test_replay_says_what_has_changed(vamp: Vamp, folder: Path, song: Path, tmp_path: Path) -> None:
    path = vamp(song, "nothing()", steps=1)[0].save(tmp_path / "out.wav")
    music(1.0).save(song)
    with pytest.raises(InputError, match=r"expected the input as it was .* got another sound"):
        replay(path)
    song.unlink()
    with pytest.raises(InputError, match=r"song\.wav, got no such file"):
        replay(path)
    music().save(song)
    other = tmp_path / "packed"
    shutil.copytree(folder.parent, other)
    config = json.loads((other / folder.name / "config.json").read_text())
    config["decoding"]["fine_steps"] = 1
    (other / folder.name / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"expected the model .* as it was"):
        replay(path, model=other / folder.name)
    sidecar = Path(f"{path}.json")
    told = json.loads(sidecar.read_text())
    told["passes"][0]["settings"]["seeed"] = 1
    sidecar.write_text(json.dumps(told))
    with pytest.raises(InputError, match=r"passes\[0\]: settings: expected a known name"):
        replay(path)
    told["passes"] = [{}]
    sidecar.write_text(json.dumps(told))
    with pytest.raises(InputError, match=r"passes\[0\]: expected settings"):
        replay(path)


def test_bpm_in_the_name_and_a_picture(vamp: Vamp, tmp_path: Path) -> None:
    take = vamp(music(4.0), "everything()", keep_original=True)[0]
    assert take.tempo == pytest.approx(120, abs=1)
    assert take.save(tmp_path / "a.wav", bpm_in_name=True).name == "a-120bpm.wav"
    assert take.save_plot(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-120bpm.wav", "a-120bpm.wav.json", "a.png"]


# --------------------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("audio", "settings", "message"),
    [
        (Audio(torch.zeros(2, RATE), RATE), {}, "got silence"),
        (music(0.1), {}, r"expected 0.5 seconds of sound or more, got 0.10 s"),
        (music(), {"prompt": "inpaint(1-5)"}, r"regions within this sound, 0 to 2 seconds, got 1-5"),
        (music(), {"prompt": "perodic(7)"}, "The nearest: periodic"),
        (music(), {"steps": 0}, r"expected steps in 1\.\.1000, got 0"),
        (music(), {"temperature": float("nan")}, "expected temperature"),
        (music(), {"variations": 1000}, r"expected variations in 1\.\.64"),
        (music(), {"pitch": 100}, "expected pitch"),
        (music(), {"stretch": 2, "keep_original": True}, "keep_original without pitch and stretch"),
        (music(), {"bars": 10}, r"expected at most the \d+ bars of this sound, got 10"),
    ],
    ids=["silence", "short", "region", "prompt", "steps", "nan", "variations", "pitch", "stretch", "bars"],
)
def test_wrong_input(vamp: Vamp, audio: Audio, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        vamp(audio, **{"prompt": "periodic(7)", **settings})


def test_other_models_and_codes_of_other_codecs(vamp: Vamp, folder: Path, take: Take) -> None:
    with pytest.raises(InputError):
        Vamp(folder.parent / "nano-codec-music")
    passes = [{**take.settings["passes"][0], "model": {**vamp.identity, "codec_sha256": "another"}}]
    foreign = replace(take, settings={**take.settings, "passes": passes})
    assert not torch.equal(vamp(foreign, "everything()")[0].codes, take.codes), "encoded with this codec"


def test_half_an_hour(vamp: Vamp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan of half an hour, without decoding it: windows of 10 s, which is all that a model ever sees."""
    todo = ~mask(Periodic(7), Grid(LEVELS, 90_000, 50), 0)[0][:COARSE]
    seen = fill.windows(~todo.any(dim=0), 500, 100)
    assert len(seen) == 225
    assert {window.size for window in seen} == {500}
