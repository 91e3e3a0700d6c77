"""A text-to-sound system with tiny random networks, packed from folders like those that training writes."""

from dataclasses import asdict
from pathlib import Path

import torch

from audiogen.checkpoints.nano_sound import MODEL_TYPE, PAIR_TYPE, PREDICTOR_TYPE, SoundDecoding, pack_sound
from audiogen.checkpoints.save import save_model
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.conditioning.audio_text import AudioTextConfig, AudioTextPair
from audiogen.conditioning.caption_encoder import CaptionEncoderConfig
from audiogen.models.band_predictor import BandPredictor, BandPredictorConfig
from audiogen.models.specmaskgit import SpecMaskGIT, SpecMaskGITConfig

RATE, HOP = 22_050, 4096
"""Hz, and samples of a column."""
ROWS, COLUMNS, VOCAB_SIZE, DIM = 5, 12, 32, 32
"""Of what the model sees at a time: 2.2 s."""
PAIR = AudioTextConfig(
    channels=(4, 8), dim=16, seconds=1.0, text=CaptionEncoderConfig(rows=256, dim=16, layers=1, heads=2)
)
MODEL = SpecMaskGITConfig(
    rows=ROWS, columns=COLUMNS, vocab_size=VOCAB_SIZE, dim=DIM, layers=2, heads=2, condition_dim=PAIR.dim
)
PREDICTOR = BandPredictorConfig(dim=16, intermediate_dim=16, layers=1)
DECODING = SoundDecoding(steps=4)


def train_nothing(exp: Path) -> dict[str, Path]:
    """Model folders with random weights, by the names that `pack_sound` gives them."""
    codec = SpectrogramCodec.tiny("nano-codec-sound")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model, pair, predictor = SpecMaskGIT(MODEL), AudioTextPair(PAIR), BandPredictor(PREDICTOR)
        noise, tone = 0.1 * torch.randn(RATE), torch.sin(torch.arange(RATE) / 30)
    with torch.no_grad():
        model.out.weight.mul_(8)  # sure of some codes, as trained ones are
        model.project.weight.mul_(50)
        heard = pair.eval().spectrogram(torch.stack([noise, tone])[:, None], RATE)
        pair.hearing.out.bias -= pair.hearing(heard).mean(dim=0)  # so that sounds differ for it
    save_model(codec, "spectrogram-codec", asdict(codec.config), exp / "codec")
    save_model(model, MODEL_TYPE, asdict(MODEL), exp / "model")
    save_model(pair, PAIR_TYPE, asdict(PAIR), exp / "pair")
    save_model(predictor, PREDICTOR_TYPE, asdict(PREDICTOR), exp / "predictor")
    return {name: exp / name for name in ("codec", "model", "pair", "predictor")}


def tiny_sound(folder: Path) -> Path:
    """The folder of a tiny system; its codec of 32 codes lies beside it."""
    return pack_sound(folder / "packed", decoding=DECODING, **train_nothing(folder / "exp"))[1]
