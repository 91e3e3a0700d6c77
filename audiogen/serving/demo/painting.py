"""The spectrogram as a place to paint on: a picture of a sound with its grid, and what was painted, as regions.

Shapes: F rows and T columns of the grid, row 0 the lowest; H and W pixels.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.extras import need
from audiogen.pipelines import coding
from audiogen.pipelines.sound_regions import LEAST_SECONDS

Picture = NDArray[np.uint8]

ROW_PIXELS = 72
COLUMN_PIXELS = (4, 48)
"""At least, of long sounds, and at most."""
WIDTH = 1200
"""Pixels that a picture has at most where its columns are not too narrow then."""
LINE = (255, 255, 255)
LINE_OPACITY, SECOND_OPACITY = 0.18, 0.6
DARKEST = 0.35
"""Of the range of a spectrogram: what is 50 dB below the loudest is black."""
PAINTED = 0.1
"""Share of a cell that has to be painted."""


def picture(audio: Audio, codec: SpectrogramCodec) -> Picture:
    """[H, W, 3]: the spectrogram that `codec` sees of a sound, low at the bottom, with the edges of all cells.

    Each second has a number and each row its lowest frequency.
    """
    heard = coding.prepared(audio).resample(codec.sample_rate).samples[None]
    mel = codec.mel(heard.to(codec.log_mel.window.device))[0].cpu()
    rows, columns = codec.levels, mel.shape[-1] // codec.config.patch
    width = columns * min(max(WIDTH // columns, COLUMN_PIXELS[0]), COLUMN_PIXELS[1])
    height = rows * ROW_PIXELS
    top = float(mel.max())
    shade = ((mel.flip(0) - top) / (2 * DARKEST) + 1).clamp(0, 1)
    pixels = F.interpolate(shade[None, None], (height, width), mode="nearest")[0, 0].numpy()
    colours = need("matplotlib", "demo").colormaps["magma"](pixels)[..., :3]
    edges = [round(row * height / rows) for row in range(1, rows)]
    _lines(colours, edges, [round(column * width / columns) for column in range(1, columns)], LINE_OPACITY)
    per_second = codec.frame_rate * width / columns
    _lines(colours, [], [round(second * per_second) for second in range(1, int(audio.duration) + 1)], SECOND_OPACITY)
    return _labelled((255 * colours).astype(np.uint8), per_second, codec.row_edges)


def painted(editor: Mapping[str, Any] | None, rows: int, columns: int) -> Tensor:
    """[F, T] bool: the cells that were painted on a picture, from what the page sends: its layers [H, W, 4]."""
    cells = torch.zeros(rows, columns, dtype=torch.bool)
    for layer in (editor or {}).get("layers") or []:
        opaque = torch.from_numpy(np.asarray(layer)[..., 3] > 0).float()
        share = F.adaptive_avg_pool2d(opaque[None, None], (rows, columns))[0, 0]
        cells |= share.flip(0) > PAINTED
    return cells


def regions(cells: Tensor, codec: SpectrogramCodec, duration: float) -> list[tuple[float, ...]]:
    """Cells [F, T] as regions of `Sound.inpaint`, which touch these cells and no other.

    Rows that lie above each other are one band, and columns with the same bands one stretch of time.
    """
    edges, found = codec.row_edges, []
    open_since: dict[tuple[int, int], int] = {}
    for column in range(cells.shape[1] + 1):
        bands = _runs(cells[:, column]) if column < cells.shape[1] else []
        for band in [one for one in open_since if one not in bands]:
            start = open_since.pop(band) / codec.frame_rate
            end = min(column / codec.frame_rate, duration)
            if end - start >= LEAST_SECONDS:
                whole = band == (0, len(cells))
                found.append((start, end) if whole else (start, end, edges[band[0]], edges[band[1]]))
        for band in bands:
            open_since.setdefault(band, column)
    return sorted(found)


def _runs(column: Tensor) -> list[tuple[int, int]]:
    """[F] bool -> first row and the row behind the last one of each run."""
    marked = [False, *column.tolist(), False]
    edges = [row for row, (before, after) in enumerate(pairwise(marked)) if before != after]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _lines(colours: NDArray[Any], across: Sequence[int], down: Sequence[int], opacity: float) -> None:
    """Lighten rows and columns of pixels, in place."""
    colours[list(across)] += opacity * (1 - colours[list(across)])
    inside = [place for place in down if place < colours.shape[1]]
    colours[:, inside] += opacity * (1 - colours[:, inside])


def _labelled(pixels: Picture, per_second: float, row_edges: Sequence[float]) -> Picture:
    """With the seconds along the bottom, and the lowest frequency of each row at the left."""
    image_module, draw_module = need("PIL.Image", "demo"), need("PIL.ImageDraw", "demo")
    image = image_module.fromarray(pixels)
    draw, height = draw_module.Draw(image), len(pixels)
    rows = len(row_edges) - 1
    for row, hertz in enumerate(row_edges[:-1]):
        draw.text((3, height - row * height // rows - 13), f"{hertz:.0f} Hz", fill=LINE)
    every = 1 if per_second > 40 else 5
    for second in range(every, int(pixels.shape[1] / per_second) + 1, every):
        draw.text((second * per_second + 3, height - 13), f"{second} s", fill=LINE)
    return np.asarray(image)
