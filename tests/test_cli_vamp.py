"""`audiogen vamp` and `audiogen replay`: what they make and print, and that wrong input is one line and exit code 2."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from command import check_error
from tiny_vamp import tiny_vamp

from audiogen.audio import Audio

RATE = 16_000


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_vamp(tmp_path_factory.mktemp("vamp"))


@pytest.fixture(scope="module")
def loop(tmp_path_factory) -> Path:
    """Two seconds at 120 bpm."""
    time = torch.arange(2 * RATE) / RATE
    sound = 0.3 * torch.sin(2 * math.pi * 220 * time) * torch.exp(-15 * (time % 0.5))
    return Audio(torch.stack([sound, 0.5 * sound]), RATE).save(tmp_path_factory.mktemp("loop") / "loop.wav")


def test_help_says_what_can_be_asked(run):
    for command in ("vamp", "replay"):
        ran = run(command, "--help")
        assert (ran.code, ran.err) == (0, "")
        assert b"Usage: audiogen" in ran.out


def test_a_vamp_and_its_replay(run, model, loop, tmp_path):
    ran = run("vamp", loop, "-o", tmp_path / "out.wav", "--model", model, "--seed", 3)
    assert (ran.code, ran.out, ran.err) == (0, b"", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.wav", "out.wav.json"]
    made = Audio.read(tmp_path / "out.wav")
    assert made.samples.shape == (2, 2 * RATE)
    assert run("replay", tmp_path / "out.wav", "-o", tmp_path / "again.wav").code == 0
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "out.wav").read_bytes()
    told = [json.loads((tmp_path / f"{name}.wav.json").read_text()) for name in ("out", "again")]
    assert told[0] == told[1]
    assert told[0]["passes"][0]["settings"]["prompt"] == "periodic(7) & levels(4)"


def test_variations_are_numbered_and_told(run, model, loop, tmp_path):
    ran = run(
        "vamp", loop, "-o", tmp_path / "out.flac", "--model", model, "--variations", 2, "--json",
        "--plot", tmp_path / "out.png",
    )  # fmt: skip
    first, second = ran.json
    assert (first["seed"], second["seed"]) == (0, 1)
    assert (first["output"], first["plot"]) == (str(tmp_path / "out-1.flac"), str(tmp_path / "out-1.png"))
    assert first["sha256"] != second["sha256"]
    assert first["loudness"] == pytest.approx(Audio.read(loop).loudness(), abs=0.3)
    assert {"seam", "generated", "sidecar", "prompt", "notes"} <= set(first)
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize(
    ("options", "prompt"),
    [
        (["--prompt", "periodic(3)&levels(2)"], "periodic(3) & levels(2)"),
        (["--preset", "timbre"], "periodic(2) & levels(1)"),
        (["--region", "0.5-1", "--region", "1.5-1.75"], "inpaint(0.5-1, 1.5-1.75)"),
        (["--region", "0.5-1", "--prompt", "periodic(3)"], "inpaint(0.5-1) | periodic(3)"),
        (["--loop"], "loop()"),
        (["--loop", "--preset", "small"], "periodic(5) & levels(4) & loop()"),
        ([], "periodic(7) & levels(4)"),
    ],
)
def test_options_make_the_prompt(run, model, loop, tmp_path, options, prompt):
    ran = run("vamp", loop, "-o", tmp_path / "o.wav", "--model", model, "--steps", 1, "--json", *options)
    assert ran.json[0]["prompt"] == prompt


@pytest.mark.parametrize(
    "options",
    [
        ["--seed", 1], ["--steps", 2], ["--temperature", 3], ["--confidence-temperature", 0], ["--greedy-steps", 4],
        ["--top-p", 0.2], ["--typical-mass", 0.1, "--typical-min-tokens", 1], ["--feedback", 2], ["--pitch", 3],
        ["--stretch", 2], ["--keep-original"], ["--bars", 1],
    ],
    ids=lambda options: options[0],
)  # fmt: skip
def test_every_option_matters(run, model, loop, tmp_path, options):
    def vamp(*options: object) -> dict[str, object]:
        ran = run(
            "vamp", loop, "-o", tmp_path / "o.wav", "--model", model, "--prompt", "inpaint(0.2-1.8)", "--json", *options
        )
        return ran.json[0]

    changed = options if options[0] != "--bars" else [*options, "--prompt", "nothing()"]
    settings = json.loads((tmp_path / "o.wav.json").read_text()) if vamp(*changed) else {}
    given = settings["passes"][0]["settings"]
    assert given[options[0][2:].replace("-", "_")] in (options[-1], True) or options[0] == "--typical-mass"
    if options[0] != "--bars":  # this loop is one bar
        assert settings["result"]["sha256"] != vamp()["sha256"]


def test_the_tempo_in_the_name(run, model, loop, tmp_path):
    run("vamp", loop, "-o", tmp_path / "o.wav", "--model", model, "--region", "0.9-1", "--keep-original",
        "--bpm-in-name")  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o-120bpm.wav", "o-120bpm.wav.json"]


def test_prompts_that_keep_everything_or_nothing_are_told(run, model, loop, tmp_path):
    for prompt, told in (("everything()", "keeps everything"), ("nothing()", "keeps nothing")):
        ran = run("vamp", loop, "-o", tmp_path / "o.wav", "--model", model, "--prompt", prompt)
        assert ran.code == 0
        assert ran.err.count("\n") == 1
        assert told in ran.err


# --------------------------------------------------------------------------------------------------------- wrong input


def wrong_sounds(folder: Path) -> dict[str, tuple[Path, str]]:
    """A file for each thing that can be wrong with a sound, and what is said about it."""
    paths = {name: folder / f"{name}.wav" for name in ("silence", "short", "surround", "text", "missing")}
    soundfile.write(paths["silence"], np.zeros((RATE, 2)), RATE)
    soundfile.write(paths["short"], np.full((RATE // 10, 1), 0.1), RATE)
    soundfile.write(paths["surround"], np.full((RATE, 6), 0.1), RATE)
    paths["text"].write_text("These are not the sounds you are looking for.\n")
    told = {
        "silence": "got silence",
        "short": "expected 0.5 seconds of sound or more, got 0.10 s",
        "surround": "got 6 channels",
        "text": "expected an audio file",
        "missing": "got no such file",
    }
    return {name: (path, told[name]) for name, path in paths.items()}


@pytest.mark.parametrize("name", ["silence", "short", "surround", "text", "missing"])
def test_wrong_sounds(run, model, tmp_path, name):
    path, told = wrong_sounds(tmp_path)[name]
    before = sorted(tmp_path.iterdir())
    check_error(run("vamp", path, "-o", tmp_path / "out.wav", "--model", model), told)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--region", "1-9"], "regions within this sound, 0 to 2 seconds"),
        (["--region", "2-1"], "regions that end after they start"),
        (["--region", "soon"], "expected regions"),
        (["--prompt", "periodic("], "character"),
        (["--prompt", "perodic(7)"], "The nearest: periodic"),
        (["--preset", "smal"], "The nearest: small"),
        (["--preset", "small", "--prompt", "nothing()"], "expected --prompt or --preset, got both"),
        (["--temperature", "0"], "expected temperature"),
        (["--stretch", "2", "--keep-original"], "keep_original without pitch and stretch"),
        (["--style", "none.safetensors"], "none.safetensors"),
        (["--model", "nano-vmap"], "nano-vmap"),
        (["--device", "abacus"], "abacus"),
        (["--plot", "a.txt"], ".png"),
        (["-o", "/proc/out.wav"], "/proc/out.wav"),
        (["-o", "out"], "no suffix"),
        (["--variations", "0"], "--variations"),
        (["--bars", "9"], "expected at most the 1 bars"),
    ],
    ids=lambda value: value[0][2:] + value[1] if isinstance(value, list) else "",
)
def test_wrong_requests(run, model, loop, tmp_path, monkeypatch, options, told):
    monkeypatch.chdir(tmp_path)
    check_error(run("vamp", loop, "-o", "out.wav", "--model", model, *options), told)
    assert list(tmp_path.iterdir()) == []


def test_wrong_replays(run, model, loop, tmp_path):
    out = tmp_path / "again.wav"
    check_error(run("replay", loop, "-o", out), "expected the settings of a take", "keep both together")
    check_error(run("replay", tmp_path / "none.wav", "-o", out), "none.wav.json")
    assert run("vamp", loop, "-o", tmp_path / "out.wav", "--model", model, "--steps", 1).code == 0
    check_error(run("replay", tmp_path / "out.wav", "-o", out, "--input", tmp_path / "out.wav"), "got another sound")
    check_error(run("replay", tmp_path / "out.wav", "-o", out, "--model", "nobody"), "nobody")
    for option in ("--style", "--twin", "--rescorer"):
        ran = run("replay", tmp_path / "out.wav", "-o", out, option, "elsewhere")
        check_error(ran, f"expected no {option[2:]} ({option})", "got elsewhere. Leave it out")
    assert not out.exists()
