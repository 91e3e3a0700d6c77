"""The ttm1 recipe fits together: stages, confs, music in every variant, and what is said about the figures."""

import dataclasses
import pickle
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_nano_music import DURATION, tiny_nano_music

from audiogen.audio import Audio
from audiogen.checkpoints.nano_music import load_nano_music
from audiogen.conditioning.caption_encoder import CaptionEncoder
from audiogen.errors import InputError
from audiogen.metrics.attributes import Heard, Summary
from audiogen.models.magnet import Magnet
from audiogen.models.musicgen import MusicGen
from recipes.config import load_conf
from recipes.directions import Direction, compare
from recipes.generations import MusicMaker, Variant, make
from recipes.judging import JudgeTraining, play, train_judge, verdicts
from recipes.making import batches, make_batch, measure, read_costs
from recipes.music_rows import SYSTEM, VARIANTS
from recipes.music_scoring import summarise
from recipes.results import Score, read_section, render
from recipes.scored import Scored
from recipes.stages import braces
from recipes.synth.arrange import LEADS, METRES
from recipes.synth.captions import KEYS, Attributes
from recipes.ttm1 import RECIPE, Ttm1

EGS = Path(__file__).parents[2] / "egs"
CONFS = sorted(EGS.glob("*/ttm1/conf/*.yaml"))
LARGEST = 8 * 2**20
"""Bytes of a system's weights without its codec, where each takes 8 bits."""
NAMES = {"tag": "x", "results": "R.md", "bundle": "exp/bundle"}
WALTZ = Attributes(tempo=96, metre="3/4", key="F# minor", lead="flute", backing="guitar")


@pytest.fixture(params=CONFS, ids=lambda path: f"{path.parents[2].name}-{path.stem}")
def conf(request):
    """Each conf of an egs folder."""
    return load_conf(Ttm1, request.param, [] if "mini" in str(request.param) else ["tunes=tunes"])


def test_the_models_of_every_conf_can_be_built_and_are_small_enough_to_ship(conf):
    with torch.device("meta"):
        text = CaptionEncoder(conf.magnet.text)
        sizes = {"vocab_size": 1024, "condition_dim": text.width}
        parts = [
            text,
            Magnet(replace(conf.magnet.model, **sizes)),
            MusicGen(replace(conf.twin.model, **sizes)),
        ]
    assert sum(tensor.numel() for part in parts for tensor in part.state_dict().values()) <= LARGEST


def test_the_twin_of_every_conf_is_of_its_magnets_grid(conf):
    assert conf.twin.model.levels == conf.magnet.model.levels
    assert conf.twin.seconds == conf.magnet.seconds <= conf.render.seconds
    assert all(variant.hybrid <= conf.magnet.seconds for variant in conf.variants.values())
    assert all(len(variant.steps or conf.decoding.steps) == 4 for variant in conf.variants.values())


def test_the_table_has_all_that_it_is_for(conf):
    if conf.variants != VARIANTS:
        pytest.skip("a mini table")
    variants = list(conf.variants.values())
    assert sum(conf.render.test.values()) >= 100
    assert len({variant.steps or conf.decoding.steps for variant in variants if not variant.ablation}) == 5
    assert {variant.rescore for variant in variants} == {0, 0.3, 0.7}
    assert {variant.hybrid for variant in variants} == {0, 1, 3, 5, 10}
    assert {variant.guidance for variant in variants} == {None, (1.0, 1.0), (4.0, 4.0)}
    assert VARIANTS[SYSTEM] == Variant()
    assert "-".join(map(str, conf.decoding.steps)) in SYSTEM


def test_every_stage_reads_what_an_earlier_one_writes_or_the_conf_names(tmp_path):
    conf = Ttm1(title="", introduction="", tunes=Path("tunes"), codec=str(tmp_path))
    made: list[str] = ["tunes", str(tmp_path)]
    for stage in RECIPE.stages:
        for path in stage.inputs({**NAMES, **conf.sets}):
            assert any(path == one or path.startswith(f"{one}/") for one in made), f"{stage.name} reads {path}"
        made += stage.outputs({**NAMES, **conf.sets})
    assert len(made) == len(set(made)), "two stages write one file"


@pytest.mark.parametrize("stage", RECIPE.stages, ids=lambda stage: stage.name)
def test_every_stage_declares_what_exists(stage):
    fields = {field.name for field in dataclasses.fields(Ttm1)}
    assert {*stage.conf, *stage.settings} <= fields
    assert stage.code_digest()
    assert stage.title
    for template in (*stage.reads, *stage.writes):
        assert braces(template) <= {*NAMES, "source", "split", "codec", "ablation"}


