"""Audio: what is read, what is written, what is refused, and what loudness means at the edges."""

import base64
import io
import logging
import math
import os
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
import torch

from audiogen.audio import FORMATS, PEAK_LIMIT, Audio
from audiogen.errors import InputError


def tone(
    seconds: float = 1.0, rate: int = 24_000, channels: int = 1, amplitude: float = 0.5, hertz: float = 440
) -> Audio:
    time = torch.arange(round(seconds * rate)) / rate
    return Audio(amplitude * torch.sin(2 * math.pi * hertz * time).repeat(channels, 1), rate)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("suffix", FORMATS)
def test_written_and_read_again(suffix: str, channels: int, tmp_path: Path):
    audio = tone(channels=channels)
    path = audio.save(tmp_path / f"tone{suffix}")
    again = Audio.read(path)
    assert again.sample_rate == 24_000
    assert again.samples.shape[0] == channels
    assert again.duration == pytest.approx(1.0, abs=0.1), "lossy formats may pad"
    middle = slice(4000, 20_000)
    assert again.samples[:, middle].pow(2).mean().sqrt() == pytest.approx(0.5 / math.sqrt(2), rel=0.03)
    if suffix in (".wav", ".flac"):
        torch.testing.assert_close(again.samples, audio.samples, atol=1 / 32_768, rtol=0)
        assert soundfile.info(path).subtype == "PCM_16"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_long_vorbis(tmp_path: Path):
    """libsndfile's encoder crashes on long buffers, so they are written in blocks."""
    audio = tone(seconds=100, rate=48_000, channels=2)
    assert Audio.read(audio.save(tmp_path / "long.ogg")).duration == pytest.approx(100)


def test_read_from_an_open_file_and_bytes(tmp_path: Path):
    audio = tone()
    assert torch.equal(
        Audio.read(io.BytesIO(audio.to_wav_bytes())).samples, Audio.read(audio.save(tmp_path / "a.wav")).samples
    )
    with (tmp_path / "a.wav").open("rb") as file:
        assert Audio.read(file).duration == 1.0


def test_content_decides_not_the_suffix(tmp_path: Path):
    path = tmp_path / "flac-inside.wav"
    soundfile.write(path, tone().samples.T.numpy(), 24_000, format="FLAC")
    assert Audio.read(path).duration == 1.0


def test_any_number_type_becomes_float32_and_gradients_are_left_behind():
    assert Audio(torch.zeros(5, dtype=torch.float64), 8000).samples.dtype == torch.float32
    assert Audio(np.zeros((2, 5), dtype=np.float16), 8000).samples.shape == (2, 5)  # type: ignore[arg-type]
    assert not Audio(torch.zeros(1, 5, requires_grad=True), 8000).samples.requires_grad


def write(path: Path, samples: np.ndarray, rate: int = 24_000, subtype: str = "FLOAT") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def missing(folder: Path) -> Path:
    return folder / "nothing.wav"


def a_folder(folder: Path) -> Path:
    return folder


def no_bytes(folder: Path) -> Path:
    (folder / "empty.wav").touch()
    return folder / "empty.wav"


def no_samples(folder: Path) -> Path:
    return write(folder / "silent.wav", np.zeros((0, 1)))


def text(folder: Path) -> Path:
    (folder / "text.mp3").write_text("this is no sound\n" * 100)
    return folder / "text.mp3"


def damaged(folder: Path) -> Path:
    write(folder / "cut.flac", np.zeros(1000), subtype="PCM_16")
    (folder / "cut.flac").write_bytes((folder / "cut.flac").read_bytes()[:20])
    return folder / "cut.flac"


def not_a_number(folder: Path) -> Path:
    return write(folder / "nan.wav", np.array([0, np.nan, 0.5]))


def infinite(folder: Path) -> Path:
    return write(folder / "inf.wav", np.array([0, np.inf, 0.5]))


def eight_channels(folder: Path) -> Path:
    return write(folder / "surround.wav", np.zeros((100, 8)))


def absurd_rate(folder: Path) -> Path:
    return write(folder / "rate.wav", np.zeros(100), rate=2_000_000)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (missing, "no such file"),
        (a_folder, "got a folder"),
        (no_bytes, "empty file"),
        (no_samples, "0 samples"),
        (text, "cannot be decoded"),
        (damaged, "cannot be decoded"),
        (not_a_number, "1 NaN or infinite of 3"),
        (infinite, "1 NaN or infinite of 3"),
        (eight_channels, "got 8 channels"),
        (absurd_rate, "got 2000000 Hz"),
    ],
)
def test_wrong_files_are_one_clear_line(make, says: str, tmp_path: Path):
    with pytest.raises(InputError, match=says) as caught:
        Audio.read(make(tmp_path))
    assert "\n" not in str(caught.value)
    assert "expected" in str(caught.value)


def test_a_header_that_promises_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def allocate(*args: object, **settings: object) -> None:
        raise MemoryError("Unable to allocate 256. GiB")

    path = tone().save(tmp_path / "a.flac")
    monkeypatch.setattr(soundfile.SoundFile, "read", allocate)
    with pytest.raises(InputError, match=r"a\.flac: expected an audio file .* \(Unable to allocate 256\. GiB\)"):
        Audio.read(path)


