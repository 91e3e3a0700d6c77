"""The running page: its endpoints through gradio_client, ten requests at once, wrong ones, what it does not serve."""

import json
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from typer.testing import CliRunner

from audiogen import checkpoints
from audiogen.audio import Audio
from audiogen.cli import app
from audiogen.errors import InputError
from audiogen.serving.demo.app import TABS, build, serving
from audiogen.serving.demo.config import settings_folder


@pytest.fixture(scope="module")
def client(demo, tmp_path_factory):
    client = Client(demo.url, verbose=False, analytics_enabled=False, download_files=tmp_path_factory.mktemp("client"))
    yield client
    client.close()


def test_the_endpoints_are_those_that_are_documented(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {*endpoints} == {"/vamp", "/music", "/sound", "/sound_inpaint", "/sound_extend", "/speak"}
    for endpoint, own in (("sound", ["caption", "seconds"]), ("sound_inpaint", ["audio", "regions", "caption"]),
                          ("sound_extend", ["audio", "cutoff", "caption"])):  # fmt: skip
        more = ["variations"] if endpoint == "sound" else []
        names = [one["parameter_name"] for one in endpoints[f"/{endpoint}"]["parameters"]]
        assert names == [*own, "steps", "guidance", "seed", *more]
    assert [one["parameter_name"] for one in endpoints["/music"]["parameters"]] == [
        "caption", "seconds", "hybrid", "rescore", "seed"
    ]  # fmt: skip
    assert [one["parameter_name"] for one in endpoints["/speak"]["parameters"]] == ["text", "speed", "seed"]
    names = [one["parameter_name"] for one in endpoints["/vamp"]["parameters"]]
    assert names == ["audio", "prompt", "steps", "temperature", "seed", "variations"]


def test_vamp(client, loops):
    source = loops["Broken beat"]
    files, seed = client.predict(handle_file(source), "periodic(3) & levels(4)", 2, 1.0, 7, 2, api_name="/vamp")
    assert seed == 7
    takes = [Audio.read(path) for path in files if path.endswith(".wav")]
    settings = [json.loads(Path(path).read_text()) for path in files if path.endswith(".json")]
    original = Audio.read(source)
    assert [take.samples.shape for take in takes] == [original.samples.shape] * 2
    assert not np.array_equal(takes[0].samples, takes[1].samples)
    assert b"smpl" in Path(files[0]).read_bytes()
    assert [one["passes"][-1]["settings"]["prompt"] for one in settings] == ["periodic(3) & levels(4)"] * 2
    again, _ = client.predict(handle_file(source), "periodic(3) & levels(4)", 2, 1.0, 7, 1, api_name="/vamp")
    assert np.array_equal(Audio.read(again[0]).samples, takes[0].samples), "same seed, same sound"
    _, random = client.predict(handle_file(source), "everything()", 1, 1.0, 0, 1, api_name="/vamp")
    assert random > 0, "the seed that was drawn is told"


def test_speak(client):
    sound, seed, line = client.predict("It speaks.", 1.0, 0, api_name="/speak")
    assert seed > 0
    assert f"seed {seed}" in line
    again, same, _ = client.predict("It speaks.", 1.0, seed, api_name="/speak")
    assert same == seed
    first, second = Audio.read(sound), Audio.read(again)
    assert np.array_equal(first.samples, second.samples)
    slow, _, _ = client.predict("It speaks.", 0.5, seed, api_name="/speak")
    assert Audio.read(slow).duration > 1.5 * first.duration


def test_music(client, tmp_path):
    sound, settings, seed, line = client.predict("a jig", 1, 0.5, 0.5, 0, api_name="/music")
    assert seed > 0
    assert f"1.0 s of music, made in {line.split('made in ')[1].split(' s')[0]} s, seed {seed}" == line
    told = json.loads(Path(settings).read_text())["passes"][0]["settings"]
    assert (told["text"], told["hybrid"], told["rescore"], told["seed"]) == ("a jig", 0.5, 0.5, seed)
    again, _, same, _ = client.predict("a jig", 1, 0.5, 0.5, seed, api_name="/music")
    assert same == seed
    assert np.array_equal(Audio.read(sound).samples, Audio.read(again).samples)
    other, *_ = client.predict("", 1, 0, 0, seed, api_name="/music")
    assert not np.array_equal(Audio.read(sound).samples, Audio.read(other).samples)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (("a jig", 1, 5, 0, 1), "hybrid of at most the 1 seconds"), (("a jig", 900, 0, 0, 1), "maximum value 120"),
        (("a jig", 1, 0, 2, 1), "maximum value 1"), (("a jig", 1, 0, 0, -5), "minimum value 0"),
        (("a" * 600, 1, 0, 0, 1), "at most 500 characters"),
    ],
    ids=["hybrid", "seconds", "rescore", "seed", "caption"],
)  # fmt: skip
def test_music_that_is_refused(client, request_, message):
    with pytest.raises((AppError, ValueError), match=f"(?i){message}"):
        client.predict(*request_, api_name="/music")


