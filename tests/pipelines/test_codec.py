"""`audiogen codec`: files to codes and back, with real (small) codecs loaded from disk."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from audiogen.audio import Audio
from audiogen.checkpoints.save import save_model
from audiogen.codecs import CODECS, load_codec
from audiogen.codecs.base import Codec
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.errors import InputError
from audiogen.pipelines.codec import Codes, compare_file, decode_file, decode_long, encode_file, info

CODEC = "encodec-32khz"


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    torch.manual_seed(0)


@pytest.fixture
def weights(fixtures: Path) -> Path:
    return fixtures / "encodec" / "encodec_tiny_compression_state_dict.bin"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    generator = torch.Generator().manual_seed(0)
    return Audio(torch.randn(2, 20_011, generator=generator) * 0.2, 24_000).save(tmp_path / "recording.flac")


@pytest.fixture
def codes_file(recording: Path, weights: Path, tmp_path: Path) -> Path:
    encode_file(recording, tmp_path / "codes.safetensors", CODEC, weights=weights)
    return tmp_path / "codes.safetensors"


def test_a_recording_to_codes_and_back(recording: Path, codes_file: Path, weights: Path, tmp_path: Path):
    audio = decode_file(codes_file, tmp_path / "decoded.wav", weights=weights)
    codec = load_codec(CODEC, weights=weights)
    original = Audio.read(recording).resample(32_000).mono()
    codes = codec.encode(original.samples[None])
    assert torch.equal(Codes.read(codes_file).codes, codes)
    assert audio.samples.shape == original.samples.shape
    torch.testing.assert_close(audio.samples, codec.decode(codes)[0, :, : audio.samples.shape[-1]], atol=1e-4, rtol=0)
    written = Audio.read(tmp_path / "decoded.wav").samples
    torch.testing.assert_close(written, audio.samples.clamp(-1, 1), atol=1e-4, rtol=0)


def test_codes_file_says_what_it_is(codes_file: Path):
    with safe_open(codes_file, "pt") as file:
        assert file.metadata() == {"codec": CODEC, "sample_rate": "32000", "num_samples": "26682", "format": "pt"}
        assert file.get_tensor("codes").dtype == torch.int16


def test_fewer_levels(recording: Path, codes_file: Path, weights: Path, tmp_path: Path):
    facts = encode_file(recording, tmp_path / "two.safetensors", CODEC, weights=weights, levels=2)
    assert facts.bitrate_kbps == pytest.approx(2 * 6 * 50 / 1000)
    assert torch.equal(Codes.read(tmp_path / "two.safetensors").codes, Codes.read(codes_file).codes[:, :2])
    assert decode_file(tmp_path / "two.safetensors", tmp_path / "two.wav", weights=weights).duration > 0.8
    with pytest.raises(InputError, match="1 to 4 levels"):
        encode_file(recording, tmp_path / "nine.safetensors", CODEC, weights=weights, levels=9)
    assert not (tmp_path / "nine.safetensors").exists()


def test_info_of_a_codec_and_of_a_codes_file(codes_file: Path, weights: Path):
    facts = info(CODEC, weights=weights).to_json()
    assert facts["hop_length"] == 640
    assert facts["parameters"] > 1000
    assert "frames" not in facts
    facts = json.loads(json.dumps(info(codes_file, weights=weights).to_json()))
    assert facts["frames"] == 42
    assert facts["duration"] == pytest.approx(26_682 / 32_000)


def test_compare_writes_the_picture_and_the_sound(recording: Path, weights: Path, tmp_path: Path):
    report = compare_file(recording, CODEC, weights=weights, plot=tmp_path / "a.png", output=tmp_path / "a.ogg")
    assert report.bitrate_kbps == pytest.approx(1.2)
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert Audio.read(tmp_path / "a.ogg").duration == pytest.approx(20_011 / 24_000, abs=0.01)


def damaged(**changes: object) -> dict[str, object]:
    whole = {"codec": CODEC, "sample_rate": "32000", "num_samples": "6400", "codes": torch.zeros(1, 4, 10).short()}
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (damaged(codes=None), "codes"),
        (damaged(codec=None), "codec"),
        (damaged(num_samples=None), "num_samples"),
        (damaged(num_samples="many"), "many"),
        (damaged(num_samples="0"), "0 samples"),
        (damaged(num_samples="6401"), "11 frames"),
        (damaged(sample_rate="44100"), "44100 Hz"),
        (damaged(codec="/etc"), "/etc"),
        (damaged(codes=torch.zeros(4, 10).short()), r"\[4, 10\]"),
        (damaged(codes=torch.zeros(1, 4, 10)), "float32"),
        (damaged(codes=torch.zeros(1, 9, 10).short()), "levels"),
        (damaged(codes=torch.full((1, 4, 10), 64).short()), r"0\.\.63"),
    ],
)
def test_codes_that_do_not_fit(content: dict, says: str, weights: Path, tmp_path: Path):
    tensors = {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}
    save_file(tensors, tmp_path / "bad.safetensors", {k: v for k, v in content.items() if isinstance(v, str)})
    with pytest.raises(InputError, match=says):
        decode_file(tmp_path / "bad.safetensors", tmp_path / "out.wav", weights=weights)
    assert not (tmp_path / "out.wav").exists()


def test_files_that_are_no_codes(recording: Path, tmp_path: Path):
    with pytest.raises(InputError, match="no such file"):
        decode_file(tmp_path / "nothing.safetensors", tmp_path / "out.wav")
    with pytest.raises(InputError, match="expected a codes file"):
        decode_file(recording, tmp_path / "out.wav")
    with pytest.raises(InputError, match=r"\.safetensors"):
        Codes(torch.zeros(1, 4, 10).long(), CODEC, 32_000, 6400).save(tmp_path / "codes.pt")


def test_long_recordings_are_encoded_in_blocks_with_the_same_codes():
    codec = CODECS["dac-16khz"].tiny("dac-16khz")
    audio = torch.randn(1, 1, 100 * codec.hop_length + 7) * 0.2
    assert torch.equal(codec.encode_long(audio, block=0.5, context=0.3), codec.encode(audio))
    assert not torch.equal(codec.encode_long(audio, block=0.5, context=0.0), codec.encode(audio)), "context matters"


@pytest.mark.parametrize("name", ["encodec-24khz", "encodec-48khz"])
def test_blocks_of_encoders_with_memory(name: str):
    codec = CODECS[name].tiny(name)
    audio = torch.randn(1, codec.channels, 100 * codec.hop_length) * 0.2
    blocks, whole = codec.encode_long(audio, block=0.3, context=0.2), codec.encode(audio)
    assert (blocks == whole).float().mean() > 0.98


def test_a_codec_of_spectrograms_by_its_folder(recording: Path, tmp_path: Path):
    codec = SpectrogramCodec.tiny("nano-codec-sound")
    folder = save_model(codec, "spectrogram-codec", asdict(codec.config), tmp_path / "codec")
    encoded = encode_file(recording, tmp_path / "codes.safetensors", folder)
    samples = round(20_011 / 24_000 * 22_050)
    assert (encoded.sample_rate, encoded.levels, encoded.frames) == (22_050, 5, -(-samples // 4096))
    decoded = decode_file(tmp_path / "codes.safetensors", tmp_path / "decoded.wav", folder)
    assert decoded.samples.shape[1] == pytest.approx(samples, abs=1)
    report = compare_file(recording, folder, plot=tmp_path / "plot.png")
    assert report.bitrate_kbps == pytest.approx(codec.bitrate / 1000)
    assert report.mel_distance > 0
    assert (tmp_path / "plot.png").stat().st_size > 0


def test_codes_are_decoded_in_parts(monkeypatch: pytest.MonkeyPatch):
    codec = CODECS["dac-16khz"].tiny("dac-16khz")
    widths = []
    decode = type(codec).decode

    def watched(self: Codec, codes: torch.Tensor) -> torch.Tensor:
        widths.append(codes.shape[-1])
        return decode(self, codes)

    monkeypatch.setattr(type(codec), "decode", watched)
    monkeypatch.setattr("audiogen.pipelines.codec.DECODED_AT_ONCE", 0.4)
    codes = torch.randint(32, (1, 3, 200))
    audio = decode_long(codec, codes)
    assert max(widths) < 60
    torch.testing.assert_close(audio, decode(codec, codes), atol=1e-4, rtol=0)
