"""Training of the judge that tells classes of sounds apart, on clips of recordings and on nothing else."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.metrics.classes import ClassConfig, ClassJudge, summary
from recipes.judging import JudgeTraining, fit_judge
from recipes.sound_clips import Description

logger = logging.getLogger(__name__)

SMOOTHING = 0.05
"""Of the labels: some clips are of two minds."""
JUDGE = JudgeTraining(clips=2000, epochs=100, batch_size=32, weight_decay=0.1)


def labelled(said: Sequence[Description], kind: str, clips: int) -> list[Description]:
    """Up to `clips` clips of one data set whose class is known, spread over all."""
    there = [one for one in said if one.kind == kind and one.category]
    return there[:: max(1, -(-len(there) // clips))]


def heard(path: Path) -> Tensor:
    """[D]: what the judge gets of a clip."""
    return summary(Audio.read(path))


def train_class_judge(config: JudgeTraining, summaries: Sequence[Tensor], categories: Sequence[str]) -> ClassJudge:
    """A judge that knows the classes of clips by their summaries; the same for the same seed."""
    classes = tuple(sorted(set(categories)))
    clips = torch.stack(list(summaries))
    targets = torch.tensor([classes.index(name) for name in categories])

    def make() -> ClassJudge:
        judge = ClassJudge(ClassConfig(classes=classes))
        judge.fit_scale(clips)
        return judge

    def loss(judge: ClassJudge, chosen: Tensor) -> Tensor:
        return F.cross_entropy(judge(clips[chosen]), targets[chosen], label_smoothing=SMOOTHING)

    return fit_judge(config, make, len(clips), loss)


@torch.no_grad()
def accuracy(judge: ClassJudge, summaries: Sequence[Tensor], categories: Sequence[str]) -> float:
    """Share of clips whose class is right."""
    found = judge(torch.stack(list(summaries))).argmax(dim=1).tolist()
    return sum(judge.config.classes[place] == name for place, name in zip(found, categories, strict=True)) / len(found)
