"""The bundled text-to-sound system as a folder: `nano-sound`, beside the folder of its codec.

One safetensors file, whose tensors begin with `model.`, `pair.` or `predictor.`, and a config.json with the sizes of
these, the name of the codec and the settings of decoding. What hears and reads is a small pair that is in the file, or
a published CLAP, of which config.json has the name and which is looked for as T5s are.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from torch import nn

from audiogen.checkpoints.folders import codec_beside, read_config
from audiogen.checkpoints.nano import pack_codec, save_codec
from audiogen.checkpoints.save import save_model, without_header
from audiogen.checkpoints.weights import assign_weights, read_safetensors
from audiogen.codecs import Codec
from audiogen.conditioning.audio_text import AudioTextConfig, AudioTextPair
from audiogen.conditioning.clap import Clap
from audiogen.conditioning.embedder import Embedder
from audiogen.decoding import Plan
from audiogen.errors import InputError
from audiogen.models.band_predictor import BandPredictor, BandPredictorConfig
from audiogen.models.specmaskgit import SpecMaskGIT, SpecMaskGITConfig, specmaskgit_plan
from audiogen.plain import from_plain

SOUND_CODEC_NAME, SOUND_NAME = "nano-codec-sound", "nano-sound"
MODEL_TYPE, PAIR_TYPE, PREDICTOR_TYPE = "specmaskgit", "audio-text-pair", "band-predictor"
"""Of the folders that training writes."""

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class SoundDecoding:
    """How a SpecMaskGIT fills its grid; the names, but for the last, are those of `specmaskgit_plan`."""

    steps: int = 16
    temperature: float = 1.0
    guidance: float = 3.0
    guidance_end: float | None = None
    confidence_temperature: float = 4.5
    top_k: int = 0
    top_p: float = 1.0
    seconds: float = 53 * 4096 / 22050
    """Of a sound whose length nobody says: that of the paper's grid."""

    def plan(self, **overrides: Any) -> Plan:
        """`overrides` are arguments of `specmaskgit_plan`."""
        settings = asdict(self)
        del settings["seconds"]
        return specmaskgit_plan(**{**settings, **overrides})


