"""The bundled sound system with tiny random networks, packed from folders like those that training writes."""

from dataclasses import asdict
from pathlib import Path

import torch

from audiogen.checkpoints.nano_sound import SoundDecoding, pack_sound
from audiogen.checkpoints.save import save_model
from audiogen.codecs.nano_music import NanoMusicCodec
from audiogen.conditioning.audio_text import AudioTextConfig, AudioTextPair
from audiogen.conditioning.caption_encoder import CaptionEncoderConfig
from audiogen.models.specmaskgit import SpecMaskGIT, SpecMaskGITConfig

ROWS, VOCAB = 6, 32
"""Of the codec, which stands in for one of spectrograms: all that the system asks of it is the codec contract."""
PAIR = AudioTextConfig(
    seconds=1.0, channels=(4, 8), dim=16, text=CaptionEncoderConfig(rows=256, dim=16, layers=1, heads=2)
)
SIZES = {"rows": ROWS, "columns": 8, "vocab_size": VOCAB, "dim": 32, "layers": 2, "heads": 2, "condition_dim": 16}
DECODING = SoundDecoding(steps=4, guidance=2.0, top_p=0.95, seconds=0.5)


def tiny_specmaskgit(**settings) -> SpecMaskGIT:
    """With random weights that are large enough for everything to matter, as in trained ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = SpecMaskGIT(SpecMaskGITConfig(**{**SIZES, **settings}))
        with torch.no_grad():
            for weight in model.parameters():
                if weight.ndim > 1:
                    weight.normal_(std=0.2)
    return model.eval()


def train_nothing(exp: Path) -> dict[str, Path]:
    """Model folders with random weights, by the names that `pack_sound` gives them."""
    codec, model = NanoMusicCodec.tiny("nano-codec-music"), tiny_specmaskgit()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        pair = AudioTextPair(PAIR)
    save_model(codec, "nano-codec-music", asdict(codec.config), exp / "codec")
    save_model(model, "specmaskgit", asdict(model.config), exp / "model")
    save_model(pair, "audio-text-pair", asdict(pair.config), exp / "pair")
    return {name: exp / name for name in ("codec", "model", "pair")}


def tiny_nano_sound(folder: Path) -> Path:
    """The folder of a tiny system, with its codec beside it."""
    return pack_sound(folder / "packed", decoding=DECODING, **train_nothing(folder / "exp"))[1]
