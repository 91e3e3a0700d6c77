"""A small text encoder that is trained with the model that listens to it: captions to hidden states, as T5 makes them.

A word is the sum of the vectors of its pieces, itself and its parts of two to four letters, looked up in one table by
their hash (Bojanowski et al. 2017, arXiv:1607.04606, "Subword model"). So no list of words is kept, and a word that no
caption had is near those that look like it. The pieces of a number are the intervals that it lies in, wide and narrow
ones, so that 118 is near 120. Two layers of self-attention tell what belongs together.
Shapes: B batch, L positions of the longest text, P pieces of the word with the most, E width.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiogen.conditioning.encoder import TextStates
from audiogen.errors import InputError
from audiogen.nn.conditioned import frame_positions

WORD = re.compile(r"[\w/#']+")
"""Letters and digits, and what keys ("f#") and metres ("6/8") are written with."""
PART_LENGTHS = (2, 3, 4)
NUMBER_WIDTHS = (4, 12, 36, 108)
"""Widths of the intervals that a number lies in; there are two rows of each, half a width apart."""
START, NOTHING = 1, 0
"""Rows of the table: what stands before the first word, and what fills up."""
LONGEST = 256
"""Words of a text that are read."""


@dataclass(frozen=True, kw_only=True)
class CaptionEncoderConfig:
    """Sizes of a text encoder."""

    rows: int = 2048
    """Of the table; pieces that share one cannot be told apart by it alone."""
    dim: int = 96
    """E."""
    layers: int = 2
    heads: int = 3

    def __post_init__(self) -> None:
        if self.rows <= START + 1:
            raise InputError(
                f"CaptionEncoderConfig: expected 3 rows or more, got {self.rows}. Captions need thousands."
            )
        if self.dim % (2 * self.heads):
            raise InputError(
                f"CaptionEncoderConfig: expected a dim that splits into {self.heads} heads of even width, "
                f"got {self.dim}. Choose a multiple of {2 * self.heads}."
            )


class CaptionEncoder(nn.Module):
    """Texts to their `TextStates`; a `TextEncoder`, as T5 is."""

    def __init__(self, config: CaptionEncoderConfig):
        super().__init__()
        self.config = config
        self.table = nn.Embedding(config.rows, config.dim, padding_idx=NOTHING)
        layer = nn.TransformerEncoderLayer(
            config.dim, config.heads, 4 * config.dim, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, config.layers, norm=nn.LayerNorm(config.dim), enable_nested_tensor=False
        )

    @property
    def width(self) -> int:
        """E."""
        return self.config.dim

    def rows(self, texts: Sequence[str | None]) -> Tensor:
        """Rows of the table [B, L, P] int64 of every word's pieces; the first position is the start of the text."""
        words = [WORD.findall((text or "").lower())[:LONGEST] for text in texts]
        rows = [[[START], *([self._row(piece) for piece in pieces(word)] for word in text)] for text in words]
        found = torch.full((len(rows), max(map(len, rows)), max(len(w) for text in rows for w in text)), NOTHING)
        for item, text in enumerate(rows):
            for place, word in enumerate(text):
                found[item, place, : len(word)] = torch.tensor(word)
        return found

    def _row(self, piece: str) -> int:
        return START + 1 + zlib.crc32(piece.encode()) % (self.config.rows - START - 1)

    def forward(self, texts: Sequence[str | None]) -> TextStates:
        """B texts -> their states. None and texts without a word have none: they condition on nothing."""
        rows = self.rows(texts).to(self.table.weight.device)
        there = (rows != NOTHING).any(dim=-1)
        hidden = self.table(rows).sum(dim=2)
        hidden = hidden + frame_positions(rows.shape[1], self.width, rows.device).to(hidden.dtype)
        states = self.layers(hidden, src_key_padding_mask=~there)
        mask = there & (there.sum(dim=1, keepdim=True) > 1)
        return TextStates(states.masked_fill(~mask[..., None], 0.0), mask)


def pieces(word: str) -> list[str]:
    """What the vector of a word is the sum of; a word is marked at both ends."""
    if word.isdecimal():
        rows = [(width, start) for width in NUMBER_WIDTHS for start in (0, width // 2)]
        return [word, *(f"{width}+{start}:{(int(word) + start) // width}" for width, start in rows)]
    marked = f"<{word}>"
    parts = {marked[at : at + length] for length in PART_LENGTHS for at in range(len(marked) - length + 1)}
    return [marked, *sorted(parts - {marked})]
