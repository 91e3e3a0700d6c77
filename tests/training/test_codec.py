"""The codec learns: one batch is reproduced better after a few updates, and the losses say what they claim."""

import torch

from audiogen.codecs.nano import NanoCodecConfig
from audiogen.training.codec import CodecTask, CodecTraining, Crops, Recording, crop, draw_crops
from audiogen.training.fit import FitConfig, step_generator
from audiogen.training.losses import MultiScaleSpectrum

SMALL = NanoCodecConfig(
    dim=32, intermediate_dim=64, encoder_layers=(1, 1), decoder_layers=(1, 1), levels=2, vocab_size=32
)
CONFIG = CodecTraining(fit=FitConfig(steps=25), model=SMALL, batch_size=2, seconds=0.5)


def hum(seconds: float, pitch: float) -> Recording:
    """A buzzing tone with its true pitch track."""
    time = torch.arange(int(seconds * 24000)) / 24000
    audio = sum(torch.sin(2 * torch.pi * pitch * k * time) / k for k in range(1, 12)) * 0.1
    frames = int(seconds * 200)
    return Recording(torch.as_tensor(audio), torch.stack([torch.full((frames,), pitch), torch.ones(frames)]))


def test_training_lowers_every_loss_on_a_small_batch() -> None:
    torch.manual_seed(0)
    task = CodecTask(CONFIG)
    optimizer = torch.optim.AdamW(task.parameters(), lr=3e-3)
    batch = draw_crops([[hum(1.0, 120.0), hum(1.0, 210.0)]], [1.0], CONFIG, step_generator(0, 0))
    losses = []
    for step in range(25):
        found = task.loss(batch, step_generator(1, step))
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        losses.append({name: float(value.detach()) for name, value in found.items()})
    assert losses[-1]["mel"] < 0.6 * losses[0]["mel"]
    assert losses[-1]["pitch"] < 0.5 * losses[0]["pitch"]


def test_batches_depend_on_the_step_alone() -> None:
    recordings = [[hum(1.0, 100.0 + 10 * i) for i in range(4)], [hum(0.3, 300.0)]]
    first, again, other = (draw_crops(recordings, [0.8, 0.2], CONFIG, step_generator(5, step)) for step in (7, 7, 8))
    assert torch.equal(first.audio, again.audio)
    assert not torch.equal(first.audio, other.audio)


def test_short_recordings_are_padded_with_unvoiced_silence() -> None:
    audio, pitch = crop(hum(0.3, 150.0), 0, 100, 24000)
    assert audio.shape == (12000,)
    assert float(audio[7200:].abs().max()) == 0.0
    assert float(pitch[1, 60:].max()) == 0.0
    assert float(pitch[0].min()) > 0


def test_shares_decide_which_set_is_drawn() -> None:
    quiet = Recording(torch.zeros(24000), torch.stack([torch.full((200,), 100.0), torch.zeros(200)]))
    batch = draw_crops([[hum(1.0, 100.0)], [quiet]], [0.0, 1.0], CONFIG, step_generator(0, 0))
    assert isinstance(batch, Crops)
    assert float(batch.audio.abs().max()) == 0.0


def test_mel_loss_is_zero_on_equal_sounds_and_a_decibel_figure_on_gain() -> None:
    mel = MultiScaleSpectrum(24000)
    audio = hum(0.5, 140.0).audio[None]
    assert float(mel(audio, audio)) == 0.0
    louder = mel(audio * 2, audio)
    assert 0.3 < float(louder) < 0.7, "ln 2 where the sound is above the floor"
