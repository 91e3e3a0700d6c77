"""The conversion of the public repository into the corpus that the recipe reads."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from recipes.data import read_data_dir

LOCAL = Path(__file__).parents[2] / "egs/kathleen/tts1/local"


@pytest.fixture(scope="module")
def prepare():
    """local/prepare.py as a module."""
    spec = importlib.util.spec_from_file_location("kathleen_prepare", LOCAL / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_clone(folder, names):
    """A folder as the public repository has it: 48 kHz stereo WAV files with texts."""
    (folder / "data").mkdir(parents=True)
    seconds = np.arange(48000) / 48000
    for number, name in enumerate(names):
        tone = 0.1 * np.sin(2 * np.pi * (300 + 50 * number) * seconds)
        soundfile.write(folder / "data" / f"{name}.wav", np.stack([tone, tone], 1), 48000)
        (folder / "data" / f"{name}.txt").write_text(f"Sentence {number}.\n")


def test_the_splits_are_those_of_the_published_figures(prepare):
    splits = prepare.read_splits(LOCAL / "splits.txt")
    counts = {name: sum(split == name for split in splits.values()) for name in set(splits.values())}
    assert counts == {"dev": 52, "test": 78, "left-out": 84}
    prompts = {
        name: {key.rsplit("_", 1)[0] for key, split in splits.items() if split == name} for name in ("dev", "test")
    }
    assert (len(prompts["dev"]), len(prompts["test"])) == (40, 60)
    assert not prompts["dev"] & prompts["test"]


def test_a_recording_becomes_mono_24_khz_at_minus_23_lufs_without_rumble(prepare):
    seconds = torch.arange(96000) / 48000
    speech, rumble = 0.3 * torch.sin(2 * torch.pi * 440 * seconds), 0.3 * torch.sin(2 * torch.pi * 8 * seconds)
    audio = prepare.convert(Audio((speech + rumble + 0.1).repeat(2, 1), 48000))
    assert audio.samples.shape == (1, 48000)
    assert audio.sample_rate == 24000
    assert abs(audio.loudness() + 23) < 0.1
    spectrum = torch.fft.rfft(audio.samples[0]).abs()
    assert spectrum[440 * 2] == spectrum.max()
    assert spectrum[:40].max() < 0.01 * spectrum.max()


def test_a_clone_becomes_three_data_dirs_and_a_second_run_converts_nothing(prepare, tmp_path):
    names = ["arctic_a0001_1", "arctic_a0001_2", "arctic_a0002_1", "arctic_a0003_1", "arctic_a0004_1"]
    write_clone(tmp_path / "clone", names)
    splits = {"arctic_a0002_1": "dev", "arctic_a0003_1": "test", "arctic_a0004_1": "left-out"}
    prepare.prepare(tmp_path / "clone", tmp_path / "out", splits)
    found = {name: [line.utt_id for line in read_data_dir(tmp_path / "out" / name)] for name in prepare.SETS}
    assert found == {
        "train": ["kathleen_arctic_a0001_1", "kathleen_arctic_a0001_2"],
        "dev": ["kathleen_arctic_a0002_1"],
        "test": ["kathleen_arctic_a0003_1"],
    }
    assert read_data_dir(tmp_path / "out/test")[0].text == "Sentence 3."
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/wav").iterdir()}
    prepare.prepare(tmp_path / "clone", tmp_path / "out", splits)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out/wav").iterdir()} == times


def test_a_folder_that_is_no_clone_is_refused(prepare, tmp_path, capsys):
    with pytest.raises(InputError, match="Clone again"):
        prepare.prepare(tmp_path, tmp_path / "out", {})
    assert prepare.main([str(tmp_path), str(tmp_path / "out")]) == 2
    assert "Clone again" in capsys.readouterr().err


def test_the_harvard_lists_are_found_in_the_source(prepare):
    script = "var sentences = [\n" + "".join(f'"Sentence {number}. ",\n' for number in range(720)) + "];"
    sentences = prepare.harvard_sentences(script)
    assert len(sentences) == 100
    assert (sentences[0], sentences[10], sentences[99]) == ("Sentence 40.", "Sentence 110.", "Sentence 679.")
    with pytest.raises(InputError, match="expected 720"):
        prepare.harvard_sentences(script[:200])
