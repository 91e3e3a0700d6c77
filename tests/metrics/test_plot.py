"""Spectrogram pictures."""

from pathlib import Path

import pytest
import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.metrics.plot import draw_mask, plot_prompt, save_spectrograms


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


def test_a_prompt_is_drawn_cell_by_cell(tmp_path: Path):
    from matplotlib.image import imread

    mask = torch.zeros(2, 100, dtype=torch.bool)
    nothing, some, everything = (tmp_path / f"{name}.png" for name in ("nothing", "some", "everything"))
    light = []
    for path, generated in ((nothing, 0), (some, 50), (everything, 100)):
        mask[1, :generated] = True
        light.append(imread(plot_prompt(path, mask, 50.0))[..., 1].mean())
    assert light[0] < light[1] < light[2]
    assert light[1] - light[0] == pytest.approx(light[2] - light[1], rel=0.05)


def test_a_mask_over_a_picture_changes_what_is_generated_only():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def picture(opacity: float) -> torch.Tensor:
        figure = Figure(figsize=(4, 2))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(torch.rand(8, 100, generator=torch.Generator().manual_seed(0)).numpy(), extent=(0, 2, 0, 80))
        axes.set(xlim=(0, 2), ylim=(0, 80), aspect="auto")
        mask = torch.zeros(1, 100, dtype=torch.bool)
        mask[:, 50:] = True
        draw_mask(axes, mask, 50.0, opacity)
        assert axes.get_xlim() == (0, 2)
        assert axes.get_ylim() == (0, 80)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return torch.frombuffer(bytearray(canvas.buffer_rgba()), dtype=torch.uint8).view(200, 400, 4).int()

    bare, tinted = picture(0), picture(0.5)
    assert torch.equal(bare[:, :198], tinted[:, :198])
    assert (bare[:, 202:] - tinted[:, 202:]).abs().sum(dim=-1).gt(0).float().mean() > 0.95
