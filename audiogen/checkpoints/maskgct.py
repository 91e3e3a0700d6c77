"""The official MaskGCT checkpoints: one folder, six safetensors files, one pickle.

The layout is that of the repository `amphion/MaskGCT` on the Hugging Face hub (CC-BY-NC 4.0), plus three things that
are published elsewhere: the configuration (optional; the official sizes are the defaults here), the feature statistics,
and w2v-BERT 2.0 (in the folder `w2v_bert`, or in the Hugging Face cache).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from audiogen.checkpoints.safe import restricted_load
from audiogen.checkpoints.weights import assign_weights, read_safetensors
from audiogen.codecs.acoustic import AcousticCodec, AcousticCodecConfig
from audiogen.codecs.semantic import SemanticCodec, SemanticCodecConfig
from audiogen.conditioning.semantic_features import LAYERS, SemanticFeatures
from audiogen.errors import InputError
from audiogen.models.maskgct import (
    SemanticToAcoustic,
    SemanticToAcousticConfig,
    TextToSemantic,
    TextToSemanticConfig,
    s2a_config,
    t2s_config,
)

HUB = "amphion/MaskGCT"
W2V_BERT = "facebook/w2v-bert-2.0"
CODE = "github.com/open-mmlab/Amphion"

T2S_FILE = "t2s_model/model.safetensors"
S2A_1LAYER_FILE = "s2a_model/s2a_model_1layer/model.safetensors"
S2A_FULL_FILE = "s2a_model/s2a_model_full/model.safetensors"
SEMANTIC_FILE = "semantic_codec/model.safetensors"
ACOUSTIC_ENCODER_FILE = "acoustic_codec/model.safetensors"
ACOUSTIC_DECODER_FILE = "acoustic_codec/model_1.safetensors"
STATISTICS_FILE = "wav2vec2bert_stats.pt"
W2V_BERT_FOLDER = "w2v_bert"
CONFIG_FILE = "maskgct.json"

STATISTICS_SOURCE = f"{CODE}, models/tts/maskgct/ckpt/{STATISTICS_FILE}"
W2V_BERT_SOURCE = f"hf download {W2V_BERT}"

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, kw_only=True)
class MaskGCTConfig:
    """Sizes of the five networks; the defaults are the official ones."""

    t2s: TextToSemanticConfig = field(default_factory=TextToSemanticConfig)
    s2a_1layer: SemanticToAcousticConfig = field(default_factory=lambda: SemanticToAcousticConfig(levels=1))
    s2a_full: SemanticToAcousticConfig = field(default_factory=SemanticToAcousticConfig)
    semantic: SemanticCodecConfig = field(default_factory=SemanticCodecConfig)
    acoustic: AcousticCodecConfig = field(default_factory=AcousticCodecConfig)


@dataclass(frozen=True)
class MaskGCT:
    """All parts of the system; `audiogen.pipelines.maskgct` makes them speak."""

    t2s: TextToSemantic
    """Phonemes -> semantic codes."""
    s2a_1layer: SemanticToAcoustic
    """Semantic codes -> level 0 of the acoustic codes."""
    s2a_full: SemanticToAcoustic
    """Semantic codes and level 0 -> the levels above."""
    semantic_codec: SemanticCodec
    acoustic_codec: AcousticCodec
    features: SemanticFeatures
    """Sound -> what the semantic codec reads, with the statistics that normalise it."""


def official_folder(source: Path) -> Path:
    """The folder that `source`, a file in the official layout or the folder itself, belongs to."""
    return source if source.is_dir() else source.resolve().parent.parent


def load_maskgct(folder: str | Path, device: str = "cpu") -> MaskGCT:
    """Everything in `folder`, in evaluation mode.

    Raises:
        InputError: a file is missing (the message says where it is published), damaged, or of another size.
    """
    folder = Path(folder)
    config = read_config(folder)
    return MaskGCT(
        text_to_semantic(folder, config).to(device),
        semantic_to_acoustic(folder, config.s2a_1layer, S2A_1LAYER_FILE).to(device),
        semantic_to_acoustic(folder, config.s2a_full, S2A_FULL_FILE).to(device),
        semantic_codec(folder, config).to(device),
        acoustic_codec(folder, config).to(device),
        semantic_features(folder).to(device),
    )


def text_to_semantic(folder: Path, config: MaskGCTConfig) -> TextToSemantic:
    """The T2S model."""
    with torch.device("meta"):
        model = TextToSemantic(config.t2s)
    return _filled(model, folder, T2S_FILE)


def semantic_to_acoustic(folder: Path, config: SemanticToAcousticConfig, name: str) -> SemanticToAcoustic:
    """An S2A model; `name` is its file."""
    with torch.device("meta"):
        model = SemanticToAcoustic(config)
    return _filled(model, folder, name)


def semantic_codec(folder: Path, config: MaskGCTConfig) -> SemanticCodec:
    """RepCodec, with the decoder that only training needs."""
    with torch.device("meta"):
        codec = SemanticCodec(config.semantic)
    return _filled(codec, folder, SEMANTIC_FILE)


def acoustic_codec(folder: Path, config: MaskGCTConfig) -> AcousticCodec:
    """Encoder, quantiser and decoder, which are two files."""
    with torch.device("meta"):
        codec = AcousticCodec(config.acoustic)
    _filled(codec.encoder, folder, ACOUSTIC_ENCODER_FILE)
    _filled(codec.decoder, folder, ACOUSTIC_DECODER_FILE)
    return codec.eval()


def semantic_features(folder: Path) -> SemanticFeatures:
    """The first 17 layers of w2v-BERT, and the statistics."""
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

    mean, variance = _statistics(_existing(folder, STATISTICS_FILE, STATISTICS_SOURCE))
    source = folder / W2V_BERT_FOLDER
    if not source.is_dir():
        source = _cached_encoder(source)
    sizes, extractor, weights = (
        _existing(source, name, W2V_BERT_SOURCE)
        for name in ("config.json", "preprocessor_config.json", "model.safetensors")
    )
    with torch.device("meta"):
        encoder = Wav2Vec2BertModel(Wav2Vec2BertConfig.from_dict(_json(sizes) | {"num_hidden_layers": LAYERS}))
    needed = encoder.state_dict().keys()
    tensors = {name: tensor for name, tensor in read_safetensors(weights).items() if name in needed}
    assign_weights(encoder, tensors, weights)
    return SemanticFeatures(SeamlessM4TFeatureExtractor(**_json(extractor)), encoder, mean, variance).eval()


def _statistics(path: Path) -> tuple[Tensor, Tensor]:
    match restricted_load(path):
        case {"mean": Tensor() as mean, "var": Tensor() as variance}:
            return mean, variance
    raise InputError(
        f'expected a dictionary with the tensors "mean" and "var" in {path}. Get it here: {STATISTICS_SOURCE}'
    )


def _filled(module: Module, folder: Path, name: str) -> Module:
    path = _existing(folder, name, f"hf download {HUB} {name}")
    assign_weights(module, read_safetensors(path), path)
    return module.eval()


def _existing(folder: Path, name: str, source: str) -> Path:
    """The path of a file, or an error that says where to get it."""
    path = folder / name
    if not path.is_file():
        raise InputError(f"expected {name} in {folder}, got no such file. It is published here: {source}")
    return path


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"expected JSON in {path}, got: {error}. Fetch the file again.") from error
    if not isinstance(content, dict):
        raise InputError(f"expected a JSON object in {path}, got a {type(content).__name__}. Fetch the file again.")
    return content


def _cached_encoder(wanted: Path) -> Path:
    """w2v-BERT in the Hugging Face cache."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(W2V_BERT, "model.safetensors")
    if not isinstance(found, str):
        raise InputError(
            f"expected w2v-BERT 2.0 in {wanted} or in the Hugging Face cache, got neither. Fetch it: {W2V_BERT_SOURCE}"
        )
    return Path(found).parent


