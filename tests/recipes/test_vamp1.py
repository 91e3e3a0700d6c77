"""The vamp1 recipe fits together: stages, confs, splits without a leak, and a curve that stops the run."""

import dataclasses
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_vamp import tiny_vamp

from audiogen.audio import Audio
from audiogen.codecs import load_codec
from audiogen.codecs.nano_music import NanoMusicCodec
from audiogen.errors import InputError
from audiogen.models.vampnet import VampNet
from audiogen.pipelines.vamp import Vamp
from audiogen.prompts import parse
from audiogen.training.vamp import COARSE_LEVELS
from recipes.clips import KINDS, SAMPLE_RATE, held_out_loops, make_clip, orders, read_list
from recipes.config import load_conf
from recipes.curves import CurveError, check, read_changes, write_changes
from recipes.curves import changes as changes_of
from recipes.results import read_section
from recipes.runner import main
from recipes.sources import SPLITS, Source, read_sources, write_sources
from recipes.stages import braces
from recipes.synth.loops import draw_loop
from recipes.synth.mix import render
from recipes.vamp1 import RECIPE, Vamp1
from recipes.vamp_scoring import LOSSES, Item, Scored, score_item, summarise
from recipes.vamps import Made, read_made, round_trips, vamp_clips

EGS = Path(__file__).parents[2] / "egs"
CONFS = sorted(EGS.glob("*/vamp1/conf/*.yaml"))
LARGEST = 12 * 2**20
"""Bytes of a system's weights with its codec, where each takes 8 bits."""
NAMES = {"tag": "x", "results": "R.md", "bundle": "exp/bundle"}
FOLDERS = ["samples=samples", "tunes=tunes"]


@pytest.fixture(params=CONFS, ids=lambda path: f"{path.parents[2].name}-{path.stem}")
def conf(request):
    """Each conf of an egs folder."""
    return load_conf(Vamp1, request.param, [] if "mini" in str(request.param) else FOLDERS)


def test_every_conf_is_valid(conf):
    assert conf.sets["kind"]
    for text in conf.prompts.values():
        assert parse(text)
    assert list(conf.steps) == sorted(set(conf.steps))


def test_the_models_of_every_conf_can_be_built_and_are_small_enough_to_ship(conf):
    codec = NanoMusicCodec(conf.codec.model)
    rows = codec.codebooks()
    sizes = {"vocab_size": rows.shape[1], "codebook_dim": rows.shape[2]}
    with torch.device("meta"):
        coarse = VampNet(replace(conf.coarse.model, levels=COARSE_LEVELS, condition_levels=0, **sizes))
        fine = VampNet(replace(conf.fine.model, levels=codec.levels, condition_levels=COARSE_LEVELS, **sizes))
    numbers = sum(tensor.numel() for model in (codec, coarse, fine) for tensor in model.state_dict().values())
    assert numbers <= LARGEST


def test_every_stage_reads_what_an_earlier_one_writes_or_the_conf_names():
    conf = Vamp1(title="", introduction="", samples=Path("samples"), tunes=Path("tunes"))
    made: list[str] = ["samples", "tunes"]
    for stage in RECIPE.stages:
        for path in stage.inputs({**NAMES, **conf.sets}):
            assert any(path == one or path.startswith(f"{one}/") for one in made), f"{stage.name} reads {path}"
        made += stage.outputs({**NAMES, **conf.sets})
    assert len(made) == len(set(made)), "two stages write one file"


@pytest.mark.parametrize("stage", RECIPE.stages, ids=lambda stage: stage.name)
def test_every_stage_declares_what_exists(stage):
    fields = {field.name for field in dataclasses.fields(Vamp1)}
    assert {*stage.conf, *stage.settings} <= fields
    assert stage.code_digest()
    assert stage.title
    for template in (*stage.reads, *stage.writes):
        assert braces(template) <= {*NAMES, "source", "split", "held_out", "kind"}


@pytest.mark.parametrize("script", sorted(EGS.glob("*/vamp1/**/*.sh")), ids=lambda path: "-".join(path.parts[-4:]))
def test_scripts_are_valid_bash(script):
    subprocess.run(["bash", "-n", script], check=True)


