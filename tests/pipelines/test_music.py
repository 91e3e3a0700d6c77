"""Music from captions, on a tiny MAGNeT and its twin with random weights: they see one second at a time."""

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from official_music import transformers_musicgen
from tiny_ensemble import FRAME_RATE, LEVELS, RATE, VOCAB_SIZE, Folders, tiny_ensemble

from audiogen.audio import Audio
from audiogen.decoding.autoregressive import generate
from audiogen.decoding.candidates import candidate_seeds
from audiogen.errors import InputError
from audiogen.pipelines import compose
from audiogen.pipelines.fill import unrelated
from audiogen.pipelines.music import Music
from audiogen.pipelines.take import Take

CAPTION = "a jig in D major"
SHORT: dict[str, Any] = {"seconds": 0.5, "steps": 3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return tiny_ensemble(tmp_path_factory.mktemp("music"))


@pytest.fixture(scope="module")
def music(folders: Folders) -> Music:
    return Music(folders.magnet, folders.twin)


@pytest.fixture(scope="module")
def alone(folders: Folders) -> Music:
    """The MAGNeT without a twin."""
    return Music(folders.magnet)


# --------------------------------------------------------------------------------------------------------- what comes


def test_everything_about_a_take_fits_together(music: Music) -> None:
    take = music(CAPTION, seconds=0.71, hybrid=0.2, rescore=0.3, seed=3, steps=3)
    assert take.samples.shape == (1, round(0.71 * RATE))
    assert (take.sample_rate, music.sample_rate) == (RATE, RATE)
    assert take.codes.shape == take.mask.shape == take.trace.step[0].shape == (LEVELS, 36)
    assert int(take.codes.max()) < VOCAB_SIZE, "no mask token is left"
    assert take.mask.all()
    assert float(take.samples.abs().max()) <= 1
    assert repr(take) == "Take(0.71 s, 32000 Hz, mono, seed 3, 100% generated)"
    assert (take.notes, take.circular, take.settings["input"]) == ((), False, None)


def test_the_trace_tells_the_twin_s_frames_from_the_passes(music: Music) -> None:
    trace = music(CAPTION, hybrid=0.2, **SHORT).trace
    assert torch.equal(trace.step[0, :, :10], torch.arange(10).expand(LEVELS, -1)), "frame by frame"
    assert trace.confidence[0, :, :10].isnan().all()
    assert int(trace.step[0, 0, 10:].min()) >= 10
    for level in range(1, LEVELS):
        assert int(trace.step[0, level, 10:].min()) > int(trace.step[0, level - 1, 10:].max()), "level by level"
    assert trace.confidence[0, :, 10:].isfinite().all()


@pytest.mark.parametrize("hybrid", [0.2, 0.5])
def test_the_twin_s_part_is_what_the_twin_alone_generates(music: Music, hybrid: float) -> None:
    take, twin = music(CAPTION, hybrid=hybrid, seed=7, **SHORT), music.ensemble.twin
    assert twin is not None
    frames, seeds = round(hybrid * FRAME_RATE), [unrelated(7, "codes")]
    settings = (twin.decoding.sampling, twin.decoding.guidance_scale, seeds)
    made = generate(twin.model, None, twin.condition([CAPTION]), frames, *settings)
    assert torch.equal(take.codes[:, :frames], made[0])


def test_same_request_same_music_alone_and_among_others(music: Music, monkeypatch: pytest.MonkeyPatch) -> None:
    captions = [CAPTION, "", "a much longer caption about a slow waltz, on an old piano"]
    settings = {"hybrid": 0.2, "rescore": 0.5, "seed": 5, **SHORT}
    together = music(captions, **settings)
    for caption, take in zip(captions, together, strict=True):
        one = music(caption, **settings)
        assert isinstance(one, Take)
        assert torch.equal(one.codes, take.codes)
        assert torch.equal(one.samples, take.samples)
    assert len({take.codes.numpy().tobytes() for take in together}) == 3, "captions matter"
    monkeypatch.setattr(compose, "items_at_once", lambda device, numbers: 2)
    assert all(torch.equal(a.codes, b.codes) for a, b in zip(music(captions, **settings), together, strict=True))


def test_variations_are_those_of_their_seeds(music: Music) -> None:
    several = music.variations(CAPTION, 3, seed=4, **SHORT)
    assert [take.seed for take in several] == [4, 5, 6]
    assert torch.equal(several[1].codes, music(CAPTION, seed=5, **SHORT).codes)
    assert len({take.codes.numpy().tobytes() for take in several}) == 3


@pytest.mark.parametrize(
    "knob",
    [
        {"seed": 1}, {"hybrid": 0.1}, {"rescore": 1.0}, {"steps": 1}, {"steps": (3, 1, 1, 1)}, {"temperature": 0.3},
        {"top_p": 0.1}, {"top_k": 2}, {"guidance": 1.0}, {"guidance": (3.0, 1.0)}, {"text": "a waltz"}, {"text": ""},
        {"candidates": 6},
    ],
    ids=str,
)  # fmt: skip
def test_every_knob_matters(music: Music, knob: dict[str, Any]) -> None:
    request = {"text": CAPTION, **SHORT}
    assert not torch.equal(music(**{**request, **knob}).codes, music(**request).codes)


def test_knobs_that_are_off(music: Music) -> None:
    plain = music(CAPTION, **SHORT)
    for off in ({"hybrid": 0.0}, {"rescore": 0.0}, {"rescore": 0.9, "rescore_steps": 0}, {"candidates": 1}):
        assert torch.equal(music(CAPTION, **off, **SHORT).codes, plain.codes)
    some, all_steps = (music(CAPTION, seconds=1.0, steps=8, rescore=1.0, rescore_steps=count) for count in (1, None))
    assert not torch.equal(some.codes, all_steps.codes)
    assert torch.equal(music(CAPTION, seconds=0.5).codes, music(CAPTION, seconds=0.5, steps=20).codes)
    assert torch.equal(
        music(CAPTION, seconds=0.5, steps=4).codes, music(CAPTION, seconds=0.5, steps=(4, 2, 2, 2)).codes
    )


def test_others_may_rescore(music: Music, folders: Folders) -> None:
    settings: dict[str, Any] = {"rescore": 1.0, **SHORT}
    by_twin = music(CAPTION, **settings)
    itself = Music(folders.magnet, rescorer=folders.magnet)
    assert not torch.equal(itself(CAPTION, **settings).codes, by_twin.codes)
    assert torch.equal(Music(folders.magnet, rescorer=folders.twin)(CAPTION, **settings).codes, by_twin.codes)
    assert itself.identity["sha256"] != music.identity["sha256"]


def test_the_best_candidate_is_the_one_its_seed_makes(music: Music, alone: Music) -> None:
    told: list[tuple[float, str]] = []

    def quiet(audio: Audio, text: str) -> float:
        told.append((audio.loudness(), text))
        return -audio.loudness()

    best = alone([CAPTION, "a waltz"], candidates=3, score=quiet, seed=2, **SHORT)
    assert [text for _, text in told] == [CAPTION] * 3 + ["a waltz"] * 3
    for first, take in zip((0, 3), best, strict=True):
        assert take.loudness() == min(loudness for loudness, _ in told[first : first + 3])
        again = alone(take.settings["passes"][0]["settings"]["text"], seed=take.seed, **SHORT)
        assert torch.equal(again.samples, take.samples)
    chosen = music(CAPTION, candidates=4, seed=1, **SHORT)
    others = [music(CAPTION, seed=seed, **SHORT) for seed in candidate_seeds(1, 4)]
    likely = [music.ensemble.likelihood(take.codes, CAPTION) for take in others]
    assert torch.equal(chosen.codes, others[likely.index(max(likely))].codes), "the twin chooses"


def test_progress_counts_frames_of_the_twin_and_passes(music: Music, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    music(CAPTION, seconds=1.5, hybrid=0.2, steps=2, on_step=lambda *step: told.append(step))
    passes = 2 + 1 + 1 + 1
    assert told == [(done, 10 + 2 * passes) for done in range(1, 11 + 2 * passes)]
    told.clear()
    monkeypatch.setattr(compose, "items_at_once", lambda device, numbers: 1)
    music([CAPTION, "a waltz"], seconds=1.5, hybrid=0.2, steps=2, on_step=lambda *step: told.append(step))
    assert told == [(done, 20 + 4 * passes) for done in range(1, 21 + 4 * passes)]


# ------------------------------------------------------------------------------------------------------------- streams


@pytest.mark.parametrize(
    "settings",
    [{"seconds": 0.7, "hybrid": 0.3}, {"seconds": 0.33}, {"seconds": 2.3, "hybrid": 1.4}, {"seconds": 12.0}],
    ids=["hybrid", "masked", "the twin over windows", "long"],
)
def test_a_stream_is_the_whole_call(music: Music, settings: dict[str, Any]) -> None:
    parts = list(music.stream(CAPTION, seed=2, rescore=0.2, steps=2, **settings))
    whole = music(CAPTION, seed=2, rescore=0.2, steps=2, **settings)
    joined = torch.cat([part.samples for part in parts], dim=-1)
    torch.testing.assert_close(joined, whole.samples, atol=1e-4, rtol=0)
    assert all(part.sample_rate == RATE for part in parts)


def test_a_stream_begins_while_the_twin_is_at_work(music: Music) -> None:
    told: list[int] = []
    stream = music.stream(CAPTION, seconds=1.0, hybrid=0.5, steps=2, on_step=lambda done, planned: told.append(done))
    assert not told, "nothing is made before it is asked for"
    next(stream)
    assert told[-1] < 25, "the twin has not made its frames"
    heard = sum(next(stream).duration for _ in range(15))
    assert 0.2 < heard < 0.5
    assert told[-1] <= 25, "no pass of the masked model so far"


# --------------------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seconds": 0}, r"0\.1 seconds of music or more, got 0"),
        ({"seconds": -1}, r"expected seconds in 0\.\.3600"),
        ({"seconds": math.nan}, "expected seconds"),
        ({"seconds": 1e9}, "expected seconds"),
        ({"hybrid": 2.0}, r"at most the 0\.5 seconds that are made, got 2"),
        ({"hybrid": -1.0}, "expected hybrid"),
        ({"rescore": 1.5}, r"expected rescore in 0\.\.1, got 1\.5"),
        ({"rescore_steps": -1}, "expected rescore_steps"),
        ({"seed": -1}, "expected seed"),
        ({"steps": 0}, r"expected steps in 1\.\.1000, got 0"),
        ({"steps": (1, 2)}, "each of the 4 levels, or one number, got 2"),
        ({"steps": "many"}, "steps: expected"),
        ({"temperature": 0.0}, "expected temperature"),
        ({"top_p": 0.0}, "expected top_p"),
        ({"top_k": -1}, "expected top_k"),
        ({"guidance": -1.0}, "expected guidance"),
        ({"guidance": (1.0, 2.0, 3.0)}, "expected 2 values"),
        ({"candidates": 0}, "1 to 64 candidates, got 0"),
        ({"candidates": 2, "score": lambda audio, text: math.nan}, "NaN"),
        ({"tempo": 120}, "expected a known name, got 'tempo'"),
        ({"prompt": "nothing()"}, "only with a sound to change"),
        ({"keep_original": True}, "only with a sound to change"),
        ({"text": 5}, "text: expected str, got 5"),
        ({"text": []}, "one or more captions, got none"),
    ],
    ids=str,
)
def test_wrong_requests(music: Music, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        music(**{"text": CAPTION, **SHORT, **settings})


def test_wrong_streams_and_variations(music: Music) -> None:
    with pytest.raises(InputError, match="hybrid"):
        music.stream(CAPTION, seconds=1.0, hybrid=2.0)
    with pytest.raises(InputError, match="got 'candidates'"):
        music.stream(CAPTION, candidates=3)
    with pytest.raises(InputError, match=r"0\.1 seconds"):
        music.stream(CAPTION, seconds=0.0)
    with pytest.raises(InputError, match="1 to 64 variations, got 0"):
        music.variations(CAPTION, 0)


@pytest.mark.parametrize("settings", [{"hybrid": 0.2}, {"rescore": 0.5}, {"candidates": 2}], ids=str)
def test_what_needs_a_twin_says_so(alone: Music, settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"twin for {next(iter(settings))}.*leave {next(iter(settings))} out"):
        alone(CAPTION, **SHORT, **settings)


def test_wrong_models(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a MAGNeT, got .*twin of type MusicGenSystem. Name it as the twin"):
        Music(folders.twin)
    with pytest.raises(InputError, match="expected a MusicGen as twin"):
        Music(folders.magnet, folders.magnet)
    with pytest.raises(InputError, match="nano-mosic"):
        Music("nano-mosic")
    with pytest.raises(InputError, match="nobody"):
        Music(folders.magnet, "nobody")
    with pytest.raises(InputError, match="float32, bfloat16"):
        Music(folders.magnet, dtype="int4")
    transformers_musicgen(tmp_path)
    with pytest.raises(InputError, match=r"4 levels of 64 codes .* got 4 levels of 32 codes"):
        Music(folders.magnet, tmp_path)


def test_a_twin_whose_codes_mean_other_sounds_is_refused(folders: Folders, tmp_path: Path) -> None:
    other = shutil.copytree(folders.twin, tmp_path / "twin")
    package = torch.load(other / "compression_state_dict.bin", weights_only=True)
    for name, tensor in package["best_state"].items():
        if name.endswith("_codebook.embed"):
            tensor += 0.1
    torch.save(package, other / "compression_state_dict.bin")
    with pytest.raises(InputError, match="codes mean other sounds"):
        Music(folders.magnet, other)


def test_half_precision_is_told(folders: Folders) -> None:
    take = Music(folders.magnet, folders.twin, dtype="bfloat16")(CAPTION, hybrid=0.1, rescore=0.2, **SHORT)
    assert take.settings["passes"][0]["made_with"]["dtype"] == "bfloat16"
