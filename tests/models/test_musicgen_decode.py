"""Whole generations against the reference MusicGen, and its composition with MAGNeT (golden magnet SPEC 10, 11)."""

import json
from itertools import combinations

import pytest
import torch
from tiny_music import CLOSE, GOLDEN, case, golden, tiny_magnet, tiny_musicgen

from audiogen.decoding import GridNoise, NoNoise, Rescoring, Sampling, Stage, decode
from audiogen.decoding.autoregressive import generate
from audiogen.decoding.guidance import guide
from audiogen.decoding.hybrid import Beginning, hybrid_parts
from audiogen.decoding.rescorers import CausalRescorer, log_likelihood
from audiogen.decoding.rescoring import Draft
from audiogen.models.magnet import magnet_plan

SETTINGS = json.loads((GOLDEN / "musicgen_decode.json").read_text())
CASES = SETTINGS["cases"]
GUIDED = {"atol": 5e-4, "rtol": 1e-4}


@pytest.fixture(scope="module")
def traces():
    return golden("musicgen_decode")


@pytest.fixture(scope="module")
def model():
    return tiny_musicgen()


def condition_of(model, want):
    """The fixture's first half is conditional, its second the null condition."""
    return model.condition_on(want["cond"][: len(want["cond"]) // 2])


def sampling_of(settings):
    """In our words; the reference hands its random numbers to tokens in sorted order where it uses top-p."""
    return Sampling(
        temperature=settings.get("temp", 1.0),
        top_k=settings["top_k"],
        top_p=settings["top_p"] or 1.0,
        filter_tempered=True,
        noise_by_rank=settings["top_p"] > 0,
    )


def noise_of(settings):
    seed = settings["torch_manual_seed"]
    return NoNoise() if seed is None else GridNoise(torch.Generator().manual_seed(seed))


class Watched:
    """A model that notes the guided logits of its last step at every call."""

    def __init__(self, model, scale):
        self.model, self.scale, self.guided, self.read = model, scale, [], []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def start(self, condition, batch):
        stream = self.model.start(condition, batch)

        def watched(sequence):
            logits = stream(sequence)
            self.read.append(sequence.shape[-1])
            self.guided.append(guide(*logits[:, :, -1].chunk(2), self.scale))
            return logits

        return watched


def generated(model, name, want, **changes):
    settings = CASES[name] | changes
    return generate(
        model,
        want.get("prompt"),
        condition_of(model, want),
        settings["max_gen_len"],
        sampling_of(settings),
        settings["effective_cfg_coef"],
        noise_of(settings),
    )


@pytest.mark.parametrize("name", CASES)
def test_codes_and_every_step_are_those_of_the_reference(model, traces, name):
    """Prompts are removed by the caller, and guidance in two passes is guidance in one: neither needs a setting."""
    want, settings = case(traces, name), CASES[name]
    watched = Watched(model, settings["effective_cfg_coef"])
    codes = generated(watched, name, want)
    steps, prompt = settings["n_steps"], settings["prompt_length"]
    assert torch.equal(codes[..., prompt if settings.get("remove_prompts") else 0 :], want["codes"])
    assert torch.equal(model.pattern.delayed(codes, model.mask_token), want["gen_sequence"])
    assert watched.read == [prompt + 1] + [1] * (steps - 1)
    if "step.guided_logits" in want:
        torch.testing.assert_close(torch.stack(watched.guided), want["step.guided_logits"], **GUIDED)


@pytest.mark.parametrize(
    "change",
    [{"temp": 0.5}, {"top_k": 3}, {"top_p": 0.3}, {"effective_cfg_coef": 1.0}, {"torch_manual_seed": 1}],
    ids=str,
)
def test_every_setting_matters(model, traces, change):
    want = case(traces, "sample_full_prompt")
    assert not torch.equal(generated(model, "sample_full_prompt", want, **change), want["codes"])


def test_an_item_is_the_same_alone_and_in_a_batch(model, traces):
    """With its text as long as in the batch: padding is part of the reference's condition (SPEC 13, trap 2)."""
    condition = condition_of(model, case(traces, "greedy"))
    together = generate(model, None, condition, 8, seed=[4, 5])
    for row, seed in enumerate([4, 5]):
        alone = generate(model, None, condition.take(torch.tensor([row])), 8, seed=seed)
        assert torch.equal(alone, together[row : row + 1])


def hybrid_request(want, settings):
    """The reference's settings in our words."""
    twin, magnet, wanted = tiny_musicgen(), tiny_magnet(), settings["magnet"]
    beginning = Beginning(
        model=twin,
        condition=condition_of(twin, want),
        frames=settings["prefix_frames"],
        guidance_scale=settings["ar"]["cfg_coef"],
    )
    plan = magnet_plan(
        steps=wanted["decoding_steps"],
        temperature=wanted["temp"],
        top_p=wanted["top_p"],
        guidance=(wanted["max_cfg_coef"], wanted["min_cfg_coef"]),
    )
    return beginning, magnet, None, condition_of(magnet, want), want["codes"].shape[-1], plan, NoNoise()


def test_hybrid_is_the_composition_of_both_references(traces):
    """16 autoregressive frames end within a span; of 50 frames MAGNeT makes 48, which are whole spans."""
    want = case(traces, "hybrid")
    *first, rest = hybrid_parts(*hybrid_request(want, SETTINGS["hybrid"]))
    assert torch.equal(torch.cat(first, dim=-1), want["ar_prefix"])
    assert torch.equal(torch.cat([*first, rest], dim=-1), want["codes"])


def test_the_twin_rescores_with_the_probabilities_of_the_reference(model):
    """Golden `full.token_logprob`: teacher-forced through the whole delay pattern."""
    tensors = golden("musicgen_forward")
    codes = tensors["T37.codes"]
    rescorer = CausalRescorer(model=model, condition=model.condition_on(tensors["cond"]))
    for levels in [(0,), (3, 1)]:
        draft = Draft(stage=Stage(levels=levels), index=0, mask=codes >= 0, seen=codes, filled=codes)
        torch.testing.assert_close(rescorer(draft).log(), tensors["T37.full.token_logprob"][:, levels], **CLOSE)


def test_the_likelihood_of_whole_candidates_is_the_reference_s(model):
    tensors = golden("musicgen_forward")
    found = log_likelihood(model, tensors["T37.codes"], model.condition_on(tensors["cond"]))
    torch.testing.assert_close(found, tensors["T37.full.token_logprob"].mean(dim=(1, 2)), **CLOSE)


@pytest.mark.parametrize("scoring", ["max", "prod"])
def test_the_twin_changes_what_magnet_keeps(model, traces, scoring):
    """Two different networks of random weights: w = 0 is the reference's decode, more is another one."""
    magnet, want = tiny_magnet(), case(traces, "hybrid")
    plan = magnet_plan(steps=(4, 2, 2, 2), scoring=scoring)
    codes = torch.zeros(2, 4, 24, dtype=torch.int64)

    def decoded(weight, **settings):
        twin = CausalRescorer(model=model, condition=condition_of(model, want), **settings)
        second = Rescoring(twin, weight)
        return decode(magnet, codes, codes == 0, condition_of(magnet, want), plan, 0, rescoring=second)

    plain = decode(magnet, codes, codes == 0, condition_of(magnet, want), plan, 0)
    assert torch.equal(decoded(0.0), plain)
    different = [decoded(0.5), decoded(1.0), decoded(1.0, guidance_scale=3.0), plain]
    assert all(not torch.equal(one, other) for one, other in combinations(different, 2))
