"""MaskGCT's two codecs against the reference's figures (fixture `codec`, weights in `tiny/`)."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from audiogen.checkpoints.maskgct import acoustic_codec, read_config, semantic_codec
from audiogen.codecs.acoustic import AcousticCodec, AcousticCodecConfig
from audiogen.codecs.semantic import SemanticCodec, SemanticCodecConfig
from audiogen.errors import InputError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "maskgct"
GOLDEN = load_file(FIXTURES / "codec.safetensors")
FIGURES = json.loads((FIXTURES / "codec.json").read_text())
CONFIG = read_config(FIXTURES / "tiny")


@pytest.fixture
def semantic() -> SemanticCodec:
    return semantic_codec(FIXTURES / "tiny", CONFIG)


@pytest.fixture
def acoustic() -> AcousticCodec:
    return acoustic_codec(FIXTURES / "tiny", CONFIG)


def close(actual: Tensor, name: str, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(actual, GOLDEN[name], atol=tolerance, rtol=0)


@pytest.mark.parametrize("case", ["a", "one_frame"])
@torch.no_grad()
def test_semantic_codec_step_by_step(semantic: SemanticCodec, case: str) -> None:
    features = GOLDEN[f"semantic/{case}/x"].transpose(1, 2)
    embedded = semantic.encoder[0].norm(semantic.encoder[0].embed(features).transpose(1, 2)).transpose(1, 2)
    close(semantic.encoder[0].convnext[0](embedded), f"semantic/{case}/encoder_block_0")
    close(semantic.encoder[0](features), f"semantic/{case}/encoder_backbone")
    encoded = semantic.encoder(features)
    close(encoded, f"semantic/{case}/encoder_out")
    close(semantic.quantizer.quantizers[0].in_project(encoded.transpose(1, 2)), f"semantic/{case}/latents")
    codes = semantic.encode(features)
    assert torch.equal(codes[:, 0], GOLDEN[f"semantic/{case}/codes"])
    close(semantic.quantizer.embed(codes), f"semantic/{case}/codes_embedding")
    result = semantic(features)
    close(result.quantized.quantized.transpose(1, 2), f"semantic/{case}/quantized")
    close(semantic.decoder[0](result.quantized.quantized), f"semantic/{case}/decoder_backbone")
    close(result.features.transpose(1, 2), f"semantic/{case}/reconstruction")
    close(semantic.decode(codes).transpose(1, 2), f"semantic/{case}/decoded_from_codes")


@pytest.mark.parametrize("case", ["a", "one_frame"])
def test_semantic_codec_trains_like_the_reference(semantic: SemanticCodec, case: str) -> None:
    name = f"semantic_train/{case}"
    features = GOLDEN[f"{name}/x"].transpose(1, 2)
    torch.manual_seed(FIGURES[name]["seed"])
    result = semantic.train()(features)
    assert torch.equal(torch.rand(4), GOLDEN[f"{name}/rng_after"])
    assert torch.equal(result.quantized.codes[:, 0], GOLDEN[f"{name}/codes"][0])
    close(result.features.transpose(1, 2), f"{name}/reconstruction")
    close(result.quantized.loss.reshape(1), f"{name}/codebook_loss", 5e-5)
    loss = result.loss(features, reconstruction_weight=1)
    close(loss.reshape(1), f"{name}/total", 5e-5)
    loss.backward()
    norms = {key: weight.grad.norm().item() for key, weight in semantic.named_parameters()}
    assert norms == pytest.approx(FIGURES[name]["grad_norms"], rel=1e-3)


@pytest.mark.parametrize("case", ["a", "ragged", "short"])
@torch.no_grad()
def test_acoustic_codec_step_by_step(acoustic: AcousticCodec, case: str) -> None:
    name = f"acoustic/{case}"
    audio = GOLDEN[f"{name}/waveform"]
    encoded = acoustic.encoder(audio)
    close(encoded, f"{name}/encoded")
    assert encoded.shape[-1] == acoustic.encoder.num_frames(audio.shape[-1]) == FIGURES[name]["frames"]
    codes = acoustic.encode_unpadded(audio)
    assert torch.equal(codes.transpose(0, 1), GOLDEN[f"{name}/codes"])
    quantized = acoustic.decoder.quantizer(encoded)
    assert torch.equal(quantized.codes, codes)
    close(quantized.quantized, f"{name}/quantized")
    close(acoustic.decoder.quantizer.embed(codes), f"{name}/embedding")
    close(acoustic.decode(codes), f"{name}/decoded", 2e-6)


@torch.no_grad()
def test_inside_the_acoustic_codec(acoustic: AcousticCodec) -> None:
    audio = GOLDEN["acoustic/a/waveform"]
    close(acoustic.encoder.block[:2](audio)[..., :160], "acoustic/a/encoder_block_1")
    hidden = acoustic.decoder.model.backbone(GOLDEN["acoustic/a/embedding"])
    close(hidden, "acoustic/a/vocos_backbone")
    close(acoustic.decoder.model.head.out(hidden), "acoustic/a/vocos_head_linear")
    close(acoustic.decode(GOLDEN["acoustic/random_codes/codes"].transpose(0, 1)), "acoustic/random_codes/decoded", 2e-6)


@pytest.mark.parametrize("levels", [1, 4])
@torch.no_grad()
def test_fewer_levels_give_a_coarser_sound(acoustic: AcousticCodec, levels: int) -> None:
    quantized = acoustic.decoder.quantizer(acoustic.encoder(GOLDEN["acoustic/a/waveform"]), levels=levels)
    close(quantized.quantized, f"acoustic/levels_{levels}/quantized")
    embedding = acoustic.decoder.quantizer.embed(quantized.codes)
    close(embedding, f"acoustic/levels_{levels}/embedding")
    close(acoustic.decoder.model(embedding), f"acoustic/levels_{levels}/decoded", 2e-6)


def test_quantizer_dropout_draws_and_weighs_levels_like_the_reference(acoustic: AcousticCodec) -> None:
    name = "acoustic_train/quantizer_dropout"
    torch.manual_seed(FIGURES[name]["seed"])
    result = acoustic.train().decoder.quantizer(GOLDEN[f"{name}/encoded"])
    assert torch.equal(torch.rand(4), GOLDEN[f"{name}/rng_after"])
    assert torch.equal(result.codes.transpose(0, 1), GOLDEN[f"{name}/codes"])
    close(result.quantized, f"{name}/quantized")
    close(result.commit_loss, f"{name}/commit_losses")
    close(result.codebook_loss, f"{name}/codebook_losses")


def test_training_reaches_every_weight_of_the_acoustic_codec(acoustic: AcousticCodec) -> None:
    audio = GOLDEN["acoustic/ragged/waveform"]
    result = acoustic.train()(audio)
    assert result.audio.shape[-1] == 10 * 480, "4453 samples are ten frames, the last one filled up"
    (result.audio.square().mean() + result.quantized.loss).backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in acoustic.parameters())


@pytest.mark.parametrize(("num_samples", "frames"), FIGURES["frames"]["samples_to_frames"])
def test_frame_counts_of_reference_and_contract(acoustic: AcousticCodec, num_samples: int, frames: int) -> None:
    assert acoustic.encoder.num_frames(num_samples) == frames
    audio = torch.zeros(1, 1, num_samples)
    assert acoustic.encode_unpadded(audio).shape == (1, 12, frames)
    assert acoustic.encode(audio).shape == (1, 12, -(-num_samples // 480))


@pytest.mark.parametrize("chunk", [1, 7, 40])
@torch.no_grad()
def test_streamed_decoding_equals_whole_decoding(semantic: SemanticCodec, acoustic: AcousticCodec, chunk: int) -> None:
    for codec in (semantic, acoustic):
        generator = torch.Generator().manual_seed(0)
        codes = torch.randint(codec.vocab_size, (2, codec.levels, 61), generator=generator)
        streamer = codec.streamer()
        parts = [streamer(part) for part in codes.split(chunk, dim=-1)] + [streamer.flush()]
        torch.testing.assert_close(torch.cat(parts, dim=-1), codec.decode(codes), atol=1e-4, rtol=0)


def test_wrong_signals_are_refused(semantic: SemanticCodec, acoustic: AcousticCodec) -> None:
    with pytest.raises(InputError, match=r"expected float features \[B, D=32, T\]"):
        semantic.encode(torch.zeros(1, 31, 5))
    with pytest.raises(InputError, match=r"expected audio \[B, C=1, S\]"):
        acoustic.encode(torch.zeros(1, 2, 4800))
    with pytest.raises(InputError, match="at least one frame of 480 samples, got 100"):
        acoustic.encode_unpadded(torch.zeros(1, 1, 100))
    assert acoustic.encode(torch.zeros(1, 1, 100)).shape == (1, 12, 1)


def test_impossible_configurations_are_refused() -> None:
    with pytest.raises(InputError, match="strides of 2 and more"):
        AcousticCodecConfig(strides=(1, 8))
    with pytest.raises(InputError, match="n_fft"):
        AcousticCodecConfig(strides=(2, 4), n_fft=9)


def test_defaults_are_the_official_sizes() -> None:
    with torch.device("meta"):
        semantic, acoustic = SemanticCodec(), AcousticCodec()
    assert (semantic.sample_rate, semantic.hop_length, semantic.levels, semantic.vocab_size) == (50, 1, 1, 8192)
    assert (acoustic.sample_rate, acoustic.hop_length, acoustic.levels, acoustic.vocab_size) == (24000, 480, 12, 1024)
    assert acoustic.bitrate == 6000
    assert SemanticCodecConfig().feature_dim == semantic.channels == 1024