def test_clips_of_what_is_not_there_are_refused():
    with pytest.raises(InputError, match="--set samples=DIR"):
        Vamp1(title="", introduction="", tunes=Path("tunes"))
    with pytest.raises(InputError, match=r"render.dev: expected numbers of loops, tunes, got real"):
        load_conf(Vamp1, EGS / "mini/vamp1/conf/tiny.yaml", ["render.dev={real: 3}"])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Lists of a train and a test split with a loop, one-shots and a texture each; recordings are synthesised."""
    root = tmp_path_factory.mktemp("corpus")
    for number, name in enumerate(("train", "test")):
        loop = draw_loop(np_rng(number), style="house", bars=1, mix=["drums"])
        sounds = {
            "loop": render(loop),
            "texture": render(draw_loop(np_rng(2), style="ambient", bars=1, mix=["chords"])),
            "one_shot": render(draw_loop(np_rng(3), style="house", bars=1, mix=["drums"]))[:9000],
        }
        sources = []
        for kind, samples in sounds.items():
            path = root / f"{name}-{kind}.flac"
            Audio(samples, SAMPLE_RATE).save(path)
            facts = {"tempo": loop.tempo, "beats": loop.beats} if kind == "loop" else {}
            length = len(samples) / SAMPLE_RATE
            sources.append(
                Source(id=path.stem, kind=kind, path=path, licence="CC0-1.0", category="bd", seconds=length, **facts)
            )
        write_sources(sources, root / f"{name}.jsonl")
    return root


def np_rng(seed):
    import numpy as np

    return np.random.default_rng(seed)


def test_a_clip_hears_its_own_split_and_is_the_same_every_time(corpus, tmp_path):
    made = {}
    for name in ("train", "test"):
        work = orders({"real": 12}, corpus / f"{name}.jsonl", {"real": tmp_path / name}, (1.0, 3.0), (0, 1))
        (tmp_path / name).mkdir()
        made[name] = [make_clip(order) for order in work]
    sources = {name: {one for clip in clips for one in clip.sources} for name, clips in made.items()}
    assert sources["train"] == {f"train-{kind}" for kind in ("loop", "one_shot", "texture")}
    assert not sources["train"] & sources["test"]
    for clip in made["train"]:
        audio = Audio.read(tmp_path / "train" / f"{clip.id}.flac")
        assert audio.sample_rate == SAMPLE_RATE
        assert audio.samples.shape[-1] == round(clip.seconds * SAMPLE_RATE)
        assert audio.samples.abs().max() < 0.99
        if clip.loop:
            beats = clip.seconds * clip.tempo / 60
            assert beats == pytest.approx(clip.beats, abs=1e-3), "a loop is a whole number of beats long"
    again = orders({"real": 1}, corpus / "train.jsonl", {"real": tmp_path / "again"}, (1.0, 3.0), (0, 1))[0]
    again.folder.mkdir()
    assert make_clip(again) == made["train"][0]
    assert (again.folder / "real-00000.flac").read_bytes() == (tmp_path / "train/real-00000.flac").read_bytes()
    kept = (again.folder / "real-00000.flac").stat().st_mtime_ns
    make_clip(again)
    assert (again.folder / "real-00000.flac").stat().st_mtime_ns == kept


def test_rendered_clips_have_the_noise_floor_of_a_recording(tmp_path):
    for order in orders({"loops": 4}, tmp_path / "none.jsonl", {"loops": tmp_path}, (1.0, 3.0), (0, 1)):
        clip = make_clip(order)
        windows = Audio.read(tmp_path / f"{clip.id}.flac").samples[0].unfold(0, 400, 400)
        quietest = float(windows.std(dim=1).min())
        assert quietest > 10 ** (-96 / 20), "nowhere digital silence"


def test_held_out_loops_come_as_they_are(corpus, tmp_path):
    (order,) = held_out_loops(corpus / "test.jsonl", tmp_path, (3.0, 12.0))
    clip = make_clip(order)
    original = Audio.read(corpus / "test-loop.flac").samples
    times = clip.seconds * SAMPLE_RATE / original.shape[-1]
    assert times == int(times) > 1
    assert torch.equal(Audio.read(tmp_path / f"{clip.id}.flac").samples, original.repeat(1, int(times)))
    assert (clip.kind, clip.loop, clip.sources) == ("real", True, ("test-loop",))


def test_a_codec_that_is_given_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--conf", str(EGS / "mini/vamp1/conf/tiny.yaml"), "--set", "codec_model=nano-codec-music"]
    assert main(RECIPE, [*arguments, "--stop-stage", "codec"]) == 0
    assert torch.equal(load_codec("exp/tiny/codec/model").codebooks(), load_codec("nano-codec-music").codebooks())
    wrong = [*arguments[:-1], "codec_model=nano-codec-musik", "--stop-stage", "codec"]
    assert main(RECIPE, wrong) == 2


def test_data_and_clips_of_the_mini_recipe(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--conf", str(EGS / "mini/vamp1/conf/tiny.yaml"), "--stop-stage", "render"]
    assert main(RECIPE, arguments) == 0
    lists = [read_list(tmp_path / place) for place in ("dump/tiny/train/loops", "dump/tiny/dev", "dump/tiny/test")]
    assert [len(clips) for clips in lists] == [10, 2, 3]
    ids = [(clip.tempo, clip.key, clip.seconds) for clips in lists for clip in clips]
    assert len(set(ids)) == len(ids), "no loop is in two splits"
    assert all(read_sources(tmp_path / f"data/{name}.jsonl") == [] for name in SPLITS)
    assert not list((tmp_path / "dump").rglob(".*"))
    assert main(RECIPE, arguments) == 0
    assert capsys.readouterr().err.count("done and unchanged, skipped") == 2


@pytest.fixture(scope="module")
def vamped(tmp_path_factory):
    """Two clips vamped by a tiny random system: sounds by id, and the folder of the vamps."""
    folder = tmp_path_factory.mktemp("vamped")
    vamp = Vamp(tiny_vamp(folder))
    audios = {}
    for number in range(2):
        samples = render(draw_loop(np_rng(number), style="house", bars=1, mix=["drums", "bass"]))
        audios[f"loops-{number}"] = Audio(samples, SAMPLE_RATE)
        audios[f"loops-{number}"].save(folder / f"loops-{number}.flac")
    round_trips(vamp.system.codec, audios, folder)
    prompts = {"periodic-7": "periodic(7)", "seam": "loop(seconds=0.3)", "late": "inpaint(50-60)"}
    vamp_clips(vamp, audios, folder, prompts, (1, 2), seed=0)
    return folder


def test_vamps_are_made_for_every_prompt_and_number_of_steps(vamped):
    made = {path.name: read_made(path) for path in vamped.iterdir() if (path / "made.jsonl").exists()}
    assert set(made) == {"codec", *(f"{name}.{steps}" for name in ("periodic-7", "seam", "late") for steps in (1, 2))}
    for name in ("periodic-7.1", "seam.2"):
        assert [one.id for one in made[name]] == ["loops-0", "loops-1"]
        assert all(0 <= one.copied < 1 and one.seconds > 0 for one in made[name])
    assert made["late.1"] == [], "a clip that has no place for the prompt is left out"
    assert [one.copied for one in made["codec"]] == [None, None]
    one, two = (Audio.read(vamped / f"periodic-7.{steps}" / "loops-0.flac").samples for steps in (1, 2))
    assert one.shape == Audio.read(vamped / "loops-0.flac").samples.shape
    assert not torch.equal(one, two)


def test_scores_of_a_vamp_and_of_a_copy(vamped):
    path = vamped / "loops-0.flac"
    made = Made(id="loops-0", copied=0.25, seconds=1.5)
    vamp = score_item(Item(path, vamped / "periodic-7.2/loops-0.flac", made, vamped=True))
    copy = score_item(Item(path, path, replace(made, copied=None), vamped=False))
    assert (copy.mel_loss, copy.tempo_kept, copy.onset_f, copy.si_sdr) == (0, 1, 1, 100)
    assert vamp.mel_loss > 0.1
    assert (vamp.copied, vamp.seconds, vamp.si_sdr) == (0.25, 1.5, None)
    score = summarise("test", "periodic-7, 2 steps", [vamp, replace(vamp, copied=0.35, mel_loss=vamp.mel_loss + 1)])
    assert score.figures["copied"].value == pytest.approx(0.3)
    assert score.figures["mel_loss"].high == pytest.approx(vamp.mel_loss + 1)
    assert score.figures["frechet"].value > 0
    assert "si_sdr" not in score.figures
    assert summarise("test", "codec", [copy, copy]).figures["frechet"].value == pytest.approx(0, abs=1e-3)


def changes(prompt, scored):
    return changes_of(prompt, scored, LOSSES)


def scored(offset, spread=0.1, clips=12):
    """Scored clips whose mel distances are `offset` worse than 1, and whose sound is farther by as much."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for number in range(clips):
        source = torch.randn(6, 4, generator=generator)
        noise = spread * torch.randn((), generator=torch.Generator().manual_seed(1000 * number + round(100 * offset)))
        found.append(
            Scored(
                id=str(number), mel_loss=1 + offset + float(noise), si_sdr=None, copied=None, tempo_kept=None,
                onset_f=None, seconds=None, windows=source + offset + noise, source_windows=source,
            )
        )  # fmt: skip
    return found


