"""The tiny MAGNeT and its twin in folders, for pipelines: 4 levels of 64 codes at 50 Hz, trained on one second."""

from dataclasses import dataclass
from pathlib import Path

from official_music import official_magnet, official_musicgen

LEVELS, VOCAB_SIZE, RATE, FRAME_RATE = 4, 64, 32_000, 50


@dataclass(frozen=True)
class Folders:
    magnet: Path
    twin: Path


def tiny_ensemble(folder: Path) -> Folders:
    """Both systems, with the same codec."""
    return Folders(official_magnet(folder / "magnet"), official_musicgen(folder / "twin"))