@pytest.mark.parametrize("what", [b"", b"not sound at all", b"RIFF\x00\x00\x00\x00WAVE"])
def test_wrong_bytes(what: bytes):
    with pytest.raises(InputError, match="expected"):
        Audio.read(io.BytesIO(what))


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (torch.zeros(3, 100), 24_000),
        (torch.zeros(1, 1, 100), 24_000),
        (torch.zeros(1, 0), 24_000),
        (torch.tensor([math.nan]), 24_000),
        (torch.zeros(100), 0),
        (torch.zeros(100), -24_000),
    ],
)
def test_wrong_samples(samples: torch.Tensor, rate: int):
    with pytest.raises(InputError, match="expected"):
        Audio(samples, rate)


@pytest.mark.parametrize("name", ["a.aac", "a", "a.wav.txt"])
def test_unknown_suffix_lists_the_known_ones(name: str, tmp_path: Path):
    with pytest.raises(InputError, match=r"\.wav, \.flac, \.ogg, \.opus, \.mp3"):
        tone().save(tmp_path / name)


def test_rate_that_a_format_cannot_hold(tmp_path: Path):
    with pytest.raises(InputError, match="48000, 24000 or 16000"):
        tone(rate=96_000).save(tmp_path / "a.mp3")
    assert not list(tmp_path.iterdir()), "no half-written file"


def test_unwritable_targets(tmp_path: Path):
    with pytest.raises(InputError, match="writable folder"):
        tone().save(tmp_path / "no" / "such" / "folder.wav")
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(InputError, match="folder"):
        tone().save(tmp_path / "folder.wav")
    assert [file.name for file in tmp_path.iterdir()] == ["folder.wav"]


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def write(*args: object) -> None:
        raise soundfile.LibsndfileError(2)

    monkeypatch.setattr(soundfile.SoundFile, "write", write)
    with pytest.raises(InputError, match=r"a\.wav: expected room for 24000 samples"):
        tone().save(tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_keeps_the_old_file(tmp_path: Path):
    path = tone(rate=48_000).save(tmp_path / "a.mp3")
    before = path.read_bytes()
    with pytest.raises(InputError):
        tone(rate=96_000).save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.mp3"]


def test_samples_out_of_range_are_clipped_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        path = Audio(torch.tensor([[0.0, 1.5, -2.0, 0.5]]), 24_000).save(tmp_path / "loud.wav")
    assert "2 of 4 samples" in caplog.text
    assert Audio.read(path).samples.tolist() == [[0.0, pytest.approx(1, abs=1e-4), -1.0, 0.5]]
    caplog.clear()
    tone().save(tmp_path / "fine.wav")
    assert not caplog.records


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 16_001])
def test_resampled_tone_is_the_same_tone(rate: int):
    resampled, expected = tone().resample(rate), tone(rate=rate)
    assert resampled.samples.shape == expected.samples.shape
    middle = slice(rate // 4, 3 * rate // 4)
    torch.testing.assert_close(resampled.samples[:, middle], expected.samples[:, middle], atol=5e-3, rtol=0)


def test_resampling_to_the_same_rate_changes_nothing():
    audio = tone()
    assert audio.resample(24_000) is audio
    with pytest.raises(InputError, match="sample rate"):
        audio.resample(0)


def test_mono_is_the_mean():
    samples = torch.stack([torch.full((10,), 0.2), torch.full((10,), 0.6)])
    torch.testing.assert_close(Audio(samples, 8000).mono().samples, torch.full((1, 10), 0.4))
    assert tone().mono().samples.shape == (1, 24_000)


def test_loudness_of_the_reference_tone():
    """BS.1770: a 997 Hz sine at full scale in one channel is -3.01 LUFS."""
    assert tone(2, 48_000, amplitude=1, hertz=997).loudness() == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("seconds", [0.45, 61.0, 130.7])
def test_loudness_is_that_of_the_library_though_measured_minute_by_minute(seconds: float):
    rate = 8_000
    noise = torch.randn(2, round(seconds * rate), generator=torch.Generator().manual_seed(0))
    swelling = noise * torch.sin(torch.arange(noise.shape[-1]) / rate / 3).square() * 0.1
    expected = pyloudnorm.Meter(rate).integrated_loudness(swelling.double().numpy().T)
    assert Audio(swelling, rate).loudness() == pytest.approx(expected, abs=1e-6)


def test_short_sounds_are_as_loud_as_long_ones():
    assert tone(0.05).loudness() == pytest.approx(tone(2).loudness(), abs=0.2)
    assert Audio(torch.full((1, 1), 0.5), 24_000).normalize().samples.shape == (1, 1)


@pytest.mark.parametrize("lufs", [-30.0, -23.0, -16.0])
def test_normalized_to_the_target(lufs: float):
    assert tone(0.3, amplitude=0.01).normalize(lufs).loudness() == pytest.approx(lufs, abs=0.1)


def test_normalizing_never_clips():
    click = torch.zeros(1, 24_000)
    click[0, ::4000] = 0.9
    normalized = Audio(click, 24_000).normalize(-5)
    assert normalized.samples.abs().max() == pytest.approx(PEAK_LIMIT)


@pytest.mark.parametrize("samples", [torch.zeros(1, 24_000), torch.zeros(1, 3), torch.full((1, 24_000), 1e-7)])
def test_silence_has_no_loudness_and_stays_silent(samples: torch.Tensor):
    audio = Audio(samples, 24_000)
    assert audio.loudness() == -math.inf
    assert torch.equal(audio.normalize().samples, samples)


def test_player_in_a_notebook():
    html = tone()._repr_html_()
    wav = base64.b64decode(html.split("base64,")[1].split('"')[0])
    assert soundfile.info(io.BytesIO(wav)).frames == 24_000
    assert "1.00 s, 24000 Hz, mono" in html
