"""Coding in segments that overlap and are cross-faded: for networks that normalise over a whole segment.

Segment n covers the frames from n * (frames - overlap) on; the frames that two segments share are decoded twice, and
the audio fades from one to the other. The last segment may be shorter.
Shapes: B batch, K levels, T and t frames, C channels, s samples.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from audiogen.codecs.base import Codec, Streamer


def segment_starts(num_frames: int, frames: int, overlap: int) -> range:
    """The first frame of each segment of `frames` frames; no segment lies wholly inside its predecessor."""
    return range(0, max(num_frames - overlap, 1), frames - overlap)


def crossfade(ending: Tensor, starting: Tensor) -> Tensor:
    """Linear fade [B, C, s] from one signal to the other; the weights add up to 1 at every sample."""
    samples = ending.shape[-1]
    weight = (torch.arange(samples, device=ending.device) + 0.5) / samples
    return ending + (starting - ending) * weight


def overlap_add(segments: Sequence[Tensor], overlap: int) -> Tensor:
    """Join segments [B, C, s] of which neighbours share `overlap` samples."""
    parts = []
    tail = segments[0]
    for segment in segments[1:]:
        parts += [tail[..., :-overlap], crossfade(tail[..., -overlap:], segment[..., :overlap])]
        tail = segment[..., overlap:]
    return torch.cat([*parts, tail], dim=-1)


class SegmentStreamer(Streamer):
    """Decodes a segment as soon as all its frames are there; it waits for at most one segment."""

    def __init__(self, codec: Codec, decode: Callable[[Tensor], Tensor], frames: int, overlap: int):
        self.codec = codec
        self.decode = decode
        self.frames = frames
        self.overlap = overlap
        self._reset()

    def _reset(self) -> None:
        self._codes: Tensor | None = None  # frames from the start of the next segment on
        self._tail: Tensor | None = None  # the audio of its first `overlap` frames, as the segment before has it

    @torch.no_grad()
    def __call__(self, codes: Tensor) -> Tensor:
        self.codec.check_codes(codes, empty_ok=True)
        self._codes = codes if self._codes is None else torch.cat([self._codes, codes], dim=-1)
        parts = [torch.zeros(codes.shape[0], self.codec.channels, 0, device=codes.device)]
        while self._codes.shape[-1] >= self.frames:
            audio = self._joined(self.decode(self._codes[..., : self.frames]))
            shared = self.overlap * self.codec.hop_length
            parts.append(audio[..., :-shared])
            self._tail = audio[..., -shared:].clone()
            self._codes = self._codes[..., self.frames - self.overlap :].clone()
        return torch.cat(parts, dim=-1)

    @torch.no_grad()
    def flush(self) -> Tensor:
        codes, tail = self._codes, self._tail
        if codes is None or codes.shape[-1] == 0:
            audio = torch.zeros(1, self.codec.channels, 0)
        elif tail is not None and codes.shape[-1] == self.overlap:
            audio = tail  # nothing followed the last segment
        else:
            audio = self._joined(self.decode(codes))
        self._reset()
        return audio

    def _joined(self, segment: Tensor) -> Tensor:
        """The segment, faded in from the audio that waits for it."""
        if self._tail is None:
            return segment
        shared = self._tail.shape[-1]
        return torch.cat([crossfade(self._tail, segment[..., :shared]), segment[..., shared:]], dim=-1)
