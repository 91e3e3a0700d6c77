"""The tiny VampNet in the official format (origin: tests/fixtures/vampnet)."""

import shutil
from pathlib import Path

from audiogen.checkpoints.vampnet import VampSystem, load_vamp

MODELS = Path(__file__).parents[1] / "fixtures" / "vampnet" / "models"


def official_vamp(folder: Path) -> VampSystem:
    """4 coarse and 10 fine levels of 40 codes at 8 kHz, 96 samples per frame, from files as they are published."""
    for file, name in (("coarse", "coarse"), ("c2f", "c2f"), ("codec_lac", "codec")):
        shutil.copy(MODELS / f"{file}.pth", folder / f"{name}.pth")
    return load_vamp(folder)
