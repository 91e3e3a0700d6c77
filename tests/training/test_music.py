"""Training of MAGNeT and its twin: losses, captions, a batch that is overfitted, runs that go on after a kill."""

import json
import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_nano_music import SIZES, TEXT, tiny_nano_music, train_nothing
from torch import Generator

from audiogen.checkpoints.nano_music import Listener, load_listener, take_listener
from audiogen.conditioning.caption_encoder import CaptionEncoder
from audiogen.errors import InputError
from audiogen.models.magnet import Magnet, MagnetConfig
from audiogen.models.musicgen import MusicGen, MusicGenConfig
from audiogen.training import music
from audiogen.training.clips import write_clips
from audiogen.training.fit import FitConfig, step_generator
from audiogen.training.music import (
    CaptionedClip,
    CaptionedTokens,
    MagnetTask,
    MagnetTraining,
    TwinTask,
    TwinTraining,
    draw_batch,
    hide,
    train_magnet,
    train_twin,
    validation_batches,
)

FIT = FitConfig(steps=6, precision="32-true", warmup=2, checkpoint_every=2, validate_every=3, record_every=1)
MAGNET = MagnetTraining(fit=FIT, model=MagnetConfig(**SIZES), text=TEXT, batch_size=4, seconds=0.8)
TWIN = TwinTraining(fit=FIT, model=MusicGenConfig(**SIZES), batch_size=4, seconds=0.8)
FRAMES = 40
WORDS = ("a slow waltz", "a fast jig in d major", "reel")


def clips(count=6, levels=4):
    generator = Generator().manual_seed(5)
    return [CaptionedClip(torch.randint(32, (levels, 60), generator=generator).short(), WORDS) for _ in range(count)]


def listener(make, config):
    torch.manual_seed(0)
    return Listener(make(config), CaptionEncoder(TEXT))


def batch(step=0, level=0, **changes):
    generator = step_generator(0, step)
    return hide(draw_batch(clips(), replace(MAGNET, **changes), FRAMES, generator), level, 3, generator)


@pytest.mark.parametrize("level", range(4))
def test_magnets_loss_on_random_codes_starts_near_log_v(level):
    found = MagnetTask(listener(Magnet, MAGNET.model), FIT).loss(batch(level=level, batch_size=16), Generator())
    assert float(found["loss"].detach()) == pytest.approx(math.log(32) + 0.5, abs=0.5)


def test_the_twins_loss_on_random_codes_starts_near_log_v():
    found = TwinTask(listener(MusicGen, TWIN.model), FIT).loss(batch(batch_size=16), Generator())
    assert float(found["loss"].detach()) == pytest.approx(math.log(32) + 0.5, abs=0.5)


@pytest.mark.parametrize(("task", "make", "config"), [(MagnetTask, Magnet, MAGNET), (TwinTask, MusicGen, TWIN)])
def test_one_batch_is_overfitted_and_the_text_encoder_learns_too(task, make, config):
    learner = task(listener(make, config.model), FIT)
    before = learner.network.text.table.weight.clone()
    given = batch(condition_dropout=0.0, word_dropout=0.0)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=5e-3)
    for _ in range(120):
        found = learner.loss(given, Generator())
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
    assert float(found["loss"].detach()) < 0.5
    assert not torch.equal(learner.network.text.table.weight, before)


def test_the_coarser_levels_are_seen_and_the_finer_ones_hidden():
    given = batch(level=2)
    assert not given.mask[:, :2].any()
    assert given.mask[:, 3].all()
    assert given.mask[:, 2].any()
    assert not given.mask[:, 2].all()


def test_captions_are_those_of_the_clip_and_dropped_as_asked():
    whole = [text for step in range(10) for text in batch(step, condition_dropout=0.0, word_dropout=0.0).texts]
    assert set(whole) == set(WORDS)
    assert set(batch(condition_dropout=1.0).texts) == {""}
    dropped = [text for step in range(25) for text in batch(step, condition_dropout=0.5, word_dropout=0.0).texts]
    assert sum(text == "" for text in dropped) / len(dropped) == pytest.approx(0.5, abs=0.15)
    shortened = [text for step in range(25) for text in batch(step, condition_dropout=0.0, word_dropout=0.5).texts]
    assert not set(shortened) <= set(WORDS)
    assert {word for text in shortened for word in text.split()} <= {word for text in WORDS for word in text.split()}


def test_crops_are_stretches_of_clips():
    source = clips(1)[0].codes
    starts = set()
    for step in range(30):
        for crop in batch(step).codes:
            (start,) = [at for at in range(21) if torch.equal(source[:, at : at + FRAMES].long(), crop)] or [None]
            starts.add(start)
    assert None in starts, "other clips are drawn"
    assert len(starts) > 8, "and from many places"


