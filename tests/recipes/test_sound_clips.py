"""Clips of sounds: recordings changed, lengthened and mixed, procedural sounds, and captions nobody has trained on."""

import numpy as np
import pytest
import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from recipes.asking import ask, read_asked, write_asked
from recipes.clips import read_list
from recipes.described import write_lists
from recipes.sound_clips import (
    PROCEDURAL,
    RATE,
    Description,
    Part,
    RenderConfig,
    captions_of,
    changed,
    held_out_orders,
    lengthened,
    make_clip,
    mixture,
    read_descriptions,
    training_orders,
)
from recipes.sounds import Sound, write_sounds

RENDER = RenderConfig(train={"box": 4, PROCEDURAL: 3}, seconds=1.0, captions=4, procedural=("dog", "rain"))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Lists of recordings for training and testing: a dog and a click of a thousandth of a second each."""
    root = tmp_path_factory.mktemp("sounds")
    for name in ("train", "test"):
        made = []
        for category, seconds, caption in (("dog", 0.5, "a dog barking"), ("", 0.05, "a short click")):
            noise = 0.3 * torch.randn(1, round(seconds * 44100), generator=torch.Generator().manual_seed(len(made)))
            path = Audio(noise, 44100).save(root / f"{name}-{category}.wav")
            facts = {"licence": "CC0-1.0", "category": category, "captions": (caption,), "split": name}
            made.append(Sound(id=f"{name}-{category}", kind="box", path=path, **facts))
        write_sounds(made, root / f"{name}.jsonl")
    return root


def test_clips_have_their_length_loudness_and_captions_and_hear_their_own_split(sounds, tmp_path):
    orders = training_orders(sounds / "train.jsonl", tmp_path, RENDER, (0, 0))
    assert len({order.id for order in orders}) == len({order.seed for order in orders}) == 7
    made = [make_clip(order) for order in orders]
    write_lists(made, tmp_path)
    said = read_descriptions(tmp_path)
    assert said == [one for _, one in made]
    assert [clip.id for clip in read_list(tmp_path)] == [one.id for one in said]
    for one in said:
        audio = Audio.read(tmp_path / f"{one.id}.flac")
        assert audio.sample_rate == RATE
        assert audio.samples.shape == (1, RATE)
        assert audio.loudness() < -20
        assert 1 <= len(one.captions) <= RENDER.captions
        assert all(source.startswith("train-") for source in one.sources)
        assert one.kind in RENDER.train


def test_a_clip_is_its_order_and_is_made_once(sounds, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        order = training_orders(sounds / "train.jsonl", tmp_path / folder, RENDER, (0, 0))[0]
        found = make_clip(order)
    assert (tmp_path / "a" / f"{order.id}.flac").read_bytes() == (tmp_path / "b" / f"{order.id}.flac").read_bytes()
    stamp = (tmp_path / "b" / f"{order.id}.flac").stat().st_mtime_ns
    assert make_clip(order) == found
    assert (tmp_path / "b" / f"{order.id}.flac").stat().st_mtime_ns == stamp


def test_held_out_clips_are_each_recording_as_it_is_and_every_class_of_procedural_sounds(sounds, tmp_path):
    orders = held_out_orders(sounds / "test.jsonl", tmp_path, RENDER, 4, (0, 2))
    said = [make_clip(order)[1] for order in orders]
    assert [one.kind for one in said] == ["box", "box", *[PROCEDURAL] * 4]
    assert [one.category for one in said] == ["", "dog", "dog", "rain", "dog", "rain"]
    assert [one.sources for one in said[:2]] == [("test-",), ("test-dog",)]


def test_procedural_sounds_of_a_recorded_class_say_that_they_are_imitations(sounds, tmp_path):
    orders = held_out_orders(sounds / "test.jsonl", tmp_path, RENDER, 2, (0, 2))[2:]
    dog, rain = (make_clip(order)[1].captions for order in orders)
    assert all("imitat" in text or "synthetic" in text for text in dog)
    assert not any("imitat" in text or "synthetic" in text for text in rain)


def test_a_training_kind_without_recordings_is_refused(sounds, tmp_path):
    render = RenderConfig(train={"nobody": 1})
    with pytest.raises(InputError, match=r"got nobody. Set it to 0"):
        make_clip(training_orders(sounds / "train.jsonl", tmp_path, render, (0, 0))[0])


@pytest.mark.parametrize("change", [{"procedural": ("dogg",)}, {"mixed": 1.5}])
def test_confs_that_have_no_meaning_are_refused(change):
    with pytest.raises(InputError):
        RenderConfig(**change)


def test_a_steady_recording_goes_on_and_one_with_an_end_has_pauses():
    rng = np.random.default_rng(0)
    steady = rng.standard_normal(2 * RATE).astype(np.float32)
    ending = steady * np.exp(-np.arange(2 * RATE) / RATE * 6).astype(np.float32)
    for samples, quiet in ((steady, False), (ending, True)):
        for draw in (None, rng):
            clip = lengthened(samples, 6.0, draw)
            assert clip.shape == (6 * RATE,)
            level = np.abs(clip[: len(clip) // 2205 * 2205]).reshape(-1, 2205).max(axis=1)
            assert bool((level[5:-5] == 0).any()) == quiet
    assert np.array_equal(lengthened(steady, 1.0, None), steady[:RATE])
    assert lengthened(steady, 1.0, rng).shape == (RATE,)


def test_a_changed_recording_is_longer_or_shorter():
    tone = np.sin(np.arange(RATE) * 0.2).astype(np.float32)
    lengths = {len(changed(tone, np.random.default_rng(seed))) for seed in range(8)}
    assert len(lengths) > 4
    assert all(0.75 * RATE < length < 1.3 * RATE for length in lengths)


def test_a_mixture_is_both_sounds_in_sound_and_words():
    time = np.arange(RATE) / RATE
    one, other = (np.sin(2 * np.pi * hertz * time).astype(np.float32) for hertz in (500, 3000))
    parts = [Part(one, "dog", ("a dog",), ("x",)), Part(other, "rain", ("rain",), ("y",))]
    for seed in range(4):
        made = mixture(*parts, np.random.default_rng(seed), 3)
        assert made.category == ""
        assert made.sources == ("x", "y")
        assert all("a dog" in text and "rain" in text for text in made.captions)
        power = np.abs(np.fft.rfft(made.samples))
        level = 20 * np.log10(power[3000] / power[500])
        assert -14.5 < level < 0.5
        assert ("background" in made.captions[0] or " over " in made.captions[0]) == (level < -7)


def test_a_recording_with_few_captions_gets_wordings_of_its_class_or_of_its_own():
    rng = np.random.default_rng(0)
    facts = {"id": "x", "kind": "box", "path": "x.wav", "licence": "CC0-1.0"}
    dog = captions_of(Sound(category="dog", captions=("a dog barks",), **facts), rng, 6)
    assert dog[0] == "a dog barks"
    assert len(dog) == 6
    assert all("dog" in text or "bark" in text for text in dog)
    click = captions_of(Sound(category="click", captions=("a tiny click",), **facts), rng, 4)
    assert all("a tiny click" in text for text in click)
    many = tuple(f"caption {number}" for number in range(5))
    assert captions_of(Sound(captions=many, **facts), rng, 8) == many


def described(number, kind, category):
    return Description(id=f"{kind}-{number}", kind=kind, category=category, captions=(f"caption {number}",), sources=())


def test_every_class_is_asked_in_words_that_nobody_trained_on(tmp_path):
    test = [described(number, "box", ("dog", "rain")[number % 2]) for number in range(6)]
    test += [described(number, PROCEDURAL, "bell") for number in range(2)]
    first = ask(test, seen=(), judged="box", per_class=5)
    assert len({one.id for one in first}) == len(first) == 12
    dogs = [one for one in first if one.category == "dog"]
    assert len({one.text for one in dogs}) == 5
    assert {one.clip for one in dogs} == {"box-0", "box-2", "box-4"}
    assert [one.text for one in first if one.set == PROCEDURAL] == ["caption 0", "caption 1"]
    assert all(one.category == "" for one in first if one.set == PROCEDURAL)
    again = ask(test, seen={dogs[0].text}, judged="box", per_class=5)
    assert dogs[0].text not in {one.text for one in again}
    write_asked(first, tmp_path / "asked.jsonl")
    assert read_asked(tmp_path / "asked.jsonl") == first
    with pytest.raises(InputError, match="judged: expected a data set with held-out clips"):
        ask(test, seen=(), judged="nobody", per_class=5)
