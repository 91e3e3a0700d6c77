"""The bundled text-to-music system as a folder: `nano-music`, beside the folder of its codec.

One safetensors file, whose tensors begin with `magnet.`, `twin.` or `text.`, and a config.json with the sizes of these,
the codec's name and the settings of decoding. Both models listen to one text encoder: a small one that was trained with
MAGNeT and is in the file, or a T5, of which config.json has the name and which is looked for as T5s are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from audiogen.checkpoints.folders import codec_beside, read_config
from audiogen.checkpoints.musicgen import MagnetDecoding, MagnetSystem, MusicGenDecoding, MusicGenSystem
from audiogen.checkpoints.nano import pack_codec
from audiogen.checkpoints.save import save_model, without_header
from audiogen.checkpoints.weights import assign_weights, read_safetensors
from audiogen.codecs import Codec
from audiogen.conditioning.caption_encoder import CaptionEncoder, CaptionEncoderConfig
from audiogen.conditioning.encoder import TextEncoder
from audiogen.conditioning.t5 import T5Text
from audiogen.decoding import Condition
from audiogen.errors import InputError
from audiogen.models.conditioned import ConditionedConfig
from audiogen.models.magnet import Magnet, MagnetConfig
from audiogen.models.musicgen import MusicGen, MusicGenConfig
from audiogen.plain import from_plain

CODEC_NAME, MUSIC_NAME = "nano-codec-music", "nano-music"
NETWORKS = {"magnet": "nano-magnet", "twin": "nano-twin"}
"""Part of a system -> model_type of the folder that training writes."""
KINDS: dict[str, tuple[type, type]] = {"nano-magnet": (Magnet, MagnetConfig), "nano-twin": (MusicGen, MusicGenConfig)}
"""model_type -> class of the network, and of its sizes."""

Network = TypeVar("Network", Magnet, MusicGen)


class Listener(nn.Module, Generic[Network]):
    """A network and the text encoder that it listens to: what is trained, and saved, together.

    A T5 is no module: it is neither trained nor saved.
    """

    def __init__(self, network: Network, text: TextEncoder):
        super().__init__()
        self.network: Network = network
        self.text = text

    def condition(self, texts: Sequence[str | None]) -> Condition:
        """Of a batch of B texts; no text's states depend on how long the others are."""
        device = self.network.out_norm.weight.device
        states, mask = (tensor.to(device) for tensor in self.text(texts))
        counted = mask.clone()
        counted[:, 0] = True  # what an empty text has: zeros
        return self.network.condition(states, mask).update({"counted": counted})


def make_text(text: CaptionEncoderConfig | str, folder: Path = Path()) -> TextEncoder:
    """A new text encoder of these sizes, or the published T5 of that name, from `folder` or the Hugging Face cache."""
    return T5Text.load(text, folder) if isinstance(text, str) else CaptionEncoder(text)


def save_listener(listener: Listener[Any], text: CaptionEncoderConfig | str, folder: Path) -> Path:
    """Write what training made; `text` is what `make_text` made its encoder of."""
    network = listener.network
    kind = next(kind for kind, (made, _) in KINDS.items() if isinstance(network, made))
    config = {"network": asdict(network.config), "text": text if isinstance(text, str) else asdict(text)}
    return save_model(listener, kind, config, folder)


def load_listener(folder: str | Path, kind: str, device: str = "cpu") -> Listener[Any]:
    """What training wrote into `folder`; `kind` is one of KINDS.

    Raises:
        InputError: a file is missing, damaged, or of another kind.
    """
    folder = Path(folder)
    config = read_config(folder)
    if config.get("model_type") != kind:
        raise InputError(
            f"{folder}: expected a model of type {kind}, got {config.get('model_type')!r}. Name another folder."
        )
    listener = _listener(kind, config.get("network"), config.get("text"), folder)
    assign_weights(listener, read_safetensors(folder / "model.safetensors"), folder / "model.safetensors")
    return listener.eval().to(device)


def text_settings(folder: Path) -> CaptionEncoderConfig | str:
    """Of what `make_text` made the text encoder of a folder that training wrote."""
    return _text_settings(read_config(folder).get("text"), folder)


def pack_music(
    out: str | Path,
    *,
    codec: str | Path,
    magnet: str | Path,
    twin: str | Path,
    duration: float,
    decoding: MagnetDecoding | None = None,
    twin_decoding: MusicGenDecoding | None = None,
) -> tuple[Path, Path]:
    """Make the two bundled folders in `out` from the model folders of training, weights in 8 bits.

    Args:
        codec: folder of the codec that made the tokens.
        duration: seconds of a training item.
        decoding, twin_decoding: the tuned settings; None: those of the published models.
    Returns:
        The codec's folder and the system's.
    Raises:
        InputError: a folder is missing or of another kind, or the twin was trained with another text encoder.
    """
    out, magnet, twin = Path(out), Path(magnet), Path(twin)
    one, other = load_listener(magnet, "nano-magnet"), load_listener(twin, "nano-twin")
    text = text_settings(magnet)
    if text != text_settings(twin) or not _equal(one.text.state_dict(), other.text.state_dict()):
        raise InputError(
            f"{twin}: expected a twin with the text encoder of {magnet}, got one with another. Train the twin again."
        )
    made = pack_codec(codec, out / CODEC_NAME)
    parts = _together(one, other)
    config = {
        "magnet": asdict(one.network.config),
        "twin": asdict(other.network.config),
        "text": text if isinstance(text, str) else asdict(text),
        "codec": CODEC_NAME,
        "duration": duration,
        "decoding": asdict(decoding or MagnetDecoding()),
        "twin_decoding": asdict(twin_decoding or MusicGenDecoding()),
    }
    packed = save_model(parts, "nano-music", config, out / MUSIC_NAME, packed=True)
    load_nano_music(packed)  # what is packed can be read
    return made, packed


