"""The networks of the spectrogram codec: log-mel, a 2-D autoencoder of it, and a vocoder.

Papers: Iashin & Rahtu 2021, arXiv:2110.08791 (SpecVQGAN); Siuzdak 2023, arXiv:2306.00814 (Vocos).
Differs from SpecVQGAN: norms are over the channels of one position, not over groups of the whole spectrogram, there is
no attention at the coarsest resolution, and resolution changes by whole patches. So a cell depends on a few columns
around it only: sound of any length is coded in blocks and decoded as a stream, to the same result.
Shapes: B batch, S samples, M mel bands, L mel frames, F rows and T columns of the grid, D width of its vectors,
P parameters of a synthesis frame.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.codecs.nano_base import LAYER_SCALE
from audiogen.errors import InputError
from audiogen.nn.fsq import FiniteScalarQuantizer
from audiogen.nn.quantize import LookUp, ResidualQuantizer
from audiogen.nn.sinusoids import band_centres
from audiogen.nn.tonal import TonalSynth
from audiogen.nn.vocos import VocosBackbone

FLOOR_DB, CEILING_DB = -80.0, 20.0
"""Mel magnitudes that are -1 and 1 in a spectrogram (SpecVQGAN's): silence, and more than a sine of full scale has."""


@dataclass(frozen=True, kw_only=True)
class SpectrogramCodecConfig:
    """Sizes of a spectrogram codec; the defaults are SpecVQGAN's, as SpecMaskGIT uses it."""

    sample_rate: int = 22050
    """Hz."""
    n_fft: int = 1024
    """Window of a mel frame in samples."""
    mel_hop: int = 256
    """Samples per mel frame, an even number."""
    mels: int = 80
    """M."""
    mel_range: tuple[float, float] = (0.0, 11025.0)
    """Hz: the lowest and highest frequency; SpecVQGAN has 125 to 7600, which is no full band to extend sounds to."""
    patch: int = 16
    """Mel bands and frames of a cell."""
    vocab_size: int = 1024
    quantizer: Literal["factorized", "ema", "fsq"] = "factorized"
    """How codes are learnt: a codebook by gradients, a codebook that follows averages (van den Oord et al. 2017,
    arXiv:1711.00937, "VQ-VAE dictionary updates"), or rounding without a codebook."""
    codebook_dim: int = 256
    """E, width of a codebook's rows; with fsq it is the number of `fsq_steps`."""
    look_up: LookUp = "distance"
    fsq_steps: tuple[int, ...] = (8, 8, 4, 4)
    """With fsq: values of each number of a code; their product is `vocab_size`."""
    dim: int = 256
    """D."""
    widths: tuple[int, ...] = (128, 128, 256, 256, 512)
    """Channels at each resolution, the finest first; the last one is the grid's. Each has half the rows and columns of
    the one before, and the first has what is left of `patch`: five widths begin at single mel bins, two at 8 x 8."""
    blocks: int = 2
    """Residual blocks per resolution."""
    vocoder_dim: int = 512
    vocoder_intermediate_dim: int = 1536
    vocoder_layers: int = 8
    """ConvNeXt blocks."""

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not self.widths or self.patch % 2 ** (len(self.widths) - 1) or self.mels % self.patch or self.mel_hop % 2:
            raise InputError(
                f"{name}: expected mels divisible by patch, patch by 2 for every width after the first, and an even "
                f"mel_hop, got mels {self.mels}, patch {self.patch}, {len(self.widths)} widths and mel_hop "
                f"{self.mel_hop}. Change one of them."
            )
        if self.quantizer == "fsq" and math.prod(self.fsq_steps) != self.vocab_size:
            raise InputError(
                f"{name}: expected fsq_steps with a product of vocab_size = {self.vocab_size}, "
                f"got {self.fsq_steps}: {math.prod(self.fsq_steps)}. Change one of them."
            )
        low, high = self.mel_range
        if not 0 <= low < high <= self.sample_rate / 2:
            raise InputError(
                f"{name}: expected a mel_range within 0 to {self.sample_rate / 2:g} Hz, got {self.mel_range}. "
                "Change it."
            )

    @property
    def rows(self) -> int:
        """F."""
        return self.mels // self.patch

    @property
    def stem(self) -> int:
        """Mel bands and frames of a position at the finest resolution."""
        return self.patch >> (len(self.widths) - 1)


class LogMel(nn.Module):
    """Audio to log-mel; frame i is centred on the middle of hop i, so S samples are S / mel_hop frames."""

    filters: Tensor
    window: Tensor
    centres: Tensor

    def __init__(self, config: SpectrogramCodecConfig):
        from torchaudio.functional import melscale_fbanks

        super().__init__()
        self.n_fft, self.hop = config.n_fft, config.mel_hop
        bins, rate = config.n_fft // 2 + 1, config.sample_rate
        filters = melscale_fbanks(bins, *config.mel_range, config.mels, rate, norm="slaney", mel_scale="slaney")
        hertz = torch.linspace(0, rate / 2, bins)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(config.n_fft).clone(), persistent=False)
        self.register_buffer("centres", hertz @ filters / filters.sum(0), persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        """[B, S], S a multiple of mel_hop -> [B, M, L] from -1 (FLOOR_DB) to 1 (CEILING_DB)."""
        edge = self.n_fft - self.hop
        frames = F.pad(audio, (edge // 2, edge - edge // 2)).unfold(-1, self.n_fft, self.hop)
        magnitude = torch.fft.rfft(frames * self.window).abs() @ self.filters
        level = 20 * magnitude.clamp(min=10 ** (FLOOR_DB / 20)).log10()
        return ((level - FLOOR_DB) * (2 / (CEILING_DB - FLOOR_DB)) - 1).clamp(max=1).transpose(1, 2)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position of [B, C, H, W]."""

    def forward(self, hidden: Tensor) -> Tensor:
        return super().forward(hidden.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Norm and two 3 x 3 convolutions, scaled per channel and added: [B, C, H, W] -> [B, C, H, W]."""

    REACH = 2
    """Positions on each side that one position depends on."""

    def __init__(self, dim: int):
        super().__init__()
        self.norm = ChannelNorm(dim)
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)
        self.gamma = nn.Parameter(torch.full((dim, 1, 1), LAYER_SCALE))

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.gamma * self.conv2(F.silu(self.conv1(self.norm(hidden))))


class SpectrogramEncoder(nn.Module):
    """Log-mel [B, M, L] -> vectors of the grid [B, D, F, T]; nothing but the blocks is not linear, so levels pass."""

    def __init__(self, config: SpectrogramCodecConfig):
        super().__init__()
        widths, stem = config.widths, config.stem
        self.stem = nn.Conv2d(1, widths[0], stem, stride=stem)
        self.bands = nn.Parameter(torch.zeros(widths[0], config.mels // stem, 1))  # convolutions do not know where
        self.levels = nn.ModuleList(_blocks(width, config.blocks) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.out = nn.Conv2d(widths[-1], config.dim, 1)

    def forward(self, mel: Tensor) -> Tensor:
        hidden = self.stem(mel[:, None].contiguous(memory_format=torch.channels_last)) + self.bands
        hidden = self.levels[0](hidden)
        for down, level in zip(self.down, self.levels[1:], strict=True):
            hidden = level(down(hidden))
        return self.out(hidden)


class SpectrogramDecoder(nn.Module):
    """Vectors of the grid [B, D, F, T] -> log-mel [B, M, L]; built as the encoder is, the other way round."""

    def __init__(self, config: SpectrogramCodecConfig):
        super().__init__()
        widths = config.widths[::-1]
        self.patch, self.reach = config.patch, ResidualBlock.REACH * config.blocks
        self.embed = nn.Conv2d(config.dim, widths[0], 1)
        self.rows = nn.Parameter(torch.zeros(widths[0], config.rows, 1))
        self.levels = nn.ModuleList(_blocks(width, config.blocks) for width in widths)
        self.up = nn.ModuleList(nn.Conv2d(a, 4 * b, 1) for a, b in pairwise(widths))
        self.out = nn.Conv2d(widths[-1], config.stem**2, 1)
        self.stem = config.stem

    @property
    def context(self) -> int:
        """Columns on each side that one column's frames depend on: each resolution reaches half as far as the last."""
        return math.ceil(sum(self.reach / 2**level for level in range(len(self.levels))))

    def forward(self, vectors: Tensor) -> Tensor:
        hidden = self.embed(vectors.contiguous(memory_format=torch.channels_last)) + self.rows
        hidden = self.levels[0](hidden)
        for up, level in zip(self.up, self.levels[1:], strict=True):
            hidden = level(F.pixel_shuffle(up(hidden), 2))
        return F.pixel_shuffle(self.out(hidden), self.stem)[:, 0]


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


class SpectrogramAutoencoder(nn.Module):
    """Log-mel <-> codes of the grid."""

    def __init__(self, config: SpectrogramCodecConfig):
        super().__init__()
        self.encoder = SpectrogramEncoder(config)
        self.quantizer = make_quantizer(config)
        self.decoder = SpectrogramDecoder(config)

    def encode(self, mel: Tensor) -> Tensor:
        """[B, M, L] -> codes [B, F, T]."""
        vectors = self.encoder(mel)
        return self.quantizer.encode(vectors.flatten(2))[:, 0].unflatten(-1, vectors.shape[2:])

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, F, T] -> [B, M, L]; it may reach a little over -1..1."""
        return self.decoder(self.quantizer.embed(codes.flatten(1)[:, None]).unflatten(-1, codes.shape[1:]))

    def table(self) -> Tensor:
        """What codes stand for, [V, E]."""
        if isinstance(self.quantizer, FiniteScalarQuantizer):
            return self.quantizer.table()
        return self.quantizer.first(1)[0].codebook.weight.detach()


def make_quantizer(config: SpectrogramCodecConfig) -> ResidualQuantizer | FiniteScalarQuantizer:
    """One level for all cells of the grid; positions are rows one after the other.

    The codebook of "ema" has no gradient: training moves it (`audiogen.training.codebooks`).
    """
    if config.quantizer == "fsq":
        return FiniteScalarQuantizer(config.dim, config.fsq_steps)
    follows = config.quantizer == "ema"
    quantizer = ResidualQuantizer(
        config.dim,
        1,
        config.vocab_size,
        config.codebook_dim,
        codebook_loss_weight=0.0 if follows else 1.0,
        look_up=config.look_up,
    )
    quantizer.first(1)[0].codebook.weight.requires_grad_(not follows)
    return quantizer


class MelVocoder(nn.Module):
    """Log-mel to samples: a Vocos backbone tells the levels of tones and of noise, which are then made.

    Not the paper's HiFi-GAN, nor Vocos' own head, which must tell a phase for every frequency: mel frames do not hold
    any, noise has none to be told, and without a discriminator the head learns phases that repeat from frame to frame,
    so that rain buzzes. Here noise is noise by construction and a network has only smooth levels to learn; tones are
    sinusoids, whose phases follow from their frequencies. A straight line beside the network starts as the vocoder that
    needs no training: noise in every band at the band's level.
    """

    QUIET = 3.0
    """Nepers by which tones start below the noise."""
    line_start: Tensor
    offset: Tensor

    def __init__(self, config: SpectrogramCodecConfig):
        super().__init__()
        dim, hop = config.vocoder_dim, config.mel_hop // 2
        self.synth = TonalSynth(config.sample_rate, config.mel_hop, hop)
        self.parameters_per_frame = 2 * self.synth.bank.bands + self.synth.bins
        self.backbone = VocosBackbone(
            config.mels, dim, config.vocoder_intermediate_dim, config.vocoder_layers, LAYER_SCALE
        )
        self.out = nn.Linear(dim, 2 * self.parameters_per_frame)
        self.line = nn.Linear(config.mels, 2 * self.parameters_per_frame, bias=False)
        for layer in (self.out, self.line):
            nn.init.normal_(layer.weight, std=1e-3)
        nn.init.zeros_(self.out.bias)
        line, offset = self._untrained(config)
        self.register_buffer("line_start", line, persistent=False)
        self.register_buffer("offset", offset, persistent=False)

    def _untrained(self, config: SpectrogramCodecConfig) -> tuple[Tensor, Tensor]:
        """Weights [P, M] and offsets [P] of the line that needs no training."""
        centres = LogMel(config).centres
        tones = band_centres().float()
        hertz = torch.cat([tones, torch.linspace(0, config.sample_rate / 2, self.synth.bins)])
        above = torch.bucketize(hertz, centres).clamp(1, len(centres) - 1)
        share = ((hertz - centres[above - 1]) / (centres[above] - centres[above - 1])).clamp(0, 1)
        between = torch.zeros(len(hertz), config.mels)
        between.scatter_(1, above[:, None], share[:, None])
        between.scatter_(1, above[:, None] - 1, 1 - share[:, None])
        nepers = math.log(10) / 20
        slope, middle = nepers * (CEILING_DB - FLOOR_DB) / 2, nepers * (CEILING_DB + FLOOR_DB) / 2
        # what noise of power 1, and a sine of amplitude 1, measure under a Hann window and filters of area 1
        noise = math.sqrt(math.pi / 4 * 0.375 * config.n_fft) * config.n_fft / config.sample_rate
        spacing = centres.diff()[above - 1][: len(tones)]
        tone = config.n_fft / 2 / spacing * math.exp(self.QUIET)
        line = torch.cat([between[: len(tones)], torch.zeros(len(tones), config.mels), between[len(tones) :]]) * slope
        rest = torch.full((self.synth.bins,), middle - math.log(noise))
        return line, torch.cat([middle - tone.log(), torch.zeros(len(tones)), rest])

    @property
    def context(self) -> int:
        """Mel frames on each side that a frame's parameters depend on."""
        return self.backbone.context

    def network(self, mel: Tensor) -> Tensor:
        """[B, M, L] -> raw parameters [B, P, 2L] for `TonalSynth.unpack`."""
        levels = mel.transpose(1, 2)
        learnt = (self.out(self.backbone(mel)) + self.line(levels)).unflatten(-1, (2, self.parameters_per_frame))
        raw = learnt + (levels @ self.line_start.T + self.offset)[:, :, None]
        return raw.flatten(1, 2).transpose(1, 2)

    def forward(self, mel: Tensor) -> Tensor:
        """[B, M, L] -> samples [B, L * mel_hop]."""
        return self.synth(*self.synth.unpack(self.network(mel)))
