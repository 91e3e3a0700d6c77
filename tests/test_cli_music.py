"""`audiogen music`: what it makes and prints, and that wrong input is one line and exit code 2."""

import json
import math
from pathlib import Path

import pytest
import torch
from command import check_error
from tiny_ensemble import RATE, Folders, tiny_ensemble

from audiogen.audio import Audio


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Folders:
    return tiny_ensemble(tmp_path_factory.mktemp("music"))


@pytest.fixture
def music(run, folders):
    """The command with the tiny models, short and quick."""

    def music(*args: object, stdin: bytes = b""):
        models = ["--model", folders.magnet, "--twin", folders.twin]
        length = [] if "--inpaint" in args or "--seconds" in args else ["--seconds", 0.5]
        steps = [] if "--steps" in args else ["--steps", 3]
        return run("music", *args, *models, *length, *steps, stdin=stdin)

    return music


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """Two seconds in stereo."""
    time = torch.arange(2 * RATE) / RATE
    tone = 0.3 * torch.sin(2 * math.pi * 220 * time) * torch.exp(-8 * (time % 0.5))
    return Audio(torch.stack([tone, 0.5 * tone]), RATE).save(tmp_path_factory.mktemp("sound") / "sound.wav")


def passes(path: Path) -> list[dict]:
    return json.loads(Path(f"{path}.json").read_text())["passes"]


def test_help_says_what_can_be_asked(run):
    ran = run("music", "--help")
    assert (ran.code, ran.err) == (0, "")
    assert b"Usage: audiogen music" in ran.out


def test_a_piece_and_its_replay(run, music, tmp_path):
    ran = music("a jig", "-o", tmp_path / "jig.wav", "--hybrid", 0.2, "--rescore", 0.5, "--seed", 3)
    assert (ran.code, ran.out, ran.err) == (0, b"", "")
    assert Audio.read(tmp_path / "jig.wav").duration == 0.5
    assert run("replay", tmp_path / "jig.wav", "-o", tmp_path / "again.wav").code == 0
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "jig.wav").read_bytes()


