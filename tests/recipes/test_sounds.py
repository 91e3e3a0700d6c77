"""Recordings of sounds: seven layouts become one list, each recording in one split, chosen by licence, with credits."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from recipes.sound_corpora import licence_of, read_corpus, said_of_speech
from recipes.sounds import Corpus, Sound, credits, read_sounds, spread, with_split, write_sounds
from recipes.wordings import framed, held_out_wordings, is_held_out, names, training_wordings

CC0 = "http://creativecommons.org/publicdomain/zero/1.0/"
BY = "http://creativecommons.org/licenses/by/3.0/"
ALL = ("CC0-1.0", "CC-BY-3.0", "CC-BY-NC-3.0", "unknown")


def sound_file(path: Path) -> Path:
    """A tenth of a second of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return Audio(0.1 * torch.randn(1, 2205, generator=torch.Generator().manual_seed(0)), 22050).save(path)


def table(path: Path, rows: list[dict], encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def pack(tmp_path):
    """Two clips under CC0, one under CC BY, in three folds."""
    rows = [
        {"id": f"dog_{n}", "file": f"audio/{n}.wav", "licence": licence, "duration": 0.1, "caption": "a dog barking",
         "category": "dog", "fold": n, "kind": "clip" if n < 3 else "loop", "attribution": f"Author {n}"}
        for n, licence in enumerate(("CC0-1.0", "CC0-1.0", "CC-BY-3.0"), start=1)
    ]  # fmt: skip
    for row in rows:
        sound_file(tmp_path / row["file"])
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_pack_is_read_by_licence_fold_and_kind(pack):
    corpus = Corpus(folder=pack, folds={"dev": (2,), "test": (3,)}, licences=("CC0-1.0", "CC-BY-3.0"))
    found = read_corpus("esc", corpus)
    assert [(one.id, one.split, one.licence) for one in found] == [
        ("esc-dog_1", "train", "CC0-1.0"),
        ("esc-dog_2", "dev", "CC0-1.0"),
        ("esc-dog_3", "test", "CC-BY-3.0"),
    ]
    assert found[0].captions == ("a dog barking",)
    assert found[0].kind == "esc"
    assert [one.id for one in read_corpus("esc", replace(corpus, licences=("CC0-1.0",)))] == ["esc-dog_1", "esc-dog_2"]
    assert [one.id for one in read_corpus("esc", replace(corpus, kinds=("loop",)))] == ["esc-dog_3"]
    with pytest.raises(InputError, match=r"expected some of CC-BY-3.0, CC0-1.0, got GPL"):
        read_corpus("esc", replace(corpus, licences=("GPL",)))
    (pack / "audio/2.wav").unlink()
    with pytest.raises(InputError, match=r"expected the audio file .*2.wav"):
        read_corpus("esc", corpus)


def test_folds_and_shares_that_have_no_meaning_are_refused():
    with pytest.raises(InputError, match="expected dev and test, got valid"):
        Corpus(folder=Path(), folds={"valid": (1,)})
    with pytest.raises(InputError, match=r"expected a share of 0 to 0\.5, got 0\.7"):
        Corpus(folder=Path(), held_out=0.7)


def test_speech_says_who_speaks_or_the_word(tmp_path):
    for split, text in (("train", "zero"), ("dev", "One day he went to the shore."), ("test", "two")):
        sound_file(tmp_path / f"wav/{split}.wav")
        folder = tmp_path / split
        folder.mkdir()
        (folder / "wav.scp").write_text(f"{split} ../wav/{split}.wav\n")
        (folder / "text").write_text(f"{split} {text}\n")
        (folder / "utt2spk").write_text(f"{split} bob\n")
    corpus = Corpus(folder=tmp_path, layout="speech", licence="CC0-1.0", speaker="a man")
    found = {one.split: one for one in read_corpus("digits", corpus)}
    assert found["train"].captions[0] == "a man saying zero"
    assert found["dev"].captions[0] == "a man speaking"
    assert not any("shore" in text for text in found["dev"].captions)
    assert found["test"].category == "speech"
    assert said_of_speech("a woman", "Three!")[1] == "a woman says three"


def test_esc50(tmp_path):
    rows = [
        {"filename": "1-17-A-0.wav", "fold": 1, "target": 0, "category": "dog", "esc10": "True"},
        {"filename": "5-99-B-7.wav", "fold": 5, "target": 7, "category": "door_wood_knock", "esc10": "False"},
    ]
    table(tmp_path / "meta/esc50.csv", rows)
    for row in rows:
        sound_file(tmp_path / "audio" / row["filename"])
    found = read_corpus("esc50", Corpus(folder=tmp_path, layout="esc50", folds={"test": (5,)}, licences=ALL))
    assert [(one.id, one.fold, one.split) for one in found] == [
        ("esc50-1-17-A-0", 1, "train"),
        ("esc50-5-99-B-7", 5, "test"),
    ]
    assert [one.licence for one in found] == ["CC-BY-3.0", "CC-BY-NC-3.0"]
    assert "a dog barking" in found[0].captions
    assert found[1].captions == ("door wood knock",)
    free = Corpus(folder=tmp_path, layout="esc50", licences=("CC-BY-3.0",))
    assert [one.category for one in read_corpus("x", free)] == ["dog"]


def test_fsd50k(tmp_path):
    table(
        tmp_path / "FSD50K.ground_truth/dev.csv",
        [
            {"fname": 11, "labels": "Bark,Dog,Animal", "mids": "/m/05tny_", "split": "train"},
            {"fname": 12, "labels": "Electric_guitar,Guitar", "mids": "/m/02sgy", "split": "val"},
        ],
    )
    table(tmp_path / "FSD50K.ground_truth/eval.csv", [{"fname": 13, "labels": "Rain", "mids": "/m/06mb1"}])
    facts = {"dev": {"11": {"license": CC0, "uploader": "ann"}, "12": {"license": BY}}, "eval": {"13": {"license": BY}}}
    for part, clips in facts.items():
        path = tmp_path / f"FSD50K.metadata/{part}_clips_info_FSD50K.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(clips))
        for name in clips:
            sound_file(tmp_path / f"FSD50K.{part}_audio/{name}.wav")
    found = read_corpus("fsd", Corpus(folder=tmp_path, layout="fsd50k", licences=ALL))
    assert [(one.id, one.split, one.licence) for one in found] == [
        ("fsd-11", "train", "CC0-1.0"),
        ("fsd-12", "dev", "CC-BY-3.0"),
        ("fsd-13", "test", "CC-BY-3.0"),
    ]
    assert found[0].attribution == "ann"
    assert found[1].captions == ("electric guitar",)


def test_clotho(tmp_path):
    for split in ("development", "validation", "evaluation"):
        name = f"Café – {split}.wav" if split == "development" else f"Rain (1) {split}.wav"
        captions = {f"caption_{number}": f"Rain falls on roof number {number}." for number in range(1, 6)}
        table(tmp_path / f"clotho_captions_{split}.csv", [{"file_name": name, **captions}])
        facts = {"file_name": name.replace("–", "-"), "keywords": "rain", "manufacturer": "bob", "license": CC0}
        table(tmp_path / f"clotho_metadata_{split}.csv", [facts], encoding="latin-1")
        sound_file(tmp_path / split / name)
    found = read_corpus("clotho", Corpus(folder=tmp_path, layout="clotho", licences=ALL))
    assert [one.split for one in found] == ["train", "dev", "test"]
    assert found[1].captions == tuple(f"rain falls on roof number {number}" for number in range(1, 6))
    assert found[1].attribution == "bob"
    assert found[1].licence == "CC0-1.0"
    assert all(set(one.id) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_é") for one in found)


def test_audiocaps_leaves_out_what_has_vanished(tmp_path, caplog):
    def row(number, video, caption):
        return {"audiocap_id": number, "youtube_id": video, "start_time": 30, "caption": caption}

    table(tmp_path / "train.csv", [row(1, "a-b_c", "A dog barks"), row(2, "gone", "It rains")])
    table(tmp_path / "val.csv", [row(3, "vid", "One"), row(4, "vid", "Two")])
    table(tmp_path / "test.csv", [row(5, "tst", "Three")])
    for name in ("train/a-b_c_30.wav", "val/vid.wav", "test/5.wav"):
        sound_file(tmp_path / name)
    corpus = Corpus(folder=tmp_path, layout="audiocaps", licences=("unknown",))
    with caplog.at_level("WARNING"):
        found = read_corpus("caps", corpus)
    assert [(one.id, one.split, one.captions) for one in found] == [
        ("caps-a-b_c_30", "train", ("a dog barks",)),
        ("caps-vid_30", "dev", ("one", "two")),
        ("caps-tst_30", "test", ("three",)),
    ]
    assert "no files of 1 of 4 clips" in caplog.text


def test_a_table_without_a_column_is_named(tmp_path):
    table(tmp_path / "meta/esc50.csv", [{"filename": "x", "fold": 1}])
    with pytest.raises(InputError, match="none called category"):
        read_corpus("x", Corpus(folder=tmp_path, layout="esc50"))
    with pytest.raises(InputError, match="expected a CSV file"):
        read_corpus("x", Corpus(folder=tmp_path, layout="clotho"))


def recording(number, **facts):
    return Sound(id=f"x-{number:03}", kind="x", path=Path(f"/tmp/{number}.wav"), licence="CC0-1.0", **facts)


def test_without_folds_and_splits_a_hash_decides_and_adding_one_moves_no_other():
    corpus = Corpus(folder=Path(), held_out=0.2)
    where = {one.id: with_split(one, corpus).split for one in map(recording, range(300))}
    counts = {name: list(where.values()).count(name) for name in ("train", "dev", "test")}
    assert 30 < counts["dev"] < 90
    assert 30 < counts["test"] < 90
    assert with_split(recording(7), corpus).split == where["x-007"]
    assert with_split(recording(7, split="test"), corpus).split == "test", "the data set's own split wins"


def test_most_spreads_over_all():
    sounds = [recording(number, split="train") for number in range(10)] + [recording(99, split="dev")]
    assert [one.id for one in spread(sounds, 2)] == ["x-000", "x-005", "x-099"]
    assert spread(sounds, 0) == sounds


def test_lists_come_back_and_can_be_moved_with_their_sounds(tmp_path):
    path = sound_file(tmp_path / "a/one.wav")
    sounds = [Sound(id="one", kind="x", path=path, licence="CC0-1.0", captions=("a", "b"), fold=3, split="dev")]
    write_sounds(sounds, tmp_path / "a/list.jsonl")
    assert read_sounds(tmp_path / "a/list.jsonl") == sounds
    (tmp_path / "a").rename(tmp_path / "b")
    assert read_sounds(tmp_path / "b/list.jsonl")[0].path.is_file()


def test_credits_thank_those_who_ask_for_it():
    free, asking = recording(1), replace(recording(2), licence="CC-BY-3.0", attribution="Ann", link="https://x.org/2")
    page = credits({"train": [free, asking], "dev": []})
    assert "- x-002: Ann, CC-BY-3.0, https://x.org/2\n" in page
    assert "x-001" not in page
    assert "| x | CC0-1.0 | train | 1 |" in page
    assert "none of them is copied" not in credits({"train": [free]})


SAMPLING = "http://x/licenses/sampling+/1.0/"


@pytest.mark.parametrize(
    ("address", "name"), [(CC0, "CC0-1.0"), (BY, "CC-BY-3.0"), (SAMPLING, "Sampling-Plus-1.0"), ("", "unknown")]
)
def test_licences_have_names(address, name):
    assert licence_of(address) == name


def test_wordings_for_testing_are_in_no_training():
    for category in ("dog", "rain", "rooster", "sea_waves", "door_wood_knock"):
        training = training_wordings(category)
        asked = held_out_wordings(category, 2, seen=training)
        assert len(set(asked)) == 2
        assert not set(asked) & set(training)
        assert all(is_held_out(text) for text in asked)
    assert not any(map(is_held_out, framed("a wooden door that creaks")))
    assert len(framed("a wooden door that creaks")) > 3
    assert all(names("dog"))
    first = held_out_wordings("dog", 12, seen=())
    assert held_out_wordings("dog", 12, seen=first[:1])[0] != first[0]
    with pytest.raises(InputError, match="expected 999 or more held-out wordings of 'dog'"):
        held_out_wordings("dog", 999, seen=())
