"""LAC, the codec of the official VampNet: DAC with another decoder, which mixes parallel stacks of convolutions.

Sources: golden vampnet SPEC 8; the stacks are those of HiFi-GAN (Kong et al. 2020, arXiv:2010.05646, "Multi-Receptive
Field Fusion"), with the snake activations of BigVGAN (Lee et al. 2023, arXiv:2206.04658).
Parameter names are those of the official `codec.pth`. LAC pads strides by half of them rounded down, DAC rounds up: the
same for even strides, and an odd one makes LAC lose frames, so that only even ones are accepted.
Shapes: B batch, S samples, T frames, D latent width, C channels of a layer.
"""

from math import prod
from pathlib import Path

import torch
from torch import Tensor, nn

from audiogen.codecs.dac import Dac, DacConfig
from audiogen.codecs.weights import assign_normed, liven
from audiogen.errors import InputError
from audiogen.extras import need

FILE = "codec.pth"
KERNELS, DILATIONS = (3, 7, 11), (1, 3, 5)


class ResidualLayer(nn.Module):
    """x + conv(snake(conv(snake(x)))), the first convolution dilated."""

    def __init__(self, dim: int, kernel: int, dilation: int):
        super().__init__()
        layers = need("dac.model.dac", "codecs")
        first = layers.WNConv1d(dim, dim, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)
        second = layers.WNConv1d(dim, dim, kernel, padding=(kernel - 1) // 2)
        self.layer = nn.Sequential(layers.Snake1d(dim), first, layers.Snake1d(dim), second)

    def forward(self, signal: Tensor) -> Tensor:
        return signal + self.layer(signal)


class Stack(nn.Module):
    """Three residual layers of growing dilation and one kernel size."""

    def __init__(self, dim: int, kernel: int):
        super().__init__()
        self.block = nn.Sequential(*(ResidualLayer(dim, kernel, dilation) for dilation in DILATIONS))

    def forward(self, signal: Tensor) -> Tensor:
        return self.block(signal)


class Fusion(nn.Module):
    """The mean of parallel stacks, which look at the same signal with different kernels."""

    def __init__(self, dim: int):
        super().__init__()
        self.mrf_blocks = nn.ModuleList(Stack(dim, kernel) for kernel in KERNELS)

    def forward(self, signal: Tensor) -> Tensor:
        return sum(stack(signal) for stack in self.mrf_blocks) / len(self.mrf_blocks)


class UpBlock(nn.Module):
    """Snake, transposed convolution by `stride`, and the stacks."""

    def __init__(self, channels: int, out_channels: int, stride: int):
        super().__init__()
        layers = need("dac.model.dac", "codecs")
        up = layers.WNConvTranspose1d(channels, out_channels, 2 * stride, stride=stride, padding=stride // 2)
        self.block = nn.Sequential(layers.Snake1d(channels), up, Fusion(out_channels))

    def forward(self, signal: Tensor) -> Tensor:
        return self.block(signal)


class LacDecoder(nn.Module):
    """Quantised vectors [B, D, T] -> audio [B, 1, S]."""

    def __init__(self, config: DacConfig, latent_dim: int):
        super().__init__()
        layers = need("dac.model.dac", "codecs")
        widths = [config.decoder_dim // 2**index for index in range(len(config.decoder_rates) + 1)]
        ups = [UpBlock(*sizes) for sizes in zip(widths[:-1], widths[1:], config.decoder_rates, strict=True)]
        first = layers.WNConv1d(latent_dim, widths[0], 7, padding=3)
        last = layers.WNConv1d(widths[-1], 1, 7, padding=3)
        self.model = nn.Sequential(first, *ups, layers.Snake1d(widths[-1]), last, nn.Tanh())

    def forward(self, quantized: Tensor) -> Tensor:
        return self.model(quantized)


class Lac(Dac):
    """LAC with random weights; `Lac.load` reads the official ones."""

    def __init__(self, config: DacConfig):
        down, up = config.encoder_rates, config.decoder_rates
        if any(rate % 2 for rate in (*down, *up)) or prod(down) != prod(up):
            raise InputError(
                f"Lac: expected even encoder and decoder rates with the same product, got {down} and {up}. "
                "Use the original configuration."
            )
        super().__init__(config)

    @staticmethod
    def make_decoder(config: DacConfig, latent_dim: int) -> nn.Module:
        return LacDecoder(config, latent_dim)

    @classmethod
    def load(cls, name: str, source: Path) -> "Lac":
        """See `CodecClass.load`; in a folder, the weights are the file codec.pth of the official layout."""
        from audiogen.codecs.dac_weights import read

        path = source / FILE if source.is_dir() else source
        config, state = read(path, None)
        with torch.device("meta"):  # no time and memory for weights that are replaced
            codec = cls(config)
        assign_normed(codec, state, path, lambda key: key)
        return codec.eval()

    @classmethod
    def tiny(cls, name: str) -> "Lac":
        """See `CodecClass.tiny`."""
        config = DacConfig(
            sample_rate=8000, levels=3, vocab_size=32, encoder_dim=4, encoder_rates=(2, 4, 6),
            decoder_dim=32, decoder_rates=(6, 4, 2),
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            codec = cls(config)
        liven(codec, 1.2)
        return codec.eval()
