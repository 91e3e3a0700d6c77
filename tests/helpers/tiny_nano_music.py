"""The bundled music system with tiny random networks, packed from folders like those that training writes."""

from dataclasses import asdict
from pathlib import Path

import torch

from audiogen.checkpoints.musicgen import MagnetDecoding, MusicGenDecoding
from audiogen.checkpoints.nano_music import Listener, pack_music, save_listener
from audiogen.checkpoints.save import save_model
from audiogen.codecs.nano_music import NanoMusicCodec
from audiogen.conditioning.caption_encoder import CaptionEncoder, CaptionEncoderConfig
from audiogen.models.magnet import Magnet, MagnetConfig
from audiogen.models.musicgen import MusicGen, MusicGenConfig

LEVELS = 4
TEXT = CaptionEncoderConfig(rows=256, dim=16, layers=1, heads=2)
SIZES = {"levels": LEVELS, "vocab_size": 32, "dim": 32, "layers": 2, "heads": 2, "condition_dim": TEXT.dim}
DECODING = MagnetDecoding(steps=(3, 2, 2, 2), guidance=(3.0, 1.0))
TWIN_DECODING = MusicGenDecoding(top_k=8, guidance_scale=2.0)
DURATION = 1.0


def train_nothing(exp: Path) -> dict[str, Path]:
    """Model folders with random weights, by the names that `pack_music` gives them."""
    codec = NanoMusicCodec.tiny("nano-codec-music")
    save_model(codec, "nano-codec-music", asdict(codec.config), exp / "codec")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        text = CaptionEncoder(TEXT)
        magnet, twin = Magnet(MagnetConfig(**SIZES)), MusicGen(MusicGenConfig(**SIZES))
    with torch.no_grad():
        for network in (magnet, twin):
            for head in network.linears:
                head.weight.mul_(4)  # sure of some tokens, as trained ones are
    save_listener(Listener(magnet, text), TEXT, exp / "magnet")
    save_listener(Listener(twin, text), TEXT, exp / "twin")
    return {name: exp / name for name in ("codec", "magnet", "twin")}


def tiny_nano_music(folder: Path) -> Path:
    """The folder of a tiny system: 4 of the 6 levels of a codec of 32 codes, which lies beside it."""
    parts = train_nothing(folder / "exp")
    return pack_music(folder / "packed", duration=DURATION, decoding=DECODING, twin_decoding=TWIN_DECODING, **parts)[1]
