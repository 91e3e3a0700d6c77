"""How well a codec returns what it was given: distances between two sounds, and `compare`, which measures a codec.

STOI and PESQ follow the packages `pystoi` (Taal et al. 2011) and `pesq` (ITU-T P.862.2); the other figures are here.
Shapes: C channels, S samples, M mel bands, F spectrogram frames.
"""

import contextlib
import logging
import math
import time
import warnings
from dataclasses import asdict, dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.codecs.base import Codec
from audiogen.errors import InputError
from audiogen.extras import need

logger = logging.getLogger(__name__)

MEL_BANDS, MEL_WINDOW, MEL_HOP = 80, 1024, 256
MEL_LOSS_SCALES = ((2048, 150), (512, 80))
MEL_FLOOR = 1e-5
"""Smallest mel magnitude (-100 dB): below it all sounds are the same silence."""
STOI_RATE, PESQ_RATE = 10_000, 16_000
"""Hz at which these two are defined; sounds are resampled to it."""
STOI_SECONDS = 0.4
"""STOI compares stretches of 30 frames of 12.8 ms."""
PESQ_SECONDS = 20
"""PESQ is defined for short recordings: longer ones are scored in pieces of this length, and the scores averaged."""


@dataclass(frozen=True)
class CodecReport:
    """A round trip, measured. Every figure compares the decoded sound with the original, channels averaged to mono."""

    mel_distance: float
    """dB, mean absolute difference of log-mel spectrograms (80 bands, window 1024, hop 256); 0 is identical."""
    mel_loss: float
    """The mel loss of audiotools with its defaults, by which music codecs are compared; 0 is identical."""
    si_sdr: float | None
    """dB, scale-invariant signal-to-distortion ratio; higher is better; None for silence."""
    stoi: float | None
    """Intelligibility of speech, 0 to 1; None where less than 0.4 s of the sound is not silent."""
    pesq: float | None
    """Quality of speech, wide band at 16 kHz, 1.04 to 4.64; None where no speech is found, or too little, or where
    pesq is not installed, the one package that needs a C compiler."""
    bitrate_kbps: float
    """Kilobits per second of the codes, without entropy coding."""
    encode_rtf: float
    """Compute seconds per second of audio; below 1 is faster than real time."""
    decode_rtf: float
    """Compute seconds per second of audio; below 1 is faster than real time."""
    duration: float
    """Seconds of audio."""

    def to_json(self) -> dict[str, float | None]:
        """For `json.dumps`."""
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """What `compare` returns."""

    original: Audio
    """At the codec's sample rate and channels."""
    decoded: Audio
    """The same after encoding and decoding, cut to the original's length."""
    report: CodecReport


