"""Training of the pair: batches, what is the same, a toy set that is learnt, runs that go on after a kill."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from audiogen.audio import Audio
from audiogen.checkpoints.nano_sound import load_pair
from audiogen.conditioning.audio_text import AudioTextConfig, AudioTextPair
from audiogen.conditioning.caption_encoder import CaptionEncoderConfig
from audiogen.errors import InputError
from audiogen.training import audio_text
from audiogen.training.audio_text import (
    CaptionedSounds,
    PairTraining,
    draw_pairs,
    embed_sounds,
    read_embeddings,
    read_sounds,
    train_pair,
    validation_pairs,
)
from audiogen.training.fit import FitConfig, step_generator

SIZES = AudioTextConfig(
    seconds=0.5, channels=(6, 12), dim=16, text=CaptionEncoderConfig(rows=256, dim=16, layers=1, heads=2)
)
FIT = FitConfig(steps=6, precision="32-true", warmup=2, checkpoint_every=2, validate_every=3, record_every=1)
TRAINING = PairTraining(fit=FIT, model=SIZES, batch_size=8)
RATE = 16000
KINDS = {"low": 150.0, "middle": 700.0, "high": 3000.0}


def write_toys(folder, count=3, seconds=0.7):
    """Tones with noise: low, middle and high ones."""
    folder.mkdir(parents=True)
    generator, lines = torch.Generator().manual_seed(count), []
    for kind, hertz in KINDS.items():
        for number in range(count):
            time = torch.arange(int(seconds * RATE)) / RATE
            noise = 0.02 * torch.randn(len(time), generator=generator)
            sound = 0.3 * torch.sin(2 * torch.pi * hertz * (1 + 0.1 * number) * time) + noise
            Audio(sound, RATE).save(folder / f"{kind}{number}.wav")
            lines.append({"id": f"{kind}{number}", "captions": [f"a {kind} tone", f"{kind} pitch"]})
    (folder / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return CaptionedSounds(folder=folder, captions=folder / "captions.jsonl")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toys")
    return {"train": write_toys(folder / "train"), "dev": write_toys(folder / "dev", 2)}


@pytest.fixture(scope="module")
def sounds(data):
    return read_sounds(data["train"], AudioTextPair(SIZES))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return train_pair(TRAINING, **data, exp_dir=tmp_path_factory.mktemp("pair"))


def batch(sounds, step=0, **changes):
    return draw_pairs(sounds, replace(TRAINING, **changes), step_generator(0, step))


def test_captions_belong_to_their_sounds_and_the_same_are_known(sounds):
    drawn = [batch(sounds, step, word_dropout=0.0) for step in range(10)]
    texts = {text for given in drawn for text in given.texts}
    assert texts == {caption for sound in sounds for caption in sound.captions}
    for given in drawn:
        assert given.mel.shape == (8, 64, SIZES.frames)
        kinds = [next(kind for kind in KINDS if kind in text) for text in given.texts]
        assert given.same.tolist() == [[one == other for other in kinds] for one in kinds]


def test_bands_are_hidden_as_asked(sounds):
    whole, hidden = batch(sounds, hidden_bins=0, hidden_frames=0), batch(sounds, hidden_bins=5, hidden_frames=0)
    changed = (whole.mel != hidden.mel).any(dim=2).sum(dim=1)
    assert 0 < int(changed.max()) <= 5
    changed = (whole.mel != batch(sounds, hidden_bins=0, hidden_frames=7).mel).any(dim=1).sum(dim=1)
    assert 0 < int(changed.max()) <= 7


def test_validation_is_the_same_every_time_and_holds_all_kinds_in_a_batch(sounds):
    one, other = (validation_pairs(sounds * 8, SIZES.frames) for _ in range(2))
    assert [len(given.texts) for given in one] == [24, 24, 24]
    assert all(torch.equal(a.mel, b.mel) and a.texts == b.texts for a, b in zip(one, other, strict=True))
    assert all(len(set(given.texts)) == 3 for given in one)
    assert len(validation_pairs(sounds, SIZES.frames)) == 1


def test_matched_pairs_win_after_some_steps(data, tmp_path):
    fit = replace(FIT, steps=60, learning_rate=5e-3, validate_every=20, checkpoint_every=60, average=0.8)
    folder = train_pair(replace(TRAINING, fit=fit, hidden_bins=4, hidden_frames=4), **data, exp_dir=tmp_path)
    pair = load_pair(folder)
    heard = torch.stack([pair.embed_audio(*one)[0] for one in held_out(data)])
    read = pair.embed_text([f"a {kind} tone" for kind in KINDS])
    torch.testing.assert_close(heard.norm(dim=1), torch.ones(len(heard)))
    assert (heard @ read.T).argmax(dim=1).tolist() == [0, 0, 1, 1, 2, 2]
    figures = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    losses = [line["valid/loss"] for line in figures if "valid/loss" in line]
    assert losses[-1] < 0.5 * losses[0]


def held_out(data):
    sounds = [Audio.read(data["dev"].folder / f"{kind}{number}.wav") for kind in KINDS for number in range(2)]
    return [(sound.samples[None], sound.sample_rate) for sound in sounds]


def test_a_run_that_is_cut_short_goes_on_to_the_same_weights(data, trained, tmp_path, monkeypatch):
    calls = []

    def killed_at_the_fifth_step(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise RuntimeError("killed")
        return draw_pairs(*arguments)

    monkeypatch.setattr(audio_text, "draw_pairs", killed_at_the_fifth_step)
    with pytest.raises(RuntimeError, match="killed"):
        train_pair(TRAINING, **data, exp_dir=tmp_path)
    monkeypatch.undo()
    assert (tmp_path / "last.ckpt").exists()
    resumed = train_pair(TRAINING, **data, exp_dir=tmp_path)
    expected, found = (load_file(folder / "model.safetensors") for folder in (trained, resumed))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "change",
    [{"batch_size": 4}, {"word_dropout": 0.9}, {"hidden_bins": 40}, {"hidden_frames": 20}],
    ids=lambda change: next(iter(change)),
)
def test_every_knob_changes_the_result(data, trained, tmp_path, change):
    changed = train_pair(replace(TRAINING, **change), **data, exp_dir=tmp_path)
    expected, found = (load_file(folder / "model.safetensors") for folder in (trained, changed))
    assert any(not torch.equal(found[name], expected[name]) for name in expected)


def test_sounds_and_captions_are_embedded_once(data, trained, tmp_path):
    pair = load_pair(trained)
    folder = embed_sounds(pair, data["dev"], tmp_path / "embeddings")
    names = ["high1", "low0"]
    heard, said = (read_embeddings(folder / file, names) for file in ("audio.safetensors", "text.safetensors"))
    (sound, rate), captions = held_out(data)[0], ("a low tone", "low pitch")
    torch.testing.assert_close(heard["low0"], pair.embed_audio(sound, rate)[0])
    torch.testing.assert_close(said["low0"], pair.embed_text(captions))
    assert list(heard) == names
    with pytest.raises(InputError, match="an embedding of every clip, got none of low7"):
        read_embeddings(folder / "audio.safetensors", ["low0", "low7"])


def test_data_that_do_not_fit_are_refused(data, tmp_path):
    sounds = write_toys(tmp_path / "toys", 1)
    (sounds.folder / "low0.wav").unlink()
    with pytest.raises(InputError, match=r"an audio file of every sound in captions.jsonl, got none of low0"):
        train_pair(TRAINING, sounds, data["dev"], tmp_path / "exp")
    sounds.captions.write_text('{"id": "low0", "captions": []}\n')
    with pytest.raises(InputError, match="captions of every sound, got none of low0"):
        train_pair(TRAINING, sounds, data["dev"], tmp_path / "exp")
