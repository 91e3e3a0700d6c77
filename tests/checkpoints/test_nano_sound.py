"""The bundled sound system on disk: what is packed comes back, what does not fit together is refused."""

import json
from dataclasses import asdict
from shutil import copytree

import pytest
import tiny_sound
import torch
from safetensors.torch import load_file
from tiny_nano_sound import DECODING, PAIR, ROWS, tiny_nano_sound, tiny_specmaskgit, train_nothing

from audiogen.checkpoints import LOADERS, RECIPES, load
from audiogen.checkpoints.nano_sound import (
    SoundDecoding,
    SoundSystem,
    load_embedder,
    load_sound,
    pack_sound,
    parts_of,
    unpack_sound,
)
from audiogen.checkpoints.save import save_model
from audiogen.conditioning.audio_text import AudioTextPair
from audiogen.decoding import decode
from audiogen.errors import InputError
from audiogen.models.specmaskgit import SpecMaskGIT, specmaskgit_plan

CAPTIONS = ["a dog barks", "", "rain"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sound")


@pytest.fixture(scope="module")
def packed(folder):
    return tiny_nano_sound(folder)


def test_what_is_packed_comes_back(packed, folder):
    system = load(packed)
    assert isinstance(system, SoundSystem)
    assert system.decoding == DECODING
    assert isinstance(system.embedder, AudioTextPair)
    assert system.embedder.config == PAIR
    for name, network in (("model", system.model), ("pair", system.embedder)):
        assert not network.training
        trained = load_file(folder / "exp" / name / "model.safetensors")
        for key, tensor in network.state_dict().items():
            assert (tensor - trained[key]).abs().max() <= trained[key].abs().max() / 254 * 1.001, key
    assert torch.int8 in {tensor.dtype for tensor in load_file(packed / "model.safetensors").values()}


def test_a_caption_becomes_a_sound(packed):
    system = load(packed)
    codes = torch.zeros(3, ROWS, 8, dtype=torch.int64)
    condition = system.model.condition(system.embedder.embed_text(CAPTIONS))
    made = decode(system.model, codes, torch.ones_like(codes, dtype=torch.bool), condition, system.plan())
    audio = system.codec.decode(made)
    assert audio.shape == (3, 1, 8 * system.codec.hop_length)
    assert audio.isfinite().all()


def test_plans_have_the_systems_settings_and_rows(packed):
    system = load(packed)
    assert system.plan() == specmaskgit_plan(steps=4, guidance=2.0, top_p=0.95, rows=ROWS)
    assert system.plan(steps=7, temperature=0.5).stages[0].steps == 7
    assert SoundDecoding().plan() == specmaskgit_plan()


def test_models_compute_in_the_type_that_is_asked_for(packed):
    system = load_sound(packed, dtype=torch.bfloat16)
    assert system.model.dtype == torch.bfloat16
    assert {weight.dtype for weight in system.embedder.parameters()} == {torch.float32}
    assert system.device == torch.device("cpu")


def test_what_training_wrote_is_loaded_too(packed, folder):
    assert isinstance(load(folder / "exp/model"), SpecMaskGIT)
    assert isinstance(load_embedder(folder / "exp/pair"), AudioTextPair)
    with pytest.raises(InputError, match="type specmaskgit, got 'audio-text-pair'"):
        pack_sound(folder / "wrong", codec=folder / "exp/codec", model=folder / "exp/pair", pair=folder / "exp/pair")


def test_a_published_clap_is_named_and_not_packed(folder, tmp_path, monkeypatch):
    """Its weights are not here: packing goes as far as looking for them."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    parts = train_nothing(tmp_path / "exp")
    with pytest.raises(InputError, match="hf download laion/clap-htsat-unfused"):
        pack_sound(tmp_path / "packed", **{**parts, "pair": "laion/clap-htsat-unfused"})
    written = json.loads((tmp_path / "packed/nano-sound/config.json").read_text())
    assert written["embedder"] == "laion/clap-htsat-unfused"
    tensors = load_file(tmp_path / "packed/nano-sound/model.safetensors")
    assert all(name.startswith("model.") for name in tensors)


@pytest.mark.parametrize("missing", ["model", "embedder", "codec", "decoding"])
def test_a_config_that_lacks_something_is_refused(packed, tmp_path, missing):
    config = json.loads((packed / "config.json").read_text())
    del config[missing]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=f"expected {missing}, got a file without"):
        load_sound(tmp_path)


def test_what_does_not_belong_together_is_refused(packed, folder, tmp_path):
    copy = copytree(packed.parent, tmp_path / "packed")
    path = copy / "nano-sound/config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "codec": "nano-codec-speech"}))
    with pytest.raises(InputError, match="6 rows of 32 codes, got"):
        load(copy / "nano-sound")
    wide = tiny_specmaskgit(condition_dim=24)
    save_model(wide, "specmaskgit", asdict(wide.config), tmp_path / "wide")
    parts = {"codec": folder / "exp/codec", "pair": folder / "exp/pair", "model": tmp_path / "wide"}
    with pytest.raises(InputError, match="embeddings of 24 numbers, got 16"):
        pack_sound(tmp_path / "other", **parts)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A system with all parts."""
    return tiny_sound.tiny_sound(tmp_path_factory.mktemp("full"))


@pytest.mark.parametrize("part", ["codec", "model", "pair", "predictor"])
def test_parts_are_taken_out_as_they_sound(full, tmp_path, part):
    unpack_sound(full, part, tmp_path / part)
    parts = {name: full.parents[1] / "exp" / name for name in ("codec", "model", "pair", "predictor")}
    again = pack_sound(tmp_path / "packed", decoding=tiny_sound.DECODING, **{**parts, part: tmp_path / part})[1]
    for name in ("nano-sound", "nano-codec-sound"):
        one, other = (folder.parent / name / "model.safetensors" for folder in (full, again))
        assert one.read_bytes() == other.read_bytes(), "8 bits of 8 bits are the same"


def test_parts_that_are_not_there(packed, full, tmp_path):
    assert parts_of(full) == ("codec", "model", "pair", "predictor")
    assert parts_of(packed) == ("codec", "model", "pair")
    assert load_sound(packed).predictor is None
    with pytest.raises(InputError, match="expected a system with a predictor of bands, got one without"):
        unpack_sound(packed, "predictor", tmp_path)


def test_names_are_known():
    assert {"nano-sound", "specmaskgit", "audio-text-pair", "band-predictor"} <= LOADERS.keys()
    assert RECIPES["nano-sound"] == RECIPES["nano-codec-sound"] == "egs/sounds/tta1"
