"""Losses that see chance and texture, and the critic that may join them."""

import pytest
import torch
from torch import Tensor

from audiogen.training.adversarial import PatchCritic, adversary, judge
from audiogen.training.losses import MultiScaleSpectrum, texture_distance

RATE = 22050


def noise(level: float = 0.1, seed: int = 0, batch: int = 4) -> Tensor:
    return torch.randn(batch, RATE // 2, generator=torch.Generator().manual_seed(seed)) * level


@pytest.fixture(scope="module")
def spectrum() -> MultiScaleSpectrum:
    return MultiScaleSpectrum(RATE, ((512, 0), (1024, 40)))


def test_energy_is_least_for_noise_of_the_right_level(spectrum: MultiScaleSpectrum):
    target = noise(seed=1)
    right, quiet, loud = (float(spectrum.energy(noise(a, 2), noise(a, 3), target)) for a in (0.1, 0.07, 0.14))
    assert right < min(quiet, loud)
    assert right == pytest.approx(float(spectrum(noise(seed=2), target)) / 2, rel=0.05)


def test_energy_asks_for_chance_where_a_distance_asks_for_none(spectrum: MultiScaleSpectrum):
    """One sound that is as near to all noises as it can be: in the middle of them, and none of them."""
    targets = noise(seed=1, batch=16)[:, :4096]
    sound = noise(seed=2, batch=1)[:, :4096].requires_grad_()
    optimizer = torch.optim.Adam([sound], lr=0.01)
    for _ in range(40):
        distance = spectrum(sound.expand(16, -1), targets)
        optimizer.zero_grad()
        distance.backward()
        optimizer.step()
    middle = sound.detach().expand(16, -1)
    target, one, other = (noise(seed=seed, batch=16)[:, :4096] for seed in (3, 4, 5))
    assert float(spectrum(middle, target)) < 0.9 * float(spectrum(one, target))
    assert float(spectrum.energy(middle, middle, target)) > 1.2 * float(spectrum.energy(one, other, target))


def test_energy_of_equal_draws_is_their_distance(spectrum: MultiScaleSpectrum):
    one, target = noise(seed=1), noise(seed=2)
    torch.testing.assert_close(spectrum.energy(one, one, target), spectrum(one, target))
    assert float(spectrum.energy(target, target, target)) == 0.0


def test_texture_is_what_stays_when_details_move():
    generator = torch.Generator().manual_seed(0)
    rain, other_rain = (torch.randn(2, 80, 128, generator=generator) * 0.2 for _ in range(2))
    smooth = torch.zeros_like(rain)
    assert float((rain - smooth).abs().mean()) < float((rain - other_rain).abs().mean()), "a distance prefers none"
    assert float(texture_distance(other_rain, rain)) < 0.5 * float(texture_distance(smooth, rain))
    assert float(texture_distance(rain, rain)) == 0.0
    assert float(texture_distance(rain + 0.3, rain)) > 0.1, "levels count too"


def test_texture_of_silence_has_a_gradient():
    silence = torch.full((1, 80, 32), -1.0, requires_grad=True)
    texture_distance(silence, torch.zeros(1, 80, 32)).backward()
    assert silence.grad is not None
    assert silence.grad.isfinite().all()
    assert float(silence.grad.abs().sum()) > 0


def test_the_critic_and_what_it_judges_learn_from_their_own_losses():
    torch.manual_seed(0)
    critic, real = PatchCritic(), torch.randn(2, 80, 64)
    made = torch.randn(2, 80, 64, requires_grad=True)
    judged = judge(critic, made, real)
    judged.made.backward()
    assert float(made.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in critic.parameters())
    made.grad = None
    judged.critic.backward()
    assert made.grad is None
    assert all(float(layer.weight.grad.abs().sum()) > 0 for layer in critic.layers if hasattr(layer, "weight"))


def test_a_critic_learns_to_tell_flat_from_rough():
    torch.manual_seed(0)
    critic = PatchCritic()
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    for _ in range(30):
        loss = judge(critic, torch.zeros(4, 40, 32), torch.randn(4, 40, 32)).critic
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.5, "2 is chance"


def test_an_adversary_joins_when_it_is_told_to():
    assert adversary(0.0, 0) is None
    joined = adversary(0.5, start=3)
    assert joined is not None
    made, real = torch.randn(1, 80, 32), torch.randn(1, 80, 32)
    assert joined(made, real, 2) == {}
    losses = joined(made, real, 3)
    torch.testing.assert_close(losses["adversarial"], 0.5 * judge(joined.critic, made, real).made)
    assert set(losses) == {"adversarial", "critic"}
