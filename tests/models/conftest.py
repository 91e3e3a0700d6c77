"""The tiny official-format MaskGCT of the golden fixtures (origin: tests/fixtures/maskgct/README.md)."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from audiogen.models.maskgct import SemanticToAcoustic, TextToSemantic, s2a_config, t2s_config

GOLDEN = Path(__file__).parents[1] / "fixtures" / "maskgct"


class Golden:
    """A fixture file: tensors by "case/name", arguments by case."""

    def __init__(self, name):
        self.tensors = load_file(GOLDEN / f"{name}.safetensors")
        self.arguments = json.loads((GOLDEN / f"{name}.json").read_text())

    def case(self, prefix):
        return {name[len(prefix) + 1 :]: x for name, x in self.tensors.items() if name.startswith(prefix + "/")}


@pytest.fixture(scope="session")
def golden():
    """Loads a fixture file by name."""
    return Golden


@pytest.fixture(scope="session")
def official_config():
    return json.loads((GOLDEN / "tiny" / "maskgct.json").read_text())["model"]


@pytest.fixture(scope="session")
def t2s(official_config):
    model = TextToSemantic(t2s_config(official_config["t2s_model"]))
    model.load_state_dict(load_file(GOLDEN / "tiny/t2s_model/model.safetensors"))
    return model.eval()


@pytest.fixture(scope="session")
def s2a(official_config):
    """{"1layer": model, "full": model}."""
    models = {}
    for name in ("1layer", "full"):
        model = SemanticToAcoustic(s2a_config(official_config["s2a_model"][f"s2a_{name}"]))
        model.load_state_dict(load_file(GOLDEN / f"tiny/s2a_model/s2a_model_{name}/model.safetensors"))
        models[name] = model.eval()
    return models
