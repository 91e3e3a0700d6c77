"""What `audiogen codec` does: a recording to a file of codes and back, facts about codecs, a measured round trip.

A codes file is a safetensors file with one tensor, `codes` [1, K, T] (int16, or int32 above 32768 codes per level), and
text metadata: `codec` (its name), `sample_rate` (Hz), `num_samples` (of the recording at that rate) and `format` = pt.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from audiogen.audio import FORMATS, Audio
from audiogen.codecs import CODECS, Codec, load_codec
from audiogen.errors import InputError
from audiogen.files import atomic_write, check_target
from audiogen.metrics.codec import CodecReport, compare, fit

CODES_SUFFIX = ".safetensors"
DECODED_AT_ONCE = 10.0
"""Seconds per part when a codes file is decoded, which bounds the memory."""


@dataclass(frozen=True)
class Codes:
    """What a codes file holds."""

    codes: Tensor
    """[1, K, T] int64."""
    codec: str
    """Name or folder of the codec that made them."""
    sample_rate: int
    """Hz, the codec's."""
    num_samples: int
    """Samples of the recording at that rate; the decoded audio is cut to it."""

    def save(self, path: str | Path) -> Path:
        """Write a codes file; `path` must end in .safetensors."""
        path = Path(path)
        check_target(path, (CODES_SUFFIX,))
        small = int(self.codes.max()) <= torch.iinfo(torch.int16).max
        tensors = {"codes": self.codes.to("cpu", torch.int16 if small else torch.int32).contiguous()}
        metadata = {"codec": self.codec, "sample_rate": str(self.sample_rate), "num_samples": str(self.num_samples)}
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, {**metadata, "format": "pt"})
        return path

    @classmethod
    def read(cls, path: str | Path) -> "Codes":
        """Read and check a codes file.

        Raises:
            InputError: missing, not safetensors, or not made by `save`.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: expected a codes file, got no such file. Make one with `audiogen codec encode`.")
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                codes = file.get_tensor("codes")
            sample_rate, num_samples = int(metadata["sample_rate"]), int(metadata["num_samples"])
            made = cls(codes.long(), metadata["codec"], sample_rate, num_samples)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise InputError(
                f"{path}: expected a codes file (safetensors with `codes` and its metadata), got: {error}. "
                "Make one with `audiogen codec encode`."
            ) from error
        if codes.is_floating_point() or codes.dim() != 3 or len(codes) != 1 or min(codes.numel(), num_samples) < 1:
            raise InputError(
                f"{path}: expected integer codes [1, K, T] of one sample or more, got {codes.dtype} "
                f"{list(codes.shape)} of {num_samples} samples. Encode the recording again."
            )
        return made


@dataclass(frozen=True)
class CodecInfo:
    """Facts about a codec, or about a codes file and its codec."""

    codec: str
    sample_rate: int
    """Hz."""
    channels: int
    frame_rate: float
    """Hz."""
    hop_length: int
    """Samples per frame."""
    levels: int
    vocab_size: int
    bitrate_kbps: float
    parameters: int
    """Numbers that were trained."""
    frames: int | None = None
    """Of the codes file."""
    duration: float | None = None
    """Seconds, of the codes file."""

    def to_json(self) -> dict[str, object]:
        """For `json.dumps`, without what does not apply."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def encode_file(
    source: str | Path,
    target: str | Path,
    codec: str | Path,
    device: str = "cpu",
    weights: str | Path | None = None,
    levels: int | None = None,
) -> CodecInfo:
    """Write the codes of a recording, of any length, to `target`.

    Args:
        source: audio file.
        target: codes file, .safetensors.
        codec: name or folder; `weights` as in `load_codec`.
        device: where to compute.
        weights: official weights for a name.
        levels: keep only the first ones: a lower bitrate.
    Raises:
        InputError: as `Audio.read`, `load_codec` and `Codes.save`.
    """
    check_target(target, (CODES_SUFFIX,))
    audio = Audio.read(source)
    loaded = _load(codec, device, weights, levels)
    fitted = fit(audio, loaded)
    codes = loaded.encode_long(fitted.samples[None].to(device))
    made = Codes(codes, str(codec), loaded.sample_rate, fitted.samples.shape[-1])
    made.save(target)
    return _info(loaded, str(codec), made)