def test_a_curve_that_gets_better_or_wavers_passes():
    check(changes("p", {4: scored(1.0), 12: scored(0.5), 36: scored(0.2)}))
    check(changes("p", {4: scored(0.5), 12: scored(0.52), 36: scored(0.51)}))


def test_a_curve_that_gets_worse_fails_the_run_and_is_named():
    found = changes("periodic-7", {4: scored(0.5), 12: scored(0.2), 36: scored(0.9)})
    with pytest.raises(CurveError, match=r"periodic-7: mel distance 1\.\d+ at 12 steps, 1\.\d+ at 36") as caught:
        check(found)
    assert "Fréchet distance" in str(caught.value)
    assert "at 12 (" not in str(caught.value), "what became better is not named"


def test_few_clips_that_waver_a_lot_prove_nothing():
    check(changes("p", {4: scored(0.5, spread=1, clips=2), 12: scored(0.6, spread=1, clips=2)}))


def test_the_stage_fails_after_the_scores_are_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("exp/tiny/score").mkdir(parents=True)
    found = changes("p", {4: scored(0.2), 12: scored(0.9)})
    write_changes(found, Path("exp/tiny/score/changes.jsonl"))
    assert read_changes(Path("exp/tiny/score/changes.jsonl")) == found
    conf = str(EGS / "mini/vamp1/conf/tiny.yaml")
    assert main(RECIPE, ["--conf", conf, "--stage", "curves", "--stop-stage", "curves"]) == 1
    assert "got worse ones: p: mel distance" in capsys.readouterr().err
    assert Path("exp/tiny/score/changes.jsonl").exists()
    assert not Path("exp/tiny/curves.txt").exists()


def test_results_put_fewer_steps_first(tmp_path):
    folder = tmp_path / "cpu" / "score"
    folder.mkdir(parents=True)
    for system in ("p, 12 steps", "p, 4 steps", "codec", "a, 36 steps"):
        score = summarise("test", system, scored(0.1))
        score.write(folder / f"test.{system}.json")
    systems = [score.system for score in read_section(folder, {}).scores]
    assert systems == ["codec", "a, 36 steps", "p, 4 steps", "p, 12 steps"]
    assert json.loads((folder / "test.codec.json").read_text())["utterances"] == 12


def test_kinds_of_clips_have_a_seed_each(tmp_path):
    work = orders(dict.fromkeys(KINDS, 2), tmp_path / "x.jsonl", dict.fromkeys(KINDS, tmp_path), (4, 12), (0, 0))
    assert len({order.seed for order in work}) == len({order.id for order in work}) == 6