def compare(codec: Codec, audio: Audio) -> Comparison:
    """Encode and decode `audio`, and measure what is different.

    Raises:
        InputError: the codec does not code sound, or a package for scoring other than pesq is not installed.
    """
    original = fit(audio, codec)
    batch = original.samples[None].to(next(codec.parameters()).device)
    codec.decode(codec.encode(batch[..., : codec.sample_rate // 10]))  # the first call of all also sets things up
    started = time.perf_counter()
    codes = codec.encode(batch)
    encoded = time.perf_counter()
    samples = codec.decode(codes)[0].cpu()
    finished = time.perf_counter()
    decoded = Audio(samples[:, : original.samples.shape[-1]], codec.sample_rate)
    report = CodecReport(
        mel_distance=mel_distance(original, decoded),
        mel_loss=mel_loss(original, decoded),
        si_sdr=si_sdr(original, decoded),
        stoi=stoi(original, decoded),
        pesq=_pesq_if_installed(original, decoded),
        bitrate_kbps=codec.bitrate / 1000,
        encode_rtf=(encoded - started) / original.duration,
        decode_rtf=(finished - encoded) / original.duration,
        duration=original.duration,
    )
    return Comparison(original, decoded, report)


def fit(audio: Audio, codec: Codec) -> Audio:
    """`audio` at the codec's sample rate, mixed down or its channel copied as the codec needs."""
    if codec.channels > 2:
        raise InputError(
            f"{type(codec).__name__}: expected a codec of sound, got one of {codec.channels} features. Choose another."
        )
    audio = audio.resample(codec.sample_rate)
    if len(audio.samples) == codec.channels:
        return audio
    mono = audio.mono()
    return mono if codec.channels == 1 else Audio(mono.samples.repeat(codec.channels, 1), mono.sample_rate)


def mel_distance(original: Audio, decoded: Audio) -> float:
    """Mean absolute difference of the two log-mel spectrograms in dB."""
    one, other = log_mel(original), log_mel(decoded)
    return float((one - other).abs().mean())


def mel_loss(original: Audio, decoded: Audio) -> float:
    """The mel loss of audiotools 0.7 with its defaults, of the sounds mixed to mono (Kumar et al. 2023, DAC).

    Over windows of 2048 samples (150 bands) and 512 (80): the mean absolute difference of log10 of the mel energies
    (magnitudes floored at 1e-5), plus that of the mel magnitudes.
    """
    from torchaudio.functional import melscale_fbanks

    total = 0.0
    for window, bands in MEL_LOSS_SCALES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # as in log_mel
            filters = melscale_fbanks(
                window // 2 + 1, 0.0, original.sample_rate / 2, bands, original.sample_rate, "slaney", "slaney"
            )
        one, other = (_mel_magnitudes(audio, window, filters) for audio in (original, decoded))
        logs = (2 * (one.clamp(min=1e-5).log10() - other.clamp(min=1e-5).log10())).abs().mean()
        total += float(logs + (one - other).abs().mean())
    return total


def _mel_magnitudes(audio: Audio, window: int, filters: Tensor) -> Tensor:
    """[F, M]; reflected at the ends, where the sound is long enough to be."""
    samples = audio.mono().samples
    mode = "reflect" if samples.shape[-1] > window // 2 else "constant"
    shape = torch.hann_window(window)
    spectrum = torch.stft(samples, window, window // 4, window=shape, return_complex=True, pad_mode=mode)
    return spectrum.abs()[0].T @ filters


def log_mel(audio: Audio) -> Tensor:
    """Mel magnitudes [M, F] in dB of full scale (a sine of amplitude 1 is within 6 dB of 0), floored at MEL_FLOOR."""
    from torchaudio.functional import melscale_fbanks

    window = torch.hann_window(MEL_WINDOW)
    samples = audio.mono().samples[0]
    spectrum = torch.stft(samples, MEL_WINDOW, MEL_HOP, window=window, return_complex=True, pad_mode="constant")
    magnitude = spectrum.abs() * 2 / window.sum()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # at high rates the lowest bands are narrower than a bin, and empty
        bands = melscale_fbanks(MEL_WINDOW // 2 + 1, 0.0, audio.sample_rate / 2, MEL_BANDS, audio.sample_rate)
    return 20 * torch.log10((bands.T @ magnitude).clamp_min(MEL_FLOOR))


def si_sdr(original: Audio, decoded: Audio) -> float | None:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019, arXiv:1811.02508), without the means.

    At most 100 dB, which stands for identical; None where either sound is silent.
    """
    one, other = (audio.mono().samples[0].double() for audio in (original, decoded))
    one, other = one - one.mean(), other - other.mean()
    if not one.any() or not other.any():
        return None
    target = one * (one @ other) / (one @ one)
    signal, distortion = float(target @ target), float((other - target) @ (other - target))
    if signal == 0:
        return -100.0
    return max(-100.0, min(100.0, 10 * math.log10(signal / max(distortion, signal * 1e-10))))


def stoi(original: Audio, decoded: Audio) -> float | None:
    """Short-time objective intelligibility; None where it is not defined: less than 0.4 s that are not silent."""
    package = need("pystoi", "scoring")
    one, other = (audio.mono().resample(STOI_RATE).samples[0].double().numpy() for audio in (original, decoded))
    if original.duration < STOI_SECONDS or not one.any():
        return None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = float(package.stoi(one, other, STOI_RATE))
    return None if caught else value


def pesq(original: Audio, decoded: Audio) -> float | None:
    """Perceptual evaluation of speech quality, wide band; None where the package finds no utterance to compare."""
    package = need("pesq", "metrics")
    one, other = (audio.mono().resample(PESQ_RATE).samples[0].numpy() for audio in (original, decoded))
    if not one.any() or not other.any():
        return None
    scores = []
    for start in range(0, len(one), PESQ_SECONDS * PESQ_RATE):
        piece = slice(start, start + PESQ_SECONDS * PESQ_RATE)
        # a piece without speech, or a remainder of less than 0.25 s, has no score
        with contextlib.suppress(package.NoUtterancesError, package.BufferTooShortError):
            scores.append(float(package.pesq(PESQ_RATE, one[piece], other[piece], "wb")))
    return sum(scores) / len(scores) if scores else None


def _pesq_if_installed(original: Audio, decoded: Audio) -> float | None:
    if find_spec("pesq") is None:
        logger.warning("no PESQ figure: it needs a C compiler, and then: pip install 'audiogen[metrics]'")
        return None
    return pesq(original, decoded)
