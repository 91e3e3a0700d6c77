"""Text-to-music systems as folders: a network, its codec, its text encoder, and the settings it was published with.

- MAGNeT and MusicGen as audiocraft publishes them: `state_dict.bin`, and `compression_state_dict.bin`, which holds a
  codec or points to one. The text encoder, and a codec that is pointed to, are repositories of their own: folders of
  their names in the same folder, or in the Hugging Face cache.
- MusicGen as `transformers` publishes it: everything in config.json, safetensors and tokenizer.json.
Where a folder has both, the second is read: it is complete. Behaviour: golden magnet SPEC 4, 5 and 12.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import torch
from torch import Tensor, nn

from audiogen.checkpoints.audiocraft import MUSICGEN, PACKAGE_CODEC_FILE, PACKAGE_FILE, Package, is_package
from audiogen.checkpoints.folders import read_config
from audiogen.checkpoints.weights import assign_weights, read_safetensors
from audiogen.codecs import Codec
from audiogen.codecs.encodec import Encodec
from audiogen.codecs.encodec_weights import read as read_codec
from audiogen.codecs.encodec_weights import transformers_config, with_levels
from audiogen.conditioning.encoder import TextEncoder
from audiogen.conditioning.t5 import TOKENIZER_FILE, T5Text
from audiogen.decoding import Condition, Plan, Sampling
from audiogen.errors import InputError
from audiogen.models.magnet import Magnet, MagnetConfig, magnet_plan
from audiogen.models.musicgen import MusicGen, MusicGenConfig
from audiogen.plain import from_plain

WEIGHTS_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
TRANSFORMERS_DURATION = 30.0
"""Seconds: all models in that layout were trained on items of this length, which no file of theirs says."""
_TRANSFORMERS_SIZES = {
    "levels": "num_codebooks",
    "vocab_size": "vocab_size",
    "dim": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
}
"""MusicGenConfig field -> key of `decoder` in transformers' config.json."""
_TRANSFORMERS_FIXED = {"activation_function": "gelu", "scale_embedding": False, "audio_channels": 1}
_TRANSFORMERS_NAMES = {
    "emb.": "decoder.model.decoder.embed_tokens.",
    "transformer.layers.": "decoder.model.decoder.layers.",
    "out_norm.": "decoder.model.decoder.layer_norm.",
    "linears.": "decoder.lm_heads.",
    "condition_provider.conditioners.description.output_proj.": "enc_to_dec_proj.",
    ".cross_attention.": ".encoder_attn.",
    ".linear1.": ".fc1.",
    ".linear2.": ".fc2.",
    ".norm1.": ".self_attn_layer_norm.",
    ".norm_cross.": ".encoder_attn_layer_norm.",
    ".norm2.": ".final_layer_norm.",
}
"""Part of a parameter's name -> the same in transformers; attention's queries, keys and values are apart there."""
_TRANSFORMERS_TABLE = "decoder.model.decoder.embed_positions.weights"
"""Sinusoids, which older files hold."""
_TRANSFORMERS_PARTS = ("text_encoder.", "audio_encoder.")

Config = TypeVar("Config")
Network = TypeVar("Network", bound=nn.Module)
System = TypeVar("System", bound="MusicSystem")


@dataclass(frozen=True, kw_only=True)
class MagnetDecoding:
    """How a MAGNeT fills its grid; the names are those of `magnet_plan`."""

    steps: tuple[int, ...] = (20, 10, 10, 10)
    temperature: float = 3.0
    top_p: float = 0.9
    top_k: int = 0
    guidance: tuple[float, float] = (10.0, 1.0)
    span: int = 3
    arrangement: Literal["nonoverlap", "stride1"] = "nonoverlap"
    scoring: Literal["max", "prod"] = "max"
    annealed: bool = True

    def plan(self, **overrides: Any) -> Plan:
        """All levels; `overrides` are arguments of `magnet_plan`."""
        return magnet_plan(**{**asdict(self), **overrides})


@dataclass(frozen=True, kw_only=True)
class MusicGenDecoding:
    """How a MusicGen draws its frames; filters see the tempered probabilities."""

    temperature: float = 1.0
    top_p: float = 1.0
    """1 is off."""
    top_k: int = 250
    """0 is off."""
    guidance_scale: float = 3.0
    """null + scale * (cond - null), 1 is off."""

    @property
    def sampling(self) -> Sampling:
        """As `audiogen.decoding.autoregressive.generate` takes it."""
        return Sampling(temperature=self.temperature, top_p=self.top_p, top_k=self.top_k, filter_tempered=True)


