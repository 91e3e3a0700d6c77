"""Models to folders: config.json and model.safetensors, as `audiogen.load` reads them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from audiogen import __version__
from audiogen.checkpoints.eight_bit import pack
from audiogen.files import atomic_write

HEADER = ("model_type", "audiogen_version")
"""What every config.json says besides the model's own fields."""


def save_model(
    module: nn.Module, model_type: str, config: Mapping[str, Any], folder: Path, packed: bool = False
) -> Path:
    """Write `module` into `folder`, as it is or with its matrices in 8 bits (`eight_bit`); returns the folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = module.state_dict()
    tensors = {name: tensor.contiguous() for name, tensor in (pack(state) if packed else state).items()}
    with atomic_write(folder / "model.safetensors") as path:
        save_file(tensors, path, {"format": "pt"})
    header = dict(zip(HEADER, (model_type, __version__), strict=True))
    with atomic_write(folder / "config.json") as path:
        path.write_text(json.dumps({**header, **config}, indent=2) + "\n", encoding="utf-8")
    return folder


def without_header(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json without the names that `save_model` adds to the model's own."""
    return {name: value for name, value in config.items() if name not in HEADER}
