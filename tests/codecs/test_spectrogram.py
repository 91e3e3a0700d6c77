"""The spectrogram codec beyond the contract: its log-mel, its grid, its quantisers and its vocoder."""

import math
from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor

from audiogen.checkpoints.nano import pack_codec
from audiogen.checkpoints.save import save_model
from audiogen.codecs import load_codec
from audiogen.codecs.spectrogram import SILENCE, SpectrogramCodec
from audiogen.codecs.spectrogram_networks import MelVocoder, SpectrogramCodecConfig
from audiogen.errors import InputError
from audiogen.nn.quantize import ResidualQuantizer

RATE, HOP = 22050, 4096
QUANTIZERS = ("factorized", "ema", "fsq")


@pytest.fixture(scope="module")
def codec() -> SpectrogramCodec:
    return SpectrogramCodec.tiny("nano-codec-sound")


def noise(columns: float, level: float = 0.2, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 1, round(columns * HOP), generator=generator) * level


def tone(hertz: float, columns: int = 4, level: float = 0.5) -> Tensor:
    time = torch.arange(columns * HOP) / RATE
    return (level * torch.sin(2 * math.pi * hertz * time))[None, None]


def of_kind(quantizer: str) -> SpectrogramCodec:
    tiny = SpectrogramCodec.tiny("nano-codec-sound").config
    torch.manual_seed(0)
    return SpectrogramCodec(replace(tiny, quantizer=quantizer, fsq_steps=(4, 4, 2))).eval()


def test_default_sizes_are_the_papers():
    codec = SpectrogramCodec(SpectrogramCodecConfig())
    assert (codec.sample_rate, codec.hop_length, codec.levels, codec.vocab_size) == (RATE, HOP, 5, 1024)
    assert codec.num_frames(848 * 256) == 53, "848 frames are 265 cells"
    assert codec.codebooks().shape == (5, 1024, 256)
    assert codec.bitrate == pytest.approx(269, abs=0.5)


# ------------------------------------------------------------------------------------------------------------ log-mel


def test_spectrograms_are_levels_of_50_db_per_unit(codec: SpectrogramCodec):
    quiet, loud = codec.mel(noise(3, 0.01)), codec.mel(noise(3, 0.1))
    torch.testing.assert_close(loud - quiet, torch.full_like(quiet, 0.4), atol=1e-3, rtol=0)
    assert torch.equal(codec.mel(torch.zeros(1, 1, HOP)), torch.full((1, 80, 16), SILENCE))
    assert float(codec.mel(tone(1000, level=1.0)).max()) <= 1.0


def test_spectrograms_have_whole_columns_and_frames_in_the_middle_of_their_hops(codec: SpectrogramCodec):
    assert codec.mel(noise(2.1)).shape == (1, 80, 48)
    click = torch.zeros(1, 1, 2 * HOP)
    click[..., 20 * 256 + 128] = 1.0
    assert int(codec.mel(click).sum(1).argmax()) == 20


@pytest.mark.parametrize("hertz", [100.0, 1000.0, 2000.0, 4000.0, 9000.0])
def test_rows_are_bands_from_low_to_high(codec: SpectrogramCodec, hertz: float):
    loudest = int(codec.mel(tone(hertz))[0, :, 24].argmax())
    assert float(codec.log_mel.centres[loudest]) == pytest.approx(hertz, rel=0.03, abs=25)
    edges = codec.row_edges
    row = loudest // 16
    assert edges[row] <= hertz <= edges[row + 1]
    assert len(edges) == codec.levels + 1
    assert edges == sorted(edges)
    assert edges[-1] == RATE / 2


# --------------------------------------------------------------------------------------------------------------- grid


def test_coding_is_made_of_its_parts(codec: SpectrogramCodec):
    audio = noise(6.5)
    codes = codec.encode(audio)
    assert torch.equal(codec.tokenize(codec.mel(audio)), codes)
    mel = codec.spectrogram(codes)
    assert mel.shape == (1, 80, 16 * 7)
    assert -1 <= float(mel.min()) <= float(mel.max()) <= 1
    assert torch.equal(codec.vocode(mel), codec.decode(codes))
    assert codec.vocode(mel[..., :21]).shape == (1, 1, 21 * 256), "any number of frames"


