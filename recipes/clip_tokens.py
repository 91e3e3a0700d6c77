"""Clips to token archives, shard by shard, so that a killed extraction goes on at the first missing one.

Clips are coded as `audiogen.pipelines.vamp` codes its input: at one loudness, and loops as circles.
A shard is `NNNNNN.safetensors` with one tensor [K, T] int16 per clip, as `audiogen.training.clips` reads it.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from audiogen.audio import Audio
from audiogen.codecs import Codec, load_codec
from audiogen.pipelines.coding import encode
from audiogen.training.clips import write_clips
from recipes.clips import read_list


@dataclass(frozen=True, kw_only=True)
class ClipShard:
    """One piece of work: some sound files."""

    clips: tuple[tuple[Path, bool], ...]
    """Sound files, whose names without suffix are the ids, and whether they loop."""
    path: Path
    """Where the shard is when it is whole."""
    codec: Path
    device: str = "cpu"


def missing_shards(
    folders: Sequence[Path], archive: Path, size: int, codec: Path, device: str = "cpu"
) -> list[ClipShard]:
    """The shards of `size` clips each, of all clips in the folders' lists, that are not in `archive` yet."""
    listed = [(folder / f"{clip.id}.flac", clip.loop) for folder in folders for clip in read_list(folder)]
    clips = sorted(listed, key=lambda clip: clip[0].stem)
    shards = [
        ClipShard(
            clips=tuple(clips[start : start + size]),
            path=archive / f"{index:06}.safetensors",
            codec=codec,
            device=device,
        )
        for index, start in enumerate(range(0, len(clips), size))
    ]
    return [shard for shard in shards if not shard.path.exists()]


@torch.inference_mode()
def write_shard(shard: ClipShard) -> int:
    """Encode and write one shard; the number of frames."""
    codec = load(shard.codec, shard.device)
    codes = {path.stem: encode(Audio.read(path), codec, circular=loop) for path, loop in shard.clips}
    shard.path.parent.mkdir(parents=True, exist_ok=True)
    write_clips(shard.path, codes, type(codec).__name__, codec.frame_rate)
    return sum(tensor.shape[-1] for tensor in codes.values())


@functools.lru_cache(maxsize=1)
def load(folder: Path, device: str) -> Codec:
    """The codec in `folder`, once per process."""
    return load_codec(folder, device)
