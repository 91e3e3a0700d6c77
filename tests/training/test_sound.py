"""Training of SpecMaskGIT: what is hidden and given, a batch that is overfitted, runs that go on after a kill."""

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_nano_sound import ROWS, SIZES, VOCAB, tiny_nano_sound, train_nothing
from torch import Generator
from torch.nn import functional as F

from audiogen.checkpoints.nano_sound import load_sound, load_specmaskgit
from audiogen.errors import InputError
from audiogen.models.specmaskgit import SpecMaskGIT, SpecMaskGITConfig
from audiogen.training import sound
from audiogen.training.audio_text import AUDIO_FILE, TEXT_FILE, write_embeddings
from audiogen.training.clips import write_clips
from audiogen.training.fit import FitConfig, step_generator
from audiogen.training.masking import draw_grid_mask
from audiogen.training.sound import (
    EmbeddedClip,
    EmbeddedTokens,
    SoundTraining,
    SpecMaskGITTask,
    draw_batch,
    train_specmaskgit,
    validation_batches,
)

FIT = FitConfig(steps=6, precision="32-true", warmup=2, checkpoint_every=2, validate_every=3, record_every=1)
MODEL = SpecMaskGITConfig(**{**SIZES, "dropout": 0.0})
TRAINING = SoundTraining(fit=FIT, model=MODEL, batch_size=4)
PLAIN = replace(TRAINING, regions=0.0, condition_dropout=0.0, label_smoothing=0.0)
WIDTH = SIZES["condition_dim"]
LENGTHS = (5, 8, 12)


def unit(*shape, seed):
    return F.normalize(torch.randn(*shape, generator=Generator().manual_seed(seed)), dim=-1)


def clips(count=6):
    generator = Generator().manual_seed(5)
    return [
        EmbeddedClip(
            torch.randint(VOCAB, (ROWS, LENGTHS[index % 3]), generator=generator).short(),
            unit(WIDTH, seed=index),
            unit(2, WIDTH, seed=100 + index),
        )
        for index in range(count)
    ]


def batch(step=0, count=6, **changes):
    return draw_batch(clips(count), replace(PLAIN, **changes), step_generator(0, step))


def test_as_many_cells_are_hidden_as_the_rate_says():
    places = torch.rand(5, 4, 30, generator=Generator().manual_seed(0)) < 0.5
    rate = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0])
    mask = draw_grid_mask(rate, places, Generator().manual_seed(1))
    there = places.flatten(1).sum(dim=1)
    assert not (mask & ~places).any()
    assert mask.flatten(1).sum(dim=1).tolist() == (rate * there).round().clamp(min=1).tolist()
    assert torch.equal(mask[4], places[4])


def test_crops_are_stretches_of_their_clips_and_padding_is_marked():
    given = clips()
    starts = set()
    for step in range(20):
        made = batch(step)
        assert made.valid.sum(dim=1).tolist() == [5, 8, 8, 5, 8, 8], "no more than 8 columns"
        assert not (made.mask & ~made.valid[:, None]).any()
        assert made.mask.flatten(1).any(dim=1).all()
        for clip, codes, valid in zip(given, made.codes, made.valid, strict=True):
            length = int(valid.sum())
            places = range(clip.codes.shape[1] - length + 1)
            (start,) = [at for at in places if torch.equal(clip.codes[:, at : at + length].long(), codes[:, :length])]
            starts.add(start)
    assert starts == {0, 1, 2, 3, 4}
    assert draw_batch(given[:1], PLAIN, step_generator(0, 0)).codes.shape[2] == 5, "padded to the longest crop only"


def test_mask_rates_follow_the_cosine():
    """Of uniform times, the mean of sin(t * pi / 2) is 2 / pi."""
    rates = []
    for step in range(60):
        made = batch(step)
        rates += (made.mask.flatten(1).sum(dim=1) / (ROWS * made.valid.sum(dim=1))).tolist()
    assert sum(rates) / len(rates) == pytest.approx(2 / math.pi, abs=0.04)
    assert min(rates) < 0.15
    assert max(rates) > 0.98


