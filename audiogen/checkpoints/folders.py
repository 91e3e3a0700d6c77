"""What all packed model folders share: their config.json, the codec beside them, their precision."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiogen.codecs import Codec, load_codec
from audiogen.errors import InputError


def read_config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """The config.json of a model folder, or another JSON file in it.

    Raises:
        InputError: no such file, or no JSON object in it.
    """
    path = folder / name
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected a model's {name} in {folder}, got: {error.strerror}. Check the path.") from error
    except ValueError as error:
        raise InputError(f"expected JSON in {path}, got: {error}. Fetch the file again.") from error
    if not isinstance(config, dict):
        raise InputError(f"expected a JSON object in {path}, got a {type(config).__name__}. Fetch the file again.")
    return config


def codec_beside(folder: Path, name: str, device: str) -> Codec:
    """The codec `name` from the folder beside `folder`: what was packed together belongs together; or the bundled."""
    beside = folder.resolve().parent / name
    return load_codec(beside if beside.is_dir() else name, device)


def half_type(tensors: Mapping[str, Tensor]) -> torch.dtype:
    """float16 or bfloat16: the one that changes the numbers less; float16 is finer, bfloat16 reaches further."""
    return min((torch.float16, torch.bfloat16), key=lambda dtype: round_trip_error(tensors, dtype))


def round_trip_error(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> float:
    """The largest change of a tensor, as a share of its root mean square; infinite where a number does not fit."""
    worst = 0.0
    for tensor in tensors.values():
        if tensor.is_floating_point() and tensor.any():
            whole = tensor.double()
            error = (whole - tensor.to(dtype).double()).square().mean().sqrt() / whole.square().mean().sqrt()
            worst = max(worst, float(error) if math.isfinite(error) else math.inf)
    return worst
