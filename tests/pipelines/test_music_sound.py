"""Music that goes on from a sound, changes one, and lasts: what is kept, how loud it is, and that it comes again."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import tiny_packed_music
import torch
from tiny_ensemble import FRAME_RATE, LEVELS, RATE, Folders, tiny_ensemble
from tiny_vamp import tiny_vamp

from audiogen.audio import Audio
from audiogen.checkpoints import LOADERS
from audiogen.errors import InputError
from audiogen.metrics.seam import seam_at
from audiogen.metrics.steadiness import level_drift, loudness_by_part
from audiogen.pipelines.music import Music
from audiogen.pipelines.replay import replay
from audiogen.pipelines.steady import BLOCK, TOLERANCE, Steady
from audiogen.pipelines.take import Take
from audiogen.pipelines.vamp import Vamp

CAPTION = "a jig in D major"
FEW: dict[str, Any] = {"steps": 2}


def tune(seconds: float = 2.0, rate: int = 22_050, channels: int = 2) -> Audio:
    """A pulse over a chord, louder on the left."""
    time = torch.arange(round(seconds * rate)) / rate
    chord = sum(torch.sin(2 * math.pi * hertz * time) for hertz in (220.0, 277.2, 329.6))
    sound = 0.08 * chord * (0.4 + torch.exp(-20 * (time % 0.5)))
    return Audio(torch.stack([sound, 0.5 * sound])[:channels], rate)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return tiny_ensemble(tmp_path_factory.mktemp("music"))


@pytest.fixture(scope="module")
def music(folders: Folders) -> Music:
    return Music(folders.magnet, folders.twin)


# ------------------------------------------------------------------------------------------------------------ going on


@pytest.mark.parametrize("audio", [tune(), tune(channels=1), tune(1.2345, rate=48_000), tune(0.6, rate=8000)], ids=str)
def test_what_goes_on_begins_with_the_very_samples(music: Music, audio: Audio) -> None:
    longer = music.continue_(audio, CAPTION, seconds=1.3, hybrid=0.2, **FEW)
    known, rate = audio.samples.shape[-1], audio.sample_rate
    assert longer.samples.shape == (len(audio.samples), known + round(1.3 * rate))
    assert longer.sample_rate == rate
    whole = int(audio.duration * FRAME_RATE + 1e-6)
    begin = math.floor((whole / FRAME_RATE - 0.015) * rate) - 1  # the fade
    assert torch.equal(longer.samples[:, :begin], audio.samples[:, :begin])
    assert not longer.mask[:, :whole].any()
    assert longer.mask[:, whole:].all()
    assert longer.codes.shape == (LEVELS, math.ceil((audio.duration + 1.3) * FRAME_RATE - 1e-6))
    decoded = music.continue_(audio, CAPTION, seconds=1.3, hybrid=0.2, keep_original=False, **FEW)
    assert torch.equal(decoded.codes, longer.codes)
    assert not torch.equal(decoded.samples[:, :begin], audio.samples[:, :begin])


def test_a_take_goes_on_without_being_encoded_again(music: Music) -> None:
    take = music(CAPTION, seconds=1.0, hybrid=0.2, seed=3, **FEW)
    longer = music.continue_(take, "slower", seconds=1.0, hybrid=0.5, seed=4, **FEW)
    assert torch.equal(longer.codes[:, :50], take.codes)
    assert longer.codes.shape[-1] == 100
    assert [one["settings"]["text"] for one in longer.settings["passes"]] == [CAPTION, "slower"]
    other = music.continue_(take, "slower", seconds=1.0, seed=4, **FEW)
    assert not torch.equal(other.codes[:, 50:75], longer.codes[:, 50:75]), "the twin made these"


def test_what_goes_on_is_as_loud_as_the_end(music: Music) -> None:
    audio = tune(6.0).normalize(-30)
    swelling = Audio(audio.samples * torch.linspace(0.3, 1, audio.samples.shape[-1]), audio.sample_rate)
    longer = music.continue_(swelling, CAPTION, seconds=10.0, **FEW)
    end = Audio(swelling.samples[:, -round(BLOCK * audio.sample_rate) :], audio.sample_rate).loudness()
    new = Audio(longer.samples[:, audio.samples.shape[-1] :], audio.sample_rate)
    assert all(abs(loudness - end) < 1.5 for loudness in loudness_by_part(new))


# -------------------------------------------------------------------------------------------------------- changing some


@pytest.mark.parametrize(
    "made",
    [[(0.5, 1.0)], "inpaint(0.5-1)", "periodic(3) & levels(2)", "random(0.5)", "loop(0.2)", "prefix(1)"],
    ids=str,
)
def test_what_is_kept_comes_back_in_all_levels(music: Music, made: Any) -> None:
    audio = tune()
    source = music.inpaint(audio, "everything() & loop(0)" if made == "loop(0.2)" else "everything()")
    take = music.inpaint(audio, made, CAPTION, seed=2, **FEW)
    assert take.samples.shape == audio.samples.shape
    assert take.mask.any()
    assert not take.mask.all()
    assert torch.equal(take.trace.step[0] >= 0, take.mask)
    if made != "loop(0.2)":
        assert torch.equal(take.codes[~take.mask], source.codes[~take.mask])
    assert take.loudness() == pytest.approx(audio.loudness(), abs=0.2)
    again = music.inpaint(take, made, "a waltz", seed=3, **FEW)
    assert torch.equal(again.codes[~again.mask], take.codes[~again.mask]), "a Take is never encoded again"


def test_regions_are_those_of_their_prompt_and_captions_matter(music: Music) -> None:
    one, other = (music.inpaint(tune(), made, CAPTION, **FEW) for made in ([(0.5, 1.25)], "inpaint(0.5-1.25)"))
    assert torch.equal(one.samples, other.samples)
    assert not torch.equal(music.inpaint(tune(), [(0.5, 1.25)], "a waltz", **FEW).codes, one.codes)


def test_original_samples_are_kept_where_asked(music: Music) -> None:
    take = music.inpaint(tune(), [(1.0, 1.5)], CAPTION, keep_original=True, **FEW)
    first = round(0.98 * take.sample_rate)
    assert torch.equal(take.samples[:, :first], tune().samples[:, :first])
    assert not torch.equal(take.samples, tune().samples)


def test_hybrid_needs_an_ending(music: Music) -> None:
    take = music.inpaint(tune(), "prefix(1)", CAPTION, hybrid=0.5, **FEW)
    assert torch.equal(take.trace.step[0, :, 50:75], torch.arange(25).expand(LEVELS, -1))
    with pytest.raises(InputError, match="only where the end of a piece is new"):
        music.inpaint(tune(), [(0.5, 1.0)], CAPTION, hybrid=0.2)
    with pytest.raises(InputError, match="only where the end of a piece is new"):
        music.inpaint(tune(), "prefix(1) | levels(1)", CAPTION, hybrid=0.2)
    with pytest.raises(InputError, match=r"at most the 1 seconds that are made, got 1\.5"):
        music.inpaint(tune(), "prefix(1)", CAPTION, hybrid=1.5)


def test_prompts_that_keep_everything_or_nothing_are_told(music: Music) -> None:
    assert "keeps everything" in music.inpaint(tune(), "everything()").notes[0]
    assert "keeps nothing" in music.inpaint(tune(), "nothing()", **FEW).notes[0]


@pytest.mark.parametrize(
    ("audio", "message"),
    [(Audio(torch.zeros(1, RATE), RATE), "got silence"), (tune(0.1), r"0\.5 seconds of sound or more, got 0\.10 s")],
    ids=["silence", "short"],
)
def test_sounds_that_are_refused(music: Music, audio: Audio, message: str) -> None:
    with pytest.raises(InputError, match=message):
        music.continue_(audio, CAPTION)
    with pytest.raises(InputError, match=message):
        music.inpaint(audio, "nothing()")


def test_wrong_changes(music: Music) -> None:
    with pytest.raises(InputError, match="seconds above 0 to go on for, got 0"):
        music.continue_(tune(), CAPTION, seconds=0.0)
    with pytest.raises(InputError, match="without loop"):
        music.continue_(tune(), CAPTION, prompt="loop(0.5)")
    with pytest.raises(InputError, match="regions within this sound"):
        music.inpaint(tune(), [(5.0, 6.0)])
    with pytest.raises(InputError, match="The nearest: periodic"):
        music.inpaint(tune(), "perodic(7)")


# ------------------------------------------------------------------------------------------------------------ long form


def test_long_music_keeps_its_level_and_has_no_seams(music: Music) -> None:
    take = music(CAPTION, seconds=22.0, seed=1, **FEW)
    assert level_drift(take) < 1.5
    windows = [1.0 + 0.7 * number for number in range(25)]  # each continues the last 0.3 s of the one before
    seams = torch.tensor([seam_at(take, second) for second in windows])
    elsewhere = torch.tensor([seam_at(take, second + 0.35) for second in windows])
    assert float(seams.median()) < 1.2 * float(elsewhere.median()), "windows end as inaudibly as anything else"


@pytest.mark.parametrize("step_db", [-9.0, -4.0, 3.0, 8.0])
def test_drift_is_brought_back(step_db: float) -> None:
    whole = tune(25.0, rate=16_000)
    drifting = whole.samples * 10 ** (step_db / 20 * (torch.arange(whole.samples.shape[-1]) / whole.samples.shape[-1]))
    assert level_drift(Audio(drifting, whole.sample_rate)) > 1.5
    steady = Steady(whole.sample_rate)
    parts = [steady(part) for part in drifting.split(12_345, dim=-1)]
    level = Audio(torch.cat([*parts, steady.flush()], dim=-1), whole.sample_rate)
    assert level.samples.shape == whole.samples.shape
    assert level_drift(level) < 1.5
    assert torch.equal(level.samples[:, : 5 * 16_000], drifting[:, : 5 * 16_000]), "the first block is as it was"
    assert parts[0].shape[-1] == 12_345, "and comes out at once"


def test_what_is_steady_stays_as_it_is() -> None:
    whole = tune(15.0, rate=16_000)
    breathing = whole.samples * torch.tensor([1.0, 10 ** (0.9 * TOLERANCE / 20), 1.0]).repeat_interleave(5 * 16_000)
    steady = Steady(16_000)
    assert torch.equal(torch.cat([steady(breathing), steady.flush()], dim=-1), breathing)


def test_silence_has_no_level() -> None:
    whole = tune(20.0, rate=16_000)
    samples = whole.samples.clone()
    samples[:, : 5 * 16_000] = 0
    samples[:, 10 * 16_000 : 15 * 16_000] = 0
    steady = Steady(16_000)
    assert torch.equal(torch.cat([steady(samples), steady.flush()], dim=-1), samples)
    assert level_drift(Audio(samples, 16_000)) < 0.1


# --------------------------------------------------------------------------------------------------------------- replay


def test_replay_is_the_same_file_bit_for_bit(music: Music, tmp_path: Path) -> None:
    take = music([CAPTION, "a waltz"], seconds=0.8, hybrid=0.2, rescore=0.4, seed=3, candidates=2, temperature=2.0)[1]
    path = take.save(tmp_path / "waltz.wav")
    assert json.loads(Path(f"{path}.json").read_text())["input"] is None
    again = replay(path)
    assert torch.equal(again.codes, take.codes)
    assert again.save(tmp_path / "again.wav").read_bytes() == path.read_bytes()
    with pytest.raises(InputError, match="expected no input"):
        replay(path, audio=tune())


def test_replay_of_what_came_of_a_file_and_of_takes(music: Music, tmp_path: Path) -> None:
    song = tune().save(tmp_path / "song.wav")
    longer = music.continue_(song, CAPTION, seconds=0.7, seed=2, **FEW)
    changed = music.inpaint(longer, [(0.5, 1.0)], "with a flute", seed=3, rescore=0.5, **FEW)
    path = changed.save(tmp_path / "out.flac")
    assert torch.equal(replay(path).samples, changed.samples)
    song.unlink()
    with pytest.raises(InputError, match=r"song\.wav, got no such file"):
        replay(path)


def test_music_can_be_vamped_and_replayed(music: Music, tmp_path: Path) -> None:
    vamp = Vamp(tiny_vamp(tmp_path / "vamp"))
    made = music(CAPTION, seconds=1.0, hybrid=0.2, **FEW)
    vamped = vamp(made, "periodic(7)", seed=4)[0]
    assert vamped.samples.shape == made.samples.shape
    back = music.inpaint(vamped, [(0.2, 0.4)], CAPTION, **FEW)
    assert [one["pipeline"] for one in back.settings["passes"]] == ["music", "vamp", "music"]
    assert torch.equal(replay(back.save(tmp_path / "back.wav")).samples, back.samples)


def test_replay_with_models_elsewhere(folders: Folders, tmp_path: Path) -> None:
    place = Path(shutil.copytree(folders.magnet, tmp_path / "magnet")), shutil.copytree(folders.twin, tmp_path / "twin")
    take = Music(*place)(CAPTION, seconds=0.5, hybrid=0.1, **FEW)
    path = take.save(tmp_path / "out.wav")
    shutil.rmtree(place[1])
    with pytest.raises(InputError, match="twin"):
        replay(path)
    assert torch.equal(replay(path, twin=folders.twin).samples, take.samples)
    for part in ("style", "rescorer"):
        with pytest.raises(InputError, match=f"expected no {part}"):
            replay(path, twin=folders.twin, **{part: folders.twin})
    with pytest.raises(InputError, match=r"expected the model .* with the twin .* as it was"):
        replay(path, twin=folders.twin, model=_other(folders.magnet, tmp_path / "other"))


def _other(magnet: Path, folder: Path) -> Path:
    """The same network with other settings."""
    shutil.copytree(magnet, folder)
    package = torch.load(folder / "state_dict.bin", weights_only=True)
    package["xp.cfg"] = package["xp.cfg"].replace("temp: 3.0", "temp: 2.0")
    torch.save(package, folder / "state_dict.bin")
    return folder


def test_sidecars_that_make_no_sense(music: Music, tmp_path: Path) -> None:
    path = music(CAPTION, seconds=0.5, **FEW).save(tmp_path / "out.wav")
    sidecar = Path(f"{path}.json")
    told = json.loads(sidecar.read_text())
    for change, message in (
        ({"pipeline": "musik"}, "The nearest: music"),
        ({"pipeline": "vamp", "settings": {"prompt": "nothing()"}}, "expected settings, variation"),
        ({"variation": 1}, "expected settings, variation"),
        ({"settings": {"text": CAPTION, "secs": 3}}, "expected a known name, got 'secs'"),
    ):
        sidecar.write_text(json.dumps({**told, "passes": [{**told["passes"][0], **change}]}))
        with pytest.raises(InputError, match=message):
            replay(path)


def test_a_picture(music: Music, tmp_path: Path) -> None:
    take = music("costs $5 and $6, " * 20, seconds=0.5, hybrid=0.1, **FEW)
    assert isinstance(take, Take)
    assert take.save_plot(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


# ------------------------------------------------------------------------------------------- systems packed with a twin


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, place in tiny_packed_music.LOADER.items():
        monkeypatch.setitem(LOADERS, name, place)
    return tiny_packed_music.write(tmp_path / "packed", tiny_vamp(tmp_path / "vamp").parent / "nano-codec-music")


def test_the_twin_that_a_model_comes_with_is_used(packed: Path, tmp_path: Path) -> None:
    music = Music(packed)
    take = music(CAPTION, seconds=2.5, hybrid=0.5, rescore=0.5, seed=3)
    assert torch.equal(take.trace.step[0, 0, :25], torch.arange(25))
    parts = music.stream(CAPTION, seconds=2.5, hybrid=0.5, rescore=0.5, seed=3)
    joined = torch.cat([part.samples for part in parts], dim=-1)
    torch.testing.assert_close(joined, take.samples, atol=1e-4, rtol=0)
    assert torch.equal(replay(take.save(tmp_path / "out.wav")).samples, take.samples)
    half = Music(packed, dtype="bfloat16").ensemble
    assert half.twin is not None
    assert (half.magnet.model.dtype, half.twin.model.dtype) == (torch.bfloat16, torch.bfloat16)


def test_music_of_vamp_s_codec_is_vamped_by_its_codes(packed: Path, tmp_path: Path) -> None:
    packs = tmp_path / "vamp" / "packed"
    vamp = Vamp(packs / "nano-vamp")
    take = Music(packed)(CAPTION, seconds=1.0)
    assert vamp.knows(take)
    vamped = vamp(take, "everything()")[0]
    assert torch.equal(vamped.codes, take.codes)
    assert torch.equal(Music(packed).inpaint(vamped, "everything()").codes, take.codes), "and back"
    four = tiny_packed_music.write(tmp_path / "four", packs / "nano-codec-music", levels=4)
    fewer = Music(four)(CAPTION, seconds=1.0)
    assert not vamp.knows(fewer), "of the same codec, but in fewer levels"
    assert len(vamp(fewer, "everything()")[0].codes) == 6
