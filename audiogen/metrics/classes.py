"""Which of some classes of sounds a small network hears, such as rain, a dog, or a clock.

A sound becomes one vector that does not know how loud it is: how its mel bins are distributed over time, how fast they
rise, and at which distances in time groups of them repeat. A few hundred sounds are enough to learn classes from that.
Shapes: B batch, M mel bins, L mel frames, G groups of bins, N distances in time, D numbers of a summary.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from audiogen.audio import Audio
from audiogen.checkpoints.folders import read_config
from audiogen.checkpoints.save import save_model, without_header
from audiogen.checkpoints.weights import assign_weights, read_safetensors
from audiogen.conditioning.audio_text import HOP, MELS, LogMel
from audiogen.plain import from_plain

RATE = 22_050
LEVEL = 0.1
"""Root mean square at which all sounds are heard."""
QUANTILES = (0.1, 0.5, 0.9)
GROUPS = 8
FRAMES = torch.logspace(math.log10(2), math.log10(80), 24).round().long().unique()
"""Distances of repetitions in mel frames, [N]: 0.05 to 1.9 seconds."""
SIZE = (len(QUANTILES) + 1) * MELS + GROUPS * len(FRAMES)
"""D."""
SECONDS = 4.0
"""A shorter sound is repeated up to this length, so that it has all distances."""
SPREAD = 0.05
"""Added to the deviations that summaries are divided by: what never changes says nothing."""


def summary(audio: Audio) -> Tensor:
    """[D] of one sound, mixed to mono; the same at any level."""
    samples = audio.mono().resample(RATE).samples
    samples = samples * (LEVEL / samples.square().mean().sqrt().clamp(min=1e-6))
    mel = LogMel(RATE)(samples)[0]
    mel = mel[:, torch.arange(max(mel.shape[1], math.ceil(SECONDS * RATE / HOP))) % mel.shape[1]]
    mel = mel - mel.mean()
    levels = torch.quantile(mel, torch.tensor(QUANTILES), dim=1).flatten()
    rises = mel.diff(dim=1).clamp(min=0).mean(dim=1)
    return torch.cat((levels, rises, repeats(mel).flatten()))


def repeats(mel: Tensor) -> Tensor:
    """[M, L] -> [G, N]: how much groups of neighbouring bins are like themselves FRAMES later."""
    groups = mel.unflatten(0, (GROUPS, -1)).mean(dim=1)
    groups = groups - groups.mean(dim=1, keepdim=True)
    power = torch.fft.rfft(groups, 2 * groups.shape[1]).abs().square()
    correlation = torch.fft.irfft(power)[:, : groups.shape[1]]
    return (correlation / correlation[:, :1].clamp(min=1e-6))[:, FRAMES]


@dataclass(frozen=True, kw_only=True)
class ClassConfig:
    """What can be told apart, and by how large a network."""

    classes: tuple[str, ...]
    dim: int = 64
    dropout: float = 0.4


class ClassJudge(nn.Module):
    """Summaries of sounds [B, D] -> logits [B, classes]."""

    centre: Tensor
    scale: Tensor

    def __init__(self, config: ClassConfig):
        super().__init__()
        self.config = config
        self.register_buffer("centre", torch.zeros(SIZE))
        self.register_buffer("scale", torch.ones(SIZE))
        self.network = nn.Sequential(
            nn.Dropout(config.dropout / 2), nn.Linear(SIZE, config.dim), nn.GELU(), nn.Dropout(config.dropout),
            nn.Linear(config.dim, len(config.classes)),
        )  # fmt: skip

    def fit_scale(self, heard: Tensor) -> None:
        """Learn centre and spread of summaries [B, D]."""
        self.centre.copy_(heard.mean(dim=0))
        self.scale.copy_(heard.std(dim=0, correction=0) + SPREAD)

    def forward(self, heard: Tensor) -> Tensor:
        return self.network((heard - self.centre) / self.scale)

    @torch.no_grad()
    def listen(self, audio: Audio) -> str:
        """The class that one sound is most like."""
        return self.config.classes[int(self(summary(audio)[None]).argmax())]


def save_class_judge(judge: ClassJudge, folder: Path) -> Path:
    """Write the network into `folder`."""
    return save_model(judge, "class-judge", asdict(judge.config), folder)


def load_class_judge(folder: Path) -> ClassJudge:
    """What `save_class_judge` wrote.

    Raises:
        InputError: a file is missing or damaged.
    """
    judge = ClassJudge(from_plain(ClassConfig, without_header(read_config(folder)), str(folder)))
    assign_weights(judge, read_safetensors(folder / "model.safetensors"), folder / "model.safetensors")
    return judge.eval()
