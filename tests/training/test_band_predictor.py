"""The predictor of missing bands: what it may know, its error, what it learns in a few steps, and what is refused."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Generator

from audiogen.audio import Audio
from audiogen.checkpoints.nano_sound import load_band_predictor
from audiogen.checkpoints.save import save_model
from audiogen.codecs.nano_music import NanoMusicCodec
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.errors import InputError
from audiogen.models.band_predictor import AROUND, BandPredictor, BandPredictorConfig
from audiogen.training.band_predictor import (
    BandBatch,
    BandPredictorTask,
    BandPredictorTraining,
    train_band_predictor,
)
from audiogen.training.fit import FitConfig

RATE = 22_050
MODEL = BandPredictorConfig(mels=80, dim=16, intermediate_dim=32, layers=2)
FIT = FitConfig(steps=40, learning_rate=1e-2, precision="32-true", warmup=4, checkpoint_every=20, validate_every=20)
TRAINING = BandPredictorTraining(fit=replace(FIT, average=0.8), model=MODEL, batch_size=4, frames=24)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = BandPredictor(MODEL)
        made.out.weight.data.normal_(std=0.03)
        return made.eval()


@pytest.fixture(scope="module")
def mel():
    return 0.2 * torch.randn(2, 80, 150, generator=Generator().manual_seed(1)) - 0.3


KNOWN = torch.arange(80) < torch.tensor([[40], [64]])


def test_only_known_bands_are_seen(network, mel):
    made = network(mel, KNOWN)
    assert made.shape == mel.shape
    assert torch.equal(network(torch.where(KNOWN[..., None], mel, 0.7), KNOWN), made)
    assert not torch.equal(network(mel, KNOWN.flip(0)), made)


def test_a_louder_sound_is_louder_in_all_bands(network, mel):
    torch.testing.assert_close(network(mel + 0.1, KNOWN), (network(mel, KNOWN) + 0.1).clamp(max=1), atol=1e-5, rtol=0)


def test_frames_far_away_do_not_matter(network, mel):
    changed = mel.clone()
    changed[..., 100:] = 0.5
    edge = 100 - AROUND - 3 * (1 + MODEL.layers)
    made, other = network(mel, KNOWN), network(changed, KNOWN)
    torch.testing.assert_close(made[..., :edge], other[..., :edge], atol=1e-5, rtol=0)
    assert not torch.allclose(made[..., 90:100], other[..., 90:100])


def test_the_loss_is_in_decibels_of_what_is_unknown():
    codec = SpectrogramCodec.tiny("nano-codec-sound")
    task = BandPredictorTask(BandPredictor(MODEL), codec.config, FIT)
    audio = 0.1 * torch.randn(2, 24 * 256, generator=Generator().manual_seed(0))
    truth = task.log_mel(audio)
    task.network.forward = lambda mel, known: truth + torch.where(known[..., None], 9.0, 0.1)
    found = task.loss(BandBatch(audio, torch.tensor([3000.0, 8000.0])), Generator())
    assert float(found["loss"]) == pytest.approx(5.0, rel=1e-4), "0.1 units of 50 dB"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Noises whose upper half is as loud as the lower one, or 30 dB softer where the lower one flutters."""
    root = tmp_path_factory.mktemp("bands")
    for folder in ("train", "dev"):
        (root / folder).mkdir()
        for number in range(6):
            generator = Generator().manual_seed(number + 10 * (folder == "dev"))
            noise = 0.1 * torch.randn(1, RATE, generator=generator)
            flutter = 1 + (number % 2) * torch.sin(torch.arange(RATE) / 300)
            soft = Audio(noise.clone(), RATE).resample(6000).resample(RATE).samples[:, :RATE] * flutter
            loud = (noise - Audio(noise, RATE).resample(6000).resample(RATE).samples[:, :RATE]) * 0.03 ** (number % 2)
            Audio((soft + loud).clamp(-1, 1), RATE).save(root / folder / f"{number}.flac")
    codec = SpectrogramCodec.tiny("nano-codec-sound")
    save_model(codec, "spectrogram-codec", asdict(codec.config), root / "codec")
    train, dev = (sorted((root / folder).glob("*.flac")) for folder in ("train", "dev"))
    return {"train": [train[::2], train[1::2]], "dev": dev, "codec": root / "codec"}


def valid_losses(folder: Path) -> list[float]:
    lines = (folder / "train.jsonl").read_text().splitlines()
    return [float(line.split('"valid/loss": ')[1].split(",")[0].rstrip("}")) for line in lines if "valid/loss" in line]


def test_some_steps_lower_the_error_and_the_model_comes_back(data, tmp_path):
    made = train_band_predictor(TRAINING, **data, exp_dir=tmp_path)
    losses = valid_losses(tmp_path)
    assert losses[-1] < losses[0]
    assert load_band_predictor(made).config == MODEL
    again = train_band_predictor(TRAINING, **data, exp_dir=tmp_path / "again")
    assert (again / "model.safetensors").read_bytes() == (made / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    "change", [{"batch_size": 2}, {"frames": 12}, {"cutoffs": (3000.0, 3100.0)}, {"gain_db": (0.0, 0.0)}], ids=str
)
def test_every_knob_changes_the_result(data, tmp_path, change):
    fit = replace(TRAINING.fit, steps=3)
    folders = [
        train_band_predictor(replace(TRAINING, fit=fit, **knobs), **data, exp_dir=tmp_path / str(number))
        for number, knobs in enumerate(({}, change))
    ]
    one, other = ((folder / "model.safetensors").read_bytes() for folder in folders)
    assert one != other


def test_a_codec_without_bands_is_refused(data, tmp_path):
    codec = NanoMusicCodec.tiny("nano-codec-music")
    save_model(codec, "nano-codec-music", asdict(codec.config), tmp_path / "codec")
    with pytest.raises(InputError, match="expected a spectrogram codec, got a NanoMusicCodec"):
        train_band_predictor(TRAINING, **{**data, "codec": tmp_path / "codec"}, exp_dir=tmp_path)
    with pytest.raises(
        InputError, match=r"expected sets of sounds to train on, and sounds to validate, got \[3, 0\] and 6"
    ):
        train_band_predictor(TRAINING, **{**data, "train": [data["train"][0], []]}, exp_dir=tmp_path)
