"""Every setting of a plan changes the result, and the list of settings is complete."""

from dataclasses import fields, replace

import pytest
import torch
from oracle import Oracle, random_logits, request

from audiogen.decoding import Confidence, Guidance, Linear, Plan, Sampling, Stage, decode, linear

FRAMES, VOCAB_SIZE = 24, 16
PARTS = {"sampling": Sampling, "confidence": Confidence, "guidance": Guidance}

# Each knob starts from the plan below; a second entry names what must be set first for the knob to have a meaning.
KNOBS = {
    "levels": [({"levels": (1, 0)}, {})],
    "steps": [({"steps": 1}, {}), ({"steps": 8}, {})],
    "schedule": [({"schedule": linear}, {})],
    "schedule_total": [({"schedule_total": 3 * FRAMES}, {})],
    "span": [({"span": 3}, {})],
    "arrangement": [({"arrangement": "stride1"}, {"span": 3, "confidence": Confidence(over_span="sum")})],
    "keep_one_masked": [({"keep_one_masked": True}, {"steps": 60})],
    "fix_each_step": [({"fix_each_step": True}, {"steps": 60})],
    "sampling.temperature": [({"temperature": 0.1}, {}), ({"temperature": Linear(1.0)}, {})],
    "sampling.temperature_floor": [({"temperature_floor": 2.0}, {})],
    "sampling.top_k": [({"top_k": 2}, {})],
    "sampling.top_fraction": [({"top_fraction": 0.1}, {})],
    "sampling.top_p": [({"top_p": 0.3}, {})],
    "sampling.typical_mass": [({"typical_mass": 0.2}, {})],
    "sampling.typical_min_tokens": [({"typical_min_tokens": 12}, {"sampling": Sampling(typical_mass=0.01)})],
    "sampling.filter_tempered": [
        ({"filter_tempered": True}, {"sampling": Sampling(typical_mass=0.3, top_p=0.5, temperature=3.0)})
    ],
    "sampling.greedy_steps": [({"greedy_steps": 2}, {})],
    "sampling.noise_by_rank": [({"noise_by_rank": True}, {})],
    "confidence.kind": [({"kind": "log_probability"}, {"confidence": Confidence(temperature=0.5)})],
    "confidence.temperature": [({"temperature": 4.0}, {}), ({"temperature": Linear(4.0)}, {})],
    "confidence.filtered": [({"filtered": False}, {"sampling": Sampling(top_k=3)})],
    "confidence.tempered": [({"tempered": False}, {"sampling": Sampling(temperature=3.0)})],
    "confidence.over_span": [({"over_span": "sum"}, {"span": 3})],
    "guidance.scale": [({"scale": 3.0}, {}), ({"scale": 0.0}, {})],
    "guidance.scale_end": [({"scale_end": 1.0}, {"guidance": Guidance(scale=4.0)})],
    "guidance.rescale": [({"rescale": 1.0}, {"guidance": Guidance(scale=4.0)})],
    "guidance.every": [
        ({"every": 2}, {"guidance": Guidance(scale=4.0)}),
        ({"every": 3}, {"guidance": Guidance(scale=4.0, rescale=1.0)}),
        ({"every": 2}, {"guidance": Guidance(scale=4.0, on="hidden")}),
    ],
    "guidance.on": [({"on": "hidden"}, {"guidance": Guidance(scale=4.0, rescale=1.0)})],
    "guidance.spread_over": [({"spread_over": "batch"}, {"guidance": Guidance(scale=4.0, rescale=1.0)})],
}
CASES = [(knob, change, base) for knob, variants in KNOBS.items() for change, base in variants]


class Surer(Oracle):
    """Its answers, and with them the difference that a condition makes, grow with what is known."""

    def hidden(self, codes, condition, stage, time):
        known = (codes != self.mask_token).float().mean(dim=(1, 2))
        return super().hidden(codes, condition, stage, time) * known[:, None, None]


def generate(stage, seed=0):
    logits = random_logits(2, 2, FRAMES, VOCAB_SIZE)
    logits[1] *= 0.3  # items of different spread
    logits[:, 1] *= 2.0  # and levels
    null = random_logits(2, 2, FRAMES, VOCAB_SIZE, seed=1)
    codes = torch.zeros(2, 2, FRAMES, dtype=torch.int64)
    mask = torch.ones_like(codes, dtype=torch.bool)
    mask[:, 1] = 1 in stage.levels
    return decode(Surer(VOCAB_SIZE, echo=2.0), codes, mask, request(logits, null), Plan((stage,)), seed)


def changed(stage, knob, change):
    part, _, _ = knob.rpartition(".")
    return replace(stage, **({part: replace(getattr(stage, part), **change)} if part else change))


@pytest.mark.parametrize(("knob", "change", "base"), CASES, ids=[f"{knob}-{change}" for knob, change, _ in CASES])
def test_every_knob_changes_the_result(knob, change, base):
    levels = (0, 1) if knob == "levels" else (0,)
    before = replace(Stage(levels=levels, steps=4), **base)
    after = changed(before, knob, change)
    assert torch.equal(generate(before), generate(before)), "same seed, same codes"
    assert not torch.equal(generate(before), generate(after)), f"{knob} has no effect"


def test_no_knob_is_left_out():
    names = {field.name for field in fields(Stage)} - set(PARTS)
    names |= {f"{part}.{field.name}" for part, kind in PARTS.items() for field in fields(kind)}
    assert names == set(KNOBS)


def test_the_seed_changes_the_result():
    assert not torch.equal(generate(Stage(levels=(0,), steps=4), seed=0), generate(Stage(levels=(0,), steps=4), seed=1))
