"""The spectrogram as a place to paint on: a picture of a sound, its grid, and what was painted, as regions.

`static/painter.js` shows it. Shapes: F rows and T columns of the grid, row 0 the lowest.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.extras import need
from audiogen.pipelines import coding
from audiogen.pipelines.sound_regions import LEAST_SECONDS
from audiogen.serving.demo.studio import file_value

RANGE = 0.7
"""Of the range of a spectrogram: what is 70 dB below the loudest is black."""


def picture(audio: Audio, codec: SpectrogramCodec, path: Path) -> dict[str, Any]:
    """What the page paints on: the spectrogram that `codec` sees of a sound, written as PNG to `path`, and its grid."""
    heard = coding.prepared(audio).resample(codec.sample_rate).samples[None]
    mel = codec.mel(heard.to(codec.log_mel.window.device))[0].cpu()
    shade = ((mel.flip(0) - mel.max()) / (2 * RANGE) + 1).clamp(0, 1)
    need("matplotlib.image", "demo").imsave(path, shade.numpy(), cmap="magma", vmin=0, vmax=1)
    return {
        "file": file_value(path),
        "rows": codec.levels,
        "columns": mel.shape[-1] // codec.config.patch,
        "per_second": codec.frame_rate,
        "edges": codec.row_edges,
    }


def painted(rows: Sequence[str] | None, levels: int, columns: int) -> Tensor:
    """[F, T] bool: the cells that were marked, from what the page sends of each row: "0110..."; None: none."""
    cells = torch.zeros(levels, columns, dtype=torch.bool)
    for row, text in enumerate((rows or [])[:levels]):
        marks = [letter == "1" for letter in str(text)[:columns]]
        cells[row, : len(marks)] = torch.tensor(marks, dtype=torch.bool)
    return cells


def regions(cells: Tensor, codec: SpectrogramCodec, duration: float) -> list[tuple[float, ...]]:
    """Cells [F, T] as regions of `Sound.inpaint`, which touch these cells and no other.

    Rows that lie above each other are one band, and columns with the same bands one stretch of time.
    """
    edges = codec.row_edges
    found: list[tuple[float, ...]] = []
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
