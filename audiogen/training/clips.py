"""Token archives of clips: folders of safetensors shards, one tensor of codes per clip, keyed by its id.

Shapes: K levels, T frames of a clip.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import torch
from torch import Generator, Tensor

from audiogen.checkpoints.weights import read_safetensors
from audiogen.errors import InputError
from audiogen.files import atomic_write


def read_clips(folder: str | Path) -> dict[str, Tensor]:
    """All clips of a token archive: id -> codes [K, T] int16, sorted by id.

    Raises:
        InputError: no shards, no clips, an id in two shards, or clips with different numbers of levels.
    """
    clips: dict[str, Tensor] = {}
    for path in sorted(Path(folder).glob("[!.]*.safetensors")):  # hidden ones are what a kill left half-written
        shard = read_safetensors(path)
        if twice := clips.keys() & shard.keys():
            raise InputError(f"{path}: expected new clips, got {min(twice)} a second time. Extract the tokens again.")
        clips |= shard
    if not clips:
        raise InputError(f"expected shards of codes (*.safetensors) in {folder}, got none. Extract the tokens first.")
    if len(found := {codes.shape[0] for codes in clips.values()}) > 1:
        raise InputError(
            f"{folder}: expected clips of one codec, got {sorted(found)} levels. Extract the tokens again."
        )
    return {name: clips[name] for name in sorted(clips)}


def write_clips(path: Path, clips: Mapping[str, Tensor], codec: str, frame_rate: float) -> Path:
    """Write one shard; codes are [K, T], below 32768."""
    from safetensors.torch import save_file

    tensors = {name: codes.to("cpu", torch.int16).contiguous() for name, codes in clips.items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, {"format": "pt", "codec": codec, "frame_rate": str(frame_rate)})
    return path


def crop(codes: Tensor, start: int, frames: int) -> Tensor:
    """`frames` frames of [K, T] codes from `start` on, which go on at the beginning where the clip ends."""
    return codes[:, (start + torch.arange(frames)) % codes.shape[1]].long()


class CropSampler:
    """Draws crops so that every frame of the archive is equally likely to be in one, however long its clip."""

    def __init__(self, clips: Sequence[Tensor], frames: int):
        """Crops of `frames` frames out of `clips`, each [K, T]; shorter clips are repeated."""
        self.clips, self.frames = clips, frames
        self.ends = torch.tensor([*accumulate(codes.shape[1] for codes in clips)])

    def __call__(self, count: int, wrap: float, generator: Generator) -> Tensor:
        """[count, K, frames]; a share `wrap` of them treats its clip as a loop and may begin anywhere in it."""
        places = torch.randint(int(self.ends[-1]), (count,), generator=generator)
        wrapped = torch.rand(count, generator=generator) < wrap
        starts = torch.rand(count, generator=generator)
        crops = []
        for place, loops, start in zip(places, wrapped.tolist(), starts.tolist(), strict=True):
            codes = self.clips[int(torch.searchsorted(self.ends, place, right=True))]
            last = codes.shape[1] - 1 if loops else max(0, codes.shape[1] - self.frames)
            crops.append(crop(codes, int(start * (last + 1)), self.frames))
        return torch.stack(crops)
