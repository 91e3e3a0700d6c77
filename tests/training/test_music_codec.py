"""The music codec learns: a batch is reproduced better after a few updates, and every loss says what it claims."""

import math

import pytest
import torch

from audiogen.audio import Audio
from audiogen.codecs.nano_music import NanoMusicCodecConfig
from audiogen.errors import InputError
from audiogen.nn.sinusoids import Analysis, Partials, band_widths
from audiogen.training.crops import crop, draw_crops, read_clips
from audiogen.training.fit import FitConfig, step_generator
from audiogen.training.losses import MultiScaleSpectrum
from audiogen.training.music_codec import (
    MusicCodecTask,
    MusicCodecTraining,
    frequency_error,
    leftover_power,
    train,
)

SMALL = NanoMusicCodecConfig(
    dim=32, intermediate_dim=64, encoder_layers=(1, 1), decoder_layers=(1, 1), levels=2, vocab_size=32
)
CONFIG = MusicCodecTraining(
    fit=FitConfig(steps=25, precision="32-true"), model=SMALL, batch_size=2, seconds=0.48, gain_db=(0.0, 0.0)
)


def chord(*hertz: float, seconds: float = 1.0) -> torch.Tensor:
    time = torch.arange(int(seconds * 32000)) / 32000
    audio = torch.stack([torch.sin(2 * math.pi * one * time) for one in hertz]).sum(0) * 0.1
    return (audio * 32767).short()


def draw(
    generator: torch.Generator,
    sets: list[list[torch.Tensor]],
    count: int = 2,
    seconds: float = 0.1,
    gain_db: tuple[float, float] = (0.0, 0.0),
) -> torch.Tensor:
    samples, shares = round(seconds * 32000), [1.0] * len(sets)
    return draw_crops(sets, shares, count=count, samples=samples, gain_db=gain_db, generator=generator)


def test_training_lowers_every_loss_on_a_small_batch():
    torch.manual_seed(0)
    task = MusicCodecTask(CONFIG)
    optimizer = torch.optim.AdamW(task.parameters(), lr=3e-3)
    batch = draw(step_generator(0, 0), [[chord(220, 277, 330), chord(110, 700)]], seconds=0.48)
    first = None
    for step in range(25):
        losses = task.loss(batch, step_generator(1, step))
        first = first or {name: float(value.detach()) for name, value in losses.items()}
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    for name in ("loss", "mel", "linear", "frequency", "leftover"):
        assert float(losses[name]) < 0.9 * first[name], name


def test_level_and_place_of_crops_follow_the_generator():
    sets = [[chord(300)], [chord(500)]]
    one, again, other = (draw(step_generator(0, seed), sets, 4, gain_db=(-14.0, 4.0)) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    peaks = one.abs().amax(1)
    assert len(peaks.unique()) == 4, "every crop has its own level"
    assert torch.equal(crop(chord(300, seconds=0.01), 0, 640)[320:], torch.zeros(320)), "beyond the end: silence"


def test_frequency_error_is_in_widths_and_weighs_by_loudness():
    widths = band_widths().float()
    found = Analysis(torch.zeros(1, len(widths), 3), torch.zeros(1, len(widths), 3))
    found.magnitude[0, 5] = 1.0
    partials = Partials(torch.zeros(1, len(widths), 6), torch.zeros(1, len(widths), 6))
    partials.deviation[0, 5] = widths[5] / 2
    partials.deviation[0, 6] = widths[6]
    assert float(frequency_error(partials, found, widths)) == pytest.approx(0.5)


def test_what_the_quantiser_leaves_over_is_a_share_and_draws_both_sides():
    hidden = torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    quantized = (hidden.detach() / 2).requires_grad_()
    share = leftover_power(hidden, quantized)
    assert float(share) == pytest.approx(0.25)
    assert float(leftover_power(hidden * 3, quantized * 3)) == pytest.approx(0.25), "scale does not matter"
    share.backward()
    assert torch.all(hidden.grad * hidden >= 0)
    assert torch.all(quantized.grad * hidden <= 0)


def test_linear_scales_tell_a_chord_from_a_cluster():
    audio = chord(3000).float()[None] / 32767
    near = chord(3100).float()[None] / 32767
    mel, linear = (MultiScaleSpectrum(32000, ((2048, bands),)) for bands in (40, 0))
    assert float(linear(near, audio)) > 2 * float(mel(near, audio))


def test_train_writes_a_codec_that_loads(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for index, hertz in enumerate((200.0, 300.0)):
        Audio(chord(hertz).float() / 32767, 32000).save(folder / f"{index}.flac")
    assert len(read_clips(folder, 32000)) == 2
    config = MusicCodecTraining(fit=FitConfig(steps=2, precision="32-true"), model=SMALL, batch_size=2, seconds=0.48)
    model = train(config, [folder], folder, tmp_path / "exp")
    from audiogen.codecs import load_codec

    assert load_codec(model).levels == 2


def test_a_folder_without_sound_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected sound files"):
        read_clips(tmp_path, 32000)
