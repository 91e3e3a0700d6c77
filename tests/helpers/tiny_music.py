"""The tiny MAGNeT and MusicGen of the golden fixtures (tests/fixtures/magnet), and fixtures by name."""

from pathlib import Path

from safetensors.torch import load_file

from audiogen.checkpoints.weights import assign_weights
from audiogen.models.magnet import Magnet, MagnetConfig
from audiogen.models.musicgen import MusicGen, MusicGenConfig

GOLDEN = Path(__file__).parents[1] / "fixtures" / "magnet"
SIZES = {"levels": 4, "vocab_size": 64, "dim": 64, "layers": 3, "heads": 4, "condition_dim": 768}
FRAMES = 50
"""Of the second that the tiny models are for."""
CLOSE = {"atol": 5e-5, "rtol": 1e-4}
"""Of logits (golden magnet SPEC 2)."""


def tiny_magnet(**settings) -> Magnet:
    """With the reference's random weights; `settings` of `MagnetConfig` that change no weight (context, span ...)."""
    return _loaded(Magnet(MagnetConfig(**SIZES, **settings)), "magnet_tiny")


def tiny_musicgen(**settings) -> MusicGen:
    """With the reference's random weights; `settings` of `MusicGenConfig` that change no weight."""
    return _loaded(MusicGen(MusicGenConfig(**SIZES, **settings)), "musicgen_tiny")


def _loaded(model, name):
    path = GOLDEN / f"{name}.safetensors"
    assign_weights(model, load_file(path), path)
    return model.eval()


def golden(name):
    """Tensors of a fixture file by name."""
    return load_file(GOLDEN / f"{name}.safetensors")


def case(tensors, prefix):
    """Those tensors whose names start with `prefix` and a dot, without it."""
    return {name[len(prefix) + 1 :]: x for name, x in tensors.items() if name.startswith(prefix + ".")}
