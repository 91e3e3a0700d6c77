"""Inpainting, bandwidth extension and variations on a tiny random model: what is kept, and that it comes again."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tiny_sound import COLUMNS, DECODING, HOP, RATE, ROWS, tiny_sound

from audiogen.audio import PEAK_LIMIT, Audio
from audiogen.checkpoints.nano_sound import pack_sound
from audiogen.errors import InputError
from audiogen.pipelines import coding, sound_canvas
from audiogen.pipelines.replay import replay
from audiogen.pipelines.sound import Sound
from audiogen.pipelines.splice import FADE

FEW: dict[str, Any] = {"steps": 2}


def bells(seconds: float = 2.0, rate: int = 22_050, channels: int = 2) -> Audio:
    """Strokes over a soft noise, louder on the left."""
    time = torch.arange(round(seconds * rate)) / rate
    strokes = sum(torch.sin(2 * math.pi * hertz * time) for hertz in (523.0, 1318.5, 2793.8)) * torch.exp(
        -6 * (time % 0.5)
    )
    sound = 0.08 * strokes + 0.01 * torch.randn(len(time), generator=torch.Generator().manual_seed(0))
    return Audio(torch.stack([sound, 0.5 * sound])[:channels], rate)


def spectrum(audio: Audio) -> tuple[torch.Tensor, torch.Tensor]:
    """[F] Hz, and [C, F, N] of windows of 93 ms."""
    size = 2048
    spectra = torch.stft(audio.samples, size, window=torch.hann_window(size), return_complex=True)
    return torch.linspace(0, audio.sample_rate / 2, size // 2 + 1), spectra


def power(audio: Audio, low: float, high: float) -> float:
    hertz, spectra = spectrum(audio)
    return float(spectra[:, (hertz >= low) & (hertz <= high)].abs().square().mean())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sound(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def sound(folder: Path) -> Sound:
    return Sound(folder)


# ---------------------------------------------------------------------------------------------------------- inpainting


@pytest.mark.parametrize(
    "audio",
    [bells(), bells(channels=1), bells(2.345, 48_000), bells(2.0, 8000, 1), bells(4.0, 44_100)],
    ids=str,
)
def test_outside_of_regions_are_the_very_samples(sound: Sound, audio: Audio) -> None:
    take = sound.inpaint(audio, [(0.5, 0.75), (1.2, 1.6)], seed=2, **FEW)
    assert take.samples.shape == audio.samples.shape
    assert take.sample_rate == audio.sample_rate
    changed = (take.samples != audio.samples).any(dim=0)
    time = (torch.arange(len(changed)) + 0.5) / audio.sample_rate
    fade = FADE + 1 / audio.sample_rate
    near = torch.zeros_like(changed)
    for start, end in ((0.5, 0.75), (1.2, 1.6)):
        near |= (time > start - fade) & (time < end + fade)
        assert changed[(time > start) & (time < end)].float().mean() > 0.99
    assert not changed[~near].any()
    columns = take.mask.any(dim=0)
    assert torch.equal(take.mask, columns.expand(ROWS, -1)), "all rows"
    assert columns.nonzero()[:, 0].tolist() == [2, 3, 4, 6, 7, 8]
    assert torch.equal(take.trace.step[0] >= 0, take.mask)
    assert torch.equal(take.codes[~take.mask], coding.encode(audio, sound.codec)[~take.mask])


def test_what_is_new_is_as_loud_as_its_codes_say(sound: Sound) -> None:
    """The level at which a sound is coded is taken back: the same sound at half the level gets half of what is new."""
    loud = bells(channels=1)
    quiet = Audio(0.25 * loud.samples, loud.sample_rate)
    one, other = (sound.inpaint(audio, [(0.5, 1)], **FEW) for audio in (loud, quiet))
    assert torch.equal(one.codes, other.codes)
    torch.testing.assert_close(0.25 * one.samples, other.samples, atol=2e-4, rtol=0)


def test_a_band_is_made_anew_and_all_others_stay(sound: Sound) -> None:
    audio = bells()
    take = sound.inpaint(audio, [(0.5, 1.5, 2000, 4000)], **FEW)
    time = torch.arange(audio.samples.shape[-1]) / RATE
    outside = (time < 0.5 - FADE - 1e-3) | (time > 1.5 + FADE + 1e-3)
    assert torch.equal(take.samples[:, outside], audio.samples[:, outside])
    assert take.mask.any(dim=1).tolist() == [False, False, True, True, False], "rows that the band touches"
    assert take.mask.any(dim=0).nonzero()[:, 0].tolist() == list(range(2, 9))
    hertz, before = spectrum(audio)
    difference = (spectrum(take)[1] - before).abs().square().mean(dim=(0, 2))
    level = before.abs().square().mean(dim=(0, 2))
    inside = (hertz > 2300) & (hertz < 3700)
    assert (difference[inside] > 0.1 * level[inside]).float().mean() > 0.5
    away = (hertz < 1900) | (hertz > 4100)
    assert float(difference[away].sum()) < 1e-4 * float(difference[inside].sum())


def test_full_height_is_all_frequencies(sound: Sound) -> None:
    one, other = (sound.inpaint(bells(), [region], **FEW) for region in ((0.5, 1), (0.5, 1, 0, RATE / 2)))
    assert torch.equal(one.samples, other.samples)


def test_captions_seeds_and_the_sound_itself_matter(sound: Sound) -> None:
    asked = ({}, {"caption": ""}, {"caption": "a dog"}, {"seed": 1}, {"guidance": 1.0})
    takes = [sound.inpaint(bells(), [(0.4, 1.4)], **FEW, **more) for more in asked]
    assert len({take.codes.numpy().tobytes() for take in takes}) == len(takes)


def test_a_sound_is_to_be_like_what_is_kept_of_it(sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    embed = sound.system.embedder.embed_audio
    monkeypatch.setattr(
        sound.system.embedder, "embed_audio", lambda audio, rate: heard.append(audio.shape[-1]) or embed(audio, rate)
    )
    sound.inpaint(bells(), [(0.5, 1)], **FEW)
    sound.inpaint(bells(), [(0.5, 1, 1000, 3000)], **FEW)
    sound.inpaint(bells(), [(0.1, 1.9)], **FEW)
    assert heard == [round(1.5 * RATE), 2 * RATE, 2 * RATE], "all of it, where bands are left or too little is kept"
    sound.inpaint(bells(), [(0.5, 1)], "a dog", **FEW)
    assert len(heard) == 3


def test_a_long_sound_is_mended_where_it_is_asked(sound: Sound) -> None:
    told: list[tuple[int, int]] = []
    take = sound.inpaint(bells(9.0), [(1, 1.5), (7, 7.5)], on_step=lambda *step: told.append(step), **FEW)
    assert take.codes.shape[-1] == math.ceil(9 * RATE / HOP) > 2 * COLUMNS
    assert told == [(done, 4) for done in range(1, 5)], "two windows"


def test_peaks_are_held_by_what_is_new(sound: Sound) -> None:
    loud = Audio(bells().samples / bells().samples.abs().max() * PEAK_LIMIT, RATE)
    take = sound.inpaint(loud, [(0.2, 1.8, 500, 5000)], **FEW)
    assert float(take.samples.abs().max()) <= PEAK_LIMIT + 1e-4
    extended = sound.extend_bandwidth(loud, 3000, **FEW)
    assert float(extended.samples.abs().max()) <= PEAK_LIMIT + 1e-4


def test_regions_that_cover_everything_are_told(sound: Sound) -> None:
    assert "cover everything" in sound.inpaint(bells(), [(0, 2)], **FEW).notes[0]
    assert sound.inpaint(bells(), [(0, 1.5)], **FEW).notes == ()


def test_a_take_is_mended_as_it_sounds(sound: Sound) -> None:
    (take,) = sound("rain", seconds=2.0, **FEW)
    mended = sound.inpaint(take, [(1, 1.5)], "a dog", **FEW)
    assert torch.equal(mended.samples[:, : round(0.98 * RATE)], take.samples[:, : round(0.98 * RATE)])
    assert [one["settings"]["task"] for one in mended.settings["passes"]] == ["make", "inpaint"]


# ----------------------------------------------------------------------------------------------------------- bandwidth


@pytest.mark.parametrize(
    ("audio", "cutoff"),
    [
        (bells(2.0, 8000), None), (bells(2.0, 16_000, 1), None), (bells(1.3, 11_025, 1), 4000),
        (bells(2.0, 8000).resample(44_100), 4000), (bells(3.0, 44_100), 8000),
    ],
    ids=str,
)  # fmt: skip
def test_below_the_cutoff_the_spectrum_stays(sound: Sound, audio: Audio, cutoff: float | None) -> None:
    take = sound.extend_bandwidth(audio, cutoff, seed=1, **FEW)
    edge = cutoff or audio.sample_rate / 2
    before = Audio(audio.samples, audio.sample_rate).resample(RATE)
    assert take.sample_rate == RATE
    assert take.samples.shape == before.samples.shape
    hertz, known = spectrum(before)
    difference = (spectrum(take)[1] - known).abs().square().sum(dim=(0, 2))
    below = hertz <= edge
    assert float(difference[below].sum()) < 1e-4 * float(known[:, below].abs().square().sum()), "untouched: -40 dB"
    within = (
        (spectrum(take)[1] - known)[..., 2:-2].abs().square().sum(dim=(0, 2))
    )  # padding mirrors what is at the ends
    assert float(within[below].sum()) < 1e-4 * float(within[~below].sum())
    assert power(take, edge + 500, RATE / 2) > 0
    rows = take.mask.any(dim=1).tolist()
    edges = sound.codec.row_edges[1:]
    assert rows == [upper > edge + 400 for upper in edges]
    assert torch.equal(take.mask, take.mask[:, :1].expand_as(take.mask))
    assert f"kept up to {edge:.0f} Hz" in take.notes[0]


def test_the_band_that_is_missing_is_filled(sound: Sound) -> None:
    narrow = bells(2.0, 8000, 1)
    take = sound.extend_bandwidth(narrow, **FEW)
    empty = power(narrow.resample(RATE), 6000, 10_500)
    assert power(take, 6000, 10_500) > 100 * empty
    others = [sound.extend_bandwidth(narrow, **FEW, **more) for more in ({"caption": "a bell"}, {"seed": 1})]
    assert all(not torch.equal(take.codes, other.codes) for other in others)


def test_long_sounds_become_sound_in_blocks(sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = bells(4.0, 8000, 1)
    whole = sound.extend_bandwidth(narrow, **FEW)
    monkeypatch.setattr(sound_canvas, "BLOCK", 7)
    parts = sound.extend_bandwidth(narrow, **FEW)
    assert torch.equal(parts.codes, whole.codes)
    for low, high, within in ((0, 4000, 0.001), (5000, 10_000, 0.5)):
        assert power(parts, low, high) == pytest.approx(power(whole, low, high), rel=within)


def test_stereo_gets_the_upper_band_in_its_image(sound: Sound) -> None:
    take = sound.extend_bandwidth(bells(2.0, 8000), **FEW)
    left, right = (power(Audio(channel, RATE), 5000, 10_000) for channel in take.samples)
    assert left / right == pytest.approx(4, rel=0.3)


@pytest.mark.parametrize(
    ("audio", "cutoff", "message"),
    [
        (bells(), 11_025, r"expected a cutoff of \d+ to \d+ Hz.*got 11025 Hz. Change it"),
        (bells(), 100, "got 100 Hz"),
        (bells(), -5, "expected cutoff"),
        (bells(2.0, 8000), 6000, "to 4000 Hz.*got 6000 Hz"),
        (Audio(0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0)), RATE), None, "as found in its"),
        (bells(0.1), 4000, "0.5 seconds of sound"),
        (Audio(torch.zeros(1, RATE), RATE), None, "got silence"),
    ],
    ids=["nyquist", "nothing known", "negative", "more than there is", "full band", "short", "silence"],
)
def test_bands_that_cannot_be_added(sound: Sound, audio: Audio, cutoff: float | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sound.extend_bandwidth(audio, cutoff)


def test_bands_are_like_what_is_predicted_of_them(sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow, levels = bells(2.0, 8000, 1), []
    asked: list[torch.Tensor] = []
    for level in (-0.9, 0.3):

        def predict(mel: torch.Tensor, known: torch.Tensor, level: float = level) -> torch.Tensor:
            asked.append(known)
            return torch.full_like(mel, level)

        monkeypatch.setattr(sound.system.predictor, "forward", predict)
        levels.append(power(sound.extend_bandwidth(narrow, **FEW), 5000, 10_000))
    assert levels[1] > 100 * levels[0]
    centres = sound.codec.log_mel.centres
    assert all(3000 < float(centres[known[0]].max()) < 3400 for known in asked), "not what a filter may have lowered"
    alone = [sound.extend_bandwidth(narrow, zero_shot=True, **FEW) for _ in range(2)]
    assert len(asked) == 2, "zero-shot, nothing is predicted"
    assert torch.equal(alone[0].samples, alone[1].samples)
    assert alone[0].settings["passes"][-1]["settings"]["zero_shot"]
    with pytest.raises(InputError, match="expected zero_shot only to extend a sound, got it to inpaint"):
        sound.inpaint(bells(), [(0.5, 1)], zero_shot=True, **FEW)


def test_a_system_without_a_predictor_extends_by_its_model_alone(folder: Path, tmp_path: Path) -> None:
    parts = {name: folder.parents[1] / "exp" / name for name in ("codec", "model", "pair")}
    without = Sound(pack_sound(tmp_path, decoding=DECODING, **parts)[1])
    narrow = bells(2.0, 8000, 1)
    takes = [Sound(folder).extend_bandwidth(narrow, zero_shot=True, **FEW), without.extend_bandwidth(narrow, **FEW)]
    assert torch.equal(takes[0].samples, takes[1].samples)


# ---------------------------------------------------------------------------------------------------------- variations


def test_variations_keep_what_they_keep(sound: Sound) -> None:
    audio = bells(2.0, 16_000)
    codes = coding.encode(audio, sound.codec)
    takes = sound.variations(audio, 3, 0.3, seed=7, **FEW)
    assert [take.seed for take in takes] == [7, 8, 9]
    for take in takes:
        assert take.samples.shape == audio.samples.shape
        assert take.sample_rate == 16_000
        assert int(take.mask.sum()) == round(0.3 * take.mask.numel())
        assert torch.equal(take.codes[~take.mask], codes[~take.mask])
        assert take.loudness() == pytest.approx(audio.loudness(), abs=0.3)
    assert len({take.mask.numpy().tobytes() for take in takes}) == 3
    assert torch.equal(sound.variations(audio, 1, 0.3, seed=8, **FEW)[0].samples, takes[1].samples)


def test_strength_and_captions_matter(sound: Sound) -> None:
    (most,) = sound.variations(bells(), strength=1.0, **FEW)
    assert most.mask.all()
    (least,) = sound.variations(bells(), strength=0.01, **FEW)
    assert int(least.mask.sum()) == 1
    captions = [sound.variations(bells(), strength=1.0, caption=one, **FEW)[0] for one in ("", "a dog")]
    assert len({take.codes.numpy().tobytes() for take in [most, *captions]}) == 3


def test_a_take_is_varied_by_its_codes(sound: Sound) -> None:
    (take,) = sound("rain", seconds=1.5, **FEW)
    (other,) = sound.variations(take, strength=0.4, **FEW)
    assert torch.equal(other.codes[~other.mask], take.codes[~other.mask])


# ------------------------------------------------------------------------------------------------ wrong input, replay


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ([], "expected regions for inpainting, and for nothing else, got none"),
        ([(1.5, 3)], r"within this sound, 0 to 2 seconds, got 1\.5:3"),
        ([(-0.5, 1)], "within this sound"),
        ([(1, 1)], "regions of 0.01 seconds or more"),
        ([(1, 0.5)], "within this sound"),
        ([(math.nan, 1)], "within this sound"),
        ([(0.5, math.inf)], "within this sound"),
        ([(0.5, 1, 2000)], "expected regions of 2 or 4 numbers, got 0.5:1:2000"),
        ([(0.5, 1, 2000, 2050)], "bands of 200 Hz or more within 0 to 11025 Hz"),
        ([(0.5, 1, 2000, 20_000)], "bands of 200 Hz or more within 0 to 11025 Hz"),
        ([("a", "b")], "expected float, got 'a'"),
    ],
    ids=str,
)
def test_regions_that_are_refused(sound: Sound, regions: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sound.inpaint(bells(), regions)


def test_files_that_are_refused(sound: Sound, tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound at all")
    soundfile.write(tmp_path / "5.1.wav", np.full((RATE, 6), 0.1), RATE)
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    for name, message in (
        ("text.wav", "text.wav: expected an audio file"), ("5.1.wav", "1 or 2 channels, got 6 channels"),
        ("silent.wav", "got silence"), ("none.wav", "got no such file"),
    ):  # fmt: skip
        asked = [
            lambda path: sound.inpaint(path, [(0, 0.5)]), sound.extend_bandwidth, sound.variations, sound.embed,
        ]  # fmt: skip
        for ask in asked:
            with pytest.raises(InputError, match=message):
                ask(tmp_path / name)
    for strength, count, message in (
        (0.0, 1, "expected strength"),
        (2.0, 1, "expected strength"),
        (0.5, 0, "variations"),
    ):
        with pytest.raises(InputError, match=message):
            sound.variations(bells(), count, strength)


def test_replay_is_the_same_file_bit_for_bit(sound: Sound, tmp_path: Path) -> None:
    source = bells(2.0, 16_000).save(tmp_path / "bells.flac")
    takes = {
        "made": sound("rain", seconds=2.9, seed=3, variations=2, **FEW)[1],
        "like": sound(audio=source, seconds=0.8, **FEW)[0],
        "inpainted": sound.inpaint(source, [(0.5, 1), (1.2, 1.5, 1000, 3000)], **FEW),
        "extended": sound.extend_bandwidth(source, **FEW),
        "varied": sound.variations(source, 2, 0.2, **FEW)[1],
    }
    for name, take in takes.items():
        path = take.save(tmp_path / f"{name}.wav")
        again = replay(path)
        assert torch.equal(again.samples, take.samples), name
        assert again.save(tmp_path / "again.wav").read_bytes() == path.read_bytes()
        told = [json.loads(Path(f"{one}.json").read_text()) for one in (path, tmp_path / "again.wav")]
        assert told[0] == told[1]


def test_replay_of_takes_of_takes(sound: Sound, tmp_path: Path) -> None:
    (take,) = sound("rain", seconds=2.0, **FEW)
    last = sound.variations(sound.extend_bandwidth(sound.inpaint(take, [(0.5, 1)], **FEW), 5000, **FEW), **FEW)[0]
    path = last.save(tmp_path / "last.wav")
    assert torch.equal(replay(path).samples, last.samples)
    sidecar = Path(f"{path}.json")
    told = json.loads(sidecar.read_text())
    told["passes"][0]["settings"]["task"] = "extend"
    sidecar.write_text(json.dumps(told))
    with pytest.raises(InputError, match="expected a sound to begin with"):
        replay(path)


def test_a_picture_has_rows_from_low_to_high(sound: Sound, tmp_path: Path) -> None:
    take = sound.inpaint(bells(), [(0.5, 1, 3000, 9000)], **FEW)
    assert take.save_plot(tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")
