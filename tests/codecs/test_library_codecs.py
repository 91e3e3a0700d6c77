"""EnCodec and DAC: equal to audiocraft's golden figures, to transformers and to the packages; every weight layout."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from audiogen.codecs import CODECS, load_codec
from audiogen.codecs import dac as dac_codec
from audiogen.codecs import encodec as encodec_codec
from audiogen.codecs.dac import Dac
from audiogen.codecs.encodec import Encodec, EncodecConfig
from audiogen.codecs.encodec_weights import audiocraft_config, transformers_name
from audiogen.codecs.segments import crossfade, overlap_add, segment_starts
from audiogen.codecs.streaming import WindowedStreamer
from audiogen.codecs.weights import assign_normed
from audiogen.errors import InputError


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def golden(fixtures: Path) -> dict[str, torch.Tensor]:
    """Input and results of audiocraft's EnCodec (tests/fixtures/encodec; tolerance 1e-4, codes exact)."""
    return load_file(fixtures / "encodec" / "encodec_tiny_io.safetensors")


@pytest.fixture(scope="module")
def audiocraft(fixtures: Path) -> Encodec:
    codec = load_codec("encodec-32khz", weights=fixtures / "encodec" / "encodec_tiny_compression_state_dict.bin")
    assert isinstance(codec, Encodec)
    return codec


def shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}


