"""Audio to token archives: Lhotse Shar, shard by shard, so that a killed extraction goes on at the first missing one.

A shard is `cuts.NNNNNN.jsonl.gz` with one tar per field, read sequentially with `CutSet.from_shar(in_dir=folder)`:

- `codes` [K, T] int16: the codec's acoustic codes at its frame rate;
- `semantic_codes` [1, T] int16: the semantic tokenizer's.

The cuts carry text and phone times, from which `audiogen.training.tokens` makes the phone of each frame.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from audiogen import checkpoints
from audiogen.audio import Audio
from audiogen.codecs import Codec

if TYPE_CHECKING:
    from lhotse import MonoCut

logger = logging.getLogger(__name__)

FIELDS = ("codes", "semantic_codes")
"""Arrays of a token archive, in this order."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One piece of work: cuts `start` to `stop` of a manifest."""

    index: int
    start: int
    stop: int
    cuts: Path
    """Aligned cuts."""
    folder: Path
    """Where the archive is."""
    codec: Path
    tokenizer: Path
    device: str = "cpu"

    @property
    def marker(self) -> Path:
        """The file that is there when the whole shard is: it is moved into place last."""
        return self.folder / f"cuts.{self.index:06}.jsonl.gz"


def missing_shards(cuts: Path, folder: Path, size: int, codec: Path, tokenizer: Path, device: str) -> list[Shard]:
    """The shards of `size` cuts each that are not in `folder` yet."""
    from lhotse import CutSet

    total = len(CutSet.from_file(cuts).to_eager())
    shards = [
        Shard(
            index=index,
            start=start,
            stop=min(start + size, total),
            cuts=cuts,
            folder=folder,
            codec=codec,
            tokenizer=tokenizer,
            device=device,
        )
        for index, start in enumerate(range(0, total, size))
    ]
    return [shard for shard in shards if not shard.marker.exists()]


def write_shard(shard: Shard) -> int:
    """Extract and write one shard; the number of frames."""
    from lhotse import CutSet
    from lhotse.shar import SharWriter

    temporary = shard.folder / f".{shard.index:06}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    frames = 0
    cuts = list(CutSet.from_file(shard.cuts))[shard.start : shard.stop]
    fields = dict.fromkeys(FIELDS, "numpy")
    suffix = f".{shard.index:06}"
    with SharWriter(str(temporary), fields, shard_size=None, shard_suffix=suffix, warn_unused_fields=False) as writer:
        for cut in cuts:
            tokens = extract(cut, shard)
            frames += tokens["codes"].shape[-1]
            writer.write(with_arrays(cut, tokens, 1 / load(shard.codec, shard.device).frame_rate))
    for path in sorted(temporary.iterdir(), key=lambda path: path.name == shard.marker.name):
        path.rename(shard.folder / path.name)
    temporary.rmdir()
    return frames


@torch.inference_mode()
def extract(cut: "MonoCut", shard: Shard) -> dict[str, np.ndarray]:
    """All fields of one cut, with equal numbers of frames."""
    from audiogen.conditioning.mel_features import MelFeatures

    codec, tokenizer = load(shard.codec, shard.device), load(shard.tokenizer, shard.device)
    audio = Audio.read(cut.recording.sources[0].source).mono().resample(codec.sample_rate).samples[None]
    audio = audio.to(shard.device)
    codes = codec.encode(audio)[0]
    features = MelFeatures(codec.sample_rate, codec.hop_length).to(shard.device)
    semantic_codes = tokenizer.encode(features(audio))[0]
    arrays = {"codes": codes, "semantic_codes": semantic_codes}
    assert codes.shape[-1] == semantic_codes.shape[-1], f"{cut.id}: codec and tokenizer differ in frames"
    return {name: array.cpu().numpy().astype(np.int16) for name, array in arrays.items()}


def with_arrays(cut: "MonoCut", arrays: Mapping[str, np.ndarray], frame_shift: float) -> "MonoCut":
    """The cut with arrays attached that live in memory until a `SharWriter` writes them; time is their last axis."""
    from lhotse.features.io import MemoryRawWriter

    cut = cut.drop_custom() if cut.custom else cut
    for name, array in arrays.items():
        stored = MemoryRawWriter().store_array(
            cut.id, array, temporal_dim=array.ndim - 1, frame_shift=frame_shift, start=cut.start
        )
        setattr(cut, name, stored)
    return cut


@lru_cache(maxsize=2)
def load(folder: Path, device: str) -> Codec:
    """The codec or tokenizer in `folder`, once per process."""
    codec: Codec = checkpoints.load(folder, device)
    return codec