def test_a_cell_is_heard_in_its_own_bands_and_columns_most(codec: SpectrogramCodec):
    codes = torch.randint(32, (1, 5, 12), generator=torch.Generator().manual_seed(0))
    changed = codes.clone()
    changed[0, 3, 6] = (changed[0, 3, 6] + 1) % 32
    change = (codec.spectrogram(changed) - codec.spectrogram(codes)).abs()[0]
    cells = change.unflatten(0, (5, 16)).unflatten(2, (12, 16)).sum((1, 3))
    assert divmod(int(cells.argmax()), 12) == (3, 6)


def test_columns_beyond_the_context_do_not_matter(codec: SpectrogramCodec):
    codes = torch.randint(32, (1, 5, 30), generator=torch.Generator().manual_seed(0))
    changed = codes.clone()
    changed[..., 20:] = (changed[..., 20:] + 1) % 32
    context = codec.autoencoder.decoder.context
    before, after = codec.spectrogram(codes), codec.spectrogram(changed)
    kept = (20 - context) * 16
    torch.testing.assert_close(before[..., :kept], after[..., :kept], atol=1e-6, rtol=0)
    assert not torch.allclose(before[..., : kept + 16], after[..., : kept + 16], atol=1e-6), "the context is not larger"


def test_long_sounds_are_encoded_in_blocks_with_the_same_codes(codec: SpectrogramCodec):
    audio = noise(60)
    assert torch.equal(codec.encode_long(audio, block=3.0), codec.encode(audio))


def test_with_fewer_rows_the_bands_above_are_silent():
    codec = SpectrogramCodec.tiny("nano-codec-sound")
    codes = codec.encode(noise(6))
    whole = codec.spectrogram(codes)
    codec.use_levels(3)
    assert torch.equal(codec.encode(noise(6)), codes[:, :3])
    mel = codec.spectrogram(codes[:, :3])
    assert torch.all(mel[:, 48:] == SILENCE)
    torch.testing.assert_close(mel[:, :16], whole[:, :16], atol=0.1, rtol=0)
    assert codec.codebooks().shape == (3, 32, 4)


def test_wrong_spectrograms_are_one_clear_line(codec: SpectrogramCodec):
    mel = codec.mel(noise(3))
    for code, wrong in ((codec.tokenize, mel[:, :64]), (codec.vocode, mel[0]), (codec.vocode, mel[..., :0])):
        with pytest.raises(InputError, match=r"expected log-mel \[B, M=80, L\]") as caught:
            code(wrong)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="whole columns of 16 frames, got 40"):
        codec.tokenize(mel[..., :40])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mels": 72}, "mels divisible by patch"),
        ({"patch": 20, "widths": (8, 8, 8, 8)}, "patch by 2"),
        ({"mel_hop": 255}, "even mel_hop"),
        ({"quantizer": "fsq", "fsq_steps": (8, 5, 5, 5)}, "product of vocab_size = 1024"),
        ({"mel_range": (0.0, 12000.0)}, "within 0 to 11025 Hz"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=message):
        SpectrogramCodecConfig(**wrong)


# --------------------------------------------------------------------------------------------------------- quantisers


@pytest.mark.parametrize("kind", QUANTIZERS)
def test_every_quantiser_gives_the_codes_that_it_trains_with(kind: str):
    codec = of_kind(kind)
    mel = codec.mel(noise(5, batch=2))
    codes = codec.tokenize(mel)
    assert codes.shape == (2, 5, 5)
    assert 0 <= int(codes.min()) <= int(codes.max()) < codec.vocab_size
    autoencoder = codec.autoencoder.train()
    vectors = autoencoder.encoder(mel)
    found = autoencoder.quantizer(vectors.flatten(2))
    assert torch.equal(found.codes[:, 0], codes.flatten(1)), "row after row"
    made = autoencoder.decoder(found.quantized.unflatten(-1, (5, 5)))
    torch.testing.assert_close(made, autoencoder.decode(codes))
    (made.square().mean() + found.loss).backward()
    assert float(autoencoder.encoder.stem.weight.grad.abs().sum()) > 0, "the gradient passes the quantiser"
    if isinstance(autoencoder.quantizer, ResidualQuantizer):
        codebook = autoencoder.quantizer.first(1)[0].codebook.weight
        assert (codebook.grad is None) == (kind == "ema"), "averages move this codebook, and no gradient"


