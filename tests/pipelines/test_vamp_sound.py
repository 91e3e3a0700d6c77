"""The pieces of a vamp that need no model: loudness, stereo image, pitch, splices, seams, windows, files."""

import json
import math
import struct
from pathlib import Path

import pytest
import torch
from torch import Tensor

from audiogen.audio import PEAK_LIMIT, Audio
from audiogen.errors import InputError
from audiogen.metrics.seam import seam
from audiogen.pipelines.blocks import by_blocks
from audiogen.pipelines.chunks import Window, windows
from audiogen.pipelines.coding import resample_loop, wrapped
from audiogen.pipelines.level import at_loudness, limit
from audiogen.pipelines.loops import numbered, read_sidecar, sidecar_of, with_bpm, write_wav
from audiogen.pipelines.pitch import shift
from audiogen.pipelines.splice import join, runs, splice
from audiogen.pipelines.stereo import MAX_GAIN, mix_down, spread

RATE = 16_000


def tone(hertz: float, seconds: float = 1.0, rate: int = RATE) -> Tensor:
    return torch.sin(torch.arange(round(seconds * rate)).double() * (2 * math.pi * hertz / rate)).float()


def noise(seconds: float = 1.0, seed: int = 0, rate: int = RATE) -> Tensor:
    return torch.randn(round(seconds * rate), generator=torch.Generator().manual_seed(seed)) * 0.1


def decibels(samples: Tensor) -> float:
    return 10 * math.log10(float(samples.square().mean()) + 1e-20)


# ------------------------------------------------------------------------------------------------------------ loudness


@pytest.mark.parametrize("lufs", [-40.0, -23.0, -14.0, -8.0])
def test_loudness_is_reached_without_clipping(lufs: float) -> None:
    spiky = noise(2) * (1 + 8 * (torch.arange(2 * RATE) % 4000 < 20))
    made = at_loudness(Audio(spiky, RATE), lufs)
    assert made.loudness() == pytest.approx(lufs, abs=0.1)
    assert float(made.samples.abs().max()) <= PEAK_LIMIT + 1e-6


def test_the_limiter_touches_only_what_is_near_a_peak() -> None:
    sound = torch.stack([noise(), noise(seed=1)])
    sound[0, 8000] = 3.0
    limited = limit(sound, RATE)
    assert limited[0, 8000] == pytest.approx(PEAK_LIMIT, rel=1e-4)
    reach = round(0.011 * RATE)
    assert torch.equal(limited[:, : 8000 - reach], sound[:, : 8000 - reach])
    assert torch.equal(limited[:, 8000 + reach :], sound[:, 8000 + reach :])
    assert torch.allclose(limited[1, 8000] / sound[1, 8000], torch.tensor(PEAK_LIMIT / 3), rtol=1e-4)
    assert torch.equal(limit(sound[:, :7000], RATE), sound[:, :7000])


def test_silence_has_no_loudness_to_change() -> None:
    assert not at_loudness(Audio(torch.zeros(RATE), RATE), -20).samples.any()


# -------------------------------------------------------------------------------------------------------------- stereo


def test_mono_stays_mono_and_equal_channels_stay_equal() -> None:
    source, result = noise(), Audio(noise(seed=5), RATE)
    assert spread(result, Audio(source, RATE)) is result
    both = spread(result, Audio(torch.stack([source, source]), RATE)).samples
    assert torch.equal(both[0], both[1])
    torch.testing.assert_close(both[:1], result.samples, atol=1e-5, rtol=0)


def test_a_silent_channel_stays_silent() -> None:
    right = torch.stack([torch.zeros(RATE), noise()])
    right[:, 4000:12000] = 0  # for a while, both are
    made = spread(Audio(noise(seed=5), RATE), Audio(right, RATE)).samples
    assert not made[0].any()
    assert decibels(made[1]) > -30


def test_the_image_is_that_of_the_source_band_by_band() -> None:
    """A low tone on the left and a high one on the right: so are those of the result, which are others."""
    source = torch.stack([tone(300), tone(4000)]) * 0.2
    made = spread(Audio((tone(320) + tone(4200)) * 0.2, RATE), Audio(source, RATE)).samples
    for hertz, louder in ((320, 0), (4200, 1)):
        level = [abs(complex(channel @ tone(hertz).double())) for channel in made.double()]
        assert level[louder] > 20 * level[1 - louder], hertz


def test_the_image_moves_with_time_and_is_stretched() -> None:
    first, then = torch.zeros(2, RATE), torch.zeros(2, RATE)
    first[0], then[1] = noise(), noise()
    source = Audio(torch.cat([first, then], -1), RATE)
    for seconds in (2, 6):
        made = spread(Audio(noise(seconds, seed=3), RATE), source).samples
        third = made.shape[-1] // 3
        assert decibels(made[0, :third]) > decibels(made[1, :third]) + 30
        assert decibels(made[1, -third:]) > decibels(made[0, -third:]) + 30


