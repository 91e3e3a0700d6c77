"""The tts1 recipe fits together: stages, confs and code that they name."""

import dataclasses
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audiogen.codecs.nano import NanoCodec
from audiogen.codecs.semantic import SemanticCodec
from audiogen.errors import InputError
from audiogen.models.duration import DurationModel
from audiogen.models.maskgct import SemanticToAcoustic, TextToSemantic
from recipes.config import load_conf
from recipes.runner import main, parse
from recipes.stages import braces
from recipes.tts1 import RECIPE, TTS1

EGS = Path(__file__).parents[2] / "egs"
CONFS = sorted(EGS.glob("*/tts1/conf/*.yaml"))
LARGEST_VOICE = 24 * 2**20
"""Bytes of a voice's weights where each takes 8 bits."""
NAMES = {"tag": "x", "corpus": "corpus", "sentences": "s.txt", "results": "R.md", "bundle": "exp/bundle"}


@pytest.fixture(params=CONFS, ids=lambda path: f"{path.parents[2].name}-{path.stem}")
def conf(request):
    """Each conf of an egs folder."""
    return load_conf(TTS1, request.param, ["corpus=corpus", "sentences=s.txt"])


def test_every_conf_is_valid(conf):
    assert conf.sets["voice_set"] == ("train", "dev", "test")
    assert len(conf.decoding.acoustic.steps) == conf.s2a.model.levels <= conf.codec.model.levels


def test_the_models_of_every_conf_can_be_built_and_are_small_enough_to_ship(conf):
    codes, semantic_codes = conf.codec.model.vocab_size, conf.tokenizer.model.vocab_size
    s2a = replace(conf.s2a.model, vocab_size=codes, semantic_vocab_size=semantic_codes)
    with torch.device("meta"):
        models = [
            SemanticCodec(conf.tokenizer.model),
            DurationModel(conf.durations.model),
            TextToSemantic(replace(conf.t2s.model, vocab_size=semantic_codes)),
            SemanticToAcoustic(s2a),
        ]
    models.append(NanoCodec(conf.codec.model))  # computes filters when it is made, so it needs real memory
    numbers = sum(tensor.numel() for model in models for tensor in model.state_dict().values())
    assert numbers <= LARGEST_VOICE


@pytest.mark.parametrize(("options", "expected"), [([], "cpu"), (["--conf", "conf/full.yaml"], "full")])
def test_run_sh_takes_another_conf(tmp_path, options, expected):
    folder = tmp_path / "egs/kathleen/tts1"
    folder.mkdir(parents=True)
    for name in ("run.sh", "path.sh", "cmd.sh"):
        shutil.copy(EGS / "kathleen/tts1" / name, folder)
    (tmp_path / "tools").mkdir()
    launcher = tmp_path / "tools/env"
    launcher.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    launcher.chmod(0o755)
    ran = subprocess.run([folder / "run.sh", *options], capture_output=True, text=True, check=True)
    python, dash_m, package, recipe, *arguments = ran.stdout.splitlines()
    assert (python, dash_m, package, recipe) == ("python", "-m", "recipes", "tts1")
    assert parse(RECIPE, arguments).conf == f"conf/{expected}.yaml"


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
