"""The tts1 recipe fits together: stages, confs and code that they name."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from audiogen.errors import InputError
from recipes.config import load_conf
from recipes.runner import main
from recipes.stages import braces
from recipes.tts1 import RECIPE, TTS1

EGS = Path(__file__).parents[2] / "egs"
CONFS = sorted(EGS.glob("*/tts1/conf/*.yaml"))
NAMES = {"tag": "x", "corpus": "corpus", "sentences": "s.txt", "results": "R.md", "bundle": "exp/bundle"}


@pytest.mark.parametrize("path", CONFS, ids=lambda path: f"{path.parents[2].name}-{path.stem}")
def test_every_conf_is_valid(path):
    conf = load_conf(TTS1, path, ["corpus=corpus", "sentences=s.txt"])
    assert conf.sets["voice_set"] == ("train", "dev", "test")
    assert len(conf.decoding.acoustic.steps) == conf.s2a.model.levels <= conf.codec.model.levels


def test_every_stage_reads_what_an_earlier_one_writes_or_the_conf_names():
    sets = TTS1(corpus=Path("c"), sentences=Path("s"), title="", introduction="").sets
    made: list[str] = ["corpus", "s.txt"]
    for stage in RECIPE.stages:
        for path in stage.inputs({**NAMES, **sets}):
            assert any(path == one or path.startswith(f"{one}/") for one in made), f"{stage.name} reads {path}"
        made += stage.outputs({**NAMES, **sets})
    assert len(made) == len(set(made)), "two stages write one file"


@pytest.mark.parametrize("stage", RECIPE.stages, ids=lambda stage: stage.name)
def test_every_stage_declares_what_exists(stage):
    fields = {field.name for field in dataclasses.fields(TTS1)}
    assert {*stage.conf, *stage.settings} <= fields
    assert stage.code_digest()
    assert stage.title
    for template in (*stage.reads, *stage.writes):
        assert braces(template) <= {*NAMES, "set", "voice_set", "codec_set"}


@pytest.fixture
def mini(tmp_path, monkeypatch):
    """A copy of egs/mini/tts1 as the working folder, without what runs left there."""
    source = EGS / "mini/tts1"
    for name in ("corpus", "conf", "local"):
        shutil.copytree(source / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_data_and_manifests_of_the_mini_corpus(mini, capsys):
    assert main(RECIPE, ["--conf", "conf/tiny.yaml", "--stop-stage", "manifests"]) == 0
    assert "data/train.part: 14 utterances, 1 speakers" in capsys.readouterr().err
    assert sorted(path.name for path in (mini / "dump/train").iterdir()) == [
        "cuts.jsonl.gz",
        "recordings.jsonl.gz",
        "supervisions.jsonl.gz",
    ]
    assert main(RECIPE, ["--conf", "conf/tiny.yaml", "--stop-stage", "manifests"]) == 0
    assert capsys.readouterr().err.count("done and unchanged, skipped") == 2


def test_a_damaged_corpus_stops_before_any_output(mini, capsys):
    (mini / "corpus/dev/text").write_text("kathleen_arctic_a0037_1592747743\n")
    assert main(RECIPE, ["--conf", "conf/tiny.yaml", "--stop-stage", "data"]) == 2
    assert "corpus/dev/text:1: expected `<id> <value>`" in capsys.readouterr().err
    assert not (mini / "data/dev").exists()


def test_a_missing_corpus_says_what_to_do(mini, capsys):
    (mini / "local/download.sh").touch()
    assert main(RECIPE, ["--conf", "conf/tiny.yaml", "--set", "corpus=downloads/kathleen"]) == 2
    error = capsys.readouterr().err
    assert "stage 1 (data) reads downloads/kathleen, which is not there" in error
    assert "--set corpus=PATH, or run local/download.sh" in error


@pytest.mark.parametrize("script", sorted(EGS.glob("*/tts1/**/*.sh")), ids=lambda path: "-".join(path.parts[-4:]))
def test_scripts_are_valid_bash(script):
    subprocess.run(["bash", "-n", script], check=True)


def test_an_unknown_recipe_is_named(capsys, monkeypatch):
    from recipes.__main__ import main as start

    monkeypatch.setattr("sys.argv", ["recipes", "tts2"])
    assert start() == 2
    assert "got 'tts2'. Nearest known: tts1" in capsys.readouterr().err


def test_a_conf_with_other_sets_reaches_the_codec_only():
    conf = TTS1(corpus=Path("c"), sentences=Path("s"), title="", introduction="", codec_corpora={"kerstin": Path("k")})
    assert conf.sets["codec_set"] == ("train", "dev", "kerstin")
    assert "kerstin" not in conf.sets["voice_set"]
    with pytest.raises(InputError, match="codec_corpora"):
        TTS1(corpus=Path("c"), sentences=Path("s"), title="", introduction="", codec_corpora={"dev": Path("k")})
