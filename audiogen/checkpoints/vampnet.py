"""VampNet systems as folders: a codec, a coarse and a fine model, and the settings that were tuned for them.

Ours: `nano-vamp`, one safetensors file whose tensors begin with `coarse.` or `fine.`, and a config.json with the sizes
of both, the codec's name and the decoding settings; the codec is a folder of its own beside it.
Official (`hugggof/vampnet`, golden vampnet SPEC 2): `coarse.pth`, `c2f.pth` and `codec.pth`, each a dictionary of
`state_dict` and `metadata`, and maybe `lora.pth`, an adapter for the coarse model.
Models come without adapters: what a file or a style has of them is folded into the weights.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from audiogen.checkpoints.folders import codec_beside, read_config
from audiogen.checkpoints.nano import pack_codec
from audiogen.checkpoints.safe import restricted_load
from audiogen.checkpoints.save import save_model, without_header
from audiogen.checkpoints.weights import assign_weights, read_metadata, read_safetensors
from audiogen.codecs import Codec, load_codec
from audiogen.codecs.weights import named_tensors
from audiogen.decoding import Plan
from audiogen.errors import InputError
from audiogen.files import atomic_write
from audiogen.models.vampnet import VampNet, VampNetConfig, vampnet_plan
from audiogen.nn.lora import adapters, fold_lora, set_adapters
from audiogen.plain import from_plain

HUB = "hugggof/vampnet"
CODEC_NAME, VAMP_NAME = "nano-codec-music", "nano-vamp"
COARSE_FILE, FINE_FILE, CODEC_FILE, ADAPTER_FILE = "coarse.pth", "c2f.pth", "codec.pth", "lora.pth"
_OFFICIAL_FIELDS = {
    "levels": "n_codebooks",
    "condition_levels": "n_conditioning_codebooks",
    "vocab_size": "vocab_size",
    "codebook_dim": "latent_dim",
    "dim": "embedding_dim",
    "layers": "n_layers",
    "heads": "n_heads",
    "dropout": "dropout",
}
"""VampNetConfig field -> constructor argument in an official file's metadata."""
_FIXED_ARGUMENTS = {"noise_mode": "mask", "r_cond_dim": 0, "cond_dim": 0, "flash_attn": False}
"""Arguments whose other values make another network (flash_attn: one without positions), which nobody published."""