def with_pad_mode(codec: Encodec, pad_mode: str) -> Encodec:
    """The same weights, another padding at the edges."""
    other = Encodec(replace(codec.config, pad_mode=pad_mode))
    assign_normed(other, codec.state_dict(), Path("memory"), transformers_name)
    return other.eval()


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
def test_music_encodec_equals_audiocraft(pad_mode: str, audiocraft: Encodec, golden: dict[str, torch.Tensor]):
    codec = with_pad_mode(audiocraft, pad_mode)
    codes = codec.encode(golden["audio"])
    assert torch.equal(codes, golden[f"{pad_mode}.codes"])
    with torch.no_grad():
        latent, quantized = codec.encoder(golden["audio"]), codec.embed(codes)
    torch.testing.assert_close(latent, golden[f"{pad_mode}.latent"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(quantized, golden[f"{pad_mode}.quantized"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(codec.decode(codes), golden[f"{pad_mode}.decoded"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
def test_music_encodec_streams_exactly(pad_mode: str, audiocraft: Encodec, golden: dict[str, torch.Tensor]):
    codec = with_pad_mode(audiocraft, pad_mode)
    streamer = codec.streamer()
    parts = [streamer(part) for part in golden[f"{pad_mode}.codes"].split(1, dim=-1)] + [streamer.flush()]
    torch.testing.assert_close(torch.cat(parts, dim=-1), golden[f"{pad_mode}.decoded"], atol=1e-4, rtol=0)


def test_audiocraft_package_brings_its_configuration(audiocraft: Encodec):
    assert audiocraft.config == EncodecConfig(
        sample_rate=32_000,
        levels=4,
        vocab_size=64,
        ratios=(8, 5, 4, 4),
        filters=4,
        dimension=16,
        causal=False,
        shortcut_conv=False,
        pad_mode="constant",
    )


def test_transformers_names_are_the_published_ones(fixtures: Path):
    for names in json.loads((fixtures / "encodec" / "names.json").read_text()):
        assert transformers_name(names["encodec_package"]) == names["transformers_checkpoint"]


def test_broken_audiocraft_configuration():
    with pytest.raises(InputError, match=r"xp\.cfg"):
        audiocraft_config("sample_rate: 32000", "file.bin")
    with pytest.raises(InputError, match=r"xp\.cfg"):
        audiocraft_config("sample_rate: ${channels}\nchannels: ${sample_rate}", "file.bin")


@pytest.fixture(scope="module")
def transformers_encodec(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    from transformers import EncodecConfig as TheirConfig
    from transformers import EncodecModel

    torch.manual_seed(0)
    config = TheirConfig(
        sampling_rate=32_000,
        target_bandwidths=[1.0],  # 4 levels of 5 bits at 50 Hz
        num_filters=4,
        hidden_size=8,
        codebook_size=32,
        upsampling_ratios=[8, 5, 4, 4],
        use_causal_conv=False,
        use_conv_shortcut=False,
    )
    model = EncodecModel(config).eval()
    for layer in model.quantizer.layers:
        torch.nn.init.normal_(layer.codebook.embed, std=0.05)
    folder = tmp_path_factory.mktemp("encodec")
    model.save_pretrained(folder)
    return folder, model


def test_folder_saved_by_transformers(transformers_encodec):
    folder, theirs = transformers_encodec
    ours = load_codec(folder)
    audio = torch.randn(2, 1, 32_000) * 0.3
    with torch.no_grad():
        codes = theirs.encode(audio, bandwidth=1.0).audio_codes[0]
        decoded = theirs.decode(codes[None], [None]).audio_values
    assert ours.levels == 4
    assert torch.equal(ours.encode(audio), codes)
    torch.testing.assert_close(ours.decode(codes), decoded, atol=1e-5, rtol=0)


def test_pointer_package_leads_to_the_hugging_face_cache(transformers_encodec, fixtures, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    pointer = fixtures / "encodec" / "pointer_compression_state_dict.bin"
    with pytest.raises(InputError, match="hf download facebook/encodec_32khz"):
        load_codec("encodec-32khz", weights=pointer)
    repository = tmp_path / "models--facebook--encodec_32khz"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / ("0" * 40)).symlink_to(transformers_encodec[0])
    assert load_codec("encodec-32khz", weights=pointer).vocab_size == 32
    assert load_codec("encodec-32khz").vocab_size == 32


@pytest.mark.parametrize("rate", ["24khz", "48khz"])
def test_official_encodec_sizes(rate: str):
    from encodec import EncodecModel

    with torch.device("meta"):
        official = getattr(EncodecModel, f"encodec_model_{rate}")(pretrained=False)
        ours = Encodec(encodec_codec.CONFIGS[f"encodec-{rate}"])
    assert shapes(ours) == shapes(official)
    assert (ours.sample_rate, ours.frame_rate) == (official.sample_rate, official.frame_rate)


def test_weights_of_another_codec_of_the_family(fixtures: Path):
    with pytest.raises(InputError, match="48000 Hz, got some at 32000 Hz"):
        load_codec("encodec-48khz", weights=fixtures / "encodec" / "encodec_tiny_compression_state_dict.bin")


@pytest.mark.parametrize(
    "change",
    [
        {"upsampling_ratios": "8, 5, 4, 4"},
        {"upsampling_ratios": []},
        {"codebook_size": 0},
        {"num_filters": 4.5},
        {"norm_type": "batch_norm"},
        {"sampling_rate": None},
        {"hidden_size": 16},
    ],
)
def test_configuration_that_cannot_be(change: dict[str, object], transformers_encodec, tmp_path: Path):
    config = json.loads((transformers_encodec[0] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **change}))
    (tmp_path / "model.safetensors").symlink_to(transformers_encodec[0] / "model.safetensors")
    with pytest.raises(InputError, match="expected"):
        load_codec(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": [1, 2]},
        {"state_dict": {}, "metadata": 3},
        {"state_dict": {}, "metadata": {"kwargs": {"encoder_rates": 2}}},
        {"best_state": 1, "xp.cfg": "a: 1"},
        {"pretrained": "somebody/else"},
        [],
    ],
)
@pytest.mark.parametrize("name", ["encodec-32khz", "dac-16khz"])
def test_packages_with_the_wrong_things_inside(name: str, content: object, tmp_path: Path):
    torch.save(content, tmp_path / "package.bin")
    with pytest.raises(InputError, match="expected"):
        load_codec(name, weights=tmp_path / "package.bin")


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there(device: str, fixtures: Path):
    weights = fixtures / "encodec" / "encodec_tiny_compression_state_dict.bin"
    with pytest.raises(InputError, match=device):
        load_codec("encodec-32khz", device, weights)


def test_encodec_package_state_dict(tmp_path):
    """A flat state dict has no configuration: the name says which it is, the file how many levels it has."""
    tiny = Encodec.tiny("encodec-24khz")
    torch.save(tiny.state_dict(), tmp_path / "encodec_24khz.th")
    with pytest.raises(InputError, match="of another shape"):
        load_codec("encodec-24khz", weights=tmp_path / "encodec_24khz.th")
    config = replace(tiny.config, levels=32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(encodec_codec.CONFIGS, "encodec-24khz", config)
        loaded = load_codec("encodec-24khz", weights=tmp_path / "encodec_24khz.th")
    codes = torch.randint(32, (1, 4, 20))
    torch.testing.assert_close(loaded.decode(codes), tiny.decode(codes), atol=1e-6, rtol=0)


def test_fullband_encodec_codes_a_segment_as_the_package_does():
    codec = Encodec.tiny("encodec-48khz")
    frames = codec.config.segment_frames
    audio = torch.randn(1, 2, 3 * frames * codec.hop_length) * 0.1
    codes = codec.encode(audio)
    first = audio[..., : frames * codec.hop_length]
    with torch.no_grad():
        expected = codec.quantizer.vq.encode(codec.encoder(first / 0.1), 4).transpose(0, 1)
    kept = frames - encodec_codec.SEGMENT_OVERLAP
    assert torch.equal(codes[..., :kept], expected[..., :kept])


def test_segments_cover_everything_once_and_fade_into_each_other():
    for total in range(1, 60):
        starts = segment_starts(total, frames=12, overlap=2)
        assert starts[-1] + 12 >= total
        assert starts[-1] == 0 or total - starts[-1] > 2, "a segment inside its predecessor"
    signal = torch.randn(1, 2, 300)
    segments = [signal[..., start : start + 120] for start in segment_starts(300, 120, 20)]
    torch.testing.assert_close(overlap_add(segments, 20), signal)
    fade = crossfade(torch.ones(1, 1, 10), torch.zeros(1, 1, 10))[0, 0]
    assert (fade.diff() < 0).all()
    assert fade[0] > 0.9
    assert fade[-1] < 0.1


SMALL_DAC = {
    "encoder_dim": 4,
    "encoder_rates": [2, 4, 5, 8],
    "decoder_dim": 32,
    "decoder_rates": [8, 5, 4, 2],
    "n_codebooks": 3,
    "codebook_size": 32,
    "sample_rate": 16_000,
}


@pytest.fixture(scope="module")
def package_dac(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    """A DAC of the package, saved as the official files are."""
    import dac

    torch.manual_seed(0)
    model = dac.DAC(**SMALL_DAC).eval()
    for key, parameter in model.named_parameters():
        if key.endswith("weight_g"):
            parameter.data.mul_(1.2)
    path = tmp_path_factory.mktemp("dac") / "weights_16khz.pth"
    torch.save({"state_dict": model.state_dict(), "metadata": {"kwargs": {**SMALL_DAC, "latent_dim": None}}}, path)
    return path, model


def test_official_dac_file_equals_the_package(package_dac):
    path, theirs = package_dac
    ours = load_codec("dac-16khz", weights=path)
    assert (ours.levels, ours.vocab_size) == (3, 32)
    audio = torch.randn(2, 1, 320 * 60) * 0.3
    with torch.no_grad():
        codes = theirs.encode(audio)[1]
        decoded = theirs.decode(theirs.quantizer.from_codes(codes)[0])
    assert torch.equal(ours.encode(audio), codes)
    assert decoded.shape[-1] == 320 * 60 - 8, "the package loses a sample at the layer of stride 5"
    settled = 320 * (60 - ours.context[1])
    torch.testing.assert_close(ours.decode(codes)[..., :settled], decoded[..., :settled], atol=1e-5, rtol=0)


def test_dac_folder_saved_by_transformers(tmp_path):
    from transformers import DacConfig as TheirConfig
    from transformers import DacModel

    torch.manual_seed(0)
    theirs = DacModel(
        TheirConfig(
            encoder_hidden_size=4,
            downsampling_ratios=[2, 4, 8, 8],
            decoder_hidden_size=32,
            n_codebooks=3,
            codebook_size=32,
            sampling_rate=44_100,
        )
    ).eval()
    for key, parameter in theirs.named_parameters():
        if key.endswith("weight") and parameter.dim() == 3:
            parameter.data.mul_(4)  # their initial weights decode to almost nothing
    theirs.save_pretrained(tmp_path)
    ours = load_codec(tmp_path)
    audio = torch.randn(1, 1, 512 * 30) * 0.3
    with torch.no_grad():
        codes = theirs.encode(audio).audio_codes
        decoded = theirs.decode(audio_codes=codes).audio_values
    assert decoded.std() > 0.01
    assert torch.equal(ours.encode(audio), codes)
    torch.testing.assert_close(ours.decode(codes)[:, 0], decoded, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", dac_codec.CONFIGS)
def test_official_dac_sizes(name: str):
    """Hop lengths and bit rates of the published models (conf/final of the package's repository)."""
    config = dac_codec.CONFIGS[name]
    with torch.device("meta"):
        codec = Dac(config)
    assert codec.hop_length == {"dac-16khz": 320, "dac-24khz": 320, "dac-44khz": 512}[name]
    assert codec.bitrate == pytest.approx({"dac-16khz": 6000, "dac-24khz": 24_000, "dac-44khz": 7752}[name], abs=1)


def test_too_little_context_would_be_heard():
    """The streaming tests can fail: with half the context, parts do not join to the whole."""
    codec = Dac.tiny("dac-44khz")
    codes = torch.randint(32, (1, 3, 41))
    streamer = WindowedStreamer(codec, codec.context[0] // 2)
    audio = torch.cat([*(streamer(part) for part in codes.split(1, dim=-1)), streamer.flush()], dim=-1)
    assert (audio - codec.decode(codes)).abs().max() > 1e-3


@pytest.mark.parametrize("name", [name for name in CODECS if name.startswith(("encodec", "dac"))])
def test_damaged_and_dangerous_weights_are_refused(name: str, tmp_path: Path):
    class Bomb:
        def __reduce__(self):
            return (Path(tmp_path / "exploded").touch, ())

    (tmp_path / "pickle.th").write_bytes(pickle.dumps({"best_state": Bomb()}))
    torch.save({"state_dict": Bomb()}, tmp_path / "bomb.pth")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00\x00")
    (tmp_path / "text.txt").write_text("weights")
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    for file in ("pickle.th", "bomb.pth", "cut.safetensors", "text.txt", "other.safetensors"):
        with pytest.raises(InputError, match="expected"):
            load_codec(name, weights=tmp_path / file)
    assert not (tmp_path / "exploded").exists()
    with pytest.raises(InputError, match="Name the file itself"):
        load_codec(name, weights=tmp_path)