def test_sound(client, loops):
    files, seed = client.predict("rain", 1, 3, 2.0, 0, 2, api_name="/sound")
    assert seed > 0
    sounds = [Audio.read(path) for path in files if path.endswith(".wav")]
    told = [json.loads(Path(path).read_text())["passes"][0]["settings"] for path in files if path.endswith(".json")]
    assert [(one["text"], one["seed"], one["steps"], one["guidance"]) for one in told] == [
        ("rain", seed, 3, 2.0), ("rain", seed + 1, 3, 2.0),
    ]  # fmt: skip
    assert [sound.duration for sound in sounds] == [1.0, 1.0]
    again, _ = client.predict("rain", 1, 3, 2.0, seed, 1, api_name="/sound")
    assert np.array_equal(Audio.read(again[0]).samples, sounds[0].samples)
    source = Audio.read(loops["Chords"])
    (mended, settings), _ = client.predict(
        handle_file(loops["Chords"]), "0.5:1, 1.5:2:500:4000", "", 2, 2.0, 5, api_name="/sound_inpaint"
    )
    assert json.loads(Path(settings).read_text())["passes"][0]["settings"]["regions"] == [[0.5, 1], [1.5, 2, 500, 4000]]
    new = Audio.read(mended)
    assert new.samples.shape == source.samples.shape
    kept = slice(round(2.1 * source.sample_rate), None)
    np.testing.assert_allclose(new.samples[:, kept], source.samples[:, kept], atol=1e-6)
    (wide, settings), _ = client.predict(handle_file(loops["Chords"]), 4000, "", 2, 2.0, 5, api_name="/sound_extend")
    assert Audio.read(wide).sample_rate == 22_050
    assert json.loads(Path(settings).read_text())["passes"][0]["settings"]["cutoff"] == 4000


@pytest.mark.parametrize(
    ("endpoint", "request_", "message"),
    [
        ("sound", ("rain", 900, 2, 2, 1, 1), "at most 120 seconds"),
        ("sound", ("rain", 1, 2, 2, 1, 9), "1 to 4 variations"),
        ("sound", ("a" * 600, 1, 2, 2, 1, 1), "at most 500 characters"),
        ("sound", ("rain", 1, 0, 2, 1, 1), "steps in 1"),
        ("sound", ("rain", 1, 2, 2, -5, 1), "a seed from 0"),
        ("sound_inpaint", ("8:99", "", 2, 2, 1), "within this sound"),
        ("sound_inpaint", ("soon", "", 2, 2, 1), "Expected a region"),
        ("sound_extend", (11025, "", 2, 2, 1), "a cutoff of"),
    ],
)
def test_sounds_that_are_not_made(client, loops, endpoint, request_, message):
    source = [] if endpoint == "sound" else [handle_file(loops["Chords"])]
    with pytest.raises(AppError, match=message):
        client.predict(*source, *request_, api_name=f"/{endpoint}")


def test_ten_presses_at_once(client, loops):
    source = handle_file(loops["Drums and bass"])
    jobs = [client.submit(source, "periodic(7)", 1, 1.0, seed, 1, api_name="/vamp") for seed in range(1, 11)]
    results = [job.result(timeout=120) for job in jobs]
    assert [seed for _, seed in results] == list(range(1, 11))
    assert len({Audio.read(files[0]).samples.numpy().tobytes() for files, _ in results}) == 10


def _text(folder):
    path = folder / "text.wav"
    path.write_text("no sound at all")
    return path


def _surround(folder):
    soundfile.write(folder / "surround.wav", np.full((24000, 6), 0.1), 48000)
    return folder / "surround.wav"


def _short(folder):
    soundfile.write(folder / "short.wav", np.random.default_rng(0).uniform(-1, 1, 3200), 32000)
    return folder / "short.wav"


def _silent(folder):
    soundfile.write(folder / "silent.wav", np.zeros(32000), 32000)
    return folder / "silent.wav"