def decode_file(
    source: str | Path,
    target: str | Path,
    codec: str | Path | None = None,
    device: str = "cpu",
    weights: str | Path | None = None,
) -> Audio:
    """Write the audio of a codes file to `target` (.wav, .flac, .ogg, .opus, .mp3), and return it.

    `codec` is needed only where the file was made by one that has no name: files do not choose folders.

    Raises:
        InputError: as `Codes.read`, `load_codec` and `Audio.save`, or the codes are not this codec's.
    """
    check_target(target, FORMATS)
    made = Codes.read(source)
    loaded = _load_for(made, codec, device, weights)
    audio = Audio(decode_long(loaded, made.codes.to(device))[0, :, : made.num_samples].cpu(), made.sample_rate)
    audio.save(target)
    return audio


def decode_long(codec: Codec, codes: Tensor) -> Tensor:
    """`codec.decode` [1, K, T] -> [1, C, T * hop], with the memory of a few seconds besides the result."""
    streamer = codec.streamer()
    parts = [streamer(part) for part in codes.split(max(1, round(DECODED_AT_ONCE * codec.frame_rate)), dim=-1)]
    return torch.cat([*parts, streamer.flush()], dim=-1)


def info(name: str | Path, device: str = "cpu", weights: str | Path | None = None) -> CodecInfo:
    """Facts about a codec (name or folder) or a codes file (.safetensors)."""
    if Path(name).suffix == CODES_SUFFIX:
        made = Codes.read(name)
        return _info(_load_for(made, None, device, weights), made.codec, made)
    return _info(_load(name, device, weights, None), str(name), None)


def compare_file(
    source: str | Path,
    codec: str | Path,
    device: str = "cpu",
    weights: str | Path | None = None,
    levels: int | None = None,
    plot: str | Path | None = None,
    output: str | Path | None = None,
) -> CodecReport:
    """Measure a round trip of a recording through a codec.

    Args:
        source: audio file.
        codec: name or folder; `device`, `weights` and `levels` as in `encode_file`.
        plot: PNG with the spectrograms of the original and the decoded sound.
        output: audio file for the decoded sound.
    """
    if output is not None:
        check_target(output, FORMATS)
    if plot is not None:
        check_target(plot, (".png",))
    audio = Audio.read(source)
    result = compare(_load(codec, device, weights, levels), audio)
    if output is not None:
        result.decoded.save(output)
    if plot is not None:
        from audiogen.metrics.plot import save_spectrograms

        save_spectrograms(plot, {"original": result.original, f"decoded ({codec})": result.decoded})
    return result.report


def _load(codec: str | Path, device: str, weights: str | Path | None, levels: int | None) -> Codec:
    loaded = load_codec(codec, device, weights)
    if levels is not None:
        loaded.use_levels(levels)
    return loaded


def _load_for(made: Codes, codec: str | Path | None, device: str, weights: str | Path | None) -> Codec:
    """The codec that decodes `made`, with the levels that it has."""
    if codec is None and made.codec not in CODECS:
        raise InputError(
            f"expected codes of one of {', '.join(CODECS)}, got those of {made.codec!r}. Name its folder yourself."
        )
    loaded = _load(made.codec if codec is None else codec, device, weights, made.codes.shape[1])
    loaded.check_codes(made.codes)
    frames = loaded.num_frames(made.num_samples)
    if made.sample_rate != loaded.sample_rate or frames != made.codes.shape[-1]:
        raise InputError(
            f"expected {frames} frames at {loaded.sample_rate} Hz for {made.num_samples} samples, "
            f"got {made.codes.shape[-1]} at {made.sample_rate} Hz. Encode the recording again."
        )
    return loaded


def _info(codec: Codec, name: str, made: Codes | None) -> CodecInfo:
    return CodecInfo(
        codec=name,
        sample_rate=codec.sample_rate,
        channels=codec.channels,
        frame_rate=codec.frame_rate,
        hop_length=codec.hop_length,
        levels=codec.levels,
        vocab_size=codec.vocab_size,
        bitrate_kbps=codec.bitrate / 1000,
        parameters=sum(parameter.numel() for parameter in codec.parameters()),
        frames=made.codes.shape[-1] if made else None,
        duration=made.num_samples / made.sample_rate if made else None,
    )
