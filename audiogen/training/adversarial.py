"""A critic of spectrograms, for codecs that are to sound sharper than distances make them.

Papers: Isola et al. 2017, arXiv:1611.07004 ("Markovian discriminator (PatchGAN)"); hinge loss of Lim & Ye 2017,
arXiv:1705.02894. One optimizer updates both sides in the same step: the critic's weights get no gradient from the loss
of what it judges, and that gets none from the critic's loss.
Shapes: B batch, H bands, W frames.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

WIDTHS = (32, 64, 128)
SLOPE = 0.2


class PatchCritic(nn.Module):
    """Spectrograms [B, H, W] -> how real each patch of them is [B, H / 8, W / 8]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for narrow, wide in zip((1, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(narrow, wide, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(WIDTHS[-1], 1, 3, padding=1))

    def forward(self, spectrograms: Tensor) -> Tensor:
        return self.layers(spectrograms[:, None])[:, 0]


@dataclass(frozen=True)
class Judgement:
    """Both sides of the game."""

    made: Tensor
    """For what makes the spectrograms: low where the critic takes them for real."""
    critic: Tensor
    """For the critic: low where it tells both apart."""


def judge(critic: PatchCritic, made: Tensor, real: Tensor) -> Judgement:
    """Losses for spectrograms that were made, and for the critic that compares them with real ones, both [B, H, W]."""
    fixed = {name: parameter.detach() for name, parameter in critic.named_parameters()}
    verdict = functional_call(critic, fixed, (made,))
    told = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(made.detach())).mean()
    return Judgement(-verdict.mean(), told)


class Adversary(nn.Module):
    """A critic that joins a training after some updates."""

    def __init__(self, weight: float, start: int):
        super().__init__()
        self.critic = PatchCritic()
        self.weight, self.start = weight, start

    def forward(self, made: Tensor, real: Tensor, step: int) -> dict[str, Tensor]:
        """What to add to the losses of update `step`: nothing before `start`."""
        if step < self.start:
            return {}
        judged = judge(self.critic, made, real)
        return {"adversarial": self.weight * judged.made, "critic": judged.critic}


def adversary(weight: float, start: int) -> Adversary | None:
    """One of this weight; none where it is 0."""
    return Adversary(weight, start) if weight else None
