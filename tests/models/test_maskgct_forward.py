"""One pass of the MaskGCT transformers against the reference's figures (golden maskgct SPEC 3, tolerances SPEC 11)."""

import pytest
import torch

from audiogen.decoding.plan import Stage
from audiogen.models.maskgct import SEMANTIC
from audiogen.nn.positions import sinusoids

CLOSE = {"atol": 5e-5, "rtol": 0}


def count_padded_text(condition, width):
    """The reference counts text padding as positions, ours does not."""
    return condition.update({"text_length": torch.full_like(condition["text_length"], width)})


@pytest.mark.parametrize("name", ["cond", "cond_padded", "no_phones"])
@torch.no_grad()
def test_text_to_semantic_matches_reference(t2s, golden, name):
    case = golden("forward").case(f"t2s/{name}")
    codes = case["tokens"].masked_fill(case["is_masked"], t2s.mask_token)[:, None]
    text = case.get("phone_id", torch.zeros(len(codes), 0, dtype=torch.int64))
    condition = t2s.condition(text, case.get("phone_mask"), case["x_mask"])
    condition = count_padded_text(condition, text.shape[1])
    prepared = t2s.prepare(codes, codes == t2s.mask_token, condition, SEMANTIC)
    hidden = t2s.hidden(codes, prepared, SEMANTIC, case["t"])

    assert torch.equal(sinusoids(case["t"], t2s.config.dim), case["time_sinusoid"])
    if "cond_mlp_out" in case:
        torch.testing.assert_close(condition["text"], case["cond_mlp_out"], **CLOSE)
    torch.testing.assert_close(hidden, case["hidden"], **CLOSE)
    logits = t2s.logits(codes, condition, SEMANTIC, case["t"])
    torch.testing.assert_close(logits[:, 0], case["logits"], **CLOSE)


@pytest.mark.parametrize(("name", "level"), [("1layer", 0), *[("full", level) for level in range(12)]])
@torch.no_grad()
def test_semantic_to_acoustic_matches_reference(s2a, golden, name, level):
    model, case = s2a[name], golden("forward").case(f"s2a_{name}")
    step = {key: case[f"layer_{level}/{key}"] for key in ("prompt_len", "mask", "cond", "hidden", "logits")}
    codes = case["codes"].transpose(1, 2).clone()
    mask = torch.zeros_like(codes, dtype=torch.bool)
    mask[:, level] = step["mask"][..., 0].bool()
    mask[:, level + 1 :] = (torch.arange(codes.shape[-1]) >= step["prompt_len"][:, None])[:, None]
    codes = codes.masked_fill(mask, model.mask_token)
    condition = model.condition(case["semantic"], case["x_mask"])
    stage = Stage(levels=(level,))

    prepared = model.prepare(codes, mask, condition, stage)
    hidden = model.hidden(codes, prepared, stage, case["t"])
    torch.testing.assert_close(hidden, step["hidden"], **CLOSE)
    torch.testing.assert_close(model.head(hidden, stage)[:, 0], step["logits"], **CLOSE)
    torch.testing.assert_close(model.logits(codes, condition, stage, case["t"])[:, 0], step["logits"], **CLOSE)