@pytest.mark.parametrize("script", sorted(EGS.glob("*/ttm1/**/*.sh")), ids=lambda path: "-".join(path.parts[-4:]))
def test_scripts_are_valid_bash(script):
    subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("render.test={real: 3}", "expected numbers of tunes, drawn, got real"),
        ("render.test={tunes: 3}", "--set tunes=DIR"),
        ("variants={a: {ablation: span-9}}", "expected ablations of span-1, full-context, got span-9"),
        ("variants={a: {ablation: span-1, hybrid: 1}}", "Only the system has a twin"),
        ("directions=[{paper: x, smaller: a, larger: b}]", "directions: expected rows of"),
    ],
)
def test_confs_that_have_no_meaning_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        load_conf(Ttm1, EGS / "mini/ttm1/conf/tiny.yaml", [change])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("music")


@pytest.fixture(scope="module")
def packed(folder):
    return tiny_nano_music(folder)


@pytest.fixture(scope="module")
def system(packed):
    return load_nano_music(packed)


TEXTS = ["a sad waltz", "a happy jig in d major", "reel"]
KNOBS = {
    "steps": Variant(steps=(1, 1, 1, 1)),
    "guidance": Variant(guidance=(1.0, 1.0)),
    "rescoring": Variant(rescore=0.9),
    "hybrid": Variant(hybrid=0.4),
    "twin": Variant(hybrid=DURATION),
}


@pytest.mark.parametrize("name", KNOBS)
def test_every_knob_of_a_variant_changes_the_music(system, name):
    (plain,), _ = make(system, Variant(), TEXTS[:1], [0])
    (changed,), _ = make(system, KNOBS[name], TEXTS[:1], [0])
    assert plain.duration == changed.duration == DURATION
    assert not torch.equal(plain.samples, changed.samples)


@pytest.mark.parametrize("variant", [Variant(), Variant(hybrid=0.4, rescore=0.5)], ids=["magnet", "both"])
def test_a_clip_is_the_same_alone_and_in_a_batch(system, variant):
    together, _ = make(system, variant, TEXTS, [3, 4, 5])
    for number, text in enumerate(TEXTS):
        (alone,), _ = make(system, variant, [text], [3 + number])
        torch.testing.assert_close(alone.samples, together[number].samples, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("variant", "passes"),
    [
        (Variant(), 2 * 9 - 4),  # guidance ends at 1, where the last step of each level needs no second pass
        (Variant(guidance=(1.0, 1.0)), 9),
        (Variant(guidance=(2.0, 2.0)), 18),
        (Variant(rescore=0.5), 2 * 9 - 4 + 5),  # the last step of each level is not rescored
        (Variant(hybrid=DURATION), 2 * (50 + 3)),  # the delay pattern has three steps more
    ],
    ids=["system", "unguided", "constant", "rescored", "twin"],
)
@pytest.mark.parametrize("items", [1, 3])
def test_passes_are_those_of_one_item(system, variant, passes, items):
    assert make(system, variant, TEXTS[:items], list(range(items)))[1] == passes


@pytest.fixture
def maker(packed):
    """The system as it is, from its folder."""
    return MusicMaker(Variant(), packed, None, "cpu", "float32")


def test_all_captions_become_music_once(maker, tmp_path):
    captions = dict(zip("abc", TEXTS, strict=True))
    planned = batches(maker, captions, tmp_path / "x", size=2, seed=7)
    assert [one.seeds for one in planned] == [(7, 8), (9,)]
    assert pickle.dumps(planned), "workers can be given them"
    for batch in planned:
        make_batch(batch)
    assert all(Audio.read(tmp_path / f"x/{name}.flac").duration == DURATION for name in captions)
    assert batches(maker, captions, tmp_path / "x", size=2, seed=7) == []
    (tmp_path / "x/b.flac").unlink()
    (again,) = batches(maker, captions, tmp_path / "x", size=2, seed=7)
    assert (again.seeds, [path.stem for path in again.paths]) == ((8,), ["b"])


def test_costs_are_those_of_single_captions(maker, tmp_path):
    captions = dict(zip("abc", TEXTS, strict=True))
    measure(maker, captions, tmp_path, count=2, seed=7)
    costs = read_costs(tmp_path)
    assert list(costs) == ["a", "b"]
    assert all(one.passes == 14 and one.seconds > 0 for one in costs.values())
    measure(lambda *_: pytest.fail("what is known is measured again"), captions, tmp_path, count=2, seed=7)
    assert read_costs(tmp_path / "nowhere") == {}


def test_another_magnet_has_no_twin(packed, folder):
    maker = MusicMaker(Variant(hybrid=1), packed, folder / "exp/magnet", "cpu", "bfloat16")
    with pytest.raises(AssertionError, match="without a twin"):
        maker(TEXTS[:1], [0])


