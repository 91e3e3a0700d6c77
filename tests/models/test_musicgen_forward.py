"""MusicGen against the reference's figures: teacher forcing through the delay pattern, and streams that equal it."""

import pytest
import torch
from tiny_music import CLOSE, case, golden, tiny_musicgen

from audiogen.decoding import Condition
from audiogen.errors import InputError
from audiogen.nn.conditioned import frame_positions


@pytest.fixture(scope="module")
def tensors():
    return golden("musicgen_forward")


@pytest.fixture(scope="module")
def model():
    return tiny_musicgen()


@pytest.fixture(scope="module")
def condition(model, tensors):
    return model.condition_on(tensors["cond"])


@torch.no_grad()
def logits_of(model, codes, condition):
    return model.logits(codes, condition)


def text(batch, positions=5):
    """Projected text states."""
    return torch.randn(batch, positions, 64, generator=torch.Generator().manual_seed(positions))


@pytest.mark.parametrize("frames", [50, 37])
class TestReference:
    @pytest.fixture
    def want(self, tensors, frames):
        return case(tensors, f"T{frames}")

    def test_the_sequence(self, want, model, condition, frames):
        sequence = model.pattern.delayed(want["codes"], model.mask_token)[..., : frames + 1]
        assert torch.equal(sequence, want["sequence"])
        with torch.no_grad():
            logits = model.sequence_logits(sequence, condition)
        torch.testing.assert_close(logits, want["sequence_logits"], **CLOSE)

    def test_all_predictions(self, want, model, condition, frames):
        logits = logits_of(model, want["codes"], condition)
        full = want["full.logits"]
        torch.testing.assert_close(logits[: len(full)], full, **CLOSE)
        sure = logits.log_softmax(dim=-1).gather(-1, want["codes"][..., None])[..., 0]
        torch.testing.assert_close(sure, want["full.token_logprob"], **CLOSE)

    def test_predictions_of_the_first_steps(self, want, model, condition, frames):
        """What the reference trains on: the same, but for the cells that stand in later steps."""
        early = model.pattern.within(frames, frames + 1).expand_as(want["codes"])
        assert torch.equal(early, want["mask"].bool())
        logits = logits_of(model, want["codes"], condition)
        torch.testing.assert_close(logits[early], want["logits"][early], **CLOSE)

    @pytest.mark.parametrize("chunks", [[1], [5], [50], [9, 1, 1, 4]])
    def test_streams(self, want, model, condition, frames, chunks):
        """Bit for bit is out of reach, since sums over fewer rows run in another order."""
        sequence, stream, parts = want["sequence"], model.start(condition, 2), []
        while stream.length < sequence.shape[2]:
            size = chunks[min(len(parts), len(chunks) - 1)]
            parts.append(stream(sequence[..., stream.length : stream.length + size]))
        torch.testing.assert_close(torch.cat(parts, dim=2), want["sequence_logits"], **CLOSE)


@torch.no_grad()
def test_every_layer_matches_the_reference(tensors):
    model, want, seen = tiny_musicgen(), case(tensors, "act"), {}

    def keep(name):
        return lambda module, inputs, output: seen.update({name: output})

    first = model.blocks[0]
    first.register_forward_pre_hook(lambda module, inputs: seen.update(emb_plus_pos=inputs[0]))
    first.self_attn.register_forward_hook(keep("layer0.self_attn"))
    first.cross_attention.register_forward_hook(keep("layer0.cross_attn"))
    for index, block in enumerate(model.blocks):
        block.register_forward_hook(keep(f"layer{index}"))
    model.out_norm.register_forward_hook(keep("out_norm"))
    model.sequence_logits(tensors["T50.sequence"], model.condition_on(tensors["cond"]))
    seen["emb_sum"] = seen["emb_plus_pos"] - frame_positions(51, 64, torch.device("cpu"))
    assert seen.keys() == want.keys()
    for name, expected in want.items():
        torch.testing.assert_close(seen[name], expected, **CLOSE)


def test_text_states_are_projected_and_padding_is_zero(model, tensors):
    want = case(tensors, "proj")
    given = model.condition(want["t5_hidden"], want["mask"])
    torch.testing.assert_close(given["memory"], model.condition_on(want["cond"])["memory"], **CLOSE)


def test_nothing_sees_what_comes_later(model, condition, tensors):
    codes = tensors["T50.codes"]
    later = codes.clone()
    later[..., 30:] = 64
    before, after = logits_of(model, codes, condition), logits_of(model, later, condition)
    torch.testing.assert_close(after[:, :, :27], before[:, :, :27], **CLOSE)
    assert not torch.allclose(after[:, :, 31:], before[:, :, 31:], **CLOSE)


