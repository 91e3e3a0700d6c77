"""The bundled voice as folders: `nano-codec-speech`, and `nano-tts`, which names its codec.

`pack` makes them from what training wrote; `load_tts` and `load_nano_codec` read them. `nano-tts` is one safetensors
file, whose tensors begin with `durations.`, `t2s.`, `s2a.` or `tokenizer.`, and a config.json with the sizes of these
four, the codec's name, the phones the models know, and the decoding plan that was tuned for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from audiogen.checkpoints.folders import codec_beside, read_config
from audiogen.checkpoints.save import save_model, without_header
from audiogen.checkpoints.weights import assign_weights, read_safetensors
from audiogen.codecs import Codec, load_codec
from audiogen.codecs.nano import NanoCodec, NanoCodecConfig
from audiogen.codecs.nano_music import NanoMusicCodec, NanoMusicCodecConfig
from audiogen.codecs.semantic import SemanticCodec, SemanticCodecConfig
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.codecs.spectrogram_networks import SpectrogramCodecConfig
from audiogen.conditioning.text import PHONES
from audiogen.decoding import Linear, Plan
from audiogen.errors import InputError
from audiogen.models.duration import DurationConfig, DurationModel
from audiogen.models.maskgct import (
    SemanticToAcoustic,
    SemanticToAcousticConfig,
    TextToSemantic,
    TextToSemanticConfig,
    s2a_plan,
    t2s_plan,
)
from audiogen.plain import from_plain

CODEC_NAME, TTS_NAME = "nano-codec-speech", "nano-tts"
PARTS = {
    "durations": ("durations", DurationModel, DurationConfig),
    "t2s": ("text-to-semantic", TextToSemantic, TextToSemanticConfig),
    "s2a": ("semantic-to-acoustic", SemanticToAcoustic, SemanticToAcousticConfig),
    "tokenizer": ("semantic-codec", SemanticCodec, SemanticCodecConfig),
}
"""Name in the file -> model_type of the folder that training writes, class, and class of its sizes."""
NANO_CODECS: dict[str, tuple[Callable[[Any], Codec], type]] = {
    "nano-codec": (NanoCodec, NanoCodecConfig),
    "nano-codec-music": (NanoMusicCodec, NanoMusicCodecConfig),
    "spectrogram-codec": (SpectrogramCodec, SpectrogramCodecConfig),
}
"""model_type -> class, and class of its sizes."""


@dataclass(frozen=True, kw_only=True)
class SemanticDecoding:
    """How phones become semantic codes; the names are those of `t2s_plan`."""

    steps: int = 16
    guidance_scale: float = 1.5
    rescale: float = 0.75
    temperature: float = 0.9
    top_fraction: float = 0.02
    confidence_temperature: float = 1.0
    """Noise on the choice of the surest cells, falling to 0."""

    def plan(self, steps: int | None = None) -> Plan:
        """With another number of `steps` where one is given."""
        settings = asdict(replace(self, steps=steps or self.steps))
        return _with_confidence(settings.pop("confidence_temperature"), t2s_plan(**settings))


@dataclass(frozen=True, kw_only=True)
class AcousticDecoding:
    """How semantic codes become acoustic ones; the names are those of `s2a_plan`."""

    steps: tuple[int, ...] = (10, 4, 1, 1)
    """Per level; their number is the number of levels that the model has."""
    guidance_scale: float = 1.0
    rescale: float = 0.75
    temperature: float = 1.0
    top_fraction: float = 0.02
    confidence_temperature: float = 1.0
    """As in `SemanticDecoding`."""

    def plan(self, share: float = 1.0) -> Plan:
        """With `share` times the steps on each level, at least one."""
        settings = asdict(replace(self, steps=tuple(max(1, round(steps * share)) for steps in self.steps)))
        return _with_confidence(settings.pop("confidence_temperature"), s2a_plan(**settings))


@dataclass(frozen=True, kw_only=True)
class SpeechDecoding:
    """The plan that comes with a voice."""

    semantic: SemanticDecoding = field(default_factory=SemanticDecoding)
    acoustic: AcousticDecoding = field(default_factory=AcousticDecoding)
    duration_scale: float = 1.0
    """Times the durations that the model predicts."""


def _with_confidence(temperature: float, plan: Plan) -> Plan:
    stages = [replace(s, confidence=replace(s.confidence, temperature=Linear(temperature))) for s in plan]
    return Plan(tuple(stages))


@dataclass(frozen=True, kw_only=True)
class NanoTTS:
    """All parts of the bundled voice, in evaluation mode; `audiogen.pipelines.tts` makes them speak."""

    durations: DurationModel
    t2s: TextToSemantic
    s2a: SemanticToAcoustic
    tokenizer: SemanticCodec
    """Sound to semantic codes: for voice prompts."""
    codec: Codec
    """With as many levels in use as `s2a` makes."""
    decoding: SpeechDecoding

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.t2s.mask_emb.weight.device


def load_nano_codec(folder: str | Path, device: str = "cpu") -> Codec:
    """The bundled codec, or one like it, in `folder`.

    Raises:
        InputError: a file is missing, damaged, or of another size or kind.
    """
    folder = Path(folder)
    config = read_config(folder)
    kind = config.get("model_type")
    if kind not in NANO_CODECS:
        raise InputError(f"{folder}: expected a codec of type {', '.join(NANO_CODECS)}, got {kind!r}. Name another.")
    make, sizes = NANO_CODECS[kind]
    codec = make(from_plain(sizes, without_header(config), str(folder / "config.json")))
    assign_weights(codec, read_safetensors(folder / "model.safetensors"), folder / "model.safetensors")
    return codec.eval().to(device)


def load_part(folder: str | Path, device: str = "cpu") -> nn.Module:
    """One of the four models, from the folder that its training wrote."""
    folder = Path(folder)
    config = read_config(folder)
    for model_type, make, sizes in PARTS.values():
        if model_type == config.get("model_type"):
            with torch.device("meta"):
                module = make(from_plain(sizes, without_header(config), str(folder / "config.json")))
            assign_weights(module, read_safetensors(folder / "model.safetensors"), folder / "model.safetensors")
            return module.eval().to(device)
    known = ", ".join(part[0] for part in PARTS.values())
    raise InputError(f"{folder}: expected a model of type {known}, got {config.get('model_type')!r}. Name another.")


def load_tts(folder: str | Path, device: str = "cpu") -> NanoTTS:
    """The voice in `folder`, with the codec of that name from the folder beside it, or the bundled one.

    Raises:
        InputError: a file is missing, damaged, of another size, or of another version's phones or levels.
    """
    folder = Path(folder)
    path = folder / "config.json"
    config = without_header(read_config(folder))
    if missing := [name for name in (*PARTS, "codec", "phones", "decoding") if name not in config]:
        raise InputError(f"{path}: expected {', '.join(missing)}, got a file without. Pack the voice again.")
    _check_phones(config["phones"], path)
    with torch.device("meta"):
        modules = {
            name: make(from_plain(sizes, config[name], f"{path}: {name}")) for name, (_, make, sizes) in PARTS.items()
        }
    whole = nn.ModuleDict(modules)
    assign_weights(whole, read_safetensors(folder / "model.safetensors"), folder / "model.safetensors")
    whole.eval().to(device)
    system = NanoTTS(
        **modules,
        codec=codec_beside(folder, config["codec"], device),
        decoding=from_plain(SpeechDecoding, config["decoding"], f"{path}: decoding"),
    )
    _check_system(system, path)
    return system


def _check_phones(phones: Sequence[str], path: Path) -> None:
    """A phone's id is its place in PHONES, to which new ones may have been added since."""
    if list(phones) != list(PHONES[: len(phones)]):
        raise InputError(
            f"{path}: expected the phones of this version, got others. Install the version that packed it."
        )


