"""`audiogen sound`: what it makes and prints, and that wrong input is one line and exit code 2."""

import json
from pathlib import Path

import pytest
import torch
from command import check_error
from safetensors.torch import load_file
from tiny_sound import DIM, RATE, ROWS, tiny_sound

from audiogen.audio import Audio


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_sound(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def sound(run, model):
    """The command with the tiny model, short and quick."""

    def sound(*args: object, stdin: bytes = b""):
        told = {str(one) for one in args}
        has_source = told & {"--input", "--extend", "--vary", "--embed"}
        length = [] if has_source or "--seconds" in told else ["--seconds", 0.5]
        steps = [] if told & {"--steps", "--embed"} else ["--steps", 2]
        return run("sound", *args, "--model", model, *length, *steps, stdin=stdin)

    return sound


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Two seconds at 16 kHz, in stereo."""
    samples = 0.1 * torch.randn(2, 32_000, generator=torch.Generator().manual_seed(0))
    return Audio(samples, 16_000).save(tmp_path_factory.mktemp("clip") / "clip.wav")


def settings(path: Path) -> dict:
    return json.loads(Path(f"{path}.json").read_text())["passes"][-1]["settings"]


def test_help_says_what_can_be_asked(run):
    ran = run("sound", "--help")
    assert (ran.code, ran.err) == (0, "")
    assert b"Usage: audiogen sound" in ran.out


def test_a_sound_and_its_replay(run, sound, tmp_path):
    ran = sound("rain", "-o", tmp_path / "rain.wav", "--seed", 3)
    assert (ran.code, ran.out, ran.err) == (0, b"", "")
    assert Audio.read(tmp_path / "rain.wav").duration == 0.5
    assert (settings(tmp_path / "rain.wav")["text"], settings(tmp_path / "rain.wav")["seed"]) == ("rain", 3)
    assert run("replay", tmp_path / "rain.wav", "-o", tmp_path / "again.wav").code == 0
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "rain.wav").read_bytes()
    check_error(run("replay", tmp_path / "rain.wav", "-o", tmp_path / "o.wav", "--twin", "x"), "expected no twin")


def test_facts_pictures_and_variations(sound, tmp_path):
    ran = sound("rain", "-o", tmp_path / "r.flac", "--plot", tmp_path / "r.png", "--variations", 2, "--json")
    assert [(told["text"], told["seconds"], told["sample_rate"], told["seed"]) for told in ran.json] == [
        ("rain", 0.5, RATE, 0), ("rain", 0.5, RATE, 1),
    ]  # fmt: skip
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["r-1.flac", "r-1.flac.json", "r-1.png", "r-2.flac", "r-2.flac.json", "r-2.png"]


def test_captions_from_a_file_or_standard_input(sound, tmp_path):
    (tmp_path / "captions.txt").write_text("rain\n\n  a dog \n")
    ran = sound("--file", tmp_path / "captions.txt", "-o", tmp_path / "new" / "out", "--json")
    assert [(told["text"], Path(told["output"]).name) for told in ran.json] == [
        ("rain", "001.wav"), ("a dog", "002.wav"),
    ]  # fmt: skip
    piped = sound("--file", "-", "-o", tmp_path / "piped", "--variations", 2, "--json", stdin=b"a dog\n").json
    assert piped[0]["sha256"] == ran.json[1]["sha256"]
    assert [Path(told["output"]).name for told in piped] == ["001-1.wav", "001-2.wav"]


def test_making_regions_anew(sound, clip, tmp_path):
    regions = ["--inpaint", "0.5:1", "--inpaint", "1.25:1.5:1000:3000"]
    assert sound("-o", tmp_path / "o.wav", "--input", clip, *regions).code == 0
    told = settings(tmp_path / "o.wav")
    assert (told["regions"], told["text"]) == ([[0.5, 1.0], [1.25, 1.5, 1000.0, 3000.0]], None)
    new, old = Audio.read(tmp_path / "o.wav").samples, Audio.read(clip).samples
    assert new.shape == old.shape
    assert torch.equal(new[:, :7500], old[:, :7500])
    assert sound("a dog", "-o", tmp_path / "o.wav", "--input", clip, *regions).code == 0
    assert settings(tmp_path / "o.wav")["text"] == "a dog"


def test_extending_the_bandwidth(sound, clip, tmp_path):
    ran = sound("-o", tmp_path / "o.wav", "--extend", clip)
    assert (ran.code, ran.out) == (0, b"")
    assert ran.err == "audiogen: The input is kept up to 8000 Hz; what is above is new.\n"
    assert Audio.read(tmp_path / "o.wav").sample_rate == RATE
    ran = sound("rain", "-o", tmp_path / "o.wav", "--extend", clip, "--cutoff", 3000, "--json")
    assert "3000 Hz" in ran.json[0]["notes"][0]


def test_variations_and_sounds_like_one(sound, clip, tmp_path):
    ran = sound("-o", tmp_path / "o.wav", "--vary", clip, "--variations", 2, "--strength", 0.2, "--json")
    assert [told["generated"] for told in ran.json] == [0.2, 0.2]
    ran = sound("-o", tmp_path / "o.wav", "--like", clip, "--seconds", 0.7, "--json")
    assert (ran.json[0]["generated"], ran.json[0]["seconds"]) == (1.0, 0.7)


def test_embeddings(sound, clip, tmp_path):
    ran = sound("-o", tmp_path / "o.safetensors", "--embed", clip, "--json")
    assert ran.json == {"output": str(tmp_path / "o.safetensors"), "shape": [11, ROWS * DIM]}
    vectors = load_file(tmp_path / "o.safetensors")["embedding"]
    sound("-o", tmp_path / "p.safetensors", "--embed", clip, "--pooled")
    torch.testing.assert_close(load_file(tmp_path / "p.safetensors")["embedding"], vectors.mean(dim=0))
    sound("-o", tmp_path / "l.safetensors", "--embed", clip, "--layer", 1)
    assert not torch.equal(load_file(tmp_path / "l.safetensors")["embedding"], vectors)


@pytest.mark.parametrize(
    "options",
    [
        ["--seed", 1], ["--steps", 4], ["--temperature", 0.2], ["--confidence-temperature", 0], ["--guidance", 1],
        ["--top-k", 2], ["--top-p", 0.1], ["--seconds", 0.6],
    ],
    ids=lambda options: " ".join(map(str, options)),
)  # fmt: skip
def test_every_option_matters(sound, tmp_path, options):
    def made(*more: object) -> str:
        return sound("rain", "-o", tmp_path / "o.wav", "--json", *more).json[0]["sha256"]

    assert made(*options) != made()


def test_half_precision_is_told(sound, tmp_path):
    assert sound("rain", "-o", tmp_path / "o.wav", "--dtype", "bfloat16").code == 0
    assert json.loads((tmp_path / "o.wav.json").read_text())["passes"][0]["made_with"]["dtype"] == "bfloat16"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "expected a caption, --file or one of --like, --input, --extend, --vary, --embed, got none"),
        (["rain", "--file", "captions.txt"], "a caption or --file, got both"),
        (["rain", "--like", "a.wav"], "a caption or --like, got both"),
        (["--file", "none.txt"], "none.txt: expected a text file"),
        (["--file", "empty.txt"], "empty.txt: expected 1 to 999 captions"),
        (["caf\udce9"], "expected UTF-8 text"),
        (["--extend", "a.wav", "--vary", "a.wav"], "got --extend and --vary"),
        (["--file", "captions.txt", "--vary", "a.wav"], "got --file and --vary"),
        (["rain", "--inpaint", "1:2"], "Name it: --input FILE"),
        (["--input", "a.wav"], "expected --input with what is made anew in it, got none"),
        (["--input", "a.wav", "--inpaint", "1-2"], "expected a region, got '1-2'"),
        (["--input", "a.wav", "--inpaint", "1:2", "--seconds", "3"], "--input without --seconds, got both"),
        (["--extend", "a.wav", "--inpaint", "1:2"], "--extend without --inpaint"),
        (["rain", "--cutoff", "0"], "a caption without --cutoff"),
        (["rain", "--pooled"], "a caption without --pooled"),
        (["--embed", "a.wav", "--top-k", "3"], "--embed without --top-k"),
        (["--embed", "a.wav"], "expected a name that ends in .safetensors"),
        (["--extend", "none.wav"], "none.wav: expected an audio file, got no such file"),
        (["--extend", "text.wav"], "text.wav: expected an audio file"),
        (["rain", "--seconds", "0"], "expected seconds in 0.1.."),
        (["rain", "--steps", "0"], "--steps"),
        (["rain", "--guidance", "nan"], "expected guidance"),
        (["rain", "--variations", "100"], "1 to 64 variations, got 100"),
        (["rain", "--model", "nano-suond"], "nano-suond"),
        (["rain", "--device", "abacus"], "abacus"),
        (["rain", "--plot", "a.txt"], ".png"),
        (["rain", "-o", "/proc/out.wav"], "/proc/out.wav"),
        (["rain", "-o", "out"], "no suffix"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_requests(run, model, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "text.wav").write_text("no sound")
    before = sorted(tmp_path.iterdir())
    check_error(run("sound", "-o", "out.wav", "--model", model, *arguments), told)
    assert sorted(tmp_path.iterdir()) == before


def test_a_sound_that_cannot_be_changed_so(sound, clip, tmp_path):
    out = tmp_path / "o.wav"
    check_error(sound("-o", out, "--input", clip, "--inpaint", "1.5:3"), "0 to 2 seconds, got 1.5:3")
    check_error(sound("-o", out, "--extend", clip, "--cutoff", 11_025), "to 8000 Hz", "got 11025 Hz")
    check_error(sound("-o", out, "--vary", clip, "--strength", 2), "expected strength")
    check_error(sound("-o", tmp_path / "o.safetensors", "--embed", clip, "--layer", 9), "a layer of 0..2, got 9")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_bundled_says_how_to_make_it(run, tmp_path, monkeypatch):
    from audiogen import checkpoints

    monkeypatch.setattr(checkpoints, "BUNDLED", tmp_path / "none")
    check_error(run("sound", "rain", "-o", tmp_path / "o.wav"), "nano-sound", "egs/sounds/tta1/run.sh")