@dataclass(frozen=True, kw_only=True)
class VampDecoding:
    """How a system fills its grid. The names are those of `vampnet_plan`; `fine_...` are those of the fine model."""

    steps: int = 36
    fine_steps: int = 2
    temperature: float = 1.0
    fine_temperature: float = 1.0
    confidence_temperature: float = 10.5
    fine_confidence_temperature: float = 10.5
    top_p: float = 1.0
    typical_mass: float = 1.0
    typical_min_tokens: int = 64
    coarse_levels: int = 4
    """Levels of the coarse model: `load_vamp` takes them from the models."""
    levels: int = 14
    """Levels of the fine model, the coarse ones included: as above."""

    def coarse_plan(self, **overrides: Any) -> Plan:
        """All coarse levels; `overrides` are arguments of `vampnet_plan`."""
        settings = {
            "steps": self.steps,
            "temperature": self.temperature,
            "confidence_temperature": self.confidence_temperature,
        }
        return self._plan(range(self.coarse_levels), settings, overrides)

    def fine_plan(self, **overrides: Any) -> Plan:
        """All levels above the coarse ones; `overrides` are arguments of `vampnet_plan`."""
        settings = {
            "steps": self.fine_steps,
            "temperature": self.fine_temperature,
            "confidence_temperature": self.fine_confidence_temperature,
        }
        return self._plan(range(self.coarse_levels, self.levels), settings, overrides)

    def _plan(self, levels: Sequence[int], settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> Plan:
        filters = {name: getattr(self, name) for name in ("top_p", "typical_mass", "typical_min_tokens")}
        return vampnet_plan(levels, **{**filters, **settings, **overrides})


@dataclass(frozen=True, kw_only=True)
class VampSystem:
    """All parts of a VampNet, in evaluation mode; `audiogen.pipelines.vamp` makes them play."""

    codec: Codec
    """With as many levels in use as `fine` makes."""
    coarse: VampNet
    fine: VampNet
    decoding: VampDecoding

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.coarse.embedding.out_proj.weight.device

    def to(self, device: str, dtype: torch.dtype = torch.float32) -> "VampSystem":
        """The same parts on `device`; both models compute in `dtype`, the codec in float32."""
        for module in (self.coarse, self.fine):
            module.to(device, dtype)
        self.codec.to(device)
        return self


def load_vamp(
    folder: str | Path, device: str = "cpu", style: str | Path | None = None, dtype: torch.dtype = torch.float32
) -> VampSystem:
    """The system in `folder`, a packed one or one laid out as the official repository.

    Args:
        style: a safetensors file of adapters (`audiogen finetune vamp` writes them), folded into the weights.
        dtype: what the models compute in; bfloat16 halves time and memory of big ones (precision: models/vampnet.py).
    Raises:
        InputError: a file is missing (the message says where it is published), damaged, or does not belong here.
    """
    folder = Path(folder)
    official = not (folder / "config.json").is_file()
    system = _official(folder, device) if official else _packed(folder, device)
    if style is not None:
        networks = _together(system.coarse, system.fine)
        set_adapters(networks, read_safetensors(style), style)
        _check_style(style, system)
        fold_lora(networks)
    return system.to(device, dtype)


def load_vampnet(folder: str | Path, device: str = "cpu") -> VampNet:
    """One model, from the folder that its training wrote; it still needs the codebooks of its codec."""
    folder = Path(folder)
    config = read_config(folder)
    if config.get("model_type") != "vampnet":
        raise InputError(
            f"{folder}: expected a model of type vampnet, got {config.get('model_type')!r}. Name another folder."
        )
    with torch.device("meta"):
        network = VampNet(from_plain(VampNetConfig, without_header(config), str(folder / "config.json")))
    assign_weights(network, read_safetensors(folder / "model.safetensors"), folder / "model.safetensors")
    return network.eval().to(device)


def pack_vamp(
    out: str | Path,
    *,
    codec: str | Path,
    coarse: str | Path,
    fine: str | Path,
    decoding: VampDecoding | Mapping[str, Any] | None = None,
) -> tuple[Path, Path]:
    """Make the two bundled folders in `out` from the model folders of training, weights in 8 bits.

    Args:
        decoding: the tuned settings, as the dataclass or as plain names and values.
    Returns:
        The codec's folder and the system's.
    Raises:
        InputError: a folder is missing or of another kind, or they do not belong together.
    """
    out = Path(out)
    made = pack_codec(codec, out / CODEC_NAME)
    networks = _together(_folded(load_vampnet(coarse)), _folded(load_vampnet(fine)))
    settings = decoding if isinstance(decoding, VampDecoding) else from_plain(VampDecoding, decoding or {}, "decoding")
    config = {name: asdict(network.config) for name, network in networks.items()}  # type: ignore[call-overload]
    plain = {name: value for name, value in asdict(settings).items() if name not in ("coarse_levels", "levels")}
    config |= {"codec": CODEC_NAME, "decoding": plain}
    packed = save_model(networks, "nano-vamp", config, out / VAMP_NAME, packed=True)
    load_vamp(packed)  # what is packed can be read
    return made, packed


def save_style(path: str | Path, coarse: VampNet, fine: VampNet, metadata: Mapping[str, str]) -> Path:
    """Write the adapters of both models as a style, which `load_vamp` reads; `metadata` is kept in the file."""
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous() for name, tensor in adapters(_together(coarse, fine)).items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, {"format": "pt", **metadata, "system": fingerprint(coarse, fine)})
    return Path(path)


def fingerprint(coarse: VampNet, fine: VampNet) -> str:
    """What tells a system from others of the same sizes: a digest of weights that no adapter changes."""
    digest = hashlib.sha256()
    for network in (coarse, fine):
        for _, tensor in sorted(network.embedding.state_dict().items()):
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _check_style(style: str | Path, system: VampSystem) -> None:
    metadata = read_metadata(style)
    if metadata.get("system", "") not in ("", fingerprint(system.coarse, system.fine)):
        raise InputError(
            f"{style}: expected a style for this model, got one for another of the same sizes "
            f"({metadata.get('model', 'not named')}). Load that model, or make the style again."
        )


