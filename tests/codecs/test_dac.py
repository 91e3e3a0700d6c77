"""DAC against the reference's figures, whole and in windows without padding (golden vampnet SPEC 8)."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from audiogen.checkpoints.weights import assign_weights
from audiogen.codecs import load_codec
from audiogen.codecs.dac import Dac, DacConfig

GOLDEN = Path(__file__).parents[1] / "fixtures" / "vampnet"
CLOSE = {"atol": 2e-5, "rtol": 0}
END = 160
"""Samples at the end of the decoded audio that a kept last sample of an odd stride can change."""


def golden(name: str) -> dict[str, Tensor]:
    tensors = load_file(GOLDEN / f"{name}.safetensors")
    return {key: x if x.is_floating_point() else x.long() for key, x in tensors.items()}


@pytest.fixture
def odd() -> Dac:
    """Strides 2, 3, 4: the packages's decoder returns two samples less than whole frames."""
    codec = load_codec("dac-16khz", weights=GOLDEN / "models" / "codec_dac.pth")
    assert isinstance(codec, Dac)
    return codec


@pytest.fixture
def even() -> Dac:
    sizes = {"sample_rate": 16_000, "levels": 4, "vocab_size": 32, "encoder_dim": 4, "decoder_dim": 32}
    codec = Dac(DacConfig(**sizes, latent_dim=32, encoder_rates=(2, 4, 4), decoder_rates=(4, 4, 2)))
    path = GOLDEN / "models" / "codec_dac_even.safetensors"
    assign_weights(codec, load_file(path), path)
    return codec.eval()


def without_padding(codec: Dac) -> Dac:
    """As the reference codes long audio: every convolution sees real samples only, and returns less."""
    for layer in codec.modules():
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            layer.padding = (0,)
        if isinstance(layer, nn.ConvTranspose1d):
            layer.output_padding = (0,)
    return codec


@torch.no_grad()
def test_a_codec_with_an_odd_stride(odd: Dac):
    case = {name.removeprefix("fwd/"): x for name, x in golden("codec_dac").items() if name.startswith("fwd/")}
    assert case["code_margin"].min() > 1e-4, "no doubtful code in the fixture"
    torch.testing.assert_close(odd.encoder(case["padded"]), case["encoder_out"], **CLOSE)
    assert torch.equal(odd.encode(case["audio"]), case["codes"])
    torch.testing.assert_close(odd.quantizer.from_codes(case["codes"])[0], case["from_codes_z"], **CLOSE)
    audio, frames = odd.decode(case["codes"]), case["codes"].shape[-1]
    assert audio.shape[-1] == frames * odd.hop_length == case["decoded"].shape[-1] + 2
    torch.testing.assert_close(audio[..., : -END - 2], case["decode_from_codes"][..., :-END], **CLOSE)
    odd.use_levels(2)
    assert torch.equal(odd.encode(case["audio"]), case["nq2_codes"])


@torch.no_grad()
def test_a_codec_with_even_strides(even: Dac):
    case = golden("codec_dac_even")
    codes = even.encode(case["fwd/audio"])
    assert torch.equal(codes, case["fwd/codes"])
    torch.testing.assert_close(even.decode(codes)[..., :777], case["fwd/out"], **CLOSE)


@torch.no_grad()
def test_without_padding(odd: Dac):
    case, codec = golden("codec_dac"), without_padding(odd)
    latents = codec.encoder(case["nopad/audio"])
    torch.testing.assert_close(latents, case["nopad/encoder_out"], **CLOSE)
    torch.testing.assert_close(codec.decode(case["nopad/codes"]), case["nopad/decoded"], **CLOSE)


@torch.no_grad()
def test_windows_without_padding(even: Dac):
    """`compress` with 0.31 s windows and two levels: channels are items with a peak of at most 1, and have silence of
    one delay before and behind them."""
    case, codec, delay, window = golden("codec_dac_even"), without_padding(even), 992, 4960
    codec.use_levels(2)
    audio = case["chunk/audio"].transpose(0, 1)
    audio = audio / audio.abs().amax(dim=-1, keepdim=True).clamp(min=1)
    padded = nn.functional.pad(audio, (delay, delay + window))
    hop = codec.decoder(codec.encoder(padded[..., :window])).shape[-1]
    codes = torch.cat([codec.encode(padded[..., i : i + window]) for i in range(0, audio.shape[-1], hop)], dim=-1)
    assert torch.equal(codes, case["chunk/no_norm_nq2/codes"])

    heard = torch.cat([codec.decode(part) for part in codes.split(codes.shape[-1] // 4, dim=-1)], dim=-1)
    heard, expected = heard[..., : audio.shape[-1]], case["chunk/no_norm_nq2/recons"].transpose(0, 1)
    gain = (heard * expected).sum(-1, keepdim=True) / heard.square().sum(-1, keepdim=True)  # it restores the loudness
    torch.testing.assert_close(gain * heard, expected, **CLOSE)


def test_long_sounds_are_decoded_in_windows_that_do_not_show():
    codec = Dac.tiny("dac-44khz")
    frames = round(3.3 * codec.frame_rate)
    codes = torch.randint(codec.vocab_size, (2, codec.levels, frames), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = codec.decoder(codec.quantizer.from_codes(codes)[0])
    torch.testing.assert_close(codec.decode(codes), whole, atol=1e-5, rtol=0)
