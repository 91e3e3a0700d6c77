"""The spectrogram codec learns in two stages, goes on after a kill, and writes what can be loaded and packed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.checkpoints.nano import pack_codec
from audiogen.checkpoints.save import save_model
from audiogen.codecs import load_codec
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.codecs.spectrogram_networks import SpectrogramAutoencoder, SpectrogramCodecConfig
from audiogen.training.fit import FitConfig, step_generator
from audiogen.training.spectrogram import (
    SMALL,
    AutoencoderTask,
    AutoencoderTraining,
    SpectrogramTraining,
    train,
)
from audiogen.training.vocoder import VocoderTask, VocoderTraining

TINY = SpectrogramCodecConfig(
    vocab_size=32, codebook_dim=8, dim=16, widths=(16, 24), blocks=1, fsq_steps=(4, 4, 2),
    vocoder_dim=16, vocoder_intermediate_dim=32, vocoder_layers=1,
)  # fmt: skip
FIT = FitConfig(
    steps=6, warmup=2, precision="32-true", checkpoint_every=3, validate_every=3, record_every=1, average=0.5
)
AUTOENCODER = AutoencoderTraining(fit=FIT, batch_size=2, columns=2)
VOCODER = VocoderTraining(fit=replace(FIT, learning_rate=5e-3), batch_size=2, columns=2)
CONFIG = SpectrogramTraining(model=TINY, autoencoder=AUTOENCODER, vocoder=VOCODER, gain_db=(0.0, 0.0))


def sound(seconds: float = 1.0, seed: int = 0) -> Tensor:
    """Noise that comes and goes, and a tone."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(int(seconds * 22050)) / 22050
    waves = (2 * torch.pi * 3 * time).sin().clamp(min=0.05) * torch.randn(len(time), generator=generator) * 0.1
    return waves + 0.1 * (2 * torch.pi * (500 + 100 * seed) * time).sin()


def learn(task: AutoencoderTask | VocoderTask, steps: int, rate: float) -> list[dict[str, float]]:
    """Losses of a few updates on one batch."""
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=rate)
    batch = torch.stack([sound(seed=seed)[: 4 * 4096] for seed in range(2)])
    curve = []
    for step in range(steps):
        losses = task.train().loss(batch, step_generator(1, step))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        curve.append({name: float(value.detach()) for name, value in losses.items()})
    return curve


@pytest.mark.parametrize("quantizer", ["factorized", "ema", "fsq"])
def test_the_autoencoder_learns_with_every_quantiser(quantizer: str):
    torch.manual_seed(0)
    curve = learn(AutoencoderTask(replace(TINY, quantizer=quantizer), AUTOENCODER), 40, 5e-3)
    for name in ("loss", "l1", "l2", "texture"):
        assert curve[-1][name] < 0.7 * curve[0][name], name
    assert curve[-1]["used"] > 0.1


@pytest.fixture(scope="module")
def autoencoder() -> SpectrogramAutoencoder:
    torch.manual_seed(0)
    return SpectrogramAutoencoder(TINY).eval()


def test_the_vocoder_learns(autoencoder: SpectrogramAutoencoder):
    torch.manual_seed(0)
    before = {name: tensor.clone() for name, tensor in autoencoder.state_dict().items()}
    curve = learn(VocoderTask(TINY, replace(VOCODER, coded=0.0), autoencoder), 25, 1e-2)
    mean = lambda part, name: sum(losses[name] for losses in part) / len(part)  # noqa: E731
    assert mean(curve[-5:], "frequency") < 0.8 * mean(curve[:5], "frequency")
    assert mean(curve[-5:], "spectrum") < 0.95 * mean(curve[:5], "spectrum")
    assert all(torch.equal(tensor, before[name]) for name, tensor in autoencoder.state_dict().items())


def test_a_share_of_the_spectrograms_is_coded(autoencoder: SpectrogramAutoencoder):
    task = VocoderTask(TINY, replace(VOCODER, coded=0.5), autoencoder)
    batch = torch.stack([sound(seed=seed)[: 2 * 4096] for seed in range(4)])
    mel, heard = task.log_mel(batch), task.spectrograms(batch)
    assert torch.equal(heard[2:], mel[2:])
    coded = autoencoder.decode(autoencoder.encode(mel[:2])).clamp(-1, 1)
    torch.testing.assert_close(heard[:2], coded)


def test_a_critic_may_join_either_stage(autoencoder: SpectrogramAutoencoder):
    with_critic = {"adversarial_weight": 0.1, "adversarial_start": 0}
    for task in (
        AutoencoderTask(TINY, replace(AUTOENCODER, **with_critic)),
        VocoderTask(TINY, replace(VOCODER, **with_critic), autoencoder),
    ):
        curve = learn(task, 2, 1e-3)
        assert curve[1]["critic"] != curve[0]["critic"], "the critic learns"
        assert "adversarial" in curve[0]
        assert "critic" not in task.eval().loss(sound()[None, :4096], step_generator(0, 0)), "validation has none"


def steps(exp_dir: Path) -> list[int]:
    lines = (exp_dir / "train.jsonl").read_text().splitlines()
    return [line["step"] for line in map(json.loads, lines) if "train/loss" in line]


def test_train_goes_on_where_it_was_killed_and_writes_a_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    clips = tmp_path / "clips"
    clips.mkdir()
    for seed in range(2):
        Audio(sound(seed=seed)[None], 22050).save(clips / f"{seed}.flac")
    whole = load_codec(train(CONFIG, [clips], clips, tmp_path / "whole"))

    class Killed(Exception):
        pass

    loss = VocoderTask.loss

    def killed_at_four(task: VocoderTask, batch: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        if task.training and task.global_step == 4:
            raise Killed
        return loss(task, batch, generator)

    exp = tmp_path / "killed"
    with monkeypatch.context() as patch:
        patch.setattr(VocoderTask, "loss", killed_at_four)
        with pytest.raises(Killed):
            train(CONFIG, [clips], clips, exp)
    assert steps(exp / "autoencoder") == [1, 2, 3, 4, 5, 6]
    model = train(CONFIG, [clips], clips, exp)
    assert steps(exp / "vocoder") == [1, 2, 3, 4, 5, 6]
    resumed = load_codec(model)
    assert isinstance(resumed, SpectrogramCodec)
    for name, tensor in resumed.state_dict().items():
        torch.testing.assert_close(tensor, whole.state_dict()[name], msg=name)


def test_the_small_codec_is_small_in_8_bits(tmp_path: Path):
    saved = save_model(SpectrogramCodec(SMALL), "spectrogram-codec", vars(SMALL), tmp_path / "model")
    assert (pack_codec(saved, tmp_path / "packed") / "model.safetensors").stat().st_size < 6 * 2**20
