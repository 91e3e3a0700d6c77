"""VampNet systems on disk: official files, packed folders, styles; what does not fit together is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from official_vamp import MODELS
from safetensors.torch import load_file, save_file
from tiny_vamp import COARSE, DECODING, LEVELS, tiny_vamp, train_nothing
from torch import Tensor

from audiogen.checkpoints import load
from audiogen.checkpoints.catalogue import list_models
from audiogen.checkpoints.safe import restricted_load
from audiogen.checkpoints.save import save_model
from audiogen.checkpoints.vampnet import VampDecoding, VampSystem, load_vamp, load_vampnet, pack_vamp, save_style
from audiogen.codecs.lac import Lac
from audiogen.decoding import Plan, Stage
from audiogen.errors import InputError
from audiogen.models.vampnet import VampNet
from audiogen.nn.lora import adapters, attach_lora


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return train_nothing(tmp_path_factory.mktemp("exp"))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_vamp(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def official(tmp_path: Path) -> Path:
    for file, name in (("coarse", "coarse"), ("c2f", "c2f"), ("codec_lac", "codec")):
        shutil.copy(MODELS / f"{file}.pth", tmp_path / f"{name}.pth")
    return tmp_path


def logits(model: VampNet) -> Tensor:
    """Of some codes with holes."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(model.config.vocab_size + 1, (2, model.config.levels, 20), generator=generator)
    with torch.no_grad():
        return model.logits(codes, model.condition(2), Stage(levels=model.config.predicted))


