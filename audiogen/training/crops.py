"""Sound files in memory, and random pieces of them: what codecs are trained on.

Shapes: B batch, S samples.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from audiogen.audio import FORMATS, Audio
from audiogen.errors import InputError


def read_clips(folder: Path, sample_rate: int) -> list[Tensor]:
    """All sound files of a folder, mixed to mono, as int16 [S].

    Raises:
        InputError: there is none.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in FORMATS)
    if not paths:
        raise InputError(f"{folder}: expected sound files ({', '.join(FORMATS)}), got none. Check the path.")
    return read_files(paths, sample_rate)


def read_files(paths: Sequence[Path], sample_rate: int) -> list[Tensor]:
    """Sound files, mixed to mono, as int16 [S]."""
    clips = [Audio.read(path).mono().resample(sample_rate).samples[0] for path in paths]
    return [(clip.clamp(-1, 1) * 32767).short() for clip in clips]


def crop(clip: Tensor, start: int, samples: int) -> Tensor:
    """`samples` from `start`, zero-padded, float."""
    piece = clip[start : start + samples].float() / 32767
    return F.pad(piece, (0, samples - len(piece)))


def draw_crops(
    sets: Sequence[Sequence[Tensor]],
    shares: Sequence[float],
    *,
    count: int,
    samples: int,
    gain_db: tuple[float, float],
    generator: Generator,
) -> Tensor:
    """[count, samples] random pieces: the set by its share, the clip evenly, place and level evenly."""
    pieces = []
    for choice in torch.multinomial(torch.tensor(shares), count, replacement=True, generator=generator):
        clips = sets[int(choice)]
        clip = clips[int(torch.randint(len(clips), (), generator=generator))]
        start = int(torch.randint(max(1, len(clip) - samples + 1), (), generator=generator))
        low, high = gain_db
        gain = 10 ** ((low + (high - low) * float(torch.rand((), generator=generator))) / 20)
        pieces.append(crop(clip, start, samples) * gain)
    return torch.stack(pieces)


def validation_crops(clips: Sequence[Tensor], samples: int) -> list[Tensor]:
    """The first `samples` samples of up to 32 clips, from all over the list, in batches of 8 [B, S]."""
    count = min(32, len(clips))
    chosen = [clips[index * len(clips) // count] for index in range(count)]
    return list(torch.stack([crop(clip, 0, samples) for clip in chosen]).split(8))