def load_nano_music(folder: str | Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> MagnetSystem:
    """The system in `folder`, with its twin.

    Args:
        dtype: what both models compute in; codec and text encoder stay in float32.
    Raises:
        InputError: a file is missing, damaged, or does not belong here.
    """
    folder = Path(folder)
    path = folder / "config.json"
    config = without_header(read_config(folder))
    names = ("magnet", "twin", "text", "codec", "duration", "decoding", "twin_decoding")
    if missing := [name for name in names if name not in config]:
        raise InputError(f"{path}: expected {', '.join(missing)}, got a file without. Pack the models again.")
    magnet, twin = (_listener(kind, config[part], config["text"], folder) for part, kind in NETWORKS.items())
    parts = _together(magnet, twin)
    assign_weights(parts, read_safetensors(folder / "model.safetensors"), folder / "model.safetensors")
    codec = codec_beside(folder, config["codec"], device)
    _check_codec(codec, magnet.network.config, folder)
    _check_codec(codec, twin.network.config, folder)
    codec.use_levels(magnet.network.config.levels)
    parts.eval()
    shared: dict[str, Any] = {"codec": codec, "text": magnet.text, "duration": config["duration"]}
    drawing = from_plain(MusicGenDecoding, config["twin_decoding"], f"{path}: twin_decoding")
    other = MusicGenSystem(model=twin.network, decoding=drawing, **shared)
    filling = from_plain(MagnetDecoding, config["decoding"], f"{path}: decoding")
    return MagnetSystem(model=magnet.network, decoding=filling, twin=other, **shared).to(device, dtype)


def take_listener(folder: str | Path, kind: str) -> Listener[Any]:
    """A network of a packed system, one of KINDS, and the text encoder that it listens to.

    Raises:
        InputError: as `load_nano_music`.
    """
    system = load_nano_music(folder)
    assert system.twin is not None, "a packed system has a twin"
    networks: dict[str, Any] = {"nano-magnet": system.model, "nano-twin": system.twin.model}
    return Listener(networks[kind], system.text)


def unpack_listener(folder: str | Path, kind: str, out: Path) -> Path:
    """Write `take_listener` as training does; raises what it raises."""
    folder = Path(folder)
    return save_listener(take_listener(folder, kind), _text_settings(read_config(folder)["text"], folder), out)


def with_magnet(system: MagnetSystem, folder: str | Path) -> MagnetSystem:
    """`system` with another MAGNeT of the same codec in the place of its own, without a twin.

    Args:
        folder: what training wrote; the span of decoding is that of this model.
    Raises:
        InputError: a file is missing or damaged, or the model is for another codec.
    """
    found = load_listener(folder, "nano-magnet", str(system.device))
    _check_codec(system.codec, found.network.config, Path(folder))
    decoding = replace(system.decoding, span=found.network.config.span)
    model = found.network.to(system.model.dtype)
    return replace(system, model=model, text=found.text, decoding=decoding, twin=None)


def _listener(kind: str, sizes: Any, text: Any, folder: Path) -> Listener[Any]:
    """A network and its text encoder without weights, but for a T5, which brings its own."""
    make, config = KINDS[kind]
    where = f"{folder / 'config.json'}: {kind}"
    with torch.device("meta"):
        network = make(from_plain(config, sizes, where))
    settings = _text_settings(text, folder)
    if isinstance(settings, str):
        return Listener(network, make_text(settings, folder))
    with torch.device("meta"):
        return Listener(network, make_text(settings))


def _text_settings(text: Any, folder: Path) -> CaptionEncoderConfig | str:
    return text if isinstance(text, str) else from_plain(CaptionEncoderConfig, text, f"{folder / 'config.json'}: text")


def _together(magnet: Listener[Any], twin: Listener[Any]) -> nn.ModuleDict:
    """Everything that the file of a system holds; MAGNeT's text encoder serves both."""
    parts = nn.ModuleDict({"magnet": magnet.network, "twin": twin.network})
    if isinstance(magnet.text, nn.Module):
        parts["text"] = magnet.text
    return parts


def _check_codec(codec: Codec, sizes: ConditionedConfig, folder: Path) -> None:
    if codec.vocab_size != sizes.vocab_size or codec.levels < sizes.levels:
        raise InputError(
            f"{folder}: expected a codec with {sizes.levels} levels of {sizes.vocab_size} codes, got {codec.levels} "
            f"of {codec.vocab_size}. Put together what was trained together."
        )


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())