def test_regions_are_upper_rows_or_stretches_of_columns():
    bands = stretches = 0
    for step in range(40):
        made = batch(step, regions=1.0)
        for mask, valid in zip(made.mask, made.valid, strict=True):
            rows, columns = mask.any(dim=1), mask.any(dim=0).nonzero()[:, 0]
            spread = int(columns.max() - columns.min()) + 1
            band, stretch = not rows[0], spread <= round(0.6 * int(valid.sum()))
            assert band or stretch
            bands, stretches = bands + (band and not stretch), stretches + (stretch and bool(rows[0]))
    assert bands > 40
    assert stretches > 40
    assert all(bool(batch(step, regions=1.0, count=1).mask.any()) for step in range(20))


def test_embeddings_are_those_of_sounds_captions_or_nothing():
    given = clips()
    heard, said = torch.stack([clip.audio for clip in given]), torch.stack([clip.texts for clip in given])
    assert torch.equal(batch().embeddings, F.normalize(heard, dim=-1))
    assert not batch(condition_dropout=1.0).embeddings.any()
    found = {
        text
        for step in range(10)
        for item, embedding in enumerate(batch(step, text_share=1.0).embeddings)
        for text in range(2)
        if torch.allclose(embedding, said[item, text])
    }
    assert found == {0, 1}
    dropped = [not embedding.any() for step in range(50) for embedding in batch(step, condition_dropout=0.3).embeddings]
    assert sum(dropped) / len(dropped) == pytest.approx(0.3, abs=0.08)
    noisy = batch(embedding_noise=1.0).embeddings
    torch.testing.assert_close(noisy.norm(dim=1), torch.ones(6))
    likeness = (noisy * heard).sum(dim=1)
    assert 0.4 < float(likeness.mean()) < 0.95


def test_the_loss_on_random_codes_starts_near_log_v():
    torch.manual_seed(0)
    task = SpecMaskGITTask(SpecMaskGIT(MODEL), TRAINING)
    assert float(task.loss(batch(), Generator())["loss"].detach()) == pytest.approx(math.log(VOCAB), abs=0.3)


@pytest.mark.parametrize("entry", ["masked", "prefix", "norms"])
def test_one_batch_is_overfitted_by_its_conditions(entry):
    """Everything is hidden, so that only positions and embeddings tell what is where."""
    torch.manual_seed(0)
    given = batch()
    given.mask = given.valid[:, None].repeat(1, ROWS, 1)
    task = SpecMaskGITTask(SpecMaskGIT(replace(MODEL, entry=entry)), PLAIN)
    optimizer = torch.optim.AdamW(task.parameters(), lr=5e-3)
    for _ in range(150):
        found = task.loss(given, Generator())
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
    assert float(found["loss"].detach()) < 0.5


