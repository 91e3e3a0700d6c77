"""A style is learnt from a folder of sounds, survives a kill, and changes what the model does."""

import json
import logging
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_vamp import tiny_vamp

from audiogen import cli
from audiogen.audio import Audio
from audiogen.checkpoints.vampnet import load_vamp
from audiogen.checkpoints.weights import read_metadata
from audiogen.decoding import Stage
from audiogen.errors import InputError
from audiogen.pipelines.finetune import find_sounds, finetune, hold_out


def tone(seconds: float, rate: int, channels: int = 1) -> Audio:
    time = torch.arange(round(seconds * rate)) / rate
    samples = 0.3 * torch.sin(2 * torch.pi * 220 * 2 ** (time * 2).floor() * time)
    return Audio(samples.repeat(channels, 1), rate)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_vamp(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory) -> Path:
    """Sounds of all sorts, some of which are none."""
    folder = tmp_path_factory.mktemp("sounds")
    (folder / "more").mkdir()
    tone(3.0, 44100, 2).save(folder / "stereo.wav")
    tone(2.0, 8000).save(folder / "more" / "phone.ogg")
    tone(1.0, 48000).save(folder / "short.flac")
    Audio(torch.zeros(16000), 16000).save(folder / "silence.wav")
    (folder / "broken.wav").write_text("no sound at all")
    (folder / "notes.txt").write_text("not a sound")
    (folder / ".hidden.wav").write_text("resource fork")
    return folder


def test_a_style_is_learnt_and_changes_the_model(model, sounds, tmp_path, caplog):
    shares = []
    with caplog.at_level(logging.WARNING, logger="audiogen"):
        style = finetune(sounds, tmp_path / "mine", model=model, steps=20, on_progress=lambda *x: shares.append(x))
    assert style == tmp_path / "mine.safetensors"
    assert [path.name for path in tmp_path.iterdir()] == [style.name], "nothing else is left"
    assert "broken.wav" in caplog.text
    assert "silence.wav is silent" in caplog.text
    facts = read_metadata(style)
    assert (facts["files"], facts["unreadable"], facts["seconds"], facts["rank"]) == ("3", "2", "6.0", "8")
    for part in ("coarse", "fine"):
        assert float(facts[f"{part}_loss_after"]) < float(facts[f"{part}_loss_before"]) - 0.01
    assert {what for what, _ in shares} == {"encoding", "training coarse", "training fine"}
    assert shares[-1][1] == 1.0

    assert all("lora_" in name for name in load_file(style))
    assert style.stat().st_size < 100_000
    plain, styled = load_vamp(model), load_vamp(model, style=style)
    codes = torch.full((1, 4, 20), 32)
    logits = [system.coarse.logits(codes, system.coarse.condition(1), Stage(levels=(0,))) for system in (plain, styled)]
    assert not torch.allclose(*logits, atol=1e-2)


def test_a_style_belongs_to_one_model(model, sounds, tmp_path):
    style = finetune(sounds, tmp_path / "mine", model=model, steps=1)
    other = shutil.copytree(model.parent, tmp_path / "other") / model.name
    weights = load_file(other / "model.safetensors")
    weights["fine.embedding.special.MASK"] += 1
    save_file(weights, other / "model.safetensors")
    with pytest.raises(InputError, match="one for another of the same sizes"):
        load_vamp(other, style=style)


def test_a_run_that_is_cut_short_goes_on_to_the_same_style(model, sounds, tmp_path):
    whole = finetune(sounds, tmp_path / "whole", model=model, steps=8)

    def die(what, share):
        if what == "training coarse" and share > 0.7:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        finetune(sounds, tmp_path / "cut", model=model, steps=8, on_progress=die)
    state = torch.load(tmp_path / "cut.safetensors.part/coarse/last.ckpt", weights_only=True)
    assert 0 < state["global_step"] < 8
    shares = []
    resumed = finetune(sounds, tmp_path / "cut", model=model, steps=8, on_progress=lambda *x: shares.append(x))
    assert min(share for what, share in shares if what == "training coarse") > 0.5, "it did not begin anew"
    expected, found = load_file(whole), load_file(resumed)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert read_metadata(resumed) == read_metadata(whole)