class TestOfficial:
    """A folder laid out as the repository hugggof/vampnet."""

    def test_is_one_system(self, official: Path):
        system = load(official)
        assert isinstance(system, VampSystem)
        assert isinstance(system.codec, Lac)
        assert (system.coarse.config.levels, system.fine.config.levels) == (4, 14)
        assert system.fine.config.condition_levels == 4
        assert system.codec.levels == 14
        assert (system.decoding.coarse_levels, system.decoding.levels) == (4, 14)
        assert torch.equal(system.coarse.codebooks, system.codec.codebooks()[:4])
        assert adapters(system.coarse) == adapters(system.fine) == {}
        assert system.coarse.config.lora_rank == 0
        assert not system.coarse.training
        assert not system.fine.training
        assert system.device == torch.device("cpu")

    def test_lora_pth_takes_the_place_of_the_coarse_adapter(self, official: Path):
        before = load(official)
        shutil.copy(MODELS / "coarse_lora.pth", official / "lora.pth")
        after = load(official)
        assert not torch.allclose(logits(before.coarse), logits(after.coarse))
        assert torch.equal(logits(before.fine), logits(after.fine))

    @pytest.mark.parametrize("name", ["coarse.pth", "c2f.pth", "codec.pth"])
    def test_a_missing_file_says_what_to_fetch(self, official: Path, name: str):
        (official / name).unlink()
        with pytest.raises(InputError, match=rf"expected {name} in .* hf download hugggof/vampnet"):
            load(official)

    def test_files_in_each_others_place(self, official: Path):
        shutil.copy(official / "c2f.pth", official / "coarse.pth")
        with pytest.raises(InputError, match="given the 14 levels of the coarse one, got 4"):
            load(official)

    def test_a_file_of_another_kind(self, official: Path):
        shutil.copy(MODELS / "coarse_lora.pth", official / "coarse.pth")
        with pytest.raises(InputError, match='"state_dict" and "metadata"'):
            load(official)
        shutil.copy(MODELS / "codec_lac.pth", official / "coarse.pth")
        with pytest.raises(InputError, match="expected the arguments"):
            load(official)

    @pytest.mark.parametrize(("name", "value"), [("flash_attn", True), ("noise_mode", "noise"), ("cond_dim", 4)])
    def test_networks_that_nobody_published(self, official: Path, name: str, value: object):
        package = restricted_load(official / "coarse.pth")
        package["metadata"]["kwargs"][name] = value
        torch.save(package, official / "coarse.pth")
        with pytest.raises(InputError, match=f"VampNet with {name} = "):
            load(official)

    @pytest.mark.parametrize("change", [{"drop": "transformer.norm.weight"}, {"add": "transformer.more"}])
    def test_parameters_are_all_there_and_no_others(self, official: Path, change: dict[str, str]):
        package = restricted_load(official / "c2f.pth")
        package["state_dict"].pop(change.get("drop"), None)
        if "add" in change:
            package["state_dict"][change["add"]] = torch.zeros(1)
        torch.save(package, official / "c2f.pth")
        with pytest.raises(InputError, match=f"1 (missing|unknown) .first: {''.join(change.values())}"):
            load(official)

    def test_the_repository_is_known_by_name(self, official: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        assert ("hugggof/vampnet", "vampnet-official") in {(model.name, model.kind) for model in list_models()}
        cache = tmp_path / "hub"
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
        with pytest.raises(InputError, match="hf download hugggof/vampnet"):
            load("hugggof/vampnet")
        repository = cache / "models--hugggof--vampnet"
        snapshot = repository / "snapshots" / "0123"
        snapshot.mkdir(parents=True)
        for name in ("coarse.pth", "c2f.pth", "codec.pth"):
            shutil.copy(official / name, snapshot)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("0123")
        assert isinstance(load("hugggof/vampnet"), VampSystem)


class TestPacked:
    """Our own folders."""

    def test_is_what_training_wrote_in_8_bits(self, trained: dict[str, Path], packed: Path):
        system = load(packed)
        assert isinstance(system, VampSystem)
        assert system.decoding == replace(DECODING, coarse_levels=COARSE, levels=LEVELS)
        stored = load_file(packed / "model.safetensors")
        assert torch.int8 in {tensor.dtype for tensor in stored.values()}
        for name, network in (("coarse", system.coarse), ("fine", system.fine)):
            whole = load_vampnet(trained[name])
            for key, tensor in whole.state_dict().items():
                error = (network.state_dict()[key] - tensor).abs().max()
                assert error <= tensor.abs().max() / 254 * 1.001

    def test_models_do_not_store_what_the_codec_has(self, packed: Path):
        codebooks = load(packed).codec.codebooks()
        assert codebooks.shape == (LEVELS, 32, 4)
        assert not [name for name in load_file(packed / "model.safetensors") if "codebook" in name]

    def test_one_model_of_training_loads_too(self, trained: dict[str, Path]):
        model = load(trained["fine"])
        assert isinstance(model, VampNet)
        assert model.config.predicted == (4, 5)
        with pytest.raises(InputError, match="model of type vampnet, got 'nano-codec-music'"):
            load_vampnet(trained["codec"])

    def test_adapters_of_training_are_folded_in(self, trained: dict[str, Path], tmp_path: Path):
        coarse = load_vampnet(trained["coarse"])
        attach_lora(coarse, 2)
        for name, parameter in coarse.named_parameters():
            if name.endswith("lora_B"):
                torch.nn.init.normal_(parameter)
        config = asdict(replace(coarse.config, lora_rank=2))
        folder = save_model(coarse, "vampnet", config, tmp_path / "adapted")
        system = load(pack_vamp(tmp_path, **{**trained, "coarse": folder})[1])
        plain = load_vampnet(trained["coarse"])
        for network in (coarse, plain):
            network.use_codebooks(system.coarse.codebooks)
        error, change = ((logits(system.coarse) - logits(other)).abs().mean() for other in (coarse, plain))
        assert error < change / 20

    def test_settings_may_be_plain(self, trained: dict[str, Path], tmp_path: Path):
        system = load(pack_vamp(tmp_path, **trained, decoding={"steps": 3, "temperature": 0.8})[1])
        assert system.decoding.steps == 3
        assert system.decoding.temperature == 0.8
        with pytest.raises(InputError, match="nearest: temperature"):
            pack_vamp(tmp_path, **trained, decoding={"temprature": 0.8})

    def test_parts_that_do_not_belong_together(self, trained: dict[str, Path], tmp_path: Path):
        with pytest.raises(InputError, match="got 0"):
            pack_vamp(tmp_path, **{**trained, "fine": trained["coarse"]})

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda config: config.pop("codec"), "expected codec, got a file without"),
            (lambda config: config["fine"].update(levels=7), "of another shape"),
            (lambda config: config["coarse"].update(width=7), "nearest"),
            (lambda config: config["decoding"].update(steps="many"), "decoding: steps: expected int"),
            (lambda config: config.update(codec="nano-codec-speech"), r"expected codebooks|1 to \d levels"),
        ],
    )
    def test_wrong_configurations(
        self, packed: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
    ):
        shutil.copytree(packed.parent, tmp_path / "copy")
        path = tmp_path / "copy" / packed.name / "config.json"
        config = json.loads(path.read_text())
        change(config)
        path.write_text(json.dumps(config))
        with pytest.raises(InputError, match=message):
            load(path.parent)


