"""Writing files: whole or not at all, and seen beforehand whether they can be written."""

from pathlib import Path

import pytest

from audiogen.errors import InputError
from audiogen.files import atomic_write, check_target, make_folder

WRONG_TARGETS = {
    "a.txt": "ends in .wav, .flac, got '.txt'",
    "a": "got no suffix",
    "folder.wav": "got a folder",
    "missing/a.wav": "got a folder that does not exist",
    "file/a.wav": "expected a file",
    "/proc/a.wav": "expected a writable folder",
    "x" * 300 + ".wav": "File name too long",
    "nul\0.wav": "null",
}


def write_half_and_stop(path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt


def test_an_old_file_stays_when_the_new_one_fails(tmp_path: Path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as temporary:
        temporary.write_text(str(1 / 0))
    with pytest.raises(KeyboardInterrupt):
        write_half_and_stop(path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "old")]
    with atomic_write(path) as temporary:
        temporary.write_text("new")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "new")]


def test_the_longest_name_can_be_written(tmp_path: Path):
    with atomic_write(tmp_path / ("x" * 251 + ".wav")) as temporary:
        temporary.write_text("new")
    assert len(next(tmp_path.iterdir()).name) == 255


@pytest.mark.parametrize("name", WRONG_TARGETS)
def test_targets_that_cannot_be_written(name: str, tmp_path: Path):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=WRONG_TARGETS[name]):
        check_target(tmp_path / name, (".wav", ".flac"))


def test_checking_a_target_leaves_nothing(tmp_path: Path):
    (tmp_path / "old.WAV").write_text("old")
    for name in ("old.WAV", "new.wav"):
        assert check_target(tmp_path / name, (".wav",)) == tmp_path / name
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("old.WAV", "old")]


def test_folders_for_outputs(tmp_path: Path):
    made = make_folder(tmp_path / "a" / "b")
    assert list(made.iterdir()) == []
    assert make_folder(made) == made
    (tmp_path / "file").touch()
    for name in (tmp_path / "file", tmp_path / "file" / "a", "/proc/a", "/proc"):
        with pytest.raises(InputError, match="expected a"):
            make_folder(name)
