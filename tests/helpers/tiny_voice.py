"""A bundled voice with tiny random networks, packed from folders like those that training writes."""

from dataclasses import asdict
from pathlib import Path

import torch

from audiogen.checkpoints.nano import AcousticDecoding, SemanticDecoding, SpeechDecoding, pack
from audiogen.checkpoints.save import save_model
from audiogen.codecs.nano import NanoCodec
from audiogen.codecs.semantic import SemanticCodec, SemanticCodecConfig
from audiogen.conditioning.mel_features import MelFeatures
from audiogen.conditioning.text import PHONES
from audiogen.models.duration import DurationConfig, DurationModel
from audiogen.models.maskgct import (
    SemanticToAcoustic,
    SemanticToAcousticConfig,
    TextToSemantic,
    TextToSemanticConfig,
)

LEVELS = 3
"""One less than the tiny codec has."""
DECODING = SpeechDecoding(
    semantic=SemanticDecoding(steps=4, guidance_scale=2.0),
    acoustic=AcousticDecoding(steps=(3, 2, 1)),
)


def train_nothing(exp: Path) -> dict[str, Path]:
    """Model folders with random weights, by the names that `pack` gives them."""
    size = {"dim": 32, "layers": 2, "heads": 2, "vocab_size": 32, "condition_layers": 1}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        durations = DurationModel(DurationConfig(phone_vocab_size=len(PHONES) + 1, dim=16, layers=1))
        torch.nn.init.constant_(durations.out.bias, 1.2)  # about two frames per phone
        t2s = TextToSemantic(TextToSemanticConfig(phone_vocab_size=len(PHONES) + 1, aligned=True, **size))
        s2a = SemanticToAcoustic(SemanticToAcousticConfig(levels=LEVELS, semantic_vocab_size=32, **size))
        for model in (t2s, s2a):  # random norms of the time are 0, and would let nothing through
            for name, parameter in model.named_parameters():
                torch.nn.init.normal_(parameter, std=0.3 if "to_weight" not in name else 0.5)
        tokenizer = SemanticCodec(
            SemanticCodecConfig(
                feature_dim=MelFeatures.feature_dim,
                vocab_size=32,
                codebook_dim=4,
                backbone_dim=16,
                backbone_intermediate_dim=32,
                backbone_layers=1,
            )
        )
    codec = NanoCodec.tiny("nano")
    save_model(codec, "nano-codec", asdict(codec.config), exp / "codec")
    save_model(tokenizer, "semantic-codec", asdict(tokenizer.config), exp / "tokenizer")
    save_model(durations, "durations", asdict(durations.config), exp / "durations")
    save_model(t2s, "text-to-semantic", asdict(t2s.config), exp / "t2s")
    save_model(s2a, "semantic-to-acoustic", asdict(s2a.config), exp / "s2a")
    return {name: exp / name for name in ("codec", "tokenizer", "durations", "t2s", "s2a")}


def pack_tiny(folder: Path) -> Path:
    """The folder of a tiny voice; its codec lies beside it."""
    return pack(folder / "packed", decoding=DECODING, **train_nothing(folder / "exp"))[1]