def test_validation_is_the_same_whatever_was_drawn_before():
    one, other = (validation_batches(clips(3), FRAMES) for _ in range(2))
    assert len(one) == 4
    assert all(torch.equal(a.codes, b.codes) and a.texts == b.texts for a, b in zip(one, other, strict=True))
    assert {text for given in one for text in given.texts} == {WORDS[0]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A tiny codec, and archives of all its 6 levels with captions."""
    folder = tmp_path_factory.mktemp("data")
    parts = train_nothing(folder / "exp")
    archives = {name: archive(folder / name, 6) for name in ("train", "dev")}
    return {**archives, "codec": parts["codec"]}


def archive(folder, levels, captions=WORDS):
    folder.mkdir(parents=True)
    codes = {f"clip{index}": clip.codes for index, clip in enumerate(clips(4, levels))}
    write_clips(folder / "000000.safetensors", codes, "tiny", 50.0)
    lines = [json.dumps({"id": name, "captions": captions}) + "\n" for name in codes]
    (folder / "captions.jsonl").write_text("".join(lines))
    return CaptionedTokens(tokens=folder, captions=folder / "captions.jsonl")


@pytest.fixture(scope="module")
def magnet(data, tmp_path_factory):
    return train_magnet(MAGNET, **data, exp_dir=tmp_path_factory.mktemp("magnet"))


def test_sizes_follow_from_codec_and_text(data, tmp_path):
    wrong = replace(MAGNET, model=replace(MAGNET.model, vocab_size=99, condition_dim=7, frame_rate=1.0))
    sizes = load_listener(train_magnet(wrong, **data, exp_dir=tmp_path), "nano-magnet").network.config
    assert (sizes.vocab_size, sizes.condition_dim, sizes.frame_rate, sizes.span) == (32, TEXT.dim, 50.0, 3)


def test_the_twin_leaves_the_text_encoder_as_it_is(data, magnet, tmp_path):
    twin = train_twin(TWIN, **data, magnet=magnet, exp_dir=tmp_path)
    one, other = (load_file(folder / "model.safetensors") for folder in (magnet, twin))
    text = [name for name in one if name.startswith("text.")]
    assert text
    assert all(torch.equal(one[name], other[name]) for name in text)
    assert load_listener(twin, "nano-twin").network.config.levels == 4


def test_a_run_that_is_cut_short_goes_on_to_the_same_weights(data, magnet, tmp_path, monkeypatch):
    calls = []

    def killed_at_the_fifth_step(*arguments):
        calls.append(arguments)
        if len(calls) == 4 + 5:  # four validation batches come first
            raise RuntimeError("killed")
        return hide(*arguments)

    monkeypatch.setattr(music, "hide", killed_at_the_fifth_step)
    with pytest.raises(RuntimeError, match="killed"):
        train_magnet(MAGNET, **data, exp_dir=tmp_path)
    monkeypatch.undo()
    assert (tmp_path / "last.ckpt").exists()
    resumed = train_magnet(MAGNET, **data, exp_dir=tmp_path)
    expected, found = (load_file(folder / "model.safetensors") for folder in (magnet, resumed))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "change",
    [
        {"level_schedule": "linear"},
        {"condition_dropout": 0.9},
        {"word_dropout": 0.9},
        {"seconds": 0.5},
        {"batch_size": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_knob_changes_the_result(data, magnet, tmp_path, change):
    changed = train_magnet(replace(MAGNET, **change), **data, exp_dir=tmp_path)
    expected, found = (load_file(folder / "model.safetensors") for folder in (magnet, changed))
    assert any(not torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("change", [{"span": 1}, {"context": -1}], ids=lambda change: next(iter(change)))
def test_what_the_ablations_change_matters(data, magnet, tmp_path, change):
    changed = train_magnet(replace(MAGNET, model=replace(MAGNET.model, **change)), **data, exp_dir=tmp_path)
    expected, found = (load_file(folder / "model.safetensors") for folder in (magnet, changed))
    assert any(not torch.equal(found[name], expected[name]) for name in expected)


def test_training_goes_on_from_a_packed_system(data, tmp_path):
    packed = tiny_nano_music(tmp_path / "system")
    still = {"start": str(packed), "fit": replace(FIT, steps=1, learning_rate=0.0)}
    magnet = train_magnet(replace(MAGNET, **still), **data, exp_dir=tmp_path / "magnet")
    twin = train_twin(replace(TWIN, **still), **data, magnet=magnet, exp_dir=tmp_path / "twin")
    for folder, kind in ((magnet, "nano-magnet"), (twin, "nano-twin")):
        found, expected = load_file(folder / "model.safetensors"), take_listener(packed, kind).state_dict()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_archives_that_do_not_fit_are_refused(data, tmp_path):
    few = archive(tmp_path / "few", 3)
    with pytest.raises(InputError, match="4 levels or more, got 3"):
        train_magnet(MAGNET, **{**data, "train": few}, exp_dir=tmp_path / "exp")
    silent = archive(tmp_path / "silent", 6, captions=[])
    with pytest.raises(InputError, match="captions of every clip, got none of clip0"):
        train_magnet(MAGNET, **{**data, "dev": silent}, exp_dir=tmp_path / "exp")
    (tmp_path / "silent/captions.jsonl").write_text("clip0: a jig\n")
    with pytest.raises(InputError, match="a line of JSON with id and captions"):
        train_magnet(MAGNET, **{**data, "dev": silent}, exp_dir=tmp_path / "exp")