@dataclass(frozen=True, kw_only=True)
class MusicSystem:
    """All parts of a text-to-music system, in evaluation mode."""

    model: Magnet | MusicGen
    codec: Codec
    """With as many levels in use as `model` has."""
    text: TextEncoder
    decoding: MagnetDecoding | MusicGenDecoding
    """The settings it was published with."""
    duration: float
    """Seconds of a training item: what `model` makes well at a time."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.out_norm.weight.device

    def to(self, device: str, dtype: torch.dtype = torch.float32) -> Self:
        """The same parts on `device`; the model computes in `dtype`, codec and text encoder in float32."""
        self.model.to(device, dtype)
        self.codec.to(device)
        self.text.to(device)
        return self

    def condition(self, texts: Sequence[str | None]) -> Condition:
        """What the generation of B items depends on; None and "": on no text.

        Each text is read alone: the models attend to the padding of a batch, and an item shall not depend on others.
        """
        return Condition.cat([self.model.condition(*self.text([text])) for text in texts])


@dataclass(frozen=True, kw_only=True)
class MusicGenSystem(MusicSystem):
    """A MusicGen with all that it needs."""

    model: MusicGen
    decoding: MusicGenDecoding


@dataclass(frozen=True, kw_only=True)
class MagnetSystem(MusicSystem):
    """A MAGNeT with all that it needs."""

    model: Magnet
    decoding: MagnetDecoding
    twin: MusicGenSystem | None = None
    """The autoregressive model of the same codes that came with it."""

    def to(self, device: str, dtype: torch.dtype = torch.float32) -> Self:
        """As in `MusicSystem`; the twin goes with it."""
        if self.twin is not None:
            self.twin.to(device, dtype)
        return super().to(device, dtype)


def load_music(folder: str | Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> MusicSystem:
    """Whichever system is in `folder`, in either layout.

    Args:
        dtype: what the network computes in; codec and text encoder stay in float32.
    Raises:
        InputError: a file is missing (the message says what to fetch), damaged, or of another kind of model.
    """
    folder = Path(folder)
    system = _official(folder) if is_package(folder) else _transformers(folder)
    return system.to(device, dtype)


def load_magnet(folder: str | Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> MagnetSystem:
    """The MAGNeT in `folder`; see `load_music`."""
    return _of_kind(MagnetSystem, load_music(folder, device, dtype), folder)


def load_musicgen(folder: str | Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> MusicGenSystem:
    """The MusicGen in `folder`; see `load_music`."""
    return _of_kind(MusicGenSystem, load_music(folder, device, dtype), folder)


def _of_kind(kind: type[System], system: MusicSystem, folder: str | Path) -> System:
    if not isinstance(system, kind):
        raise InputError(
            f"expected a {kind.__name__} in {folder}, got a {type(system).__name__}. Name the folder of another model."
        )
    return system


def _official(folder: Path) -> MusicSystem:
    package = Package.read(folder / PACKAGE_FILE)
    text = T5Text.load(package.text_encoder, folder)
    codec = _official_codec(folder)
    if codec.sample_rate != package.sample_rate:
        raise InputError(
            f"{folder}: expected a codec at {package.sample_rate} Hz, got one at {codec.sample_rate} Hz. "
            "Put together what was trained together."
        )
    sizes = {**package.sizes(), "condition_dim": text.width}
    parts: dict[str, Any] = {"codec": codec, "text": text, "duration": package.duration}
    if package.kind == MUSICGEN:
        musicgen = _filled(MusicGen, MusicGenConfig(**sizes), package.tensors, package.path)
        drawing = from_plain(MusicGenDecoding, package.musicgen_decoding(), str(package.path))
        return _fitting(MusicGenSystem(model=musicgen, decoding=drawing, **parts), folder)
    config = MagnetConfig(**sizes, context=package.context, span=package.span, frame_rate=codec.frame_rate)
    magnet = _filled(Magnet, config, package.tensors, package.path)
    decoding = from_plain(MagnetDecoding, package.magnet_decoding(), str(package.path))
    return _fitting(MagnetSystem(model=magnet, decoding=decoding, **parts), folder)


def _official_codec(folder: Path) -> Encodec:
    path = folder / PACKAGE_CODEC_FILE
    if not path.is_file():
        raise InputError(
            f"expected {path.name} beside {PACKAGE_FILE} in {folder}, got no such file. It is published with it: "
            f"hf download facebook/<name of the model> {path.name} --local-dir {folder}"
        )
    config, state = read_codec(path, None)
    return Encodec.assemble(config, state, path)


def _transformers(folder: Path) -> MusicGenSystem:
    path, weights = folder / "config.json", folder / WEIGHTS_FILE
    config = read_config(folder)
    for part in ("text_encoder", "audio_encoder", "decoder"):
        if not isinstance(config.get(part), dict):
            raise InputError(f"{path}: expected the sizes of {part}, got none. Fetch the original file.")
    tensors = _read_shards(folder)
    text = T5Text.assemble(config["text_encoder"], _part(tensors, "text_encoder."), folder / TOKENIZER_FILE, weights)
    state = _part(tensors, "audio_encoder.")
    codec_config = with_levels(transformers_config(config["audio_encoder"], str(path)), state)
    codec = Encodec.assemble(codec_config, state, weights)
    model = _filled(MusicGen, transformers_sizes(config["decoder"], text.width, path), our_names(tensors), weights)
    return _fitting(
        MusicGenSystem(
            model=model, codec=codec, text=text, decoding=MusicGenDecoding(), duration=TRANSFORMERS_DURATION
        ),
        folder,
    )


def transformers_sizes(decoder: Mapping[str, Any], condition_dim: int, path: Path) -> MusicGenConfig:
    """From the part `decoder` of a config.json of transformers.

    Raises:
        InputError: a size is missing, or the architecture is another one: stereo, for instance.
    """
    if missing := [key for key in _TRANSFORMERS_SIZES.values() if key not in decoder]:
        raise InputError(f"{path}: expected {', '.join(missing)} in decoder, got none. Fetch the original file.")
    for key, value in _TRANSFORMERS_FIXED.items():
        if decoder.get(key, value) != value:
            raise InputError(
                f"{path}: expected a decoder with {key} = {value!r}, got {decoder[key]!r}. "
                "Such models are not supported: `audiogen models` lists those that are."
            )
    sizes = {field: decoder[key] for field, key in _TRANSFORMERS_SIZES.items()}
    return from_plain(MusicGenConfig, {**sizes, "condition_dim": condition_dim}, f"{path}: decoder")


def our_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of MusicGen itself in transformers' layout, under the official names."""
    renamed = {}
    for name, tensor in tensors.items():
        if name == _TRANSFORMERS_TABLE or name.startswith(_TRANSFORMERS_PARTS):
            continue
        for ours, theirs in _TRANSFORMERS_NAMES.items():
            name = name.replace(theirs, ours)
        renamed[name] = tensor
    for query in [name for name in renamed if name.endswith(".q_proj.weight")]:
        apart = [query.replace(".q_proj.", f".{part}_proj.") for part in "qkv"]
        if all(name in renamed for name in apart):
            renamed[query.replace("q_proj.weight", "in_proj_weight")] = torch.cat([renamed.pop(name) for name in apart])
    return renamed


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _read_shards(folder: Path) -> dict[str, Tensor]:
    """All tensors, from one file or from those that an index names."""
    if (folder / WEIGHTS_FILE).is_file():
        return read_safetensors(folder / WEIGHTS_FILE)
    if not (folder / INDEX_FILE).is_file():
        raise InputError(
            f"expected {WEIGHTS_FILE} or {INDEX_FILE} in {folder}, got neither. Fetch them: "
            f"hf download facebook/<name of the model> --include '*.[js]*' --local-dir {folder}"
        )
    places = read_config(folder, INDEX_FILE).get("weight_map")
    if not isinstance(places, dict):
        raise InputError(f"{folder / INDEX_FILE}: expected a weight_map, got none. Fetch the file again.")
    files = [read_safetensors(folder / name) for name in sorted(set(places.values()))]
    return {name: tensor for file in files for name, tensor in file.items()}


def _filled(
    network: Callable[[Config], Network], config: Config, tensors: Mapping[str, Tensor], source: Path
) -> Network:
    with torch.device("meta"):  # no time and memory for weights that are replaced
        model = network(config)
    assign_weights(model, tensors, source)
    return model.eval()


def _fitting(system: System, folder: Path) -> System:
    """`system`, its codec with the model's levels, after checking that they belong together."""
    codec, sizes = system.codec, system.model.config
    if codec.vocab_size != sizes.vocab_size or codec.levels < sizes.levels:
        raise InputError(
            f"{folder}: expected a codec with {sizes.levels} levels of {sizes.vocab_size} codes, "
            f"got {codec.levels} of {codec.vocab_size}. Put together what was trained together."
        )
    codec.use_levels(sizes.levels)
    return system