class TestStyle:
    """Adapters that go on top of a system."""

    @pytest.fixture
    def style(self, packed: Path, tmp_path: Path) -> Path:
        system = load_vamp(packed)
        torch.manual_seed(0)
        for network in (system.coarse, system.fine):
            attach_lora(network, 2)
            for name, parameter in network.named_parameters():
                if name.endswith("lora_B"):
                    torch.nn.init.normal_(parameter)
        self.expected = logits(system.coarse), logits(system.fine)
        return save_style(tmp_path / "my-style.safetensors", system.coarse, system.fine, {"model": "nano-vamp"})

    def test_is_a_small_file_that_loads_on_top(self, packed: Path, style: Path):
        assert style.stat().st_size < (packed / "model.safetensors").stat().st_size / 2
        plain, styled = load_vamp(packed), load_vamp(packed, style=style)
        assert not torch.allclose(logits(plain.coarse), logits(styled.coarse), atol=1e-2)
        torch.testing.assert_close(logits(styled.coarse), self.expected[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(logits(styled.fine), self.expected[1], atol=1e-4, rtol=0)
        assert adapters(styled.coarse) == {}

    def test_of_another_model_is_refused(self, official: Path, style: Path):
        with pytest.raises(InputError, match=r"adapter of coarse\.transformer"):
            load_vamp(official, style=style)

    def test_that_is_no_style(self, packed: Path, tmp_path: Path):
        with pytest.raises(InputError, match="that do not fit"):
            load_vamp(packed, style=packed / "model.safetensors")
        with pytest.raises(InputError, match="no such file"):
            load_vamp(packed, style=tmp_path / "nothing.safetensors")
        save_file({}, tmp_path / "empty.safetensors")
        with pytest.raises(InputError, match="got none"):
            load_vamp(packed, style=tmp_path / "empty.safetensors")


def only(plan: Plan) -> Stage:
    (stage,) = plan
    return stage


def test_decoding_makes_the_plans_of_both_models():
    settings = VampDecoding(steps=9, fine_steps=3, temperature=0.9, fine_temperature=0.7, top_p=0.8)
    coarse, fine = only(settings.coarse_plan()), only(settings.fine_plan())
    assert (coarse.levels, coarse.steps, coarse.sampling.temperature) == ((0, 1, 2, 3), 9, 0.9)
    assert (fine.levels, fine.steps, fine.sampling.temperature) == (tuple(range(4, 14)), 3, 0.7)
    assert coarse.sampling.top_p == fine.sampling.top_p == 0.8
    assert only(settings.coarse_plan(steps=2, temperature=1.3)).steps == 2
    assert only(settings.fine_plan(top_p=0.5)).sampling.top_p == 0.5


OF_THE_FINE_MODEL = {name: f"fine_{name}" for name in ("steps", "temperature", "confidence_temperature")}


@pytest.mark.parametrize(
    "setting",
    [
        {"steps": 5},
        {"temperature": 0.5},
        {"confidence_temperature": 2.0},
        {"top_p": 0.5},
        {"typical_mass": 0.3},
        {"typical_min_tokens": 3},
        {"coarse_levels": 3},
    ],
)
def test_every_setting_reaches_a_plan(setting: dict[str, Any]):
    assert VampDecoding(**setting).coarse_plan() != VampDecoding().coarse_plan()
    for_fine = {OF_THE_FINE_MODEL.get(name, name): value for name, value in setting.items()}
    assert VampDecoding(**for_fine).fine_plan() != VampDecoding().fine_plan()