def test_validation_is_the_same_whatever_was_drawn_before():
    one, other = (validation_batches(clips(3), TRAINING) for _ in range(2))
    assert [len(given.codes) for given in one] == [16] * 4
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a.codes, b.codes)
        assert torch.equal(a.mask, b.mask)
        assert a.embeddings.any(dim=1).all(), "nothing is dropped"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A tiny codec, and archives with embeddings."""
    folder = tmp_path_factory.mktemp("data")
    archives = {name: archive(folder / name) for name in ("train", "dev")}
    return {**archives, "codec": train_nothing(folder / "exp")["codec"]}


def archive(folder, rows=ROWS):
    folder.mkdir(parents=True)
    given = {f"clip{index}": clip for index, clip in enumerate(clips(4))}
    write_clips(folder / "0.safetensors", {name: clip.codes[:rows] for name, clip in given.items()}, "tiny", 50.0)
    (folder / "embeddings").mkdir()
    write_embeddings(folder / "embeddings" / AUDIO_FILE, {name: clip.audio for name, clip in given.items()})
    write_embeddings(folder / "embeddings" / TEXT_FILE, {name: clip.texts for name, clip in given.items()})
    return EmbeddedTokens(tokens=folder, embeddings=folder / "embeddings")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return train_specmaskgit(TRAINING, **data, exp_dir=tmp_path_factory.mktemp("model"))


def test_sizes_follow_from_codec_and_embeddings(data, tmp_path):
    wrong = replace(TRAINING, model=replace(MODEL, rows=2, vocab_size=99, condition_dim=7))
    sizes = load_specmaskgit(train_specmaskgit(wrong, **data, exp_dir=tmp_path)).config
    assert (sizes.rows, sizes.vocab_size, sizes.condition_dim, sizes.columns) == (ROWS, VOCAB, WIDTH, 8)


def test_some_steps_lower_the_loss(data, tmp_path):
    """Of the training clips themselves: random codes can only be learnt by heart."""
    fit = replace(FIT, steps=60, learning_rate=5e-3, validate_every=20, checkpoint_every=60, average=0.8)
    train_specmaskgit(replace(PLAIN, fit=fit), data["train"], data["train"], data["codec"], tmp_path)
    lines = [line for line in (tmp_path / "train.jsonl").read_text().splitlines() if "valid/loss" in line]
    losses = [float(line.split('"valid/loss": ')[1].split(",")[0].rstrip("}")) for line in lines]
    assert losses[-1] < 0.8 * math.log(VOCAB)
    assert losses == sorted(losses, reverse=True)


def test_a_run_that_is_cut_short_goes_on_to_the_same_weights(data, trained, tmp_path, monkeypatch):
    calls = []

    def killed_at_the_fifth_step(*arguments):
        calls.append(arguments)
        if len(calls) == 4 + 5:  # four validation batches come first
            raise RuntimeError("killed")
        return draw_batch(*arguments)

    monkeypatch.setattr(sound, "draw_batch", killed_at_the_fifth_step)
    with pytest.raises(RuntimeError, match="killed"):
        train_specmaskgit(TRAINING, **data, exp_dir=tmp_path)
    monkeypatch.undo()
    assert (tmp_path / "last.ckpt").exists()
    resumed = train_specmaskgit(TRAINING, **data, exp_dir=tmp_path)
    expected, found = (load_file(folder / "model.safetensors") for folder in (trained, resumed))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 2},
        {"label_smoothing": 0.3},
        {"condition_dropout": 0.9},
        {"regions": 1.0},
        {"embedding_noise": 1.0},
        {"text_share": 0.8},
        {"model": replace(MODEL, entry="prefix")},
        {"model": replace(MODEL, columns=3)},
    ],
    ids=str,
)
def test_every_knob_changes_the_result(data, trained, tmp_path, change):
    changed = train_specmaskgit(replace(TRAINING, **change), **data, exp_dir=tmp_path)
    expected, found = (load_file(folder / "model.safetensors") for folder in (trained, changed))
    assert any(not torch.equal(found[name], expected[name]) for name in expected)


def test_training_goes_on_from_a_packed_system(data, tmp_path):
    packed = tiny_nano_sound(tmp_path / "system")
    still = replace(TRAINING, start=str(packed), fit=replace(FIT, steps=1, learning_rate=0.0))
    found = load_file(train_specmaskgit(still, **data, exp_dir=tmp_path / "exp") / "model.safetensors")
    expected = load_sound(packed).model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_archives_that_do_not_fit_are_refused(data, tmp_path):
    few = archive(tmp_path / "few", rows=3)
    with pytest.raises(InputError, match="6 rows, as the codec has, got 3"):
        train_specmaskgit(TRAINING, **{**data, "train": few}, exp_dir=tmp_path / "exp")
    unheard = archive(tmp_path / "unheard")
    write_embeddings(unheard.embeddings / AUDIO_FILE, {"clip0": torch.zeros(WIDTH)})
    with pytest.raises(InputError, match="an embedding of every clip, got none of clip1"):
        train_specmaskgit(TRAINING, **{**data, "dev": unheard}, exp_dir=tmp_path / "exp")
    (data["dev"].embeddings / TEXT_FILE).rename(tmp_path / TEXT_FILE)
    train_specmaskgit(replace(TRAINING, fit=replace(FIT, steps=1)), **data, exp_dir=tmp_path / "without")
    with pytest.raises(InputError, match=r"safetensors file at .*text.safetensors, got no such file"):
        train_specmaskgit(replace(TRAINING, text_share=0.5), **data, exp_dir=tmp_path / "exp")
    (tmp_path / TEXT_FILE).rename(data["dev"].embeddings / TEXT_FILE)