@dataclass(frozen=True, kw_only=True)
class SoundSystem:
    """All parts of a text-to-sound system, in evaluation mode."""

    model: SpecMaskGIT
    codec: Codec
    embedder: Embedder
    decoding: SoundDecoding
    """The settings that come with it."""
    predictor: BandPredictor | None = None
    """Of the bands that a sound lacks; None: the model alone extends it."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @property
    def predictors(self) -> tuple[BandPredictor, ...]:
        """The predictor, if there is one."""
        return () if self.predictor is None else (self.predictor,)

    def plan(self, **overrides: Any) -> Plan:
        """How this system decodes; `overrides` are arguments of `specmaskgit_plan`."""
        return self.decoding.plan(rows=self.model.config.rows, **overrides)

    def to(self, device: str, dtype: torch.dtype = torch.float32) -> Self:
        """The same parts on `device`; the model computes in `dtype`, all else in float32."""
        self.model.to(device, dtype)
        self.codec.to(device)
        for network in self.predictors:
            network.to(device)
        self.embedder.to(device)
        return self


def load_specmaskgit(folder: str | Path, device: str = "cpu") -> SpecMaskGIT:
    """The model that training wrote into `folder`.

    Raises:
        InputError: a file is missing, damaged, or of another kind.
    """
    with torch.device("meta"):
        model = SpecMaskGIT(_sizes(SpecMaskGITConfig, MODEL_TYPE, Path(folder)))
    return _filled(model, Path(folder), device)


def load_pair(folder: str | Path, device: str = "cpu") -> AudioTextPair:
    """The audio/text pair that training wrote into `folder`; raises what `load_specmaskgit` raises."""
    # not on the meta device: its window and filters are not stored
    return _filled(AudioTextPair(_sizes(AudioTextConfig, PAIR_TYPE, Path(folder))), Path(folder), device)


def load_band_predictor(folder: str | Path, device: str = "cpu") -> BandPredictor:
    """The predictor that training wrote into `folder`; raises what `load_specmaskgit` raises."""
    return _filled(BandPredictor(_sizes(BandPredictorConfig, PREDICTOR_TYPE, Path(folder))), Path(folder), device)


def load_embedder(name: str | Path, folder: Path = Path(), device: str = "cpu") -> Embedder:
    """What hears and reads: the pair in a folder that training wrote, or the published CLAP of that name.

    Args:
        folder: where a folder of the CLAP's name may be; else it is looked for in the Hugging Face cache.
    Raises:
        InputError: a file is missing or damaged.
    """
    if (Path(name) / "config.json").is_file():
        return load_pair(name, device)
    return Clap.load(str(name), folder).to(device)


def pack_sound(
    out: str | Path,
    *,
    codec: str | Path,
    model: str | Path,
    pair: str | Path,
    predictor: str | Path | None = None,
    decoding: SoundDecoding | None = None,
) -> tuple[Path, Path]:
    """Make the two bundled folders in `out` from the model folders of training, weights in 8 bits.

    Args:
        codec: folder of the codec that made the tokens.
        model: folder of the SpecMaskGIT.
        pair: folder of the audio/text pair that it was trained with, or the name of a published CLAP.
        predictor: folder of the predictor of bands; None: without one.
        decoding: the tuned settings; None: the defaults of `SoundDecoding`.
    Returns:
        The codec's folder and the system's.
    Raises:
        InputError: a folder is missing, of another kind, or does not belong to the others.
    """
    out, network = Path(out), load_specmaskgit(model)
    made = pack_codec(codec, out / SOUND_CODEC_NAME)
    parts = nn.ModuleDict({"model": network})
    embedder: dict[str, Any] | str = str(pair)
    if (Path(pair) / "config.json").is_file():
        small = load_pair(pair)
        parts["pair"], embedder = small, asdict(small.config)
    sizes: dict[str, Any] = {}
    if predictor is not None:
        parts["predictor"] = bands = load_band_predictor(predictor)
        sizes["predictor"] = asdict(bands.config)
    config = {
        "model": asdict(network.config),
        "embedder": embedder,
        **sizes,
        "codec": SOUND_CODEC_NAME,
        "decoding": asdict(decoding or SoundDecoding()),
    }
    packed = save_model(parts, SOUND_NAME, config, out / SOUND_NAME, packed=True)
    load_sound(packed)  # what is packed can be read
    return made, packed


def parts_of(folder: str | Path) -> tuple[str, ...]:
    """What `unpack_sound` can take out of a packed system: its codec and model, and what else is packed with them.

    Raises:
        InputError: no config.json, or a damaged one.
    """
    config = read_config(Path(folder))
    own = {"pair": isinstance(config.get("embedder"), dict), "predictor": "predictor" in config}
    return ("codec", "model", *(part for part, there in own.items() if there))


def unpack_sound(folder: str | Path, part: str, out: Path) -> Path:
    """Take a part out of a packed system, as training writes it.

    Args:
        folder: of the system.
        part: codec, model, pair or predictor.
    Raises:
        InputError: as `load_sound`; a system without that part.
    """
    system = load_sound(folder)
    if part == "codec":
        return save_codec(system.codec, out)
    if part == "model":
        return save_model(system.model, MODEL_TYPE, asdict(system.model.config), out)
    if part == "predictor":
        if system.predictor is None:
            raise InputError(f"{folder}: expected a system with a predictor of bands, got one without. Train one.")
        return save_model(system.predictor, PREDICTOR_TYPE, asdict(system.predictor.config), out)
    if not isinstance(system.embedder, AudioTextPair):
        raise InputError(f"{folder}: expected a system with a pair of its own, got one with a published CLAP. Name it.")
    return save_model(system.embedder, PAIR_TYPE, asdict(system.embedder.config), out)


def load_sound(folder: str | Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> SoundSystem:
    """The system in `folder`.

    Args:
        dtype: what the model computes in; codec and embedder stay in float32.
    Raises:
        InputError: a file is missing, damaged, or does not belong here.
    """
    folder = Path(folder)
    path = folder / "config.json"
    config = without_header(read_config(folder))
    if missing := [name for name in ("model", "embedder", "codec", "decoding") if name not in config]:
        raise InputError(f"{path}: expected {', '.join(missing)}, got a file without. Pack the models again.")
    with torch.device("meta"):
        model = SpecMaskGIT(from_plain(SpecMaskGITConfig, config["model"], f"{path}: model"))
    parts = nn.ModuleDict({"model": model})
    if isinstance(config["embedder"], str):
        embedder: Embedder = Clap.load(config["embedder"], folder)
    else:
        embedder = AudioTextPair(from_plain(AudioTextConfig, config["embedder"], f"{path}: embedder"))
        parts["pair"] = embedder
    predictor = None
    if "predictor" in config:
        parts["predictor"] = predictor = BandPredictor(
            from_plain(BandPredictorConfig, config["predictor"], f"{path}: predictor")
        )
    _filled(parts, folder, "cpu")
    system = SoundSystem(
        model=model,
        codec=codec_beside(folder, config["codec"], device),
        embedder=embedder,
        decoding=from_plain(SoundDecoding, config["decoding"], f"{path}: decoding"),
        predictor=predictor,
    )
    _check(system, folder)
    return system.to(device, dtype)


def _sizes(make: Callable[..., Any], kind: str, folder: Path) -> Any:
    """The sizes in the config.json of a folder of that kind."""
    config = read_config(folder)
    if config.get("model_type") != kind:
        raise InputError(
            f"{folder}: expected a model of type {kind}, got {config.get('model_type')!r}. Name another folder."
        )
    return from_plain(make, without_header(config), str(folder / "config.json"))  # type: ignore[arg-type]


def _filled(network: Network, folder: Path, device: str) -> Network:
    assign_weights(network, read_safetensors(folder / "model.safetensors"), folder / "model.safetensors")
    return network.eval().to(device)


def _check(system: SoundSystem, folder: Path) -> None:
    """The parts fit together."""
    sizes, codec, width = system.model.config, system.codec, system.embedder.width
    if codec.vocab_size != sizes.vocab_size or codec.levels != sizes.rows:
        raise InputError(
            f"{folder}: expected a codec with {sizes.rows} rows of {sizes.vocab_size} codes, got {codec.levels} of "
            f"{codec.vocab_size}. Put together what was trained together."
        )
    if width != sizes.condition_dim:
        raise InputError(
            f"{folder}: expected embeddings of {sizes.condition_dim} numbers, got {width}. "
            "Put together what was trained together."
        )
