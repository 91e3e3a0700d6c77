"""What all packed model folders share: their config.json, and the codec beside them."""

import json
from pathlib import Path
from typing import Any

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
