"""w2v-BERT features against the reference's (fixture `pipeline`, a tiny w2v-BERT in `tiny/`)."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from audiogen.checkpoints.maskgct import read_config, semantic_codec, semantic_features
from audiogen.conditioning.semantic_features import SemanticFeatures, num_feature_frames
from audiogen.errors import InputError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "maskgct"
GOLDEN = load_file(FIXTURES / "pipeline.safetensors")
FRAMES = json.loads((FIXTURES / "pipeline.json").read_text())["frames"]["rows"]


@pytest.fixture(scope="module")
def features() -> SemanticFeatures:
    return semantic_features(FIXTURES / "tiny")


def close(actual: Tensor, name: str) -> None:
    torch.testing.assert_close(actual, GOLDEN[name], atol=5e-5, rtol=0)


@pytest.mark.parametrize("case", ["a", "given_length"])
@torch.no_grad()
def test_every_step_matches_the_reference(features: SemanticFeatures, case: str) -> None:
    name = f"pipeline/{case}"
    audio = GOLDEN[f"{name}/speech_16k"][None]
    inputs, mask = features.inputs(audio)
    close(inputs[0], f"{name}/input_features")
    assert torch.equal(mask[0].int(), GOLDEN[f"{name}/attention_mask"])
    hidden = features.hidden(audio)
    close(hidden, f"{name}/hidden_17")
    close(features.normalize(hidden), f"{name}/normalized")
    codec = semantic_codec(FIXTURES / "tiny", read_config(FIXTURES / "tiny"))
    codes = codec.encode(features(audio[None]))
    assert torch.equal(codes[:, 0], GOLDEN[f"{name}/semantic_code"])
    close(codec.quantizer.embed(codes).transpose(1, 2), f"{name}/semantic_quantized")


def test_only_the_layers_that_are_needed_are_there(features: SemanticFeatures) -> None:
    assert len(features.encoder.encoder.layers) == 17
    assert not features.training


@pytest.mark.parametrize("row", FRAMES, ids=lambda row: str(row["samples_16k"]))
def test_number_of_vectors(features: SemanticFeatures, row: dict[str, int]) -> None:
    assert num_feature_frames(row["samples_16k"]) == row["semantic_frames"]


@pytest.mark.parametrize("num_samples", [560, 719, 720, 16160])
def test_number_of_vectors_is_what_comes_out(features: SemanticFeatures, num_samples: int) -> None:
    audio = torch.randn(2, 1, num_samples, generator=torch.Generator().manual_seed(0))
    both = features(audio)
    assert both.shape == (2, 32, num_feature_frames(num_samples))
    assert both.isfinite().all()
    torch.testing.assert_close(both[1:], features(audio[1:]), atol=5e-5, rtol=0)


@pytest.mark.parametrize("shape", [(1, 2, 16000), (1, 16000), (1, 1, 559), (1, 1, 0)])
def test_what_is_not_speech_is_refused(features: SemanticFeatures, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="expected mono speech"):
        features(torch.zeros(shape))


def test_statistics_of_another_encoder_are_refused(features: SemanticFeatures) -> None:
    with pytest.raises(InputError, match="statistics of 32 numbers"):
        SemanticFeatures(features.extractor, features.encoder, torch.zeros(31), torch.ones(31))
