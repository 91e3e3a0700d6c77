"""The command line: what it makes, what it prints, and that wrong input is one line and exit code 2."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from command import check_error
from tiny_voice import pack_tiny

from audiogen.audio import Audio

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def voice(tmp_path_factory) -> Path:
    return pack_tiny(tmp_path_factory.mktemp("voice"))


# ---------------------------------------------------------------------------------------------------------------- light


def test_help_and_version_do_not_load_torch():
    code = "import sys; sys.argv = ['audiogen', '--help']\nfrom audiogen import cli\ntry:\n    cli.main()\nfinally:\n"
    code += "    assert not {'torch', 'numpy', 'transformers', 'rich.markdown'} & set(sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "tts" in ran.stdout


def test_module_is_the_command():
    ran = subprocess.run([sys.executable, "-m", "audiogen", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("audiogen 0.")


@pytest.mark.parametrize(
    "command", [[], ["tts"], ["sound"], ["models"], ["codec", "encode"], ["codec", "compare"], ["eval", "tts"]]
)
def test_every_command_has_help(run, command):
    ran = run(*command, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert b"Usage: audiogen" in ran.out


def test_models_are_listed(run):
    names = {model["name"] for model in run("models", "--json").json}
    assert {"encodec-24khz", "dac-44khz", "amphion/MaskGCT"} <= names
    assert b"encodec-24khz" in run("models").out


# ----------------------------------------------------------------------------------------------------------------- tts


def test_speech_to_a_file(run, voice, tmp_path):
    ran = run("tts", "It speaks.", "--model", voice, "-o", tmp_path / "it.wav")
    assert (ran.code, ran.out, ran.err) == (0, b"", "")
    assert Audio.read(tmp_path / "it.wav").duration > 0.2
    assert [path.name for path in tmp_path.iterdir()] == ["it.wav"]


def test_text_from_a_file_or_standard_input_is_the_same(run, voice, tmp_path):
    (tmp_path / "text.txt").write_text("It speaks.\n", encoding="utf-8-sig")
    given = run("tts", "It speaks.", "--model", voice, "-o", "-")
    assert Audio.read(io.BytesIO(given.out)).samples.abs().max() > 0
    for source in (["-"], ["--file", "-"]):
        assert run("tts", *source, "--model", voice, "-o", "-", stdin=b"It speaks.").out == given.out
    assert run("tts", "--file", tmp_path / "text.txt", "--model", voice, "-o", "-").out == given.out


def test_every_option_matters(run, voice):
    def say(*options: object) -> bytes:
        return run("tts", "It speaks.", "--model", voice, "-o", "-", *options).out

    plain = say()
    assert say("--seed", 0) == plain
    for options in (["--seed", 1], ["--speed", 0.5], ["--seconds", 2], ["--steps", 9]):
        assert say(*options) != plain, options
    assert Audio.read(io.BytesIO(say("--seconds", 2))).duration == pytest.approx(2, abs=0.02)


def test_json_and_plot(run, voice, tmp_path):
    ran = run("tts", "Hi 😀!", "--model", voice, "-o", tmp_path / "a.flac", "--plot", tmp_path / "a.png", "--json")
    told = ran.json
    assert told["left_out"] == ["😀"]
    assert told["seconds"] == pytest.approx(Audio.read(tmp_path / "a.flac").duration, abs=1e-3)
    assert told["rtf"] > 0
    assert len(told["phones"]) == len(told["durations"])
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_spoken_is_reported(run, voice, tmp_path):
    assert "😀" in run("tts", "Hi 😀!", "--model", voice, "-o", tmp_path / "a.wav").err


WRONG_TEXT = {
    "neither text nor file": ([], ["expected a text or --file, got neither"]),
    "both": (["x", "--file", "x.txt"], ["got both"]),
    "empty": ([""], ["got an empty text"]),
    "white space": ([" \n "], ["got an empty text"]),
    "nothing speakable": (["😀"], ["Nothing in it can be spoken"]),
    "long": (["a " * 500_000], ["at most 100,000 characters", "got 1,000,000"]),
    "no such file": (["--file", "missing.txt"], ["missing.txt: expected a text file, got: No such file"]),
    "a folder": (["--file", "."], ["expected a text file"]),
    "speed": (["x", "--speed", "0"], ["expected a speed"]),
    "seconds": (["x", "--seconds", "-1"], ["seconds"]),
    "no number": (["x", "--seed", "one"], ["--seed", "See: audiogen tts --help"]),
    "option": (["x", "--sed", "1"], ["--sed", "See: audiogen tts --help"]),
    "voice": (["x", "--voice", "nobody.safetensors"], ["nobody"]),
}


@pytest.mark.parametrize("case", WRONG_TEXT)
def test_wrong_requests(run, voice, tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    arguments, parts = WRONG_TEXT[case]
    check_error(run("tts", *arguments, "--model", voice, "-o", "out.wav"), *parts)
    assert list(tmp_path.iterdir()) == []


def test_arguments_that_are_not_utf8(run, tmp_path):
    check_error(run("tts", "caf\udce9", "-o", tmp_path / "a.wav"), "expected UTF-8 text", "at character 3")


def test_text_that_is_not_utf8(run, tmp_path):
    (tmp_path / "latin1.txt").write_bytes("caf\xe9".encode("latin-1"))
    ran = run("tts", "--file", tmp_path / "latin1.txt", "-o", tmp_path / "a.wav")
    check_error(ran, "latin1.txt: expected UTF-8 text, got byte 0xe9 at 3", "Save it as UTF-8")
    check_error(run("tts", "-", "-o", "-", stdin=b"\xff\xfe"), "standard input: expected UTF-8")


@pytest.mark.parametrize("output", ["no/such/folder/a.wav", ".", "a.xyz", "a", "/proc/a.wav", f"{'x' * 300}.wav"])
def test_outputs_that_cannot_be_written(run, voice, tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("audiogen.pipelines.tts.TTS", None)  # it is seen before the work
    check_error(run("tts", "x", "--model", voice, "-o", output), "expected", "got")
    assert list(tmp_path.iterdir()) == []


def test_closed_standard_streams(run, voice, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    check_error(run("tts", "x", "-o", "-"), "expected an open standard output")
    monkeypatch.setattr(sys, "stderr", None)
    assert run("tts", "x", "--model", voice, "-o", tmp_path / "a.wav").code == 0
    assert run("tts", "", "-o", tmp_path / "b.wav").code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_device_without_room_is_wrong_output():
    """One line, also when Python flushes what is left at its end; --help stands for every command that prints."""
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "audiogen", "--help"]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (ran.returncode, ran.stderr.count(b"\n")) == (2, 1), ran.stderr
    assert b"expected a file that can be read or written, got: No space left on device" in ran.stderr


def test_sound_and_json_do_not_share_standard_output(run):
    check_error(run("tts", "x", "-o", "-", "--json"), "expected one thing on standard output")


def test_a_plot_needs_a_png_name(run, tmp_path):
    check_error(run("tts", "x", "-o", tmp_path / "a.wav", "--plot", tmp_path / "a.txt"), "a.txt", ".png")


# -------------------------------------------------------------------------------------------------------------- models


def test_unknown_names_get_the_nearest_ones(run, tmp_path):
    check_error(run("tts", "x", "--model", "nano-tss", "-o", tmp_path / "a.wav"), "nano-tss")
    check_error(run("codec", "info", "encodec-24kh"), "encodec-24kh", "encodec-24khz")


def test_damaged_models(run, voice, tmp_path):
    folder = tmp_path / "voice"
    folder.mkdir()
    for file in voice.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    check_error(run("tts", "x", "--model", folder, "-o", tmp_path / "a.wav"), "model.safetensors")
    torch.save({"weight": torch.zeros(1)}, weights)  # a pickle under that name
    check_error(run("tts", "x", "--model", folder, "-o", tmp_path / "a.wav"), "model.safetensors")
    weights.unlink()
    check_error(run("tts", "x", "--model", folder, "-o", tmp_path / "a.wav"), "model.safetensors")
    (folder / "config.json").write_text("{")
    check_error(run("tts", "x", "--model", folder, "-o", tmp_path / "a.wav"), "config.json")
    assert not (tmp_path / "a.wav").exists()


def test_failures_while_running_are_exit_code_1(run, voice, tmp_path, monkeypatch):
    def break_down(*args: object, **settings: object) -> None:
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr("audiogen.pipelines.tts.TTS.speak", break_down)
    ran = run("tts", "x", "--model", voice, "-o", tmp_path / "a.wav")
    assert (ran.code, ran.out) == (1, b"")
    assert ran.err == "audiogen: failed: RuntimeError: out of memory (AUDIOGEN_LOG=DEBUG shows where)\n"
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c(run, voice, tmp_path, monkeypatch):
    def stop(*args: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("audiogen.pipelines.tts.TTS.speak", stop)
    ran = run("tts", "x", "--model", voice, "-o", tmp_path / "a.wav")
    assert (ran.code, ran.out, ran.err.strip()) == (130, b"", "audiogen: interrupted")
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------------------------------------------- codec


@pytest.fixture(scope="module")
def codec(voice) -> Path:
    return voice.parent / "nano-codec-speech"


@pytest.fixture(scope="module")
def recording() -> Path:
    return sorted((FIXTURES / "speech").glob("*.opus"))[0]


def test_codec_round_trip(run, codec, recording, tmp_path):
    codes, sound = tmp_path / "codes.safetensors", tmp_path / "sound.wav"
    encoded = run("codec", "encode", recording, "-o", codes, "--codec", codec, "--json").json
    assert encoded["duration"] == pytest.approx(Audio.read(recording).duration, abs=0.05)
    assert b"bitrate_kbps" in run("codec", "info", codec).out
    assert run("codec", "decode", codes, "-o", sound, "--codec", codec).code == 0
    assert Audio.read(sound).duration == pytest.approx(Audio.read(recording).duration, abs=1e-3)
    report = run("codec", "compare", recording, "--codec", codec, "--plot", tmp_path / "c.png", "--json").json
    figures = {"mel_distance", "mel_loss", "si_sdr", "stoi", "pesq", "bitrate_kbps", "encode_rtf", "decode_rtf"}
    assert figures <= set(report)
    assert (tmp_path / "c.png").exists()


def wrong_recordings(folder: Path) -> dict[str, Path]:
    """A file for each thing that can be wrong with a recording."""
    rate = 24_000
    paths = {
        name: folder / f"{name}.wav" for name in ("missing", "corrupt", "empty_file", "no_samples", "nan", "eight")
    }
    paths["corrupt"].write_bytes(b"RIFF, but not really")
    paths["empty_file"].write_bytes(b"")
    soundfile.write(paths["no_samples"], np.zeros((0, 1)), rate)
    soundfile.write(paths["nan"], np.full((rate, 1), np.nan), rate, subtype="FLOAT")
    soundfile.write(paths["eight"], np.zeros((rate, 8)), rate)
    return paths


@pytest.mark.parametrize("name", ["missing", "corrupt", "empty_file", "no_samples", "nan", "eight"])
def test_wrong_recordings(run, codec, tmp_path, name):
    path = wrong_recordings(tmp_path)[name]
    output = tmp_path / "codes.safetensors"
    check_error(run("codec", "encode", path, "-o", output, "--codec", codec), "expected", "got", name)
    check_error(run("codec", "compare", path, "--codec", codec), "expected", "got", name)
    assert not output.exists()


def test_outputs_of_codec_commands_are_checked_before_the_work(run, recording):
    """Before the codec is looked for, whose name is wrong here."""
    for output in ("/proc/a.safetensors", "a.pt", "missing/a.safetensors"):
        check_error(run("codec", "encode", recording, "-o", output, "--codec", "none"), output)
    check_error(run("codec", "decode", "none.safetensors", "-o", "a.xyz"), "a.xyz: expected a name that ends in .wav")
    check_error(run("codec", "compare", recording, "--codec", "none", "--plot", "a.gif"), "a.gif: expected")
    check_error(run("codec", "compare", recording, "--codec", "none", "-o", "/proc/a.wav"), "/proc/a.wav")


# ---------------------------------------------------------------------------------------------------------------- eval


def test_eval_puts_recordings_beside_the_model(run, voice, tmp_path):
    arguments = [FIXTURES / "speech", "--limit", 1, "--model", voice, "-o", tmp_path]
    recordings, model = run("eval", "tts", *arguments, "--json").json
    assert (recordings["system"], model["system"]) == ("recordings", str(voice))
    assert recordings["wer"]["value"] <= 0.2 < model["wer"]["value"]
    assert model["utterances"] == 1
    assert model["rtf"] > 0
    assert json.loads((tmp_path / "scores.json").read_text()) == [recordings, model]
    written = {str(path.relative_to(tmp_path / "speech")) for path in (tmp_path / "speech").rglob("*.*")}
    assert written == {"recordings.jsonl", "tts.jsonl", "wav/kathleen_arctic_a0060_1592747155.wav"}


def test_eval_of_sentences_prints_a_table(run, voice, tmp_path):
    (tmp_path / "mine.txt").write_text("Hello.\n\nGood bye.\n")
    lines = run("eval", "tts", tmp_path / "mine.txt", "--limit", 1, "--model", voice).out.decode().splitlines()
    assert lines[0].split()[:4] == ["set", "system", "N", "WER"]
    assert lines[1].split()[0] == "mine"
    assert len(lines) == 2


def test_eval_needs_sentences(run, voice, tmp_path):
    (tmp_path / "none.txt").write_text("\n")
    check_error(run("eval", "tts", tmp_path / "none.txt"), "none.txt: expected sentences, got none")
    check_error(run("eval", "tts", tmp_path / "missing.txt"), "missing.txt")
    (tmp_path / "text").write_text("utt1 Hello.\nutt2\n")
    check_error(run("eval", "tts", tmp_path), "text:2: expected an utterance id and a value")
    (tmp_path / "text").write_text("utt1 Hello.\nutt2 You.\n")
    (tmp_path / "wav.scp").write_text("utt1 a.wav\n")
    check_error(run("eval", "tts", tmp_path), "wav.scp: expected a recording of each text, got none of utt2")
    (tmp_path / "text").write_text("utt1 Hello.\n")
    check_error(run("eval", "tts", tmp_path), "wav.scp: expected a file for each recording", "a.wav (utt1)")


def test_eval_sees_before_the_work_where_it_cannot_write(run, voice, tmp_path, monkeypatch):
    monkeypatch.setattr("audiogen.pipelines.tts.TTS.__call__", None)
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", "/proc/scores"):
        check_error(run("eval", "tts", "--limit", 1, "--model", voice, "-o", output), "expected a folder to write to")
