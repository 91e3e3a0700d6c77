"""Clips to token archives, shard by shard, so that a killed extraction goes on at the first missing one.

A shard is `NNNNNN.safetensors` with one tensor [K, T] int16 per clip, as `audiogen.training.clips` reads it.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from audiogen.audio import Audio
from audiogen.codecs import Codec, load_codec
from audiogen.metrics.codec import fit
from audiogen.training.clips import write_clips


@dataclass(frozen=True, kw_only=True)
class ClipShard:
    """One piece of work: some sound files."""

    clips: tuple[Path, ...]
    """Sound files, whose names without suffix are the ids."""
    path: Path
    """Where the shard is when it is whole."""
    codec: Path
    device: str = "cpu"


def missing_shards(
    folders: Sequence[Path], archive: Path, size: int, codec: Path, device: str = "cpu"
) -> list[ClipShard]:
    """The shards of `size` clips each, of all FLAC files in the folders, that are not in `archive` yet."""
    clips = sorted((path for folder in folders for path in folder.glob("*.flac")), key=lambda path: path.stem)
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
    codes = {path.stem: encode(codec, Audio.read(path), shard.device) for path in shard.clips}
    shard.path.parent.mkdir(parents=True, exist_ok=True)
    write_clips(shard.path, codes, type(codec).__name__, codec.frame_rate)
    return sum(tensor.shape[-1] for tensor in codes.values())


def encode(codec: Codec, audio: Audio, device: str) -> torch.Tensor:
    """[K, T]: the codes of a sound."""
    return codec.encode_long(fit(audio, codec).samples[None].to(device))[0].cpu()


@functools.lru_cache(maxsize=1)
def load(folder: Path, device: str) -> Codec:
    """The codec in `folder`, once per process."""
    return load_codec(folder, device)