def test_the_codec_plays_the_first_levels(folder):
    codes = torch.randint(32, (4, 50), generator=torch.Generator().manual_seed(0)).short()
    audio = play(codes, folder / "exp/codec")
    assert audio.duration == 1.0
    assert not torch.equal(audio.samples, play(codes.flip(-1), folder / "exp/codec").samples)


def summaries(count=240):
    """Summaries that show what they are of, and the attributes."""
    generator = torch.Generator().manual_seed(0)
    found, known = [], []
    for _ in range(count):
        tonic, metre, lead = (int(torch.randint(n, (), generator=generator)) for n in (12, len(METRES), len(LEADS)))
        tempo = int(torch.randint(60, 160, (), generator=generator))
        tones = torch.zeros(2, 12)
        tones[:, tonic] = 1
        repeats = 0.1 * torch.randn(3, 120, generator=generator)
        repeats[:, 4 * metre] += 2
        repeats[:, tempo - 50] += 2
        spectrum = torch.randn(128, generator=generator)
        spectrum[lead] += 5
        found.append(Summary(tones, repeats, spectrum))
        attributes = {"lead": list(LEADS)[lead], "backing": "guitar", "metre": list(METRES)[metre]}
        known.append(Attributes(tempo=tempo, key=KEYS[tonic], **attributes))
    return found, known


def test_the_judge_learns_what_can_be_learnt_and_is_the_same_every_time():
    heard, known = summaries()
    config = JudgeTraining(epochs=25, batch_size=16)
    judge = train_judge(config, heard, known)
    best = {name: logits.argmax(-1) for name, logits in judge(Summary.stack(heard)).items()}
    keys = torch.tensor([KEYS.index(one.key) for one in known])
    leads = torch.tensor([list(LEADS).index(one.lead) for one in known])
    assert (best["key"] == keys).float().mean() > 0.95
    assert (best["lead"] == leads).float().mean() > 0.9
    again = train_judge(config, heard, known)
    assert torch.equal(again(Summary.stack(heard))["key"], judge(Summary.stack(heard))["key"])


def test_verdicts():
    right = Heard(tempo=98.0, metre="3/4", key=KEYS.index("F# minor"), lead="flute")
    assert set(verdicts(right, WALTZ).values()) == {1.0}
    wrong = Heard(tempo=192.0, metre="4/4", key=KEYS.index("F# major"), lead="organ")
    assert set(verdicts(wrong, WALTZ).values()) == {0.0}


def scored(offset, seconds, right, clips=12):
    """Judged clips whose sounds are `offset` away from their sources."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for number in range(clips):
        source = torch.randn(6, 4, generator=generator)
        figures = {"tempo_right": float(number < right), "seconds": seconds + 0.01 * number if number < 3 else None}
        found.append(Scored(id=str(number), figures=figures, windows=source + offset, source_windows=source))
    return found


def test_figures_of_a_row_and_of_recordings():
    row = summarise(("x", scored(0.5, 2.0, 6)))
    assert row.figures["tempo_right"].value == 0.5
    assert row.figures["seconds"].value == pytest.approx(2.01)
    assert row.figures["frechet"].value == pytest.approx(4 * 0.25, rel=1e-3)
    assert summarise(("recordings", scored(0.0, 2.0, 12))).figures["frechet"].value == pytest.approx(0, abs=1e-6)
    assert "passes" not in row.figures


@pytest.mark.parametrize(
    ("smaller", "larger", "verdict"),
    [("near", "far", "agrees"), ("far", "near", "DISAGREES"), ("near", "near", "cannot tell")],
)
@pytest.mark.parametrize(("figure", "name"), [("frechet", "Fréchet distance"), ("seconds", "s per 10 s")])
def test_a_finding_is_compared_with_what_was_measured(smaller, larger, verdict, figure, name):
    rows = {"near": scored(0.2, 1.0, 12), "far": scored(0.9, 3.0, 6)}
    sentence = compare(Direction(paper="near is better", figure=figure, smaller=smaller, larger=larger), rows)
    assert f"Paper: near is better. This run {verdict}: {name} " in sentence
    assert f"({smaller})" in sentence


def test_remarks_are_on_the_page(tmp_path):
    folder = tmp_path / "cpu" / "score"
    folder.mkdir(parents=True)
    summarise(("x", scored(0.5, 2.0, 6))).write(folder / "x.json")
    plain = render("T", "I.", [read_section(folder, {})])
    (folder / "remarks.txt").write_text("Paper: one. This run agrees.\n")
    page = render("T", "I.", [read_section(folder, {})])
    assert "\n- Paper: one. This run agrees.\n" in page
    assert "- Paper" not in plain
    assert Score.read(folder / "x.json").utterances == 12