def test_opposite_channels_do_not_cancel() -> None:
    one = noise()
    opposite = torch.stack([one, -one])
    assert torch.equal(mix_down(opposite), one[None])
    made = spread(Audio(noise(seed=2), RATE), Audio(opposite, RATE)).samples
    torch.testing.assert_close(made[0], -made[1])
    nearly = torch.stack([one, -0.7 * one])
    bounded = spread(Audio(noise(seed=2), RATE), Audio(nearly, RATE)).samples
    assert float(bounded.abs().max()) <= 1.5 * MAX_GAIN * float(noise(seed=2).abs().max())


def test_blocks_are_joined_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Audio(torch.stack([noise(4), noise(4, seed=1)]), RATE)
    result = Audio(noise(4, seed=2), RATE)
    whole = spread(result, source).samples
    monkeypatch.setattr("audiogen.pipelines.blocks.BLOCK", 1.0)
    torch.testing.assert_close(spread(result, source).samples, whole, atol=0.02, rtol=0)
    assert torch.equal(by_blocks(lambda place: result.samples[:, place], 4 * RATE, RATE), result.samples)


# --------------------------------------------------------------------------------------------------------------- pitch


@pytest.mark.parametrize("semitones", [-12, -5, 0.5, 7, 12])
def test_pitch_moves_by_semitones_and_length_does_not(semitones: float) -> None:
    made = shift(Audio(tone(500), RATE), semitones)
    assert made.samples.shape == (1, RATE)
    peak = int(torch.fft.rfft(made.samples[0] * torch.hann_window(RATE)).abs().argmax())
    assert peak == pytest.approx(500 * 2 ** (semitones / 12), abs=2.5)


# ---------------------------------------------------------------------------------------------------- splices and loops


def test_a_splice_is_the_original_outside_and_the_new_sound_inside() -> None:
    original, new = Audio(noise()[None].repeat(2, 1), RATE), Audio(torch.ones(2, RATE) * 0.5, RATE)
    frames = torch.zeros(50, dtype=torch.bool)
    frames[20:30] = True
    made = splice(original, new, frames, 50).samples
    fade = round(0.015 * RATE)
    assert torch.equal(made[:, : 6400 - fade], original.samples[:, : 6400 - fade])
    assert torch.equal(made[:, 6400:9600], new.samples[:, 6400:9600])
    assert torch.equal(made[:, 9600 + fade :], original.samples[:, 9600 + fade :])
    step = torch.diff(splice(Audio(torch.zeros(2, RATE), RATE), new, frames, 50).samples).abs().max()
    assert float(step) < 0.5 / fade * 1.01


def test_a_splice_of_a_loop_fades_over_its_seam() -> None:
    frames = torch.zeros(50, dtype=torch.bool)
    frames[:5] = True
    old, new = Audio(torch.zeros(RATE), RATE), Audio(torch.ones(RATE), RATE)
    assert splice(old, new, frames, 50).samples[0, -1] == 0
    assert splice(old, new, frames, 50, circular=True).samples[0, -1] > 0.9


def test_runs_of_frames() -> None:
    assert runs(torch.tensor([True, True, False, True])) == [(0, 2), (3, 4)]
    assert runs(torch.zeros(4, dtype=torch.bool)) == []


def test_joined_takes_have_the_same_seam() -> None:
    one, other = Audio(tone(440), RATE), Audio(noise(), RATE)
    made = join(one, other)
    assert made.samples[0, 0] == one.samples[0, 0]
    assert made.samples[0, -1] == pytest.approx(float(one.samples[0, -1]), abs=1e-6)
    assert torch.equal(made.samples[:, 300:-300], other.samples[:, 300:-300])