def _check_system(system: NanoTTS, path: Path) -> None:
    """The parts fit together; the codec is set to the levels that are generated."""
    levels, semantic = system.s2a.config.levels, system.t2s.config.vocab_size
    if not system.t2s.config.aligned:
        raise InputError(f"{path}: expected an aligned t2s, which takes a phone per frame, got aligned = false.")
    if len(system.decoding.acoustic.steps) != levels:
        raise InputError(
            f"{path}: expected decoding.acoustic.steps for the {levels} levels of s2a, "
            f"got {len(system.decoding.acoustic.steps)}. Correct the list."
        )
    if {semantic} != {system.s2a.config.semantic_vocab_size, system.tokenizer.vocab_size}:
        raise InputError(
            f"{path}: expected one semantic vocabulary in t2s, s2a and tokenizer. Pack what belongs together."
        )
    if system.codec.vocab_size != system.s2a.config.vocab_size:
        raise InputError(
            f"{path}: expected a codec with {system.s2a.config.vocab_size} codes per level, "
            f"got {system.codec.vocab_size}. Use the codec that this voice was trained on."
        )
    system.codec.use_levels(levels)


def pack(
    out: str | Path,
    *,
    codec: str | Path,
    tokenizer: str | Path,
    durations: str | Path,
    t2s: str | Path,
    s2a: str | Path,
    decoding: SpeechDecoding | Mapping[str, Any] | None = None,
) -> tuple[Path, Path]:
    """Make the two bundled folders in `out` from the model folders of training, weights in 8 bits.

    Args:
        decoding: the tuned plan, as the dataclass or as plain names and values.
    Returns:
        The codec's folder and the voice's.
    Raises:
        InputError: a folder is missing, or of another kind.
    """
    out = Path(out)
    made = pack_codec(codec, out / CODEC_NAME)
    folders = {"durations": durations, "t2s": t2s, "s2a": s2a, "tokenizer": tokenizer}
    parts = nn.ModuleDict({name: _part(Path(folder), PARTS[name][0]) for name, folder in folders.items()})
    plan = decoding if isinstance(decoding, SpeechDecoding) else from_plain(SpeechDecoding, decoding or {}, "decoding")
    config = {name: asdict(module.config) for name, module in parts.items()}  # type: ignore[call-overload]
    config |= {"codec": CODEC_NAME, "phones": list(PHONES), "decoding": asdict(plan)}
    voice = save_model(parts, "nano-tts", config, out / TTS_NAME, packed=True)
    load_tts(voice)  # what is packed can be read
    return made, voice


def pack_codec(source: str | Path, folder: Path) -> Path:
    """The codec of a training folder, weights in 8 bits, as `folder`."""
    network, config = load_codec(source), read_config(Path(source))
    return save_model(network, config["model_type"], without_header(config), folder, packed=True)


def save_codec(codec: Codec, out: Path) -> Path:
    """Write one of the project's own codecs as training does."""
    kind = next(kind for kind, (make, _) in NANO_CODECS.items() if make is type(codec))
    return save_model(codec, kind, asdict(codec.config), out)  # type: ignore[call-overload]


def unpack(voice: str | Path, part: str, out: Path) -> Path:
    """Take one part out of a packed voice, as training writes it into `out`: `codec`, or one of PARTS.

    Raises:
        InputError: as `load_tts`.
    """
    system = load_tts(voice)
    if part == "codec":
        return save_codec(system.codec, out)
    network = getattr(system, part)
    return save_model(network, PARTS[part][0], asdict(network.config), out)


def _part(folder: Path, model_type: str) -> nn.Module:
    found = read_config(folder).get("model_type")
    if found != model_type:
        raise InputError(f"{folder}: expected a model of type {model_type}, got {found!r}. Check the order of folders.")
    return load_part(folder)
