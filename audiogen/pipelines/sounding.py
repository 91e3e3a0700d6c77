"""Codes to the sound of a piece, in one go or while the codes are being made; and of one that continues another.

Shapes: K levels, T and t frames, C channels, s samples.
"""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.codecs import Codec
from audiogen.codecs.streaming import Window
from audiogen.pipelines import coding
from audiogen.pipelines.level import LOOK, limit
from audiogen.pipelines.source import Source
from audiogen.pipelines.splice import splice
from audiogen.pipelines.steady import BLOCK, Steady
from audiogen.pipelines.stereo import spread

DECODED_AT_ONCE = 5.0
"""Seconds."""


class Sounding:
    """One new piece that becomes sound part by part: decoded, levelled where it is long, its peaks limited.

    Args:
        num_samples: length of the piece; what the last frame has beyond it is cut off.
        steady: whether it is levelled.
    """

    def __init__(self, codec: Codec, num_samples: int, steady: bool):
        rate = codec.sample_rate
        self.codec = codec
        self._streamer = codec.streamer()
        self._left = num_samples
        self._steady = Steady(rate) if steady else None
        reach = 2 * round(LOOK * rate)  # a peak is heard coming, and going, so far
        self._limiter = Window(lambda samples: limit(samples[0], rate)[None], codec.channels, 1, reach, reach)

    @torch.no_grad()
    def stream(self, parts: Iterable[Tensor]) -> Iterator[Audio]:
        """Codes [1, K, t] as they come -> sound as soon as it is settled. A piece is streamed once."""
        for codes in parts:
            yield from self._heard(self._finish(self._streamer(codes)))
        rest = self._finish(self._streamer.flush())
        if self._steady is not None:
            rest = torch.cat([rest, self._limiter(self._steady.flush()[None])[0]], dim=-1)
        yield from self._heard(torch.cat([rest, self._limiter.flush()[0]], dim=-1))

    def _heard(self, samples: Tensor) -> Iterator[Audio]:
        if samples.shape[-1]:
            yield Audio(samples, self.codec.sample_rate)

    def _finish(self, decoded: Tensor) -> Tensor:
        samples = decoded[0].float().cpu()[:, : self._left]
        self._left -= samples.shape[-1]
        if self._steady is not None:
            samples = self._steady(samples)
        return self._limiter(samples[None])[0]


def sound_of(codes: Tensor, sounding: Sounding) -> Audio:
    """Codes [K, T] -> the new piece that they are."""
    codec = sounding.codec
    blocks = codes[None].to(next(codec.parameters()).device).split(round(DECODED_AT_ONCE * codec.frame_rate), dim=-1)
    return Audio(torch.cat([part.samples for part in sounding.stream(blocks)], dim=-1), codec.sample_rate)


def continuation(source: Source, codes: Tensor, mask: Tensor, codec: Codec, seconds: float, keep: bool) -> Audio:
    """The sound of a source and of what follows it, in the source's rate, channels, stereo image and final loudness.

    Args:
        codes: [K, T] of both.
        mask: [K, T] bool, True = is new.
        seconds: of what follows.
        keep: use the source's own samples in frames of which nothing is new.
    """
    rate, known = source.audio.sample_rate, source.audio.samples.shape[-1]
    added = round(seconds * rate)
    wide = spread(coding.decode(codes, codec, known + added, rate), source.origin)
    ending = slice(max(0, known - round(BLOCK * rate)), known)
    wanted = Audio(source.audio.samples[:, ending], rate).loudness()
    gain_db = wanted - Audio(wide.samples[:, ending], rate).loudness()
    samples = wide.samples * (10 ** (gain_db / 20) if math.isfinite(gain_db) else 1.0)
    steady = Steady(rate, wanted if math.isfinite(wanted) else source.loudness)
    new = torch.cat([steady(samples[:, known:]), steady.flush()], dim=-1)
    audio = Audio(limit(torch.cat([samples[:, :known], new], dim=-1), rate), rate)
    whole = Audio(F.pad(source.audio.samples, (0, added)), rate)
    return splice(whole, audio, mask.any(dim=0), codec.frame_rate) if keep else audio
