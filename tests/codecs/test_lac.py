"""LAC against the reference's figures (golden vampnet SPEC 8)."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from audiogen.checkpoints.safe import restricted_load
from audiogen.codecs import CODECS, load_codec
from audiogen.codecs.dac import DacConfig
from audiogen.codecs.lac import Lac
from audiogen.errors import InputError

GOLDEN = Path(__file__).parents[1] / "fixtures" / "vampnet"
WEIGHTS = GOLDEN / "models" / "codec_lac.pth"
CLOSE = {"atol": 2e-5, "rtol": 0}


@pytest.fixture(scope="module")
def codec() -> Lac:
    codec = load_codec("vampnet-codec", weights=WEIGHTS)
    assert isinstance(codec, Lac)
    return codec


@pytest.fixture(scope="module")
def golden() -> dict[str, torch.Tensor]:
    tensors = load_file(GOLDEN / "codec_lac.safetensors")
    return {name.removeprefix("fwd/"): x if x.is_floating_point() else x.long() for name, x in tensors.items()}


@torch.no_grad()
def test_audio_to_codes_and_back_as_in_the_reference(codec: Lac, golden: dict[str, torch.Tensor]):
    assert golden["code_margin"].min() > 1e-4, "no doubtful code in the fixture"
    torch.testing.assert_close(codec.encoder(golden["padded"]), golden["encoder_out"], **CLOSE)
    quantized, codes, latents, *_ = codec.quantizer(golden["encoder_out"])
    torch.testing.assert_close(quantized, golden["z"], **CLOSE)
    torch.testing.assert_close(latents, golden["latents"], **CLOSE)
    assert torch.equal(codes, golden["codes"])
    assert torch.equal(codec.encode(golden["audio"]), golden["codes"])

    vectors, rows, _ = codec.quantizer.from_codes(golden["codes"])
    torch.testing.assert_close(vectors, golden["from_codes_z"], **CLOSE)
    assert torch.equal(rows, golden["from_codes_latents"])
    torch.testing.assert_close(codec.decode(golden["codes"]), golden["decoded"], **CLOSE)


@torch.no_grad()
def test_fewer_levels_are_a_coarser_sound(golden: dict[str, torch.Tensor]):
    codec = load_codec("vampnet-codec", weights=WEIGHTS)
    codec.use_levels(3)
    codes = codec.encode(golden["audio"])
    assert torch.equal(codes, golden["nq3_codes"][:, :3])
    torch.testing.assert_close(codec.quantizer.from_codes(codes)[0], golden["nq3_z"], **CLOSE)
    assert codec.codebooks().shape == (3, 40, 8)


def test_codebooks_are_the_rows_that_codes_stand_for(codec: Lac, golden: dict[str, torch.Tensor]):
    codebooks, codes = codec.codebooks(), golden["codes"]
    rows = torch.stack([table[code] for table, code in zip(codebooks, codes.unbind(1), strict=True)], dim=1)
    assert torch.equal(rows.transpose(2, 3).flatten(1, 2), golden["from_codes_latents"])
    assert not codebooks.requires_grad


def test_every_codec_with_tables_hands_them_out_and_others_say_so():
    with_tables = {"dac", "encodec", "lac", "nano-codec", "nano-codec-music", "spectrogram-codec"}
    for name, entry in CODECS.items():
        codec = entry.tiny(name)
        if entry.model_type in with_tables:
            codec.use_levels(2)
            assert codec.codebooks().shape[:2] == (2, codec.vocab_size), name
        else:
            with pytest.raises(InputError, match="one table of rows per level"):
                codec.codebooks()


def test_the_official_folder_or_its_file(tmp_path: Path, codec: Lac):
    shutil.copy(WEIGHTS, tmp_path / "codec.pth")
    shutil.copy(WEIGHTS, tmp_path / "coarse.pth")
    again = load_codec("vampnet-codec", weights=tmp_path)
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in codec.state_dict().items())
    (tmp_path / "codec.pth").unlink()
    with pytest.raises(InputError, match=r"codec\.pth, got no such file"):
        load_codec("vampnet-codec", weights=tmp_path)


def test_files_that_are_no_lac(tmp_path: Path):
    package, coarse = restricted_load(WEIGHTS), restricted_load(GOLDEN / "models" / "coarse.pth")
    torch.save({**package, "state_dict": coarse["state_dict"]}, tmp_path / "codec.pth")
    with pytest.raises(InputError, match=r"tensors of Lac in .* unknown"):
        load_codec("vampnet-codec", weights=tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(InputError, match=r"config\.json beside the weights"):
        load_codec("vampnet-codec", weights=tmp_path / "bare.safetensors")


def test_odd_strides_would_lose_frames(codec: Lac):
    with pytest.raises(InputError, match="even encoder and decoder rates"):
        Lac(replace(codec.config, encoder_rates=(3, 4, 8)))
    with pytest.raises(InputError, match="with the same product"):
        Lac(replace(codec.config, decoder_rates=(2, 4)))


def test_the_published_configuration():
    config = DacConfig(levels=14, encoder_rates=(2, 6, 8, 8), decoder_dim=1536, decoder_rates=(6, 4, 4, 2, 2, 2))
    with torch.device("meta"):
        codec = Lac(config)
    assert codec.hop_length == 768
    assert codec.num_frames(441_000) == 575
