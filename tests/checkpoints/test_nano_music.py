"""The bundled music system on disk: what is packed comes back, what does not fit together is refused."""

import json
from shutil import copytree

import pytest
import torch
from safetensors.torch import load_file
from tiny_nano_music import DECODING, DURATION, LEVELS, TEXT, TWIN_DECODING, tiny_nano_music, train_nothing

from audiogen.checkpoints import RECIPES, load, models
from audiogen.checkpoints.musicgen import MagnetSystem, MusicGenSystem
from audiogen.checkpoints.nano_music import (
    Listener,
    load_listener,
    load_nano_music,
    pack_music,
    save_listener,
    unpack_listener,
    with_magnet,
)
from audiogen.conditioning.caption_encoder import CaptionEncoder
from audiogen.errors import InputError

CAPTIONS = ["a sad waltz in d minor", "", "jig"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("music")


@pytest.fixture(scope="module")
def packed(folder):
    return tiny_nano_music(folder)


def test_what_is_packed_comes_back(packed, folder):
    system = load(packed)
    assert isinstance(system, MagnetSystem)
    assert isinstance(system.twin, MusicGenSystem)
    assert (system.decoding, system.twin.decoding, system.duration) == (DECODING, TWIN_DECODING, DURATION)
    assert system.codec.levels == LEVELS < 6
    assert system.codec is system.twin.codec
    assert system.text is system.twin.text
    trained = load_file(folder / "exp/magnet/model.safetensors")
    for name, tensor in system.model.state_dict().items():
        original = trained[f"network.{name}"]
        assert (tensor - original).abs().max() <= original.abs().max() / 254 * 1.001, name
    assert not system.model.training
    assert torch.int8 in {tensor.dtype for tensor in load_file(packed / "model.safetensors").values()}


def test_parts_that_are_taken_out_and_packed_again_are_the_same_to_the_bit(packed, folder, tmp_path):
    for kind, name in (("nano-magnet", "magnet"), ("nano-twin", "twin")):
        unpack_listener(packed, kind, tmp_path / name)
    parts = {"codec": folder / "exp/codec", "magnet": tmp_path / "magnet", "twin": tmp_path / "twin"}
    _, again = pack_music(
        tmp_path / "packed", duration=DURATION, decoding=DECODING, twin_decoding=TWIN_DECODING, **parts
    )
    before, after = (load_file(one / "model.safetensors") for one in (packed, again))
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_models_compute_in_the_type_that_is_asked_for(packed):
    system = load_nano_music(packed, dtype=torch.bfloat16)
    assert system.model.dtype == system.twin.model.dtype == torch.bfloat16
    assert {parameter.dtype for parameter in system.text.parameters()} == {torch.float32}


def test_training_and_decoding_see_the_same_condition(packed):
    system = load(packed)
    batch = Listener(system.model, system.text).condition(CAPTIONS)
    alone = system.condition(CAPTIONS)
    assert torch.equal(batch["counted"], alone["counted"])
    for item, counted in enumerate(batch["counted"]):
        torch.testing.assert_close(batch["memory"][item][counted], alone["memory"][item][counted])


def test_another_model_takes_the_place_of_the_systems_own(packed, folder):
    system = load(packed)
    other = with_magnet(system, folder / "exp/magnet")
    assert other.twin is None
    assert other.decoding.span == other.model.config.span
    with pytest.raises(InputError, match="type nano-magnet, got 'nano-twin'"):
        with_magnet(system, folder / "exp/twin")


def test_a_twin_of_another_text_encoder_is_refused(folder, tmp_path):
    parts = train_nothing(tmp_path / "exp")
    twin = load_listener(parts["twin"], "nano-twin").network
    torch.manual_seed(5)
    save_listener(Listener(twin, CaptionEncoder(TEXT)), TEXT, parts["twin"])
    with pytest.raises(InputError, match="Train the twin again"):
        pack_music(tmp_path / "packed", duration=1.0, **parts)


@pytest.mark.parametrize("missing", ["twin", "text", "duration", "decoding"])
def test_a_config_that_lacks_something_is_refused(packed, tmp_path, missing):
    config = json.loads((packed / "config.json").read_text())
    del config[missing]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=f"expected {missing}, got a file without"):
        load(tmp_path)


def test_a_codec_of_other_codes_is_refused(packed, tmp_path):
    copy = copytree(packed.parent, tmp_path / "packed")
    path = copy / "nano-music/config.json"
    config = json.loads(path.read_text())
    config["codec"] = "nano-codec-speech"
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match="4 levels of 32 codes, got"):
        load(copy / "nano-music")


def test_without_weights_the_recipe_is_named():
    if "nano-music" not in models():
        with pytest.raises(InputError, match="egs/nottingham/ttm1/run"):
            load("nano-music")
    assert RECIPES["nano-codec-music"] == "egs/loops/vamp1"
