"""Descript Audio Codec: convolutions with snake activations and factorised residual vector quantisation.

Paper: Kumar et al. 2023, arXiv:2306.06546. The layers are those of the `dac` package; its own file format (a pickle) is
never read. Official weights: the package's `weights_*.pth` and transformers' descript/dac_*.
Differs from the package: transposed convolutions of an odd stride keep their last sample, so that T frames are exactly
T * hop_length samples; all others are the same.
Shapes: B batch, S samples, K levels, T frames, D latent width.
"""

from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.codecs.base import Codec, Streamer
from audiogen.codecs.streaming import Window, WindowedStreamer, in_windows, reach
from audiogen.codecs.weights import assign_normed, check_sample_rate, check_sizes, liven, old_weight_norm
from audiogen.extras import need

CPU_WINDOW = 1.0
"""Seconds that a CPU decodes at a time: what the layers hand on stays in its caches, which halves the time (measured at
44.1 kHz: 10 s in 7.9 s, as a whole in 16.4 s)."""


@dataclass(frozen=True, kw_only=True)
class DacConfig:
    """One configuration; the defaults are the 44.1 kHz model of 8 kbit/s."""

    sample_rate: int = 44_100
    """Hz."""
    levels: int = 9
    """K."""
    vocab_size: int = 1024
    """V."""
    codebook_dim: int = 8
    """Numbers per codebook row."""
    encoder_dim: int = 64
    """Channels after the first convolution; doubled at every rate."""
    encoder_rates: tuple[int, ...] = (2, 4, 8, 8)
    """Downsampling factors; their product is the hop length."""
    latent_dim: int | None = None
    """D; None: what the encoder ends with, encoder_dim * 2 ** len(encoder_rates)."""
    decoder_dim: int = 1536
    """Channels after the decoder's first convolution; halved at every rate."""
    decoder_rates: tuple[int, ...] = (8, 8, 4, 2)
    """Upsampling factors, with the same product."""

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return prod(self.encoder_rates)


CONFIGS = {
    "dac-16khz": DacConfig(sample_rate=16_000, levels=12, encoder_rates=(2, 4, 5, 8), decoder_rates=(8, 5, 4, 2)),
    "dac-24khz": DacConfig(sample_rate=24_000, levels=32, encoder_rates=(2, 4, 5, 8), decoder_rates=(8, 5, 4, 2)),
    "dac-44khz": DacConfig(),
}
"""The official models; files of other sizes (44.1 kHz at 16 kbit/s) bring their own configuration."""


class Dac(Codec):
    """DAC with random weights; `Dac.load` reads official ones. Parameter names are the package's."""

    def __init__(self, config: DacConfig):
        super().__init__()
        layers = need("dac.model.dac", "codecs")
        self.config = config
        self.sample_rate = config.sample_rate
        self.frame_rate = config.sample_rate / config.hop_length
        self.levels = config.levels
        self.vocab_size = config.vocab_size
        self.channels = 1
        latent_dim = config.latent_dim or config.encoder_dim * 2 ** len(config.encoder_rates)
        with old_weight_norm():
            self.encoder = layers.Encoder(config.encoder_dim, list(config.encoder_rates), latent_dim)
            self.quantizer = layers.ResidualVectorQuantize(
                latent_dim, config.levels, config.vocab_size, config.codebook_dim
            )
            self.decoder = self.make_decoder(config, latent_dim)
        for layer in self.decoder.modules():
            if isinstance(layer, nn.ConvTranspose1d):
                layer.output_padding = (layer.stride[0] % 2,)
        self.context = reach(self.decoder, config.hop_length)

    @staticmethod
    def make_decoder(config: DacConfig, latent_dim: int) -> nn.Module:
        """Vectors [B, D, T] -> audio [B, 1, S]; the only part in which `lac.Lac` differs."""
        decoder: nn.Module = need("dac.model.dac", "codecs").Decoder(
            latent_dim, config.decoder_dim, list(config.decoder_rates)
        )
        return decoder

    @classmethod
    def load(cls, name: str, source: Path) -> "Dac":
        """See `CodecClass.load`."""
        from audiogen.codecs.dac_weights import read, transformers_name

        config, state = read(source, CONFIGS.get(name))
        check_sample_rate(source, config.sample_rate, CONFIGS.get(name, config).sample_rate)
        with torch.device("meta"):  # no time and memory for weights that are replaced
            codec = cls(config)
        assign_normed(codec, state, source, partial(transformers_name, blocks=len(config.encoder_rates)))
        return codec.eval()

    @classmethod
    def tiny(cls, name: str) -> "Dac":
        """See `CodecClass.tiny`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            codec = cls(replace(CONFIGS[name], encoder_dim=4, decoder_dim=32, vocab_size=32, levels=3))
        liven(codec, 1.2)
        return codec.eval()

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        self.check_audio(audio)
        padded = F.pad(audio, (0, -audio.shape[-1] % self.hop_length))
        codes: Tensor = self.quantizer(self.encoder(padded), self.levels)[1]
        return codes

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        self.check_codes(codes)
        latents: Tensor = self.quantizer.from_codes(codes)[0]
        size = round(CPU_WINDOW * self.frame_rate)
        if codes.is_cuda or codes.shape[-1] <= size + sum(self.context):
            whole: Tensor = self.decoder(latents)
            return whole
        return in_windows(Window(self.decoder, self.channels, self.hop_length, *self.context), latents, size)

    def codebooks(self) -> Tensor:
        rows = [quantizer.codebook.weight for quantizer in self.quantizer.quantizers[: self.levels]]
        return torch.stack(rows).detach()

    def streamer(self) -> Streamer:
        return WindowedStreamer(self, *self.context)
