"""A VampNet system with tiny random networks, packed from folders like those that training writes."""

from dataclasses import asdict
from pathlib import Path

import torch

from audiogen.checkpoints.save import save_model
from audiogen.checkpoints.vampnet import VampDecoding, pack_vamp
from audiogen.codecs.nano_music import NanoMusicCodec
from audiogen.models.vampnet import VampNet, VampNetConfig

COARSE, LEVELS = 4, 6
DECODING = VampDecoding(steps=6, fine_steps=2)


def train_nothing(exp: Path) -> dict[str, Path]:
    """Model folders with random weights, by the names that `pack_vamp` gives them."""
    codec = NanoMusicCodec.tiny("nano-codec-music")
    size = {
        "vocab_size": codec.vocab_size,
        "codebook_dim": codec.config.codebook_dim,
        "dim": 32,
        "layers": 2,
        "heads": 2,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        coarse = VampNet(VampNetConfig(levels=COARSE, lora_rank=0, **size))
        fine = VampNet(VampNetConfig(levels=LEVELS, condition_levels=COARSE, lora_rank=0, **size))
    with torch.no_grad():
        for network in (coarse, fine):
            network.classifier.layers[0].weight_g.mul_(6)  # sure of some tokens, as trained ones are
    save_model(codec, "nano-codec-music", asdict(codec.config), exp / "codec")
    save_model(coarse, "vampnet", asdict(coarse.config), exp / "coarse")
    save_model(fine, "vampnet", asdict(fine.config), exp / "fine")
    return {name: exp / name for name in ("codec", "coarse", "fine")}


def tiny_vamp(folder: Path) -> Path:
    """The folder of a tiny system: 4 coarse and 2 fine levels of 32 codes; its codec lies beside it."""
    return pack_vamp(folder / "packed", decoding=DECODING, **train_nothing(folder / "exp"))[1]
