"""Audio <-> codes. `CODECS` names every codec, `load_codec` makes one; `base.Codec` is what the rest of the code sees.

A new codec is one file here, with a `Codec` that has two class methods, and one line in `CODECS`:
`load(name, source)` reads the weights of `name` from the file or folder `source`; `tiny(name)` makes a small one with
random weights, which the shared contract test then runs.
"""

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from audiogen.codecs.base import Codec, Streamer
from audiogen.errors import InputError, nearest

__all__ = ["CODECS", "Codec", "CodecEntry", "Streamer", "load_codec"]

BUNDLED = Path(__file__).parent.parent / "bundled"


class CodecClass(Protocol):
    """What a class named in `CODECS` offers besides the codec contract."""

    def load(self, name: str, source: Path) -> Codec:
        """The codec `name`, with the weights in the file or folder `source`."""

    def tiny(self, name: str) -> Codec:
        """A small codec shaped like `name`, with random weights: the same at every call."""


@dataclass(frozen=True)
class CodecEntry:
    """Where a codec's code and weights are; nothing is imported or read until it is asked for."""

    target: str
    """"module:Class" of the code."""
    model_type: str
    """What config.json of a model folder says when the folder is for this class."""
    hub: str = ""
    """Hugging Face repository of the official weights; empty: the weights are in the package, under bundled/<name>."""

    def load_class(self) -> CodecClass:
        """Import the class."""
        module, name = self.target.split(":")
        return cast(CodecClass, getattr(import_module(module), name))

    def tiny(self, name: str) -> Codec:
        """See CodecClass.tiny."""
        return self.load_class().tiny(name)


CODECS: dict[str, CodecEntry] = {
    "encodec-24khz": CodecEntry("audiogen.codecs.encodec:Encodec", "encodec", "facebook/encodec_24khz"),
    "encodec-32khz": CodecEntry("audiogen.codecs.encodec:Encodec", "encodec", "facebook/encodec_32khz"),
    "encodec-48khz": CodecEntry("audiogen.codecs.encodec:Encodec", "encodec", "facebook/encodec_48khz"),
    "dac-16khz": CodecEntry("audiogen.codecs.dac:Dac", "dac", "descript/dac_16khz"),
    "dac-24khz": CodecEntry("audiogen.codecs.dac:Dac", "dac", "descript/dac_24khz"),
    "dac-44khz": CodecEntry("audiogen.codecs.dac:Dac", "dac", "descript/dac_44khz"),
    "maskgct-acoustic": CodecEntry("audiogen.codecs.acoustic:AcousticCodec", "maskgct", "amphion/MaskGCT"),
    "maskgct-semantic": CodecEntry("audiogen.codecs.semantic:SemanticCodec", "maskgct", "amphion/MaskGCT"),
    "nano-codec-music": CodecEntry("audiogen.codecs.nano_music:NanoMusicCodec", "nano-codec-music"),
    "nano-codec-sound": CodecEntry("audiogen.codecs.spectrogram:SpectrogramCodec", "spectrogram-codec"),
    "nano-codec-speech": CodecEntry("audiogen.codecs.nano:NanoCodec", "nano-codec"),
    "vampnet-codec": CodecEntry("audiogen.codecs.lac:Lac", "lac", "hugggof/vampnet"),
}
"""Every codec by name."""


def load_codec(name_or_dir: str | Path, device: str = "cpu", weights: str | Path | None = None) -> Codec:
    """A codec ready to use: evaluation mode, on `device`.

    Args:
        name_or_dir: a name in CODECS, or a model folder (config.json and model.safetensors).
        device: "cpu", "cuda", ...
        weights: an official weights file or folder for a name; default: the bundled ones or the Hugging Face cache.
    Raises:
        InputError: unknown name, missing weights (the message says what to fetch), or weights that do not fit.
    """
    name = str(name_or_dir)
    if name in CODECS:
        entry = CODECS[name]
        source = Path(weights) if weights is not None else _default_source(name, entry)
    elif weights is None and Path(name).is_dir():
        entry = _entry_for_dir(Path(name))
        source = Path(name)
    else:
        raise InputError(
            f"expected a codec name or a model folder, got {name!r}. Nearest names: {nearest(name, CODECS)}."
        )
    if not source.exists():
        raise InputError(f"{source}: expected weights for {name}, got no such file or folder. Check the path.")
    codec = entry.load_class().load(name, source).eval()
    try:
        return codec.to(device)
    except (RuntimeError, AssertionError) as error:  # torch built without that device raises the second
        reason = str(error).splitlines()[0]
        raise InputError(f"expected a device of this machine, got {device!r} ({reason}). Use cpu.") from error


def _entry_for_dir(folder: Path) -> CodecEntry:
    """The entry whose class reads `folder`, by the model_type in its config.json."""
    try:
        model_type = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder}: expected a model folder with a config.json that has a model_type, got {error!r}. "
            "Name a codec, or a folder that audiogen or transformers saved."
        ) from error
    for entry in CODECS.values():
        if entry.model_type == model_type:
            return entry
    known = sorted({entry.model_type for entry in CODECS.values()})
    raise InputError(f"{folder}: expected a codec ({', '.join(known)}), got model_type {model_type!r}. Name a codec.")


def _default_source(name: str, entry: CodecEntry) -> Path:
    """The bundled folder, or the newest snapshot in the Hugging Face cache."""
    if not entry.hub:
        return BUNDLED / name
    from audiogen.codecs.weights import hub_snapshot

    return hub_snapshot(entry.hub)