def _long(folder):
    soundfile.write(folder / "long.flac", np.zeros(8000 * 60 * 30, dtype=np.int16), 8000)
    return folder / "long.flac"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_text, "expected an audio file"), (_surround, "expected 1 or 2 channels, got 6"), (_short, "0.10 s"),
        (_silent, "got silence"), (_long, "at most 5 minutes of sound, got 30.0"),
    ],
)  # fmt: skip
def test_sounds_that_are_refused(client, tmp_path, make, message):
    with pytest.raises(AppError, match=message):
        client.predict(handle_file(make(tmp_path)), "periodic(7)", 1, 1.0, 1, 1, api_name="/vamp")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prompt": "perodic(7)"}, "The nearest: periodic"), ({"prompt": "inpaint(80-90)"}, "within this sound"),
        ({"prompt": "inpaint(40, unit=bars)"}, "bars 1 to 2"), ({"steps": 0}, "steps in 1..1000"),
        ({"temperature": -1}, "temperature"), ({"seed": -5}, "a seed from 0"), ({"variations": 9}, "from 1 to 4"),
    ],
)  # fmt: skip
def test_requests_that_are_refused(client, loops, changed, message):
    request = {"prompt": "periodic(7)", "steps": 1, "temperature": 1.0, "seed": 1, "variations": 1, **changed}
    with pytest.raises(AppError, match=message):
        client.predict(handle_file(loops["Broken beat"]), **request, api_name="/vamp")


@pytest.mark.parametrize(("text", "speed", "message"), [("", 1, "text"), ("Hello.", 9, "greater than maximum value 4")])
def test_speech_that_is_refused(client, text, speed, message):
    with pytest.raises((AppError, ValueError), match=f"(?i){message}"):
        client.predict(text, speed, 1, api_name="/speak")


@pytest.mark.parametrize("place", ["/etc/passwd", "pyproject.toml", "../../../../etc/passwd"])
def test_no_path_of_a_request_reaches_the_file_system(demo, place):
    assert httpx.get(f"{demo.url}gradio_api/file={place}").status_code in (403, 404)
    body = {"data": [{"path": place, "meta": {"_type": "gradio.FileData"}}, "periodic(7)", 1, 1.0, 1, 1]}
    event = httpx.post(f"{demo.url}gradio_api/call/vamp", json=body).json()["event_id"]
    answer = httpx.get(f"{demo.url}gradio_api/call/vamp/{event}", timeout=30).text
    assert "event: error" in answer
    assert "root:" not in answer


def test_the_page_names_no_other_machine(demo):
    page = httpx.get(demo.url).text
    assert "fonts.googleapis" not in page
    config = httpx.get(f"{demo.url}config").json()
    assert config["analytics_enabled"] is False
    assert [one["props"]["label"] for one in config["components"] if one["type"] == "tabitem"] == [
        tab.label for tab in TABS
    ]


def test_a_port_that_is_taken(demo, tmp_path):
    port = int(demo.url.rstrip("/").rsplit(":", 1)[1])
    with (
        pytest.raises(InputError, match=f"expected a free port on 127.0.0.1, got {port}.*--port {port + 1}"),
        serving(replace(demo.config, folder=tmp_path), "127.0.0.1", port),
    ):
        pass


def test_an_unknown_model_is_said_before_the_page_opens(demo, tmp_path):
    with (
        pytest.raises(InputError, match="got 'nano-vmap'"),
        serving(replace(demo.config, folder=tmp_path, model="nano-vmap"), "127.0.0.1", 7860),
    ):
        pass


def test_a_tab_whose_model_is_not_bundled_says_how_to_get_it(demo, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "BUNDLED", tmp_path)
    config = replace(demo.config, folder=tmp_path, music="nano-music", twin=None, sound="nano-sound")
    page = build(config).get_config_file()
    texts = [str(one["props"].get("value")) for one in page["components"] if one["type"] == "markdown"]
    for recipe in ("egs/nottingham/ttm1/run.sh", "egs/sounds/tta1/run.sh"):
        assert any(recipe in text for text in texts)
    assert {one["api_name"] for one in page["dependencies"] if one["api_visibility"] == "public"} == {"vamp", "speak"}


def test_the_server_ends_with_its_block(demo, tmp_path):
    before = {thread.ident for thread in threading.enumerate()}
    config = replace(demo.config, folder=tmp_path, settings=tmp_path)
    port = int(demo.url.rstrip("/").rsplit(":", 1)[1]) + 1
    with serving(config, "127.0.0.1", port) as url:
        assert httpx.get(url).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    left = [one for one in threading.enumerate() if one.ident not in before and not one.daemon and one.is_alive()]
    assert [one.name for one in left if not one.name.startswith("AnyIO")] == []


def test_the_command_says_what_is_wrong(demo):
    port = demo.url.rstrip("/").rsplit(":", 1)[1]
    models = {name: getattr(demo.config, name) for name in ("model", "music", "twin", "sound", "voice")}
    named = [word for name, place in models.items() for word in (f"--{name}", place)]
    asked = ["demo", "--no-browser", "--port", port, *named]
    ran = CliRunner().invoke(app, asked)
    assert isinstance(ran.exception, InputError)
    assert "expected a free port" in str(ran.exception)


def test_settings_lie_where_the_system_keeps_them(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_folder() == tmp_path / "audiogen"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert settings_folder().parent.name == ".config"