def test_unknown_levels_may_be_left_out(model, condition, tensors):
    """A rescorer sees mask tokens where MAGNeT has not been yet; coarser levels of earlier frames do count."""
    codes = tensors["T37.codes"].clone()
    codes[:, 2:] = model.mask_token
    logits = logits_of(model, codes, condition)
    assert logits.isfinite().all()
    assert not torch.allclose(logits, logits_of(model, tensors["T37.codes"], condition), **CLOSE)


def test_streams_share_nothing(model, tensors):
    """Two listeners with texts of other lengths, alone and at once; a long one, so that caches grow."""
    sequence = tensors["T50.sequence"].repeat(1, 1, 3)
    texts = [model.condition_on(text(1, 3)), model.condition_on(text(1, 8))]
    alone = [model.sequence_logits(sequence[:1], one) for one in texts]
    streams = [model.start(one, 1) for one in texts]
    together = [[stream(part) for stream in streams] for part in sequence[:1].split(40, dim=2)]
    for parts, expected in zip(zip(*together, strict=True), alone, strict=True):
        torch.testing.assert_close(torch.cat(parts, dim=2), expected, **CLOSE)
    joined = model.start(Condition.cat(texts), 2)
    both = torch.cat([joined(part) for part in sequence[:1].repeat(2, 1, 1).split(1, dim=2)], dim=2)
    torch.testing.assert_close(both, torch.cat(alone), **CLOSE)


def test_one_text_serves_any_number_of_items(model, tensors):
    one, sequence = model.condition_on(text(1)), tensors["T37.sequence"]
    with torch.no_grad():
        expected = model.sequence_logits(sequence, model.condition_on(text(1).repeat(2, 1, 1)))
    torch.testing.assert_close(model.start(one, 2)(sequence), expected, **CLOSE)


def test_state_is_in_the_stream(model, condition, tensors):
    before = dict(vars(model))
    stream = model.start(condition, 2)
    first = stream(tensors["T37.sequence"])
    assert torch.equal(model.start(condition, 2)(tensors["T37.sequence"]), first)
    assert not torch.allclose(stream(tensors["T37.sequence"]), first, **CLOSE)
    assert vars(model) == before
    assert stream.length == 76
    assert not first.requires_grad


def test_guidance_branches_fit_into_one_stream(model, tensors):
    sequence, condition = tensors["T37.sequence"][:1], model.condition_on(text(1))
    both = Condition.cat([Condition(condition.tensors), condition.null()])
    logits = model.start(both, 2)(sequence.repeat(2, 1, 1))
    with torch.no_grad():
        expected = [model.sequence_logits(sequence, one) for one in (condition, condition.null())]
    torch.testing.assert_close(logits, torch.cat(expected), **CLOSE)


@pytest.mark.parametrize("cast", ["to", "autocast"])
def test_bfloat16_stays_close(cast, tensors):
    model, sequence = tiny_musicgen(), tensors["T50.sequence"]
    exact = model.start(model.condition_on(tensors["cond"]), 2)(sequence)
    if cast == "to":
        model = model.to(torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=cast == "autocast"):
        stream = model.start(model.condition_on(tensors["cond"]), 2)
        rounded = torch.cat([stream(part) for part in sequence.split([40, *[1] * 11], dim=2)], dim=2)
    assert rounded.dtype == torch.bfloat16
    difference, largest = (rounded.float() - exact).abs(), exact.abs().max()
    assert 0 < difference.max() < 0.02 * largest
    assert difference.square().mean().sqrt() < 0.004 * largest


def test_wrong_input_is_one_clear_line(model, condition, tensors):
    codes, stream = tensors["T37.codes"], model.start(condition, 2)
    mistakes = {
        r"codes \[B, K=4, T\], got \[2, 3, 37\]": lambda: model.sequence_logits(codes[:, :3], condition),
        r"codes \[B, K=4, T\], got \[2, 2, 37\]": lambda: model.logits(codes[:, :2], condition),
        "condition for 1 items, as the codes have, got one for 2": lambda: stream(codes[:1]),
        "condition for 3 items, got one for 2": lambda: model.start(condition, 3),
        "tensor 'memory'": lambda: model.logits(codes, Condition()),
    }
    for message, mistake in mistakes.items():
        with pytest.raises(InputError, match=message):
            mistake()