def test_facts_and_a_picture(music, tmp_path):
    ran = music("a jig", "-o", tmp_path / "jig.flac", "--plot", tmp_path / "jig.png", "--json")
    (told,) = ran.json
    assert (told["text"], told["seconds"], told["sample_rate"], told["seed"]) == ("a jig", 0.5, RATE, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["jig.flac", "jig.flac.json", "jig.png"]


def test_captions_from_a_file_or_standard_input(music, tmp_path):
    (tmp_path / "captions.txt").write_text("a jig\n\n  a waltz \n")
    ran = music("--file", tmp_path / "captions.txt", "-o", tmp_path / "new" / "out", "--json")
    assert [told["text"] for told in ran.json] == ["a jig", "a waltz"]
    assert [Path(told["output"]).name for told in ran.json] == ["001.wav", "002.wav"]
    piped = music("--file", "-", "-o", tmp_path / "piped", "--json", stdin=b"a waltz\n").json
    assert piped[0]["sha256"] == ran.json[1]["sha256"]


def test_going_on_from_a_sound(music, sound, tmp_path):
    assert music("slower", "-o", tmp_path / "o.wav", "--continue", sound, "--hybrid", 0.1).code == 0
    longer, original = Audio.read(tmp_path / "o.wav"), Audio.read(sound)
    assert longer.samples.shape == (2, round(2.5 * RATE))
    assert torch.equal(longer.samples[:, : round(1.9 * RATE)], original.samples[:, : round(1.9 * RATE)])


@pytest.mark.parametrize(
    ("options", "prompt"),
    [
        (["--region", "0.5-1", "--region", "1.5-1.75"], "inpaint(0.5-1, 1.5-1.75)"),
        (["--prompt", "periodic(3)&levels(2)"], "periodic(3) & levels(2)"),
        (["--region", "0.5-1", "--prompt", "periodic(3)"], "inpaint(0.5-1) | periodic(3)"),
    ],
)
def test_making_some_anew(music, sound, tmp_path, options, prompt):
    ran = music("-o", tmp_path / "o.wav", "--inpaint", sound, "--json", *options)
    assert (ran.json[0]["prompt"], ran.json[0]["text"], ran.json[0]["seconds"]) == (prompt, "", 2.0)


@pytest.mark.parametrize(
    "options",
    [
        ["--seed", 1], ["--hybrid", 0.1], ["--rescore", 1], ["--rescore", 1, "--rescore-steps", 1],
        ["--candidates", 6], ["--steps", 8], ["--steps", "3,1,1,1"], ["--temperature", 0.3], ["--top-p", 0.1],
        ["--top-k", 2], ["--guidance", 1], ["--guidance", "3,1"], ["--seconds", 0.6], ["--dtype", "bfloat16"],
    ],
    ids=lambda options: " ".join(map(str, options)),
)  # fmt: skip
def test_every_option_matters(music, tmp_path, options):
    def made(*more: object) -> str:
        return music("a jig", "-o", tmp_path / "o.wav", "--json", *more).json[0]["sha256"]

    assert made(*options) != made()


def test_keeping_the_very_samples_matters(music, sound, tmp_path):
    shas = {
        music("-o", tmp_path / "o.wav", "--inpaint", sound, "--region", "1-1.5", "--json", *keep).json[0]["sha256"]
        for keep in ([], ["--keep-original"])
    }
    assert len(shas) == 2


def test_another_rescorer(music, folders, tmp_path):
    for options in ([], ["--rescorer", folders.magnet]):
        assert music("a jig", "-o", tmp_path / f"{len(options)}.wav", "--rescore", 1, *options).code == 0
    assert passes(tmp_path / "2.wav")[0]["model"]["rescorer"] == str(folders.magnet)
    assert Audio.read(tmp_path / "0.wav").samples.ne(Audio.read(tmp_path / "2.wav").samples).any()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "expected a caption or --file, got neither"),
        (["a jig", "--file", "captions.txt"], "got both"),
        (["--file", "none.txt"], "none.txt: expected a text file"),
        (["--file", "empty.txt"], "empty.txt: expected 1 to 999 captions, one per line, got 0"),
        (["--file", "latin1.txt"], "latin1.txt: expected UTF-8 text"),
        (["caf\udce9"], "expected UTF-8 text"),
        (["a jig", "--continue", "a.wav", "--inpaint", "a.wav"], "got --continue and --inpaint"),
        (["a jig", "--region", "1-2"], "expected --region with a sound to change"),
        (["a jig", "--keep-original"], "expected --keep-original with a sound to change"),
        (["a jig", "--inpaint", "a.wav"], "a --prompt, got no more"),
        (["a jig", "--inpaint", "a.wav", "--region", "0-1", "--seconds", "3"], "got --seconds too"),
        (["a jig", "--continue", "none.wav"], "none.wav: expected an audio file, got no such file"),
        (["a jig", "--seconds", "0"], "0.1 seconds of music or more, got 0"),
        (["a jig", "--seconds", "-3"], "expected seconds in 0.."),
        (["a jig", "--hybrid", "3"], "at most the 0.5 seconds that are made, got 3"),
        (["a jig", "--rescore", "1.5"], "expected rescore in 0..1, got 1.5"),
        (["a jig", "--steps", "a,b"], "--steps: expected numbers with commas, got 'a,b'"),
        (["a jig", "--steps", "1,2"], "each of the 4 levels"),
        (["a jig", "--guidance", "nan"], "expected guidance"),
        (["a jig", "--candidates", "0"], "--candidates"),
        (["a jig", "--candidates", "100"], "1 to 64 candidates, got 100"),
        (["a jig", "--seed", "-1"], "--seed"),
        (["a jig", "--twin", "nobody"], "nobody"),
        (["a jig", "--model", "nano-mosic"], "nano-mosic"),
        (["a jig", "--device", "abacus"], "abacus"),
        (["a jig", "--dtype", "int4"], "float32, bfloat16"),
        (["a jig", "--plot", "a.txt"], ".png"),
        (["a jig", "-o", "/proc/out.wav"], "/proc/out.wav"),
        (["a jig", "-o", "out"], "no suffix"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_requests(run, folders, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin1.txt").write_bytes(b"caf\xe9")
    before = sorted(tmp_path.iterdir())
    usual = ["-o", "out.wav", "--model", folders.magnet, "--twin", folders.twin]
    length = [] if {"--inpaint", "--seconds"} & {*arguments} else ["--seconds", 0.5]
    check_error(run("music", *usual, *length, *arguments), told)
    assert sorted(tmp_path.iterdir()) == before


def test_a_model_without_a_twin(run, folders, tmp_path):
    ran = run("music", "a jig", "-o", tmp_path / "o.wav", "--model", folders.magnet, "--hybrid", 1)
    check_error(ran, "expected an autoregressive twin for hybrid", "--twin")
