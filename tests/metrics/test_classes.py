"""The judge of classes: summaries that know no level, and a network that comes back as it was saved."""

import math

import torch

from audiogen.audio import Audio
from audiogen.metrics.classes import SIZE, ClassConfig, ClassJudge, load_class_judge, save_class_judge, summary

RATE = 22_050


def clicks(per_second, seconds=4.0):
    """A click train."""
    samples = torch.zeros(1, round(seconds * RATE))
    samples[:, :: round(RATE / per_second)] = 0.5
    return Audio(samples + 1e-4 * torch.randn(samples.shape, generator=torch.Generator().manual_seed(0)), RATE)


def test_a_summary_does_not_know_the_level_the_rate_or_the_channels():
    audio = clicks(3)
    one = summary(audio)
    assert one.shape == (SIZE,)
    assert torch.isfinite(one).all()
    torch.testing.assert_close(summary(Audio(audio.samples * 0.5, RATE)), one, atol=0.02, rtol=0)
    torch.testing.assert_close(summary(Audio(audio.samples.repeat(2, 1), RATE)), one, atol=1e-4, rtol=0)
    assert (summary(clicks(7)) - one).abs().max() > 0.2


def test_short_sounds_and_silence_have_summaries():
    assert torch.isfinite(summary(clicks(9, 0.2))).all()
    assert torch.isfinite(summary(Audio(torch.zeros(1, RATE), RATE))).all()


def test_the_judge_comes_back_with_its_scale(tmp_path):
    torch.manual_seed(0)
    judge = ClassJudge(ClassConfig(classes=("slow", "fast"))).eval()
    heard = torch.stack([summary(clicks(rate)) for rate in (2, 3, 8, 9)])
    judge.fit_scale(heard)
    save_class_judge(judge, tmp_path)
    again = load_class_judge(tmp_path)
    torch.testing.assert_close(again(heard), judge(heard))
    assert again.config == judge.config
    assert again.listen(clicks(2)) in ("slow", "fast")
    scaled = (heard - judge.centre) / judge.scale
    assert scaled.mean(dim=0).abs().max() < 1e-3
    assert math.isfinite(float(scaled.abs().max()))
