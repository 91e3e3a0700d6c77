"""What a small network hears in a clip of music: tempo, metre, key, and the instrument of the melody.

A clip becomes three summaries, which know nothing of each other: how strongly each tone of the octave sounds (key), at
which distances in time its onsets repeat (tempo, metre), and its mean spectrum (instrument). The key is found by one
judge that hears the tones from each of the twelve tonics in turn, so that it need not learn every key by itself.
Shapes: B batch, F spectrogram frames, N distances in time.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.checkpoints.folders import read_config
from audiogen.checkpoints.save import save_model, without_header
from audiogen.checkpoints.weights import assign_weights, read_safetensors
from audiogen.metrics.frechet import log_mel_statistics
from audiogen.plain import from_plain

RATE = 32_000
TONES = 12
CHROMA_FFT, CHROMA_HOP = 8192, 4096
CHROMA_RANGES = ((60.0, 200.0), (200.0, 2000.0))
"""Hz: where bass and harmony are heard."""
ONSET_FFT, ONSET_HOP = 1024, 320
ONSET_RANGES = ((40.0, 200.0), (200.0, 1000.0), (1000.0, 8000.0))
"""Hz: whose onsets are heard apart."""
DISTANCES = torch.logspace(math.log10(0.15), math.log10(4.5), 120)
"""Seconds between onsets that are compared, [N]."""
TEMPO_BINS, TEMPO_STEP, SLOWEST = 36, 0.04, 50.0
"""Tempi are told apart in steps of 4 %, from 50 beats per minute up to 197."""


@dataclass(frozen=True)
class Summary:
    """What the network gets of clips; of one clip without B."""

    tones: Tensor
    """[B, 2, 12], each range of frequencies sums to 1."""
    repeats: Tensor
    """[B, 3, N] correlation of the onsets with themselves."""
    spectrum: Tensor
    """[B, 128] mean and deviation of log-mel bands."""

    @staticmethod
    def stack(summaries: "Sequence[Summary]") -> "Summary":
        """A batch of single ones."""
        names = ("tones", "repeats", "spectrum")
        return Summary(*(torch.stack([getattr(one, name) for one in summaries]) for name in names))

    def take(self, items: Tensor) -> "Summary":
        """Some of a batch."""
        return Summary(self.tones[items], self.repeats[items], self.spectrum[items])


def summary(audio: Audio) -> Summary:
    """Of one clip, mixed to mono; at any level."""
    samples = audio.mono().resample(RATE).samples[0]
    return Summary(tones(samples), repeats(samples), log_mel_statistics(audio.normalize(-24.0)).mean(dim=0))


def tones(samples: Tensor) -> Tensor:
    """[S] -> [2, 12]: share of each tone of the octave, C first, in CHROMA_RANGES."""
    window = torch.hann_window(CHROMA_FFT)
    spectrum = torch.stft(samples, CHROMA_FFT, CHROMA_HOP, window=window, return_complex=True, pad_mode="constant")
    frequencies = torch.arange(spectrum.shape[0]) * RATE / CHROMA_FFT
    semitones = 69 + 12 * torch.log2(frequencies.clamp(min=1) / 440)
    loudness = spectrum.abs().sqrt().mean(dim=1)
    near = (1 - 2 * (semitones - semitones.round()).abs()).clamp(min=0)  # between two tones counts for neither
    found = []
    for low, high in CHROMA_RANGES:
        heard = loudness * near * ((frequencies >= low) & (frequencies < high))
        found.append(torch.zeros(TONES).index_add(0, semitones.round().long() % TONES, heard))
    return F.normalize(torch.stack(found), p=1, dim=1)


def repeats(samples: Tensor) -> Tensor:
    """[S] -> [3, N]: how much the onsets in each of ONSET_RANGES are like those DISTANCES later."""
    window = torch.hann_window(ONSET_FFT)
    spectrum = torch.stft(samples, ONSET_FFT, ONSET_HOP, window=window, return_complex=True, pad_mode="constant")
    frequencies = torch.arange(spectrum.shape[0]) * RATE / ONSET_FFT
    found = []
    for low, high in ONSET_RANGES:
        band = spectrum[(frequencies >= low) & (frequencies < high)].abs()
        rises = (band.clamp(min=1e-4).log().diff(dim=1)).clamp(min=0).mean(dim=0)
        rises = rises - rises.mean()
        power = torch.fft.rfft(rises, 2 * len(rises)).abs().square()
        found.append(torch.fft.irfft(power)[: len(rises)])
    correlation = torch.stack(found)
    correlation = correlation / correlation[:, :1].clamp(min=1e-9)
    places = DISTANCES * RATE / ONSET_HOP
    before = places.long().clamp(max=correlation.shape[1] - 2)
    return torch.lerp(correlation[:, before], correlation[:, before + 1], (places - before).clamp(max=1))


@dataclass(frozen=True, kw_only=True)
class AttributeConfig:
    """What can be told apart, and by how large a network."""

    metres: tuple[str, ...]
    leads: tuple[str, ...]
    """Instruments of the melody."""
    dim: int = 128
    dropout: float = 0.3


@dataclass(frozen=True)
class Heard:
    """What was heard in one clip."""

    tempo: float
    """Beats per minute."""
    metre: str
    key: int
    """Tonic, 0 is C, plus 12 if the mode is minor."""
    lead: str


class AttributeJudge(nn.Module):
    """Summaries of clips -> logits of each attribute, by name."""

    def __init__(self, config: AttributeConfig):
        super().__init__()
        self.config = config
        self.rhythm = nn.Sequential(
            nn.Conv1d(len(ONSET_RANGES), 32, 9, padding=4), nn.GELU(), nn.Conv1d(32, 16, 9, padding=4), nn.GELU(),
            nn.Flatten(),
        )  # fmt: skip
        beats = 16 * len(DISTANCES)
        self.tempo = _mlp(beats, TEMPO_BINS, config)
        self.metre = _mlp(beats, len(config.metres), config)
        self.mode = _mlp(len(CHROMA_RANGES) * TONES, 2, config)
        self.lead = nn.Sequential(nn.BatchNorm1d(128, affine=False), _mlp(128, len(config.leads), config))

    def forward(self, heard: Summary) -> dict[str, Tensor]:
        """[B, classes] of tempo (bins), metre, key and lead."""
        rhythm = self.rhythm(heard.repeats)
        turned = torch.stack([heard.tones.roll(-tonic, dims=-1) for tonic in range(TONES)], dim=1)  # [B, 12, 2, 12]
        modes = self.mode(TONES * turned.flatten(2))  # [B, 12, 2]
        return {
            "tempo": self.tempo(rhythm),
            "metre": self.metre(rhythm),
            "key": modes.transpose(1, 2).flatten(1),
            "lead": self.lead(heard.spectrum),
        }

    @torch.no_grad()
    def listen(self, audio: Audio) -> Heard:
        """All attributes of one clip."""
        logits = self(Summary.stack([summary(audio)]))
        best = {name: int(scores.argmax()) for name, scores in logits.items()}
        return Heard(
            tempo=tempo_of(logits["tempo"][0]),
            metre=self.config.metres[best["metre"]],
            key=best["key"],
            lead=self.config.leads[best["lead"]],
        )


def tempo_target(tempo: Tensor) -> Tensor:
    """Beats per minute [B] -> probabilities [B, TEMPO_BINS]: shared by the two bins that a tempo lies between."""
    place = (tempo / SLOWEST).log() / math.log1p(TEMPO_STEP)
    return (1 - (place[:, None] - torch.arange(TEMPO_BINS)).abs()).clamp(min=0)


def tempo_of(logits: Tensor) -> float:
    """Bins [TEMPO_BINS] -> beats per minute: the mean of the likeliest and its neighbours."""
    best = int(logits.argmax())
    bins = torch.arange(max(0, best - 1), min(TEMPO_BINS, best + 2))
    place = float((logits[bins].softmax(0) * bins).sum())
    return float(SLOWEST * (1 + TEMPO_STEP) ** place)


def save_judge(judge: AttributeJudge, folder: Path) -> Path:
    """Write the network into `folder`."""
    return save_model(judge, "attribute-judge", asdict(judge.config), folder)


def load_judge(folder: Path) -> AttributeJudge:
    """What `save_judge` wrote."""
    judge = AttributeJudge(from_plain(AttributeConfig, without_header(read_config(folder)), str(folder)))
    assign_weights(judge, read_safetensors(folder / "model.safetensors"), folder / "model.safetensors")
    return judge.eval()


def _mlp(size: int, classes: int, config: AttributeConfig) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(size, config.dim), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(config.dim, classes)
    )
