"""Loops of clicks whose beats are known."""

import torch

from audiogen.audio import Audio

RATE = 22_050


def click_loop(bpm: float, beats: int, per_beat: int = 2, noise: float = 0.002) -> Audio:
    """`beats` beats: a loud hit on each, softer ones between; the first of four is the loudest."""
    generator = torch.Generator().manual_seed(beats)
    samples = noise * torch.randn(round(beats * 60 / bpm * RATE), generator=generator)
    decay = torch.exp(-torch.arange(1500) / 250)
    for hit in range(beats * per_beat):
        level = (1.0 if hit % (4 * per_beat) == 0 else 0.7) if hit % per_beat == 0 else 0.25
        start = round(hit * 60 / bpm / per_beat * RATE)
        place = samples[start : start + len(decay)]
        place += 0.5 * level * (decay * torch.randn(len(decay), generator=generator))[: len(place)]
    return Audio(samples.clamp(-1, 1), RATE)


def noise(seconds: float) -> Audio:
    """A steady hiss."""
    return Audio(0.1 * torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(1)), RATE)


def drone(seconds: float) -> Audio:
    """A steady chord, a whole number of periods long."""
    time = torch.arange(round(seconds * RATE)) / RATE
    return Audio(0.1 * sum(torch.sin(2 * torch.pi * hertz * time) for hertz in (110, 220, 331)), RATE)  # type: ignore[arg-type]


def silence(seconds: float) -> Audio:
    """Nothing."""
    return Audio(torch.zeros(round(seconds * RATE)), RATE)
