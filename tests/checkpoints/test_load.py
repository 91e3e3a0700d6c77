"""Names and folders to models, and the official MaskGCT layout."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

import audiogen.checkpoints as checkpoints
from audiogen.checkpoints import load, models
from audiogen.checkpoints.maskgct import MaskGCT, MaskGCTConfig, read_config
from audiogen.codecs.acoustic import AcousticCodec
from audiogen.codecs.semantic import SemanticCodec
from audiogen.errors import InputError
from audiogen.models.maskgct import SemanticToAcoustic, TextToSemantic

FIXTURES = Path(__file__).parents[1] / "fixtures" / "maskgct"
OFFICIAL = json.loads((FIXTURES / "official_tensors.json").read_text())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(FIXTURES / "tiny", tmp_path / "tiny")


def test_a_folder_laid_out_like_the_official_repository(folder: Path) -> None:
    system = load(folder)
    assert isinstance(system, MaskGCT)
    parts: list[nn.Module] = [system.t2s, system.s2a_1layer, system.s2a_full, system.semantic_codec]
    parts += [system.acoustic_codec, system.features]
    for part in parts:
        assert not part.training
        assert all(tensor.device.type == "cpu" for tensor in [*part.parameters(), *part.buffers()])
    assert system.s2a_1layer.config.levels == 1
    assert system.s2a_full.config.levels == 12
    statistics = torch.load(folder / "wav2vec2bert_stats.pt", weights_only=True)
    assert torch.equal(system.features.mean, statistics["mean"])
    assert torch.equal(system.features.std, statistics["var"].sqrt())


def official_modules() -> dict[str, nn.Module]:
    config = MaskGCTConfig()
    with torch.device("meta"):
        acoustic = AcousticCodec(config.acoustic)
        return {
            "t2s_model/model.safetensors": TextToSemantic(config.t2s),
            "s2a_model/s2a_model_1layer/model.safetensors": SemanticToAcoustic(config.s2a_1layer),
            "s2a_model/s2a_model_full/model.safetensors": SemanticToAcoustic(config.s2a_full),
            "semantic_codec/model.safetensors": SemanticCodec(config.semantic),
            "acoustic_codec/model.safetensors": acoustic.encoder,
            "acoustic_codec/model_1.safetensors": acoustic.decoder,
        }


def test_default_sizes_have_the_tensors_of_the_official_files() -> None:
    ours = {
        file: {name: list(tensor.shape) for name, tensor in module.state_dict().items()}
        for file, module in official_modules().items()
    }
    unused = "diff_estimator.embed_tokens.weight"
    theirs = {
        file: {name: shape for name, shape in tensors.items() if name != unused}
        for file, tensors in OFFICIAL["files"].items()
    }
    assert ours == theirs
    assert OFFICIAL["files"]["s2a_model/s2a_model_full/model.safetensors"][unused] == [0, 256]


def test_without_a_configuration_the_official_sizes_are_expected(folder: Path) -> None:
    (folder / "maskgct.json").unlink()
    assert read_config(folder) == MaskGCTConfig()
    with pytest.raises(InputError, match=r"cond_emb.weight \[50, 64\] instead of \[8192, 1536\]"):
        load(folder)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("t2s_model/model.safetensors", "hf download amphion/MaskGCT t2s_model/model.safetensors"),
        ("s2a_model/s2a_model_1layer/model.safetensors", "hf download amphion/MaskGCT s2a_model"),
        ("s2a_model/s2a_model_full/model.safetensors", "hf download amphion/MaskGCT s2a_model"),
        ("semantic_codec/model.safetensors", "hf download amphion/MaskGCT semantic_codec"),
        ("acoustic_codec/model.safetensors", "hf download amphion/MaskGCT acoustic_codec"),
        ("acoustic_codec/model_1.safetensors", "hf download amphion/MaskGCT acoustic_codec/model_1.safetensors"),
        ("wav2vec2bert_stats.pt", "github.com/open-mmlab/Amphion, models/tts/maskgct/ckpt/wav2vec2bert_stats.pt"),
        ("w2v_bert/model.safetensors", "hf download facebook/w2v-bert-2.0"),
        ("w2v_bert/preprocessor_config.json", "hf download facebook/w2v-bert-2.0"),
    ],
)
def test_a_missing_file_is_named_with_its_source(folder: Path, file: str, source: str) -> None:
    (folder / file).unlink()
    with pytest.raises(InputError) as caught:
        load(folder)
    assert Path(file).name in str(caught.value)
    assert source in str(caught.value)


def test_w2v_bert_may_come_from_the_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = folder.parent / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    repository = cache / "models--facebook--w2v-bert-2.0"
    shutil.move(folder / "w2v_bert", repository / "snapshots" / "0123")
    with pytest.raises(InputError, match=r"w2v-BERT 2.0 in .*w2v_bert or in the Hugging Face cache, got neither"):
        load(folder)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    assert isinstance(load(folder), MaskGCT)


def test_damaged_files_are_refused(folder: Path) -> None:
    path = folder / "s2a_model/s2a_model_full/model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"s2a_model_full/model.safetensors, got a damaged"):
        load(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON in"),
        ("[]", "a JSON object"),
        ("{}", "the key 'model'"),
        ('{"model": 3}', "official configuration"),
    ],
)
def test_broken_configurations(folder: Path, content: str, message: str) -> None:
    (folder / "maskgct.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_config(folder)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("use_vocos", False, "expected use_vocos = True, got False"),
        ("quantizer_type", "vq", "expected quantizer_type = 'fvq'"),
        ("hop_size", 320, "hop_size equal to the product of the strides, 480"),
    ],
)
def test_architectures_that_no_official_checkpoint_has(folder: Path, key: str, value: object, message: str) -> None:
    config = json.loads((folder / "maskgct.json").read_text())
    config["model"]["acoustic_codec"]["decoder"][key] = value
    (folder / "maskgct.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        read_config(folder)


def test_statistics_that_are_something_else(folder: Path) -> None:
    torch.save([1, 2], folder / "wav2vec2bert_stats.pt")
    with pytest.raises(InputError, match='the tensors "mean" and "var"'):
        load(folder)


def test_unknown_names_list_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "BUNDLED", tmp_path)
    with pytest.raises(InputError, match="No model is bundled"):
        load("nano-tss")
    for name in ("nano-tts", "nano-vamp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text('{"model_type": "nano-tss"}')
    assert models() == {"nano-tts": tmp_path / "nano-tts", "nano-vamp": tmp_path / "nano-vamp"}
    with pytest.raises(InputError, match=r"got 'nano-tss'\. The nearest names: nano-tts"):
        load("nano-tss")
    with pytest.raises(InputError, match=r"expected a known model_type in .*config.json, got 'nano-tss'"):
        load("nano-tts")
    (tmp_path / "nano-tts" / "config.json").write_text("{}")
    with pytest.raises(InputError, match='"model_type"'):
        load("nano-tts")


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"got no config.json there"):
        load(tmp_path)
    with pytest.raises(InputError, match="expected a model's name or folder"):
        load(tmp_path / "missing")


def test_repositories_are_looked_up_in_the_cache_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="hf download amphion/MaskGCT"):
        load("amphion/MaskGCT")


def test_an_unknown_repository_gets_the_nearest_bundled_names_too() -> None:
    with pytest.raises(InputError, match=r"hf download.*nearest bundled models: .*nano-tts"):
        load("nano/tts")


def test_a_bundled_model_that_is_not_there_names_its_recipe(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoints, "BUNDLED", tmp_path)
    for name, recipe in checkpoints.RECIPES.items():
        assert (Path(__file__).parents[2] / recipe / "run.sh").is_file()
        with pytest.raises(InputError, match=f"weights of {name} .*{recipe}/run.sh"):
            checkpoints.load(name)
