"""Models to folders: config.json and model.safetensors, as `audiogen.load` reads them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from audiogen import __version__
from audiogen.files import atomic_write


def save_model(
    module: nn.Module, model_type: str, config: Mapping[str, Any], folder: Path, dtype: torch.dtype = torch.float32
) -> Path:
    """Write `module` into `folder`, its floating-point numbers as `dtype`; returns the folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in module.state_dict().items()
    }
    with atomic_write(folder / "model.safetensors") as path:
        save_file(tensors, path, {"format": "pt"})
    header = {"model_type": model_type, "audiogen_version": __version__}
    with atomic_write(folder / "config.json") as path:
        path.write_text(json.dumps({**header, **config}, indent=2) + "\n", encoding="utf-8")
    return folder