def read_config(folder: Path) -> MaskGCTConfig:
    """The sizes in the folder's maskgct.json; the official ones where there is no such file.

    Keys that describe training or unused parts are passed over; keys that change what the network is are checked.

    Raises:
        InputError: not JSON, a missing key, or an architecture that official checkpoints do not have.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        return MaskGCTConfig()
    try:
        model = _json(path)["model"]
        s2a, acoustic = model["s2a_model"], model["acoustic_codec"]
        return MaskGCTConfig(
            t2s=t2s_config(model["t2s_model"]),
            s2a_1layer=s2a_config(s2a["s2a_1layer"]),
            s2a_full=s2a_config(s2a["s2a_full"]),
            semantic=_semantic_config(model["semantic_codec"]),
            acoustic=_acoustic_config(acoustic["encoder"], acoustic["decoder"]),
        )
    except KeyError as error:
        raise InputError(f"expected the key {error} in {path}, got none. Fetch the file again: {CODE}") from error
    except TypeError as error:
        raise InputError(f"expected the official configuration in {path}, got: {error}. Correct it: {CODE}") from error


def _semantic_config(keys: Mapping[str, Any]) -> SemanticCodecConfig:
    return SemanticCodecConfig(
        feature_dim=keys["hidden_size"],
        vocab_size=keys["codebook_size"],
        codebook_dim=keys["codebook_dim"],
        backbone_dim=keys["vocos_dim"],
        backbone_intermediate_dim=keys["vocos_intermediate_dim"],
        backbone_layers=keys["vocos_num_layers"],
    )


def _acoustic_config(encoder: Mapping[str, Any], decoder: Mapping[str, Any]) -> AcousticCodecConfig:
    fixed = {"quantizer_type": "fvq", "use_vocos": True, "use_l2_normlize": True, "padding": "same"}
    for key, value in fixed.items():
        if decoder[key] != value:
            raise InputError(
                f"acoustic codec: expected {key} = {value!r}, got {decoder[key]!r}. "
                "No official checkpoint differs here: correct the configuration."
            )
    config = AcousticCodecConfig(
        latent_dim=encoder["out_channels"],
        encoder_dim=encoder["d_model"],
        strides=tuple(encoder["up_ratios"]),
        levels=decoder["num_quantizers"],
        vocab_size=decoder["codebook_size"],
        codebook_dim=decoder["codebook_dim"],
        quantizer_dropout=decoder["quantizer_dropout"],
        commitment=decoder["commitment"],
        codebook_loss_weight=decoder["codebook_loss_weight"],
        backbone_dim=decoder["vocos_dim"],
        backbone_intermediate_dim=decoder["vocos_intermediate_dim"],
        backbone_layers=decoder["vocos_num_layers"],
        n_fft=decoder["n_fft"],
    )
    if config.hop_length != decoder["hop_size"]:
        raise InputError(
            f"acoustic codec: expected a hop_size equal to the product of the strides, {config.hop_length}, "
            f"got {decoder['hop_size']}. Correct the configuration."
        )
    return config