def _packed(folder: Path, device: str) -> VampSystem:
    path = folder / "config.json"
    config = without_header(read_config(folder))
    if missing := [name for name in ("coarse", "fine", "codec", "decoding") if name not in config]:
        raise InputError(f"{path}: expected {', '.join(missing)}, got a file without. Pack the models again.")
    with torch.device("meta"):
        coarse, fine = (
            VampNet(from_plain(VampNetConfig, config[name], f"{path}: {name}")) for name in ("coarse", "fine")
        )
    weights = folder / "model.safetensors"
    assign_weights(_together(coarse, fine), read_safetensors(weights), weights)
    decoding = from_plain(VampDecoding, config["decoding"], f"{path}: decoding")
    return _assembled(codec_beside(folder, config["codec"], device), coarse, fine, decoding, device, folder)


def _official(folder: Path, device: str) -> VampSystem:
    paths = [_published(folder, name) for name in (COARSE_FILE, FINE_FILE, CODEC_FILE)]
    coarse, fine = (official_network(path) for path in paths[:2])
    adapter = folder / ADAPTER_FILE
    if adapter.is_file():
        set_adapters(coarse, named_tensors(restricted_load(adapter), adapter), adapter)
    codec = load_codec("vampnet-codec", device, paths[2])
    return _assembled(codec, _folded(coarse), _folded(fine), VampDecoding(), device, folder)


def official_network(path: Path) -> VampNet:
    """The network in an official weights file, with its adapters; it still needs the codebooks of its codec.

    Folding always adds the adapter to the stored weight. Files that training wrote in evaluation mode contain it
    already; the reference adds it again, and so do we (golden vampnet SPEC 10, trap 1).

    Raises:
        InputError: no such file, damaged, or another kind of network.
    """
    match restricted_load(path):
        case {"state_dict": Mapping() as state, "metadata": {"kwargs": Mapping() as arguments}}:
            pass
        case _:
            raise InputError(
                f'expected a dictionary with "state_dict" and "metadata" in {path}, got something else. '
                f"Fetch the file again: hf download {HUB} {path.name}"
            )
    with torch.device("meta"):
        network = VampNet(official_config(arguments, path))
    assign_weights(network, named_tensors(state, path), path)
    return network


def official_config(arguments: Mapping[str, Any], path: Path) -> VampNetConfig:
    """The sizes that the constructor arguments in an official file say."""
    for name, value in _FIXED_ARGUMENTS.items():
        if arguments.get(name, value) != value:
            raise InputError(
                f"{path}: expected a VampNet with {name} = {value!r}, got {arguments[name]!r}. "
                "Such networks are not supported: use one that was published."
            )
    if missing := [name for name in _OFFICIAL_FIELDS.values() if name not in arguments]:
        raise InputError(f"{path}: expected the arguments {', '.join(missing)}, got none. Use a VampNet's own file.")
    sizes = {field: arguments[name] for field, name in _OFFICIAL_FIELDS.items()}
    controls = {"control_dims": arguments.get("ctrl_dims") or {}}
    return from_plain(VampNetConfig, {**sizes, **controls}, str(path))


def _published(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise InputError(f"expected {name} in {folder}, got no such file. It is published here: hf download {HUB}")
    return path


def _assembled(
    codec: Codec, coarse: VampNet, fine: VampNet, decoding: VampDecoding, device: str, source: Path
) -> VampSystem:
    """The parts as one system, after checking that they belong together."""
    levels, coarse_levels = fine.config.levels, coarse.config.levels
    if coarse.config.condition_levels or fine.config.condition_levels != coarse_levels:
        raise InputError(
            f"{source}: expected a fine model that is given the {coarse_levels} levels of the coarse one, "
            f"got {fine.config.condition_levels} (coarse: given {coarse.config.condition_levels}). "
            "Put together what was trained together."
        )
    codec.use_levels(levels)
    for network in (coarse, fine):
        network.eval().to(device)
        network.use_codebooks(codec.codebooks()[: network.config.levels])
    settings = replace(decoding, coarse_levels=coarse_levels, levels=levels)
    return VampSystem(codec=codec, coarse=coarse, fine=fine, decoding=settings)


def _folded(network: VampNet) -> VampNet:
    """`network` itself, its adapters folded in."""
    fold_lora(network)
    network.config = replace(network.config, lora_rank=0)
    return network


def _together(coarse: VampNet, fine: VampNet) -> nn.ModuleDict:
    return nn.ModuleDict({"coarse": coarse, "fine": fine})
