"""The codec contract: audio to a grid of codes and back, whole or as a stream.

The rest of the code knows a codec only by this file. One rounding rule, everywhere: S samples are
T = ceil(S / hop_length) frames (the codec pads the audio on the right), and T frames are T * hop_length samples.

Shapes: B batch, C channels, S samples, K levels, T frames.
"""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from audiogen.errors import InputError


class Streamer(ABC):
    """Decodes one stream of codes, part by part; made by `Codec.streamer()`, one per listener.

    It owns all the state of its stream (the codec keeps none), and what it holds does not grow with the stream.
    The parts it returns, and what `flush` returns, joined equal the whole decode within 1e-4. A part may be empty
    ([B, C, 0]) while the decoder waits for the frames that follow.
    """

    @abstractmethod
    def __call__(self, codes: Tensor) -> Tensor:
        """Codes [B, K, t] that follow those of the last call, t >= 0 -> the audio [B, C, s] that is settled by now."""

    @abstractmethod
    def flush(self) -> Tensor:
        """The audio [B, C, s] that was waiting for frames to follow. The next call starts a new stream."""


class Codec(ABC, nn.Module):
    """Audio <-> codes. Subclasses set the five attributes, implement the three methods and register in `CODECS`."""

    sample_rate: int
    """Hz."""
    frame_rate: float
    """Frames per second (Hz); sample_rate / frame_rate is a whole number."""
    levels: int
    """K, codebook levels in use; 0 is the coarsest."""
    vocab_size: int
    """V, codes per level: codes are in 0..V-1, and V itself is a model's mask token."""
    channels: int
    """C, channels of the audio."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return round(self.sample_rate / self.frame_rate)

    @property
    def bitrate(self) -> float:
        """Bits per second of the codes."""
        return self.frame_rate * self.levels * math.log2(self.vocab_size)

    def num_frames(self, num_samples: int) -> int:
        """T for S samples: ceil(S / hop_length)."""
        return -(-num_samples // self.hop_length)

    def use_levels(self, levels: int) -> None:
        """Keep the first `levels` levels from now on: in a residual codec they are a codec of a lower bitrate.

        Raises:
            InputError: the codec does not have that many.
        """
        if not 1 <= levels <= self.levels:
            raise InputError(
                f"{type(self).__name__}: expected 1 to {self.levels} levels, got {levels}. Ask for fewer levels."
            )
        self.levels = levels

    @abstractmethod
    def encode(self, audio: Tensor) -> Tensor:
        """Audio [B, C, S] float in -1..1 -> codes [B, K, T] int64, T = ceil(S * frame_rate / sample_rate).

        Raises:
            InputError: wrong shape or channels, or no samples (see `check_audio`).
        """

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, K, T] int64 in 0..V-1 -> audio [B, C, T * hop_length].

        Raises:
            InputError: wrong shape, levels, type or range, or no frames (see `check_codes`).
        """

    @abstractmethod
    def streamer(self) -> Streamer:
        """A new stream decoder, independent of all others."""

    def codebooks(self) -> Tensor:
        """The vectors that codes stand for: raw codebook rows [K, V, E] of the levels in use.

        Raises:
            InputError: this codec has no table with one row of E numbers per code on every level.
        """
        raise InputError(
            f"{type(self).__name__}: expected a codec with one table of rows per level, which this is not. "
            "Use an EnCodec, a DAC, vampnet-codec or a nano codec."
        )

    @torch.no_grad()
    def encode_long(self, audio: Tensor, block: float = 30.0, context: float = 2.0) -> Tensor:
        """`encode` for audio of any length: in blocks of `block` seconds, each heard with `context` seconds around it.

        Memory is that of one block. The codes are those of `encode` where the encoder looks no farther than `context`;
        an encoder with an LSTM may differ in a few codes after the first block.
        """
        self.check_audio(audio)
        step, around = (
            self.num_frames(round(block * self.sample_rate)),
            self.num_frames(round(context * self.sample_rate)),
        )
        frames, hop = self.num_frames(audio.shape[-1]), self.hop_length
        if frames <= step + around:
            return self.encode(audio)
        parts = []
        for start in range(0, frames, step):
            first = max(0, start - around)
            part = self.encode(audio[..., first * hop : (start + step + around) * hop])
            parts.append(part[..., start - first : start - first + step])
        return torch.cat(parts, dim=-1)

    def check_audio(self, audio: Tensor) -> None:
        """Raise InputError unless `audio` is [B, C, S] with this codec's channels and at least one sample."""
        if audio.dim() != 3 or audio.shape[1] != self.channels or 0 in audio.shape:
            raise InputError(
                f"{type(self).__name__}: expected audio [B, C={self.channels}, S], got {list(audio.shape)}. "
                "Mix to mono or copy the channel first, and pass at least one sample."
            )
        if not audio.is_floating_point():
            raise InputError(f"{type(self).__name__}: expected float audio, got {audio.dtype}. Scale it to -1..1.")

    def check_codes(self, codes: Tensor, *, empty_ok: bool = False) -> None:
        """Raise InputError unless `codes` is int64 [B, K, T] in 0..V-1, with T = 0 only where `empty_ok` (streams)."""
        name = type(self).__name__
        empty = 0 in codes.shape and not empty_ok
        if codes.dim() != 3 or codes.shape[1] != self.levels or empty:
            raise InputError(
                f"{name}: expected codes [B, K={self.levels}, T], got {list(codes.shape)}. "
                "Encode with this codec, or load it with the levels these codes have."
            )
        if codes.dtype != torch.int64:
            raise InputError(f"{name}: expected int64 codes, got {codes.dtype}. Convert them with .long().")
        if codes.numel() == 0:
            return
        smallest, largest = (int(code) for code in codes.aminmax())
        if smallest < 0 or largest >= self.vocab_size:
            raise InputError(
                f"{name}: expected codes in 0..{self.vocab_size - 1}, got {smallest}..{largest}. "
                "Replace mask tokens first, or use the codec that made these codes."
            )
