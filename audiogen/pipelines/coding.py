"""Sound to codes and back, for music: any rate and length, and loops that close.

A loop is coded as what it is, a circle: its samples are resampled to a whole number of frames with the sinc of periodic
signals, so that no padding lies between end and start, and encoder and decoder see it wrapped.
Shapes: S samples, K levels, T frames.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.codecs import Codec
from audiogen.codecs.segments import crossfade
from audiogen.pipelines.codec import decode_long
from audiogen.pipelines.pitch import shift
from audiogen.pipelines.stereo import mix_down

CODING_LUFS = -24.0
"""Loudness at which music is coded, that of the training data (golden vampnet SPEC 6, "Preprocess")."""
WRAP = 1.0
"""Seconds of a loop's other end that the codec sees before its start and behind its end."""
SEAM = 0.02
"""Seconds in which what follows the end fades into the start. Codecs that follow phases come around with others."""


def encode(audio: Audio, codec: Codec, circular: bool = False, semitones: float = 0.0) -> Tensor:
    """The codes [K, T] of a sound, mixed to mono, at CODING_LUFS, `semitones` higher."""
    mono = prepared(audio)
    if semitones:
        mono = shift(mono, semitones)
    if not circular:
        return _encode(mono.resample(codec.sample_rate).samples, codec)
    frames, around = loop_frames(audio, codec), math.ceil(WRAP * codec.frame_rate)
    samples = resample_loop(mono.samples, frames * codec.hop_length)
    return _encode(wrapped(samples, around * codec.hop_length), codec)[:, around : around + frames]


def mixed(audio: Audio) -> Audio:
    """One channel of a sound, for codecs that have but one."""
    return Audio(mix_down(audio.samples), audio.sample_rate)


def prepared(audio: Audio) -> Audio:
    """A sound as it is coded: one channel, at CODING_LUFS."""
    return mixed(audio).normalize(CODING_LUFS)


def decode(codes: Tensor, codec: Codec, num_samples: int, sample_rate: int, circular: bool = False) -> Audio:
    """Codes [K, T] -> mono sound of `num_samples` samples at `sample_rate`."""
    if circular:
        return Audio(resample_loop(_decode_loop(codes, codec), num_samples), sample_rate)
    samples = Audio(_decode(codes, codec), codec.sample_rate).resample(sample_rate).samples[:, :num_samples]
    return Audio(F.pad(samples, (0, num_samples - samples.shape[-1])), sample_rate)


def loop_frames(audio: Audio, codec: Codec) -> int:
    """T of a loop: its length in frames, rounded; its samples are resampled to so many."""
    return max(1, round(audio.duration * codec.frame_rate))


def resample_loop(samples: Tensor, length: int) -> Tensor:
    """One period [C, S] of a periodic signal -> the same period in `length` samples."""
    if samples.shape[-1] == length:
        return samples
    spectrum = torch.fft.rfft(samples)
    bins = (min(samples.shape[-1], length) + 1) // 2  # without the Nyquist frequency, whose phase is lost
    scaled = F.pad(spectrum[:, :bins], (0, length // 2 + 1 - bins)) * (length / samples.shape[-1])
    return torch.fft.irfft(scaled, length)


def wrapped(loop: Tensor, count: int) -> Tensor:
    """[..., S] -> [..., count + S + count]: with as much of the other end on each side."""
    length = loop.shape[-1]
    return loop[..., torch.arange(-count, length + count) % length]


@torch.no_grad()
def _encode(samples: Tensor, codec: Codec) -> Tensor:
    """[1, S] -> [K, T] on the CPU."""
    return codec.encode_long(samples[None].to(_device(codec)))[0].cpu()


@torch.no_grad()
def _decode(codes: Tensor, codec: Codec) -> Tensor:
    """[K, T] -> [1, S] on the CPU."""
    return decode_long(codec, codes[None].to(_device(codec)))[0].float().cpu()


def _decode_loop(codes: Tensor, codec: Codec) -> Tensor:
    """[K, T] -> [1, S]."""
    hop, around = codec.hop_length, math.ceil(WRAP * codec.frame_rate)
    before, length = around * hop, codes.shape[-1] * hop
    samples = _decode(wrapped(codes, around), codec)
    loop, beyond = samples[:, before : before + length].clone(), samples[:, before + length :]
    fade = min(round(SEAM * codec.sample_rate), length)
    loop[:, :fade] = crossfade(beyond[:, :fade], loop[:, :fade])
    return loop


def _device(codec: Codec) -> torch.device:
    return next(codec.parameters()).device
