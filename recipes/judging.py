"""Training of the judge of attributes on rendered clips, as they are and as the codec plays them, and its verdicts."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.metrics.attributes import AttributeConfig, AttributeJudge, Heard, Summary, summary, tempo_target
from recipes.clip_tokens import load
from recipes.synth.arrange import LEADS, METRES
from recipes.synth.captions import KEYS, Attributes

logger = logging.getLogger(__name__)

Judge = TypeVar("Judge", bound=nn.Module)

TEMPO_TOLERANCE = 0.04
"""Relative error up to which a tempo is right."""


@dataclass(frozen=True, kw_only=True)
class JudgeTraining:
    """How the judge is trained."""

    clips: int = 1000
    """Of the training set; each is heard twice, once through the codec."""
    epochs: int = 60
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Rendered:
    """A clip and its codes."""

    path: Path
    codes: Tensor
    """[K, T], of the levels that are played."""
    codec: Path


def summaries(clip: Rendered) -> tuple[Summary, Summary]:
    """Of the clip as it is, and as the codec plays it."""
    return summary(Audio.read(clip.path)), summary(play(clip.codes, clip.codec))


@torch.inference_mode()
def play(codes: Tensor, codec: Path) -> Audio:
    """Codes [K, T] of the first K levels of a codec -> sound."""
    player = load(codec, "cpu")
    if player.levels > len(codes):
        player.use_levels(len(codes))
    return Audio(player.decode(codes.long()[None])[0], player.sample_rate)


def train_judge(config: JudgeTraining, heard: Sequence[Summary], known: Sequence[Attributes]) -> AttributeJudge:
    """A judge that knows the attributes of the clips that were `heard`; the same for the same seed."""
    clips, targets = Summary.stack(heard), _targets(known)

    def loss(judge: AttributeJudge, chosen: Tensor) -> Tensor:
        logits = judge(clips.take(chosen))
        return torch.stack([F.cross_entropy(logits[name], targets[name][chosen]) for name in targets]).sum()

    sizes = AttributeConfig(metres=tuple(METRES), leads=tuple(LEADS))
    return fit_judge(config, lambda: AttributeJudge(sizes), len(heard), loss)


def fit_judge(
    config: JudgeTraining, make: Callable[[], Judge], count: int, loss: Callable[[Judge, Tensor], Tensor]
) -> Judge:
    """What `make` makes, trained on `count` sounds; the same for the same seed.

    Args:
        loss: of the judge on the sounds with these numbers.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        judge = make()
        optimizer = torch.optim.AdamW(judge.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        steps = config.epochs * -(-count // config.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for epoch in range(config.epochs):
            losses = []
            for chosen in torch.randperm(count).split(config.batch_size):
                found = loss(judge, chosen)
                optimizer.zero_grad()
                found.backward()
                optimizer.step()
                schedule.step()
                losses.append(float(found.detach()))
            if (epoch + 1) % 10 == 0:
                logger.info("epoch %d/%d loss %.3f", epoch + 1, config.epochs, sum(losses) / len(losses))
    return judge.eval()


def verdicts(heard: Heard, known: Attributes) -> dict[str, float]:
    """1 or 0 for each attribute: whether it is heard as it should be."""
    return {
        "tempo_right": float(abs(heard.tempo / known.tempo - 1) <= TEMPO_TOLERANCE),
        "metre_right": float(heard.metre == known.metre),
        "key_right": float(KEYS[heard.key] == known.key),
        "lead_right": float(heard.lead == known.lead),
    }


def _targets(known: Sequence[Attributes]) -> dict[str, Tensor]:
    """What the judge's logits are compared with."""
    metres, leads = list(METRES), list(LEADS)
    return {
        "tempo": tempo_target(torch.tensor([float(one.tempo) for one in known])),
        "metre": torch.tensor([metres.index(one.metre) for one in known]),
        "key": torch.tensor([KEYS.index(one.key) for one in known]),
        "lead": torch.tensor([leads.index(one.lead) for one in known]),
    }
