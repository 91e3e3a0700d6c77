"""The bundled voice on disk: what is packed comes back, what does not fit together is refused."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_voice import DECODING, LEVELS, train_nothing

import audiogen.checkpoints as checkpoints
from audiogen.checkpoints import load
from audiogen.checkpoints.nano import (
    AcousticDecoding,
    NanoTTS,
    SemanticDecoding,
    SpeechDecoding,
    pack,
    unpack,
)
from audiogen.codecs import load_codec
from audiogen.codecs.nano import NanoCodec
from audiogen.conditioning.text import PHONES
from audiogen.decoding import Linear
from audiogen.errors import InputError
from audiogen.plain import from_plain


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return train_nothing(tmp_path_factory.mktemp("exp"))


@pytest.fixture
def packed(trained: dict[str, Path], tmp_path: Path) -> Path:
    """Folder of the voice; the codec's lies beside it."""
    return pack(tmp_path / "packed", decoding=DECODING, **trained)[1]


def edit(folder: Path, change: dict[str, Any]) -> None:
    """Set keys of config.json; "a.b" is b in the section a, None removes."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for name, value in change.items():
        *sections, last = name.split(".")
        target = config
        for section in sections:
            target = target[section]
        target[last] = value
        if value is None:
            del target[last]
    path.write_text(json.dumps(config))


def test_parts_that_are_taken_out_and_packed_again_are_the_same_to_the_bit(
    packed: Path, trained: dict[str, Path], tmp_path: Path
) -> None:
    parts = {name: unpack(packed, name, tmp_path / name) for name in trained}
    again = pack(tmp_path / "again", decoding=DECODING, **parts)
    for one, other in zip(again, (packed.parent / "nano-codec-speech", packed), strict=True):
        assert (one / "config.json").read_text() == (other / "config.json").read_text()
        before, after = (load_file(folder / "model.safetensors") for folder in (one, other))
        assert before.keys() == after.keys()
        assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_what_is_packed_comes_back(packed: Path, trained: dict[str, Path]) -> None:
    system = load(packed)
    assert isinstance(system, NanoTTS)
    assert system.decoding == DECODING
    assert system.codec.levels == LEVELS, "the codec decodes as many levels as are generated"
    for name in ("durations", "t2s", "s2a", "tokenizer", "codec"):
        module, original = getattr(system, name), load(trained[name])
        assert not module.training
        assert module.config == original.config
        for key, tensor in original.state_dict().items():
            found = module.state_dict()[key]
            assert found.dtype == tensor.dtype
            error = (found - tensor).abs().max()
            assert error <= tensor.abs().max() / 254 * 1.001, f"{name}.{key}: 8 bits lose more than half a step"


def test_files_are_small_and_say_what_they_are(packed: Path) -> None:
    for folder in (packed, packed.parent / "nano-codec-speech"):
        tensors = load_file(folder / "model.safetensors")
        assert torch.int8 in {tensor.dtype for tensor in tensors.values()}
        assert json.loads((folder / "config.json").read_text())["model_type"] == folder.name.removesuffix("-speech")
    names = {name.partition(".")[0] for name in load_file(packed / "model.safetensors")}
    assert names == {"durations", "t2s", "s2a", "tokenizer"}
    assert json.loads((packed / "config.json").read_text())["phones"] == list(PHONES)


def test_bundled_names(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "BUNDLED", packed.parent)
    assert sorted(checkpoints.models()) == ["nano-codec-speech", "nano-tts"]
    assert isinstance(load("nano-codec-speech"), NanoCodec)
    assert isinstance(load("nano-tts"), NanoTTS)


def test_a_codec_folder_is_a_codec(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = packed.parent / "nano-codec-speech"
    codes = torch.randint(32, (1, 4, 9))
    expected = load(folder).decode(codes)
    assert torch.equal(load_codec(folder).decode(codes), expected)
    assert torch.equal(load_codec("nano-codec-speech", weights=folder).decode(codes), expected)
    monkeypatch.setattr("audiogen.codecs.BUNDLED", packed.parent)
    assert torch.equal(load_codec("nano-codec-speech").decode(codes), expected)


def test_plans_have_the_tuned_settings() -> None:
    (stage,) = SemanticDecoding(steps=7, temperature=0.6, guidance_scale=1.8, confidence_temperature=0.3).plan()
    assert stage.steps == 7
    assert stage.sampling.temperature == Linear(0.6)
    assert stage.guidance.scale == 1.8
    assert stage.confidence.temperature == Linear(0.3)
    assert SemanticDecoding(steps=7).plan(steps=3).stages[0].steps == 3
    stages = AcousticDecoding(steps=(8, 2), top_fraction=0.1).plan(share=0.25).stages
    assert [(stage.levels, stage.steps) for stage in stages] == [((0,), 2), ((1,), 1)]
    assert stages[0].sampling.top_fraction == 0.1


def test_a_plan_may_be_plain_values(trained: dict[str, Path], tmp_path: Path) -> None:
    plain = {"semantic": {"steps": 5}, "acoustic": {"steps": [2, 1, 1]}, "duration_scale": 1.1}
    system = load(pack(tmp_path, decoding=plain, **trained)[1])
    assert system.decoding == SpeechDecoding(
        semantic=SemanticDecoding(steps=5), acoustic=AcousticDecoding(steps=(2, 1, 1)), duration_scale=1.1
    )
    assert from_plain(SpeechDecoding, json.loads(json.dumps(asdict(system.decoding))), "") == system.decoding


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoding.stesp": 4}, r"decoding: expected a known name, got 'stesp'\. The nearest: "),
        ({"decoding.semantic.stepps": 4}, r"semantic: expected a known name, got 'stepps'\. The nearest: steps"),
        ({"decoding.semantic.steps": "many"}, "steps: expected int, got 'many'"),
        ({"decoding.semantic.steps": 2.5}, r"steps: expected int, got 2\.5"),
        ({"decoding.semantic": 3}, "semantic: expected names and values, got 3"),
        ({"decoding.acoustic.steps": [4, 4]}, r"steps for the 3 levels of s2a, got 2"),
        ({"decoding": None}, "expected decoding, got a file without"),
        ({"durations.phone_vocab_size": None}, "durations: expected a value for phone_vocab_size, got none"),
        ({"t2s.aligned": False}, "expected an aligned t2s"),
        ({"t2s.dim": 64}, r"phone_emb.weight|of another shape"),
        ({"phones": ["_", "x"]}, "expected the phones of this version"),
        ({"codec": "dac-9khz"}, "expected a codec name or a model folder, got 'dac-9khz'"),
    ],
)
def test_configurations_that_do_not_fit(packed: Path, change: dict[str, Any], message: str) -> None:
    edit(packed, change)
    with pytest.raises(InputError, match=message) as caught:
        load(packed)
    assert "\n" not in str(caught.value)


def test_damaged_and_missing_files(packed: Path) -> None:
    weights = packed / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged"):
        load(packed)
    weights.unlink()
    with pytest.raises(InputError, match="no such file"):
        load(packed)
    (packed / "config.json").write_text("{")
    with pytest.raises(InputError, match="JSON"):
        load(packed)


def test_folders_in_the_wrong_order(trained: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"type text-to-semantic, got 'semantic-to-acoustic'"):
        pack(tmp_path, decoding=DECODING, **{**trained, "t2s": trained["s2a"]})
    with pytest.raises(InputError, match=r"config\.json in .*nowhere"):
        pack(tmp_path, decoding=DECODING, **{**trained, "t2s": tmp_path / "nowhere"})


@pytest.mark.parametrize("device", ["cuda:99", "tpu"])
def test_devices_that_are_not_there(packed: Path, device: str) -> None:
    with pytest.raises(InputError, match=f"expected a device of this machine, got '{device}'"):
        load(packed, device)