def test_loops_are_resampled_as_the_circles_they_are() -> None:
    loop = tone(100) + tone(1234)
    longer = resample_loop(loop[None], 25_000)
    expected = tone(100, rate=25_000) + tone(1234, rate=25_000)
    torch.testing.assert_close(longer[0], expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(resample_loop(longer, RATE)[0], loop, atol=1e-4, rtol=0)
    assert wrapped(torch.arange(3), 4).tolist() == [2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0]


def test_the_seam_figure_tells_loops_from_cuts() -> None:
    music = 0.3 * tone(220, 2) + 0.05 * noise(2)
    assert seam(Audio(music, RATE)) < 2
    assert seam(Audio(0.3 * tone(220, 2), RATE)) < 1.01
    assert seam(Audio(0.3 * tone(220.26, 2), RATE)) > 10, "half a period too many: a click"
    assert seam(Audio(torch.cat([music, 0.1 * tone(900, 2)]), RATE)) > 4, "the end is another sound than the start"
    assert math.isnan(seam(Audio(music[:4000], RATE)))


# ------------------------------------------------------------------------------------------------------------- windows


def frames_done(todo: Tensor, size: int, context: int, circular: bool) -> list[Window]:
    """The windows, after seeing that they cover `todo` and that each sees what is done."""
    found = list(windows(todo, size, context, circular))
    left = todo.clone()
    for number, window in enumerate(found):
        frames = window.frames(len(todo))
        assert len(frames) == min(size, len(todo)) == len(set(frames.tolist()))
        assert left[frames].any(), "each has something to do"
        if number:
            first = int(left[frames].nonzero()[0])
            assert first >= context, "each continues what is there"
        left[frames] = False
    assert not left.any()
    return found


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("total", [7, 100, 101, 250, 1333])
def test_windows_cover_what_is_to_do(total: int, circular: bool) -> None:
    frames_done(torch.ones(total, dtype=torch.bool), 100, 20, circular)
    sparse = torch.zeros(total, dtype=torch.bool)
    sparse[[0, total // 3, total - 1]] = True
    frames_done(sparse, 100, 20, circular)
    assert windows(torch.zeros(total, dtype=torch.bool), 100, 20, circular) == ()


def test_a_window_lies_around_a_region_and_around_the_seam_of_a_loop() -> None:
    todo = torch.zeros(1000, dtype=torch.bool)
    todo[500:550] = True
    assert windows(todo, 100, 20) == (Window(480, 100),)
    everything = torch.ones(1000, dtype=torch.bool)
    first, *_, last = windows(everything, 100, 20, circular=True)
    assert first == Window(-50, 100)
    assert last.frames(1000)[-1] == (1000 - 50 + 20 - 1), "the last sees what the first made"


# --------------------------------------------------------------------------------------------------------------- files


def chunks_of(path: Path) -> dict[bytes, bytes]:
    data = path.read_bytes()
    assert data[:4] + data[8:12] == b"RIFFWAVE"
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    found, place = {}, 12
    while place < len(data):
        name, size = struct.unpack_from("<4sI", data, place)
        found[name] = data[place + 8 : place + 8 + size]
        place += 8 + size + size % 2
    assert place == len(data)
    return found


@pytest.mark.parametrize(("channels", "samples"), [(1, 1001), (2, 1000)])
def test_wav_has_loop_points_and_every_sample(tmp_path: Path, channels: int, samples: int) -> None:
    integers = torch.randint(-(2**15), 2**15, (channels, samples), generator=torch.Generator().manual_seed(0))
    integers[0, :2] = torch.tensor([-(2**15), 2**15 - 1])
    path = write_wav(Audio(integers / 2**15, 44_100), tmp_path / "loop.wav")
    read = Audio.read(path)
    assert read.sample_rate == 44_100
    assert torch.equal(read.samples * 2**15, integers.float()), "16-bit originals come back to the sample"
    smpl = struct.unpack("<15I", chunks_of(path)[b"smpl"])
    assert smpl[2] == round(1e9 / 44_100)
    assert smpl[7] == 1, "one loop"
    assert smpl[10:] == (0, 0, samples - 1, 0, 0), "forwards, from the first to the last sample, for ever"
    assert [one.name for one in tmp_path.iterdir()] == ["loop.wav"]


def test_what_is_out_of_range_is_clipped_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_wav(Audio(torch.tensor([[2.0, -2.0, 0.5]]), RATE), tmp_path / "loud.wav")
    assert Audio.read(path).samples[0].tolist() == [1 - 2**-23, -1.0, 0.5]
    assert "2 of 3 samples are outside -1..1" in caplog.text


def test_names() -> None:
    assert sidecar_of("a/loop.wav") == Path("a/loop.wav.json")
    assert with_bpm("a/loop.wav", 97.2) == Path("a/loop-97bpm.wav")
    assert with_bpm("a/loop.wav", None) == Path("a/loop.wav")
    assert [str(numbered("out.wav", index, 2)) for index in range(2)] == ["out-1.wav", "out-2.wav"]
    assert str(numbered("out.wav", 0, 1)) == "out.wav"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("{", "expected JSON"),
        ("[]", "expected the settings of a take"),
        (json.dumps({"format": "other"}), "expected the settings of a take"),
        (json.dumps({"format": "audiogen-take-1", "input": {}, "passes": []}), "got a file without"),
    ],
)
def test_sidecars_that_are_none(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.wav.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_sidecar(tmp_path / "a.wav")
