"""`Audio`: samples with their sample rate; read, write, resample, loudness.

The one audio type that pipelines take and return. Every instance is playable: finite samples, one or two channels, at
least one sample, a sample rate between 1 kHz and 384 kHz; anything else is an InputError where it enters.

Shapes: C channels, S samples. Units: samples in -1..1, rates in Hz, loudness in LUFS (ITU-R BS.1770, gated).
"""

import base64
import io
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from audiogen.errors import InputError
from audiogen.files import atomic_write

logger = logging.getLogger(__name__)

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 1_000, 384_000
LOUDNESS_BLOCK = 0.4
"""Seconds of one gating block of BS.1770: the least that has a loudness."""
LOUDNESS_GATE = 1e-7
"""Power of a block, weighted as BS.1770 does, below which it is silence: -70 LUFS."""
PEAK_LIMIT = 0.98
"""`normalize` leaves no sample above this (-0.2 dBFS), so that lossy encoders have a little headroom too."""
FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
"""File suffix -> libsndfile's (format, subtype) that `save` writes."""
_LARGEST_FRACTION = 2_000
_WRITE_BLOCK = 65_536
_BLOCKS_AT_ONCE = 600


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound in memory.

    Raises:
        InputError: samples are not a finite, non-empty [1 or 2, S] tensor, or the sample rate is absurd.
    """

    samples: Tensor
    """[C, S] float32 in -1..1; a [S] tensor becomes one channel, other number types are converted as they are."""
    sample_rate: int
    """Hz."""

    def __post_init__(self) -> None:
        samples = torch.as_tensor(self.samples)
        samples = samples[None] if samples.dim() == 1 else samples
        object.__setattr__(self, "samples", samples.detach().to(torch.float32))
        _check_sample_rate(self.sample_rate)
        _check_samples(self.samples)

    def __repr__(self) -> str:
        channels = "mono" if len(self.samples) == 1 else "stereo"
        return f"Audio({self.duration:.2f} s, {self.sample_rate} Hz, {channels})"

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.samples.shape[-1] / self.sample_rate

    @classmethod
    def read(cls, source: str | Path | BinaryIO) -> "Audio":
        """Read wav, flac, ogg (Vorbis, Opus), mp3, or what else libsndfile knows, from a path or an open binary file.

        Raises:
            InputError: the file is missing, a folder, unreadable, not audio, empty, not finite, or has over 2 channels.
        """
        name = "the given stream" if not isinstance(source, str | Path) else str(source)
        if isinstance(source, str | Path):
            _check_readable(Path(source))
        try:
            with soundfile.SoundFile(source if not isinstance(source, str | Path) else str(source)) as file:
                _check_sample_rate(file.samplerate, name)
                _check_channels(file.channels, name)
                samples = file.read(dtype="float32", always_2d=True)
                sample_rate = file.samplerate
        except InputError:
            raise
        except (soundfile.LibsndfileError, OSError, TypeError, ValueError, MemoryError) as error:
            # the last two: a header that promises more samples than there can be
            reason = str(error).rsplit(": ", 1)[-1].strip(" .")
            raise InputError(
                f"{name}: expected an audio file (wav, flac, ogg, mp3), got one that cannot be decoded ({reason}). "
                "Play it in an audio player to check it, or convert it to wav."
            ) from error
        tensor = torch.from_numpy(np.ascontiguousarray(samples.T))
        _check_samples(tensor, name)
        return cls(tensor, sample_rate)

    def save(self, path: str | Path) -> Path:
        """Write wav or flac (16 bit), ogg (Vorbis), opus or mp3, by suffix; `path` appears only when it is complete.

        Samples outside -1..1 are clipped, and a warning says how many.

        Returns:
            `path`, as a Path.
        Raises:
            InputError: unknown suffix, a sample rate that the format does not have, or a target that cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() not in FORMATS:
            raise InputError(
                f"{path}: expected a name that ends in one of {', '.join(FORMATS)}, "
                f"got {path.suffix or 'no suffix'!r}. Choose one of these."
            )
        with atomic_write(path) as temporary:
            self._write(temporary, *FORMATS[path.suffix.lower()], name=str(path))
        return path

    def to_wav_bytes(self) -> bytes:
        """A complete 16-bit WAV file, for a pipe, an HTTP response or a notebook."""
        buffer = io.BytesIO()
        self._write(buffer, *FORMATS[".wav"], name="WAV")
        return buffer.getvalue()

    def resample(self, sample_rate: int) -> "Audio":
        """The same sound at another rate, ceil(S * new / old) samples (windowed sinc, torchaudio)."""
        _check_sample_rate(sample_rate)
        if sample_rate == self.sample_rate:
            return self
        fraction = math.gcd(sample_rate, self.sample_rate)
        if max(sample_rate, self.sample_rate) // fraction > _LARGEST_FRACTION:
            # torchaudio's kernel has one row per output phase: 44100 -> 16001 Hz would take gigabytes
            from scipy.signal import resample_poly

            resampled = resample_poly(
                self.samples.numpy(), sample_rate // fraction, self.sample_rate // fraction, axis=-1
            )
            return Audio(torch.from_numpy(resampled), sample_rate)
        from torchaudio.functional import resample

        return Audio(resample(self.samples, self.sample_rate, sample_rate), sample_rate)

    def mono(self) -> "Audio":
        """The mean of the channels."""
        return self if len(self.samples) == 1 else Audio(self.samples.mean(0, keepdim=True), self.sample_rate)

    def loudness(self) -> float:
        """Integrated loudness in LUFS; -inf for silence (nothing above the gate of -70 LUFS).

        Loudness is defined for 0.4 s and more: shorter audio is repeated up to that length, so a click or a single
        word has the loudness it would have if it went on.
        """
        block = math.ceil(LOUDNESS_BLOCK * self.sample_rate) + 1
        samples = self.samples.repeat(1, -(-block // self.samples.shape[-1]))
        if not samples.any():
            return -math.inf
        power = _block_powers(samples, self.sample_rate)
        heard = power[power >= LOUDNESS_GATE]
        if not len(heard):
            return -math.inf
        return 10 * math.log10(float(heard[heard > heard.mean() / 10].mean()))

    def normalize(self, lufs: float = -23.0) -> "Audio":
        """The same sound at `lufs` (-23 is the EBU R 128 target), never clipped.

        Where the gain would take a sample above PEAK_LIMIT the gain is reduced until none is: the result is then
        quieter than asked, and a log line says by how much. Silence is returned unchanged.
        """
        loudness = self.loudness()
        if loudness == -math.inf:
            logger.info("silent audio has no loudness and is left as it is")
            return self
        gain = 10 ** ((lufs - loudness) / 20)
        limit = PEAK_LIMIT / float(self.samples.abs().max())
        if gain > limit:
            reached = loudness + 20 * math.log10(limit)
            logger.info("peaks limit the loudness to %.1f LUFS, %.1f was asked", reached, lufs)
        return Audio(self.samples * min(gain, limit), self.sample_rate)

    def _repr_html_(self) -> str:
        """A player for notebooks, with the sound inside the page."""
        data = base64.b64encode(self.to_wav_bytes()).decode()
        return f'<audio controls src="data:audio/wav;base64,{data}"></audio><br>{self!r}'

    def _write(self, target: Path | BinaryIO, container: str, subtype: str, name: str) -> None:
        samples = self.samples.cpu()
        clipped = int((samples.abs() > 1).sum())
        if clipped:
            logger.warning("%s: %d of %d samples are outside -1..1 and were clipped", name, clipped, samples.numel())
        frames = samples.clamp(-1, 1).T.contiguous().numpy()
        try:
            file = soundfile.SoundFile(target, "w", self.sample_rate, len(samples), subtype, None, container)
        except soundfile.LibsndfileError as error:
            raise InputError(
                f"{name}: expected a sample rate that {container} can hold, got {self.sample_rate} Hz "
                f"({error.error_string.strip(' .')}). Resample to 48000, 24000 or 16000 Hz, or save as .wav."
            ) from error
        try:
            with file:
                for block in np.split(frames, range(_WRITE_BLOCK, len(frames), _WRITE_BLOCK)):
                    file.write(block)  # in blocks: libsndfile's Vorbis encoder overflows its stack on a long buffer
        except (soundfile.LibsndfileError, AssertionError) as error:  # soundfile asserts that all was written
            raise InputError(
                f"{name}: expected room for {len(frames)} samples, got a write error ({error}). "
                "Free some disk space, or choose another place."
            ) from error


def _block_powers(samples: Tensor, sample_rate: int) -> NDArray[np.float64]:
    """Weighted power of every gating block of BS.1770 (0.4 s, one each 0.1 s), with the memory of a minute.

    The weighting filters forget within a second, which each minute but the first is given in advance.
    """
    import pyloudnorm

    step, lead = LOUDNESS_BLOCK / 4 * sample_rate, 10
    total = round((samples.shape[-1] - 4 * step) / step) + 1
    powers = []
    for first in range(0, total, _BLOCKS_AT_ONCE):
        known = min(first, lead)
        start, end = round((first - known) * step), math.ceil((first + _BLOCKS_AT_ONCE + 3) * step) + 1
        meter = pyloudnorm.Meter(sample_rate)
        with np.errstate(divide="ignore", invalid="ignore"):
            meter.integrated_loudness(samples[:, start:end].double().numpy().T)
        count = min(_BLOCKS_AT_ONCE, total - first)
        powers.append(10 ** (np.array(meter.blockwise_loudness[known : known + count]) / 10))
    return np.concatenate(powers)


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: expected an audio file, got a folder. Name a file in it.")
    if not path.exists():
        raise InputError(f"{path}: expected an audio file, got no such file. Check the path.")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(f"{path}: expected a readable file, got: {error.strerror}. Check its permissions.") from error
    if empty:
        raise InputError(f"{path}: expected an audio file, got an empty file (0 bytes). Record or copy it again.")


def _check_sample_rate(sample_rate: int, name: str = "Audio") -> None:
    if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise InputError(
            f"{name}: expected a sample rate of {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, got {sample_rate} Hz. "
            "Correct the file's header or resample it."
        )


def _check_channels(channels: int, name: str) -> None:
    if channels not in (1, 2):
        raise InputError(
            f"{name}: expected 1 or 2 channels, got {channels} channels. Mix down to stereo or mono first."
        )


def _check_samples(samples: Tensor, name: str = "Audio") -> None:
    if samples.dim() != 2:
        raise InputError(f"{name}: expected samples [C, S] or [S], got {list(samples.shape)}. Pass one sound.")
    if samples.shape[-1] == 0:
        raise InputError(f"{name}: expected sound, got 0 samples. Record or copy it again.")
    _check_channels(len(samples), name)
    bad = samples.numel() - int(torch.isfinite(samples).sum())
    if bad:
        raise InputError(
            f"{name}: expected finite samples, got {bad} NaN or infinite of {samples.numel()}. Write the file again."
        )