def test_a_run_with_other_settings_is_begun_anew(model, sounds, tmp_path, caplog):
    styles = []
    for seed in (1, 2):
        work = tmp_path / "mine.safetensors.part"
        (work / "coarse").mkdir(parents=True)
        (work / "run.json").write_text('{"seed": 3}')
        (work / "coarse" / "last.ckpt").write_text("of another run")
        styles.append(load_file(finetune(sounds, tmp_path / "mine", model=model, steps=1, seed=seed, rank=seed)))
        assert "begun anew" in caplog.text
    ranks = [{tensor.shape[0] for name, tensor in style.items() if "lora_A" in name} for style in styles]
    assert ranks == [{1}, {2}]


def test_the_seed_decides(model, sounds, tmp_path):
    styles = [
        load_file(finetune(sounds, tmp_path / f"{n}", model=model, steps=1, seed=seed))
        for n, seed in enumerate((0, 0, 1))
    ]
    names = [name for name in styles[0] if "lora_A" in name]
    assert all(torch.equal(styles[0][name], styles[1][name]) for name in names)
    assert not any(torch.equal(styles[0][name], styles[2][name]) for name in names)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no such folder"),
        (lambda folder: folder.mkdir(), "got one without"),
        (lambda folder: (folder.mkdir(), tone(1.0, 16000).save(folder / "short.wav")), "3 seconds of sound or more"),
        (lambda folder: (folder.mkdir(), (folder / "no.wav").write_text("text")), "1 of which could not be used"),
    ],
)
def test_folders_without_enough_sound_are_refused(make, message, model, tmp_path):
    make(tmp_path / "sounds")
    with pytest.raises(InputError, match=message):
        finetune(tmp_path / "sounds", tmp_path / "mine", model=model, steps=1)
    assert not [*tmp_path.glob("mine*")]


def test_other_mistakes_are_refused_before_any_work(model, sounds, tmp_path):
    with pytest.raises(InputError, match="1 or more steps"):
        finetune(sounds, tmp_path / "mine", model=model, steps=0)
    with pytest.raises(InputError, match="folder that does not exist"):
        finetune(sounds, tmp_path / "nowhere" / "mine", model=model)
    with pytest.raises(InputError, match="expected a VampNet"):
        finetune(sounds, tmp_path / "mine", model="nano-tts")
    (tmp_path / "mine.safetensors.part").mkdir()
    with pytest.raises(InputError, match="expected no file or folder"):
        finetune(sounds, tmp_path / "mine", model=model)


def test_hidden_files_and_other_kinds_are_not_sounds(sounds):
    names = [str(path.relative_to(sounds)) for path in find_sounds(sounds)]
    assert names == ["broken.wav", "more/phone.ogg", "short.flac", "silence.wav", "stereo.wav"]


def test_a_tenth_of_all_frames_is_held_out_at_the_end_of_clips():
    clips = [torch.full((2, frames), frames) + torch.arange(frames) * 1000 for frames in (100, 50, 30, 20)]
    fitting, held_out = hold_out(clips, 0.1, seed=0)
    assert sum(codes.shape[1] for codes in held_out) == 20
    together = torch.cat([*fitting, *held_out], dim=1)
    assert torch.equal(together[0].sort().values, torch.cat(clips, dim=1)[0].sort().values), "every frame is somewhere"
    fitting, held_out = hold_out(clips[:1], 0.1, seed=0)
    assert torch.equal(torch.cat([fitting[0], held_out[0]], dim=1), clips[0])


def test_the_command_prints_what_was_learnt(model, sounds, tmp_path, monkeypatch, capfd):
    out = tmp_path / "mine"
    words = ["finetune", "vamp", sounds, "-o", out, "--model", model, "--steps", 2, "--rank", 2, "--seed", 5, "--json"]
    monkeypatch.setattr(sys, "argv", ["audiogen", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    printed = capfd.readouterr()
    assert not stopped.value.code, printed.err
    facts = json.loads(printed.out)
    assert (facts["style"], facts["files"], facts["rank"], facts["seed"]) == (f"{out}.safetensors", "3", "2", "5")
    assert "Lightning" not in printed.err
    assert "GPU" not in printed.err
