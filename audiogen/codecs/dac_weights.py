"""The layouts in which DAC weights are published, read into one configuration and one set of names.

- the `dac` package (`weights_*.pth`): a dictionary of `state_dict` and `metadata`, which has the configuration;
- `transformers` (descript/dac_*): model.safetensors with other names, beside config.json.
"""

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from audiogen.codecs.dac import DacConfig
from audiogen.codecs.weights import as_tuple, find_weights, named_tensors, read_config, read_weights
from audiogen.errors import InputError

_PACKAGE_FIELDS = {
    "sample_rate": "sample_rate",
    "levels": "n_codebooks",
    "vocab_size": "codebook_size",
    "codebook_dim": "codebook_dim",
    "encoder_dim": "encoder_dim",
    "encoder_rates": "encoder_rates",
    "latent_dim": "latent_dim",
    "decoder_dim": "decoder_dim",
    "decoder_rates": "decoder_rates",
}
"""DacConfig field -> key in the package's metadata."""
_TRANSFORMERS_FIELDS = {
    "sample_rate": "sampling_rate",
    "levels": "n_codebooks",
    "vocab_size": "codebook_size",
    "codebook_dim": "codebook_dim",
    "encoder_dim": "encoder_hidden_size",
    "encoder_rates": "downsampling_ratios",
    "decoder_dim": "decoder_hidden_size",
    "decoder_rates": "upsampling_ratios",
}
"""DacConfig field -> key in transformers' config.json."""


def read(source: Path, config: DacConfig | None) -> tuple[DacConfig, dict[str, Tensor]]:
    """Configuration and parameters (named as in the file) from a weights file or folder.

    `config` is used where neither the file nor a config.json beside it has one.
    """
    path = find_weights(source)
    content = read_weights(path)
    if "state_dict" in content:
        metadata = content.get("metadata")
        described = metadata.get("kwargs") if isinstance(metadata, dict) else None
        state, known = content["state_dict"], _PACKAGE_FIELDS
    else:
        state, described, known = content, read_config(source), _TRANSFORMERS_FIELDS
    if isinstance(described, dict):
        config = _config({field: described[key] for field, key in known.items() if key in described})
    if config is None:
        raise InputError(f"{path}: expected a config.json beside the weights, got none. Name the codec of this file.")
    return config, named_tensors(state, path)


def _config(values: dict[str, Any]) -> DacConfig:
    """JSON has lists where the configuration has tuples."""
    return DacConfig(**{field: as_tuple(value) for field, value in values.items()})


def transformers_name(key: str, blocks: int) -> str:
    """The name in transformers' checkpoints of a parameter of the `dac` package; `blocks` is the number of rates."""
    match = re.fullmatch(r"(encoder|decoder)\.(?:block|model)\.(\d+)\.(.*)", key)
    if not match:
        return key
    half, index, rest = match[1], int(match[2]), match[3]
    outside = {0: "conv1", blocks + 1: "snake1", blocks + 2: "conv2"}
    if index in outside:
        return f"{half}.{outside[index]}.{rest}"
    inside = ["res_unit1", "res_unit2", "res_unit3", "snake1", "conv1"]
    if half == "decoder":
        inside = ["snake1", "conv_t1", "res_unit1", "res_unit2", "res_unit3"]
    rest = re.sub(r"^block\.(\d)", lambda m: inside[int(m[1])], rest)
    rest = re.sub(r"\.block\.(\d)", lambda m: "." + ("snake1", "conv1", "snake2", "conv2")[int(m[1])], rest)
    return f"{half}.block.{index - 1}.{rest}"
