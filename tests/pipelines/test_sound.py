"""Sounds from captions, on a tiny SpecMaskGIT with random weights that sees twelve columns at a time."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_sound import COLUMNS, DIM, HOP, RATE, ROWS, VOCAB_SIZE, tiny_sound
from tiny_vamp import tiny_vamp

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.pipelines import sound_fill
from audiogen.pipelines.sound import Sound

CAPTION = "rain on a tin roof"
SHORT: dict[str, Any] = {"seconds": 0.9}
"""Five columns."""


def noise(seconds: float = 1.5, rate: int = 16_000, seed: int = 0) -> Audio:
    generator = torch.Generator().manual_seed(seed)
    return Audio(0.1 * torch.randn(1, round(seconds * rate), generator=generator), rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sound(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def sound(folder: Path) -> Sound:
    return Sound(folder)


# --------------------------------------------------------------------------------------------------------- what comes


def test_everything_about_a_take_fits_together(sound: Sound) -> None:
    (take,) = sound(CAPTION, seconds=1.23, seed=3)
    assert take.samples.shape == (1, round(1.23 * RATE))
    assert (take.sample_rate, sound.sample_rate) == (RATE, RATE)
    assert take.codes.shape == take.mask.shape == take.trace.step[0].shape == (ROWS, math.ceil(1.23 * RATE / HOP))
    assert int(take.codes.max()) < VOCAB_SIZE, "no mask token is left"
    assert take.mask.all()
    assert int(take.trace.step.min()) >= 0
    assert float(take.samples.abs().max()) <= 1
    assert repr(take) == "Take(1.23 s, 22050 Hz, mono, seed 3, 100% generated)"
    assert (take.notes, take.circular, take.settings["input"]) == ((), False, None)


def test_same_request_same_sound_alone_and_among_others(sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    captions = [CAPTION, "", "a much longer caption about a small dog that barks far away"]
    together = sound(captions, seed=5, **SHORT)
    for caption, take in zip(captions, together, strict=True):
        (one,) = sound(caption, seed=5, **SHORT)
        assert torch.equal(one.codes, take.codes)
        assert torch.equal(one.samples, take.samples)
    assert len({take.codes.numpy().tobytes() for take in together}) == 3, "captions matter"
    monkeypatch.setattr(sound_fill, "items_at_once", lambda device, numbers: 1)
    assert all(torch.equal(a.codes, b.codes) for a, b in zip(sound(captions, seed=5, **SHORT), together, strict=True))


def test_variations_are_those_of_their_seeds(sound: Sound) -> None:
    several = sound([CAPTION, ""], seed=4, variations=3, **SHORT)
    assert [take.seed for take in several] == [4, 5, 6] * 2
    assert [take.settings["passes"][0]["settings"]["text"] for take in several] == [CAPTION] * 3 + [""] * 3
    assert torch.equal(several[1].codes, sound(CAPTION, seed=5, **SHORT)[0].codes)
    assert len({take.codes.numpy().tobytes() for take in several}) == 6


@pytest.mark.parametrize(
    "knob",
    [
        {"seed": 1}, {"steps": 1}, {"temperature": 0.1}, {"confidence_temperature": 0.0}, {"guidance": 1.0},
        {"top_k": 2}, {"top_p": 0.1}, {"caption": "a dog"}, {"caption": ""},
    ],
    ids=str,
)  # fmt: skip
def test_every_knob_matters(sound: Sound, knob: dict[str, Any]) -> None:
    request = {"caption": CAPTION, **SHORT}
    assert not torch.equal(sound(**{**request, **knob})[0].codes, sound(**request)[0].codes)


def test_knobs_that_are_off(sound: Sound) -> None:
    plain = sound(CAPTION, **SHORT)[0]
    for off in ({"steps": 4}, {"top_k": 0}, {"top_p": 1.0}, {"temperature": 1.0}):
        assert torch.equal(sound(CAPTION, **off, **SHORT)[0].codes, plain.codes)


def test_a_sound_instead_of_a_caption(sound: Sound, tmp_path: Path) -> None:
    (like,) = sound(audio=noise(), **SHORT)
    assert like.duration == pytest.approx(0.9, abs=1e-4), "as long as asked, not as the input"
    assert like.mask.all()
    hum = Audio(0.2 * torch.sin(torch.arange(16_000) / 16_000 * 2 * math.pi * 100), 16_000)
    others = [sound(audio=hum, **SHORT)[0], sound("", **SHORT)[0], sound(audio=noise(), seed=1, **SHORT)[0]]
    assert len({take.codes.numpy().tobytes() for take in [like, *others]}) == 4
    path = noise().save(tmp_path / "noise.flac")
    take = sound(audio=path, variations=2, **SHORT)[1]
    assert take.settings["input"]["name"] == "noise.flac"


def test_without_a_condition_the_model_is_asked_once_a_pass(sound: Sound, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    hidden = sound.system.model.hidden
    monkeypatch.setattr(
        sound.system.model,
        "hidden",
        lambda codes, *rest, **more: asked.append(len(codes)) or hidden(codes, *rest, **more),
    )
    free = sound("", **SHORT)[0]
    assert sum(asked) == 4
    asked.clear()
    sound(CAPTION, **SHORT)
    assert sum(asked) == 8, "guidance asks with and without"
    assert torch.equal(free.codes, sound("", guidance=1.0, **SHORT)[0].codes)


# ------------------------------------------------------------------------------------------------------- long ones


def test_minutes_are_made_window_by_window(sound: Sound) -> None:
    told: list[tuple[int, int]] = []
    seen: list[int] = []
    hidden = sound.system.model.hidden
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sound.system.model, "hidden",
            lambda codes, *rest, **more: seen.append(codes.shape[-1]) or hidden(codes, *rest, **more),
        )  # fmt: skip
        (take,) = sound(CAPTION, seconds=6.0, steps=3, on_step=lambda *step: told.append(step))
    columns = math.ceil(6 * RATE / HOP)
    assert take.codes.shape == (ROWS, columns)
    assert max(seen) <= COLUMNS + sound_fill.SLACK
    assert told == [(done, 12) for done in range(1, 13)], "four windows, 4 columns of each are there already"
    assert (take.trace.step[0] >= 0).all()
    assert int(take.codes.max()) < VOCAB_SIZE
    assert take.samples.shape[-1] == 6 * RATE


def test_a_window_continues_what_is_there(sound: Sound) -> None:
    """The first window does not know of the second; the second depends on the first."""
    one, longer = (sound(CAPTION, seconds=seconds, seed=2)[0] for seconds in (2.4, 4.0))
    first = COLUMNS + sound_fill.SLACK
    assert torch.equal(one.codes[:, :first], longer.codes[:, :first])


# ---------------------------------------------------------------------------------------------------------- embedding


def test_the_embedding_has_a_vector_for_every_column(sound: Sound) -> None:
    for seconds in (0.6, 2.0, 7.0):
        vectors = sound.embed(noise(seconds))
        assert vectors.shape == (math.ceil(seconds * RATE / HOP), ROWS * DIM)
        assert vectors.isfinite().all()
    assert torch.equal(sound.embed(noise(), pooled=True), sound.embed(noise()).mean(dim=0))
    assert not torch.equal(sound.embed(noise(), layer=1), sound.embed(noise()))
    assert not torch.equal(sound.embed(noise(seed=1), pooled=True), sound.embed(noise(), pooled=True))


def test_a_take_is_embedded_by_its_codes(sound: Sound) -> None:
    (take,) = sound(CAPTION, seconds=1.5)
    vectors = sound.system.model.representation(take.codes[None])[0]
    torch.testing.assert_close(sound.embed(take), vectors.float(), atol=1e-5, rtol=0)


# --------------------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seconds": 0.0}, r"expected seconds in 0\.1\.\.3600"),
        ({"seconds": math.nan}, "expected seconds"),
        ({"seed": -1}, "expected seed"),
        ({"steps": 0}, r"expected steps in 1\.\.1000, got 0"),
        ({"temperature": 0.0}, "expected temperature"),
        ({"confidence_temperature": -1.0}, "expected confidence_temperature"),
        ({"guidance": -1.0}, "expected guidance"),
        ({"top_k": -1}, "expected top_k"),
        ({"top_p": 0.0}, "expected top_p"),
        ({"variations": 0}, "1 to 64 variations, got 0"),
        ({"tempo": 120}, "expected a known name, got 'tempo'"),
        ({"regions": [[0, 1]]}, "expected regions for inpainting, and for nothing else"),
        ({"caption": 5}, "text: expected str, got 5"),
        ({"caption": []}, "one or more captions, got none"),
        ({"caption": None}, "a caption or a sound to be like, got neither"),
        ({"audio": noise()}, "a caption or a sound to be like, got both"),
        ({"caption": None, "audio": noise(0.1)}, r"0\.5 seconds of sound or more, got 0\.10 s"),
        ({"caption": None, "audio": Audio(torch.zeros(1, 16_000), 16_000)}, "got silence"),
        ({"caption": None, "audio": "none.wav"}, "got no such file"),
    ],
    ids=str,
)
def test_wrong_requests(sound: Sound, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sound(**{"caption": CAPTION, **SHORT, **settings})


def test_wrong_models(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nano-suond"):
        Sound("nano-suond")
    with pytest.raises(InputError, match="expected model, embedder"):
        Sound(tiny_vamp(tmp_path / "vamp"))
    with pytest.raises(InputError, match="float32, bfloat16"):
        Sound(folder, dtype="int4")
    other = shutil.copytree(folder.parent, tmp_path / "packed")
    shutil.rmtree(other / "nano-codec-sound")
    shutil.copytree(tmp_path / "vamp" / "packed" / "nano-codec-music", other / "nano-codec-sound")
    with pytest.raises(InputError, match="expected a codec with 5 rows"):
        Sound(other / folder.name)


def test_half_precision_is_told(folder: Path) -> None:
    (take,) = Sound(folder, dtype="bfloat16")(CAPTION, **SHORT)
    assert take.settings["passes"][0]["made_with"]["dtype"] == "bfloat16"
