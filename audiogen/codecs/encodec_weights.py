"""The layouts in which EnCodec weights are published, read into one configuration and one set of names.

- the `encodec` package: a flat state dict (`encodec_24khz-*.th`), whose configuration is known by the model's name;
- `transformers` (facebook/encodec_*): model.safetensors with other names, beside config.json;
- audiocraft (`compression_state_dict.bin`): a package with the state dict and its YAML configuration, or a pointer to
  a transformers repository.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from audiogen.codecs.encodec import CONFIGS, SEGMENT_GAIN, EncodecConfig
from audiogen.codecs.weights import as_tuple, find_weights, local_repository, named_tensors, read_config, read_weights
from audiogen.errors import InputError

FILES = ("config.json", "model.safetensors")
"""What a pointer package needs of the repository that it points to."""
_TRANSFORMERS_FIELDS = {
    "sample_rate": "sampling_rate",
    "channels": "audio_channels",
    "vocab_size": "codebook_size",
    "filters": "num_filters",
    "dimension": "hidden_size",
    "causal": "use_causal_conv",
    "norm": "norm_type",
    "pad_mode": "pad_mode",
    "shortcut_conv": "use_conv_shortcut",
    "kernel_size": "kernel_size",
    "last_kernel_size": "last_kernel_size",
    "residual_kernel_size": "residual_kernel_size",
    "residual_layers": "num_residual_layers",
    "dilation_base": "dilation_growth_rate",
    "compress": "compress",
    "lstm_layers": "num_lstm_layers",
    "trim_right_ratio": "trim_right_ratio",
}
"""EncodecConfig field -> key in transformers' config.json; the defaults of both are the 24 kHz model."""
_AUDIOCRAFT_FIELDS = {
    "sample_rate": "sample_rate",
    "channels": "channels",
    "levels": "rvq.n_q",
    "vocab_size": "rvq.bins",
    "filters": "seanet.n_filters",
    "dimension": "seanet.dimension",
    "causal": "seanet.causal",
    "norm": "seanet.norm",
    "pad_mode": "seanet.pad_mode",
    "kernel_size": "seanet.kernel_size",
    "last_kernel_size": "seanet.last_kernel_size",
    "residual_kernel_size": "seanet.residual_kernel_size",
    "residual_layers": "seanet.n_residual_layers",
    "dilation_base": "seanet.dilation_base",
    "compress": "seanet.compress",
    "lstm_layers": "seanet.lstm",
    "trim_right_ratio": "seanet.decoder.trim_right_ratio",
}
"""EncodecConfig field -> dotted path in audiocraft's configuration."""


def read(source: Path, config: EncodecConfig | None) -> tuple[EncodecConfig, dict[str, Tensor]]:
    """Configuration and parameters (named as in the file) from a weights file or folder.

    `config` is used where the file has none of its own: the `encodec` package's.
    """
    path = find_weights(source)
    content = read_weights(path)
    if "pretrained" in content:
        return _follow(path, str(content["pretrained"]))
    if "best_state" in content:
        return audiocraft_config(str(content.get("xp.cfg", "")), str(path)), named_tensors(content["best_state"], path)
    described = read_config(source)
    if described is not None:
        config = transformers_config(described, str(source))
    if config is None:
        raise InputError(f"{path}: expected a config.json beside the weights, got none. Name the codec of this file.")
    return with_levels(config, content), named_tensors(content, path)


def with_levels(config: EncodecConfig, names: Iterable[str]) -> EncodecConfig:
    """`config` with as many levels as there are codebooks among the parameters `names`: transformers has no key."""
    levels = {match[1] for name in names if (match := re.match(r"quantizer\.(?:vq\.)?layers\.(\d+)\.", name))}
    return replace(config, levels=len(levels) or config.levels)


def transformers_name(key: str) -> str:
    """The name in transformers' checkpoints of a parameter of the `encodec` package: one wrapper less per layer."""
    key = re.sub(r"^(encoder|decoder)\.model\.", r"\1.layers.", key)
    key = re.sub(r"^quantizer\.vq\.layers\.(\d+)\._codebook\.", r"quantizer.layers.\1.codebook.", key)
    return re.sub(r"\.(conv|convtr)\.(\1|norm)\.", lambda m: ".norm." if m[2] == "norm" else ".conv.", key)


def transformers_config(described: Mapping[str, Any], name: str) -> EncodecConfig:
    """From the config.json of a transformers EnCodec."""
    values = {field: described[key] for field, key in _TRANSFORMERS_FIELDS.items() if key in described}
    if "upsampling_ratios" in described:
        values["ratios"] = as_tuple(described["upsampling_ratios"])
    config = _config(values, name)
    seconds = described.get("chunk_length_s")
    if seconds:
        config = replace(config, segment_frames=round(seconds * config.sample_rate / config.hop_length))
    return replace(config, gain=SEGMENT_GAIN) if described.get("normalize") else config


def audiocraft_config(text: str, name: str) -> EncodecConfig:
    """From the YAML text in an audiocraft package. Only what is needed is resolved: the rest may refer to a user's
    environment."""
    try:
        tree = yaml.safe_load(text)
        values = {field: lookup(tree, path) for field, path in _AUDIOCRAFT_FIELDS.items()}
        values["ratios"] = as_tuple(lookup(tree, "seanet.ratios"))
        values["shortcut_conv"] = not lookup(tree, "seanet.true_skip")
        renormalize = lookup(tree, "encodec.renormalize")
    except (yaml.YAMLError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{name}: expected an EnCodec configuration in xp.cfg, got {error!r}. Use the original file."
        ) from error
    if renormalize:
        raise InputError(
            f"{name}: expected a codec without renormalisation, got encodec.renormalize: true. Use another one."
        )
    return _config(values, name)


def lookup(tree: Any, path: str) -> Any:
    """The value at a dotted path of an audiocraft configuration, following references of the form ${other.path}.

    Raises:
        KeyError, TypeError: there is none.
        RecursionError: references in a circle.
    """
    value = tree
    for key in path.split("."):
        value = value[key]
    reference = re.fullmatch(r"\$\{([\w.]+)\}", value) if isinstance(value, str) else None
    return lookup(tree, reference[1]) if reference else value


def _config(values: dict[str, Any], name: str) -> EncodecConfig:
    norms, modes = ("weight_norm", "time_group_norm", "none"), ("reflect", "constant")
    if values.get("norm", norms[0]) not in norms or values.get("pad_mode", modes[0]) not in modes:
        raise InputError(
            f"{name}: expected norm one of {norms} and pad_mode one of {modes}, "
            f"got {values.get('norm')!r} and {values.get('pad_mode')!r}. Use another checkpoint."
        )
    return EncodecConfig(**values)


def _follow(path: Path, repository: str) -> tuple[EncodecConfig, dict[str, Tensor]]:
    """The transformers checkpoint that a pointer package names, from beside it or from the Hugging Face cache."""
    known = {f"facebook/{name.replace('-', '_')}" for name in CONFIGS}
    if repository not in known:
        raise InputError(f"{path}: expected a pointer to one of {', '.join(sorted(known))}, got {repository!r}.")
    return read(local_repository([repository], FILES, path.parent), None)
