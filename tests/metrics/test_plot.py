"""Spectrogram pictures."""

from pathlib import Path

import pytest
import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.metrics.plot import save_spectrograms


def test_one_row_per_sound(tmp_path: Path):
    from matplotlib.image import imread

    tone = Audio(torch.sin(torch.arange(8000) * 0.3), 16_000)
    one = imread(save_spectrograms(tmp_path / "one.png", {"tone": tone}))
    two = imread(
        save_spectrograms(tmp_path / "two.png", {"tone": tone, "silence": Audio(torch.zeros(2, 9000), 16_000)})
    )
    assert two.shape[0] == pytest.approx(2 * one.shape[0], abs=2)
    assert one[..., :3].std() > 0.1, "a picture with something on it"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


@pytest.mark.parametrize("name", ["picture.jpg", "picture", "no/such/folder.png"])
def test_wrong_names(name: str, tmp_path: Path):
    with pytest.raises(InputError, match="expected"):
        save_spectrograms(tmp_path / name, {"silence": Audio(torch.zeros(1000), 16_000)})
