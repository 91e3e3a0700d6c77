"""Pictures of sound: waveforms, mel spectrograms and decoding traces in one PNG, drawn without a display."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.decoding.trace import Trace
from audiogen.errors import InputError
from audiogen.extras import need
from audiogen.files import atomic_write
from audiogen.metrics.codec import MEL_HOP, log_mel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RANGE_DB = 80
"""What is this far below the loudest point of all sounds is drawn black."""

MOST_TITLE = 90
"""Characters of a title that have room above a picture."""

KEPT, GENERATED = "#31446b", "#4fd1c5"
"""Colours of cells; none of the second is in the colours of a spectrogram."""


def save_spectrograms(path: str | Path, sounds: Mapping[str, Audio]) -> Path:
    """One row per sound, titled by its name: waveform above, mel spectrogram below; all with the same colours.

    Raises:
        InputError: `path` is no .png or cannot be written, or matplotlib is not installed.
    """
    figure = _figure(path, 3.6 * len(sounds))
    axes = figure.subplots(2 * len(sounds), 1, squeeze=False, height_ratios=[1, 2] * len(sounds))[:, 0]
    mels = {name: log_mel(sound) for name, sound in sounds.items()}
    loudest = max(float(mel.max()) for mel in mels.values())
    for row, (name, sound) in enumerate(sounds.items()):
        _draw_wave(axes[2 * row], sound, f"{name} ({sound.sample_rate} Hz)")
        _draw_mel(axes[2 * row + 1], sound, mels[name], loudest)
    return _save(figure, path)


def save_speech(path: str | Path, audio: Audio, trace: Trace) -> Path:
    """Waveform, mel spectrogram, and the pass in which each code was fixed: a row per level, early passes dark.

    Args:
        trace: [1, 1 + K, T], row 0 the semantic level. Codes that were given are left white.
    Raises:
        InputError: `path` is no .png or cannot be written, or matplotlib is not installed.
    """
    figure = _figure(path, 6.4)
    wave, spectrum, grid = figure.subplots(3, 1, height_ratios=[1, 2, 1.6])
    mel = log_mel(audio)
    _draw_wave(wave, audio, f"speech ({audio.sample_rate} Hz)")
    _draw_mel(spectrum, audio, mel, float(mel.max()))
    _draw_trace(grid, trace, ["semantic", *(f"level {level}" for level in range(trace.step.shape[1] - 1))])
    grid.set(xlabel="code frame")
    return _save(figure, path)


def save_take(path: str | Path, audio: Audio, trace: Trace, title: str, in_rows: bool = False) -> Path:
    """Mel spectrogram, and under it on the same axis the grid: kept cells white, others by the pass that fixed them.

    Args:
        title: what it is; a long one is cut.
        trace: [1, K, T]; the frames are spread over the whole length of `audio`.
        in_rows: the levels are bands of frequencies, the lowest first: it is drawn at the bottom.
    Raises:
        InputError: `path` is no .png or cannot be written, or matplotlib is not installed.
    """
    figure = _figure(path, 6.4)
    spectrum, grid = figure.subplots(2, 1, sharex=True)
    mel = log_mel(audio)
    _draw_mel(spectrum, audio, mel, float(mel.max()))
    kept = float((trace.step < 0).float().mean())
    shown = textwrap.shorten(title, MOST_TITLE, placeholder=" …").replace("$", r"\$")  # dollars would begin a formula
    spectrum.set(title=f"{shown} ({audio.sample_rate} Hz)", xlabel="")
    levels, name = trace.step.shape[1], "row" if in_rows else "level"
    _draw_trace(grid, trace, [f"{name} {level}" for level in range(levels)], (0, audio.duration, levels - 0.5, -0.5))
    if in_rows:
        grid.invert_yaxis()
    grid.set(title=f"{kept:.0%} of the codes kept (white)", xlabel="seconds")
    return _save(figure, path)


def plot_prompt(path: str | Path, mask: Tensor, frame_rate: float) -> Path:
    """What a prompt keeps (dark) and leaves to be generated (light): a row per level, level 0 on top.

    Args:
        mask: [K, T] bool, True = to be generated.
        frame_rate: Hz.
    Raises:
        InputError: `path` is no .png or cannot be written, or matplotlib is not installed.
    """
    figure = _figure(path, 1.2 + 0.25 * len(mask))
    axes = figure.subplots()
    duration = mask.shape[-1] / frame_rate
    axes.set(xlim=(0, duration), ylim=(len(mask) - 0.5, -0.5), yticks=range(len(mask)))
    axes.set(xlabel="seconds", ylabel="level", title=f"{float((~mask).float().mean()):.0%} of the codes are kept")
    axes.set_facecolor(KEPT)
    draw_mask(axes, mask, frame_rate)
    return _save(figure, path)


def draw_mask(axes: "Axes", mask: Tensor, frame_rate: float, opacity: float = 1.0) -> None:
    """Tint the cells to be generated, over the whole height of what is on `axes`; what is kept shows through.

    Args:
        axes: x in seconds, limits set; level 0 is drawn at its top.
        mask: [K, T] bool, True = to be generated.
        frame_rate: Hz.
        opacity: 1 hides what lies below; 0.5 tints a spectrogram.
    """
    from matplotlib.colors import to_rgba

    image = torch.zeros(*mask.shape, 4)
    image[mask] = torch.tensor(to_rgba(GENERATED, opacity))
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    extent = (0, mask.shape[-1] / frame_rate, bottom, top)
    axes.imshow(image.numpy(), origin="upper", extent=extent, aspect="auto", interpolation="nearest")
    axes.set(xlim=(left, right), ylim=(bottom, top))


def _figure(path: str | Path, height: float) -> "Figure":
    """An empty picture; wrong names are refused before anything is drawn."""
    suffix = Path(path).suffix
    if suffix.lower() != ".png":
        raise InputError(f"{path}: expected a picture's name that ends in .png, got {suffix or 'no suffix'!r}.")
    return need("matplotlib.figure", "scoring").Figure(figsize=(10, height), layout="constrained")


def _draw_wave(axes: "Axes", sound: Audio, title: str) -> None:
    samples = sound.mono().samples[0]
    axes.plot((torch.arange(len(samples)) / sound.sample_rate).numpy(), samples.numpy(), linewidth=0.4)
    axes.set(title=title, ylim=(-1, 1), xlim=(0, sound.duration), ylabel="amplitude")


def _draw_mel(axes: "Axes", sound: Audio, mel: Tensor, loudest: float) -> None:
    """`mel` [M, F] in dB, `loudest` and RANGE_DB below it are the ends of the colours."""
    image = axes.imshow(
        mel.numpy(),
        origin="lower",
        aspect="auto",
        extent=(0, mel.shape[-1] * MEL_HOP / sound.sample_rate, 0, len(mel)),
        vmin=loudest - RANGE_DB,
        vmax=loudest,
        cmap="magma",
    )
    axes.set(xlim=(0, sound.duration), ylabel="mel band", xlabel="seconds")
    axes.figure.colorbar(image, ax=axes, label="dB")


def _draw_trace(
    axes: "Axes", trace: Trace, names: Sequence[str], extent: tuple[float, float, float, float] | None = None
) -> None:
    """A row per level, early passes dark; codes that were given are left white. `extent` as in matplotlib."""
    steps = trace.step[0].float().masked_fill(trace.step[0] < 0, float("nan"))
    image = axes.imshow(steps.numpy(), aspect="auto", interpolation="nearest", cmap="viridis", extent=extent)
    axes.set(yticks=range(len(names)))
    axes.set_yticklabels(names)
    axes.figure.colorbar(image, ax=axes, label="fixed in pass")


def _save(figure: "Figure", path: str | Path) -> Path:
    path = Path(path)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110)
    return path
