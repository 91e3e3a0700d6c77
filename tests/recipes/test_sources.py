"""Sources of music: chosen by licence, each in one split, listed with their credits."""

import io
import json
import zipfile

import pytest

from audiogen.errors import InputError
from recipes.sources import describe, read_samples, read_sources, read_tunes, split, write_sources

ROWS = [
    {"id": "one", "kind": "loop", "file": "one.flac", "licence": "CC0-1.0", "duration": 2.0, "bpm": 120.0, "beats": 4},
    {"id": "two", "kind": "one_shot", "file": "two.flac", "licence": "CC-BY-3.0", "duration": 1.0, "category": "bd"},
    {"id": "three", "kind": "one_shot", "file": "three.flac", "licence": "CC0-1.0", "duration": 1.0, "bpm": None},
]


@pytest.fixture
def samples(tmp_path):
    """A folder with recordings (empty files: nobody decodes them here)."""
    folder = tmp_path / "samples"
    folder.mkdir()
    for row in ROWS:
        (folder / row["file"]).touch()
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return folder


@pytest.fixture
def tunes(tmp_path):
    """A folder with 200 tunes of 100 titles."""
    folder = tmp_path / "tunes"
    folder.mkdir()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("reel0.mid", b"")
    (folder / "midi.zip").write_bytes(stream.getvalue())
    rows = ({"id": f"reel{number}", "title": f"The Tune, No. {number % 100}"} for number in range(200))
    (folder / "tunes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_recordings_are_chosen_by_licence(samples):
    assert [source.id for source in read_samples(samples, ["CC0-1.0"])] == ["one", "three"]
    assert [source.id for source in read_samples(samples, ["CC-BY-3.0", "CC0-1.0"])] == ["one", "two", "three"]
    with pytest.raises(InputError, match=r"expected some of CC-BY-3.0, CC0-1.0, got GPL"):
        read_samples(samples, ["GPL"])


def test_every_source_is_in_one_split_and_titles_stay_together(samples, tunes):
    sources = read_samples(samples, ["CC0-1.0"]) + read_tunes(tunes)
    parts = split(sources, {"test": ["one"]}, 0.1)
    ids = [source.id for part in parts.values() for source in part]
    assert sorted(ids) == sorted(source.id for source in sources)
    assert [source.id for source in parts["test"] if source.kind == "loop"] == ["one"]
    groups = [{source.group for source in part if source.group} for part in parts.values()]
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups)) == 100
    fewer = split(sources[:50], {}, 0.1)
    assert all(
        {source.id for source in fewer[name] if source.kind == "tune"} <= {s.id for s in parts[name]} for name in fewer
    )


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        ({"test": ["onee"]}, "The nearest: one"),
        ({"valid": ["one"]}, "expected dev and test"),
        ({"test": ["one"], "dev": ["one"]}, "one twice"),
    ],
)
def test_what_cannot_be_held_out(samples, held_out, message):
    with pytest.raises(InputError, match=message):
        split(read_samples(samples, ["CC0-1.0"]), held_out, 0)


def test_lists_survive_their_file_with_paths_beside_it(samples, tmp_path):
    sources = sorted(read_samples(samples, ["CC0-1.0"]), key=lambda source: source.id)
    path = tmp_path / "data" / "train.jsonl"
    path.parent.mkdir()
    write_sources(sources, path)
    assert read_sources(path) == sources
    assert str(tmp_path) not in path.read_text(), "the corpus and the recipe can move together"


def test_the_table_counts_and_credits(samples, tunes):
    page = describe(split(read_samples(samples, ["CC0-1.0"]) + read_tunes(tunes), {"test": ["one"]}, 0))
    assert "| train | tune | GPL-3.0 | 200 | 0.00 |" in page
    assert "| test | loop | CC0-1.0 | 1 | 0.03 |" in page
    assert "- one: " in page


@pytest.mark.parametrize("text", ["no json", '{"id": "one"}', "[1]"])
def test_a_damaged_list_is_named(samples, text):
    (samples / "metadata.jsonl").write_text(text)
    with pytest.raises(InputError, match=r"metadata.jsonl"):
        read_samples(samples, ["CC0-1.0"])


def test_missing_files_are_named(samples, tunes):
    (samples / "three.flac").unlink()
    with pytest.raises(InputError, match=r"three.flac"):
        read_samples(samples, ["CC0-1.0"])
    (tunes / "midi.zip").unlink()
    with pytest.raises(InputError, match=r"midi.zip"):
        read_tunes(tunes)
