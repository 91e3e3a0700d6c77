"""The conversion of the public repositories into the folders that the recipe reads."""

import importlib.util
import zipfile
from pathlib import Path

import pytest
import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from recipes.sources import read_samples, read_tunes

LOCAL = Path(__file__).parents[2] / "egs/loops/vamp1/local"
ABC = "\nX: 1\nT:A Waltz\n% note\nT:Another name\nK:G\nabc|\n\nX: 2\nT:The Reel\nM:4/4\nK:D\nd2|\n"


@pytest.fixture(scope="module")
def prepare():
    """local/prepare.py as a module."""
    spec = importlib.util.spec_from_file_location("loops_prepare", LOCAL / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def clones(tmp_path):
    """Folders as the public repositories have them, with one recording and two tunes."""
    samples = tmp_path / "sonic-pi/etc/samples"
    samples.mkdir(parents=True)
    Audio(0.1 * torch.ones(2, 44100), 44100).save(samples / "loop_a.flac")
    tunes = tmp_path / "nottingham-dataset"
    for folder in ("ABC_cleaned", "MIDI"):
        (tunes / folder).mkdir(parents=True)
    (tunes / "LICENSE.md").write_text("GPL")
    (tunes / "ABC_cleaned/reels.abc").write_text(ABC)
    for name in ("reels1", "reels2"):
        (tunes / "MIDI" / f"{name}.mid").write_bytes(name.encode())
    table = tmp_path / "samples.tsv"
    heading = (LOCAL / "samples.tsv").read_text().splitlines()[0]
    table.write_text(f'{heading}\nloop_a\tloop\tloop\t120.0\t2\tCC0-1.0\tA "B"\thttp://x\tetc/samples/loop_a.flac\n')
    return tmp_path


def test_recordings_become_sources(prepare, clones, tmp_path):
    prepare.prepare_samples(clones, tmp_path / "out", clones / "samples.tsv")
    (source,) = read_samples(tmp_path / "out", ["CC0-1.0"])
    assert (source.id, source.kind, source.tempo, source.beats, source.seconds) == ("loop_a", "loop", 120, 2, 1)
    assert source.attribution == 'A "B"'
    assert Audio.read(source.path).duration == 1


def test_tunes_become_sources(prepare, clones, tmp_path):
    prepare.prepare_tunes(clones / "nottingham-dataset", tmp_path / "out", ["reels1", "reels2"])
    sources = read_tunes(tmp_path / "out")
    assert [(source.id, source.group) for source in sources] == [("reels1", "awaltz"), ("reels2", "thereel")]
    with zipfile.ZipFile(sources[1].path) as archive:
        assert archive.read("reels2.mid") == b"reels2"


def test_a_clone_that_lacks_something_is_refused(prepare, clones, tmp_path, capsys):
    with pytest.raises(InputError, match="the tune reels3"):
        prepare.prepare_tunes(clones / "nottingham-dataset", tmp_path / "out", ["reels3"])
    (clones / "sonic-pi/etc/samples/loop_a.flac").unlink()
    with pytest.raises(InputError, match=r"loop_a.flac"):
        prepare.prepare_samples(clones, tmp_path / "out", clones / "samples.tsv")
    assert prepare.main([str(clones), str(tmp_path / "out")]) == 2
    assert "Clone again" in capsys.readouterr().err


def test_the_lists_name_what_may_be_used():
    rows = [line.split("\t") for line in (LOCAL / "samples.tsv").read_text().splitlines()]
    assert len(rows) == 187
    assert {row[5] for row in rows[1:]} == {"CC0-1.0", "PDM-1.0"}
    assert len({len(row) for row in rows}) == 1
    assert len(set((LOCAL / "tunes.txt").read_text().split())) == 417