@pytest.mark.parametrize("kind", QUANTIZERS)
def test_all_rows_share_one_table_of_what_codes_stand_for(kind: str):
    codec = of_kind(kind)
    table = codec.codebooks()
    assert table.shape[:2] == (5, 32)
    assert torch.equal(table[0], table[4])
    assert len(table[0].unique(dim=0)) == 32


@pytest.mark.parametrize("kind", QUANTIZERS)
def test_what_is_saved_and_packed_comes_back(kind: str, tmp_path):
    codec = of_kind(kind)
    saved = save_model(codec, "spectrogram-codec", asdict(codec.config), tmp_path / "model")
    again = load_codec(saved)
    assert isinstance(again, SpectrogramCodec)
    assert again.config == codec.config
    codes = codec.encode(noise(4))
    assert torch.equal(again.encode(noise(4)), codes)
    assert torch.equal(again.decode(codes), codec.decode(codes))
    packed = load_codec(pack_codec(saved, tmp_path / "packed"))
    assert (tmp_path / "packed/model.safetensors").stat().st_size < (saved / "model.safetensors").stat().st_size / 1.5
    difference = (packed.spectrogram(codes) - codec.spectrogram(codes)).abs()
    assert float(difference.max()) < 0.05, "eight bits cost less than 2.5 dB"


# ------------------------------------------------------------------------------------------------------------ vocoder


@pytest.fixture(scope="module")
def untrained() -> MelVocoder:
    torch.manual_seed(0)
    config = SpectrogramCodecConfig(vocoder_dim=16, vocoder_intermediate_dim=16, vocoder_layers=1)
    return MelVocoder(config).eval()


@torch.no_grad()
@pytest.mark.parametrize("level", [0.003, 0.2])
def test_noise_comes_back_at_its_level_without_any_training(
    codec: SpectrogramCodec, untrained: MelVocoder, level: float
):
    mel = codec.mel(noise(8, level))
    made = untrained(mel)
    assert made.shape == (1, 8 * HOP)
    again = codec.log_mel(made)
    assert float((again - mel).mean().abs()) * 50 < 1.0, "dB"
    assert float((again - mel).mean((0, 2)).abs().max()) * 50 < 2.0, "dB, in each band"


@torch.no_grad()
def test_a_loud_band_is_loud_where_it_was(codec: SpectrogramCodec, untrained: MelVocoder):
    mel = torch.full((1, 80, 32), -0.6)
    mel[:, 40:44, 12:20] = 0.2
    again = codec.log_mel(untrained(mel))[0]
    inside, outside = again[40:44, 14:18].mean(), torch.cat([again[:34, 14:18], again[50:, 14:18]]).mean()
    assert float(inside) == pytest.approx(0.2, abs=0.1)
    assert float(outside) < -0.4
    assert float(again[40:44, :8].mean()) < -0.4


@torch.no_grad()
def test_tones_of_the_network_are_sinusoids(codec: SpectrogramCodec, untrained: MelVocoder):
    raw = untrained.network(torch.full((1, 80, 32), SILENCE))
    band = 20
    raw[:, band] = math.log(0.3)
    made = untrained.synth(*untrained.synth.unpack(raw))
    assert float(made.square().mean().sqrt()) == pytest.approx(0.3 / math.sqrt(2), rel=0.01)
    spectrum = torch.fft.rfft(made[0]).abs()
    assert float(spectrum.argmax()) * RATE / made.shape[-1] == pytest.approx(
        float(untrained.synth.bank.centres[band]), abs=5
    )
