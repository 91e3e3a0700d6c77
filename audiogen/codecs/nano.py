"""The bundled speech codec: spectral encoder, residual quantiser, harmonic-plus-noise Vocos decoder.

Small enough to train on two CPU cores: nothing runs at more than 200 frames per second but FFTs. The quantiser is
DAC's (arXiv:2306.06546), the blocks are Vocos' (arXiv:2306.00814), the output is that of `audiogen.nn.harmonic`.
Shapes: B batch, S samples, K levels, T code frames (50 Hz), 2T encoder frames (100 Hz), 4T synthesis frames (200 Hz).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiogen.errors import InputError
from audiogen.nn.harmonic import Gains, HarmonicSynth, Source
from audiogen.nn.quantize import Quantized, ResidualQuantizer
from audiogen.nn.vocos import VocosBackbone


@dataclass(frozen=True, kw_only=True)
class NanoCodecConfig:
    sample_rate: int = 24000
    """Hz."""
    hop_length: int = 480
    """Samples per code frame: 50 Hz at 24 kHz. A multiple of 4."""
    levels: int = 8
    vocab_size: int = 1024
    """Codes per level; 8 levels of 1024 at 50 Hz are 4 kbps."""
    codebook_dim: int = 8
    dim: int = 256
    """Width of the networks and of the quantised vectors."""
    intermediate_dim: int = 768
    encoder_layers: tuple[int, int] = (2, 3)
    """ConvNeXt blocks at 100 Hz and at 50 Hz."""
    decoder_layers: tuple[int, int] = (4, 4)
    """ConvNeXt blocks at 50 Hz and at 100 Hz."""
    quantizer_dropout: float = 0.5
    """Share of a training batch that is decoded from a random number of levels."""
    pitch_range: tuple[float, float] = (60.0, 480.0)
    """Hz: what the decoder can sing."""

    def __post_init__(self) -> None:
        if self.hop_length % 4:
            raise InputError(f"NanoCodec: expected a hop_length divisible by 4, got {self.hop_length}.")


class SpectralEncoder(nn.Module):
    """Audio [B, S] -> [B, D, T], from log-mel and, for the pitch, single low frequencies at 100 Hz."""

    N_FFT = 1024
    MELS = 100
    LOW_BINS = 64
    """1.5 kHz at 24 kHz: where the harmonics of a voice are apart."""
    mel_filters: Tensor
    window: Tensor

    def __init__(self, config: NanoCodecConfig):
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        self.hop_length = config.hop_length // 2
        filters = melscale_fbanks(
            self.N_FFT // 2 + 1, 0.0, config.sample_rate / 2, self.MELS, config.sample_rate, norm="slaney"
        )
        self.register_buffer("mel_filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(self.N_FFT), persistent=False)
        width = config.dim * 3 // 4
        self.fine = VocosBackbone(
            self.MELS + self.LOW_BINS, width, 3 * width, config.encoder_layers[0], layer_scale=0.3
        )
        self.coarse = VocosBackbone(
            2 * width, config.dim, config.intermediate_dim, config.encoder_layers[1], layer_scale=0.3
        )
        self.out = nn.Linear(config.dim, config.dim)

    def features(self, audio: Tensor) -> Tensor:
        """[B, S] -> [B, MELS + LOW_BINS, 2T], about zero mean and unit variance for speech."""
        edge = (self.N_FFT - self.hop_length) // 2
        frames = F.pad(audio, (edge, edge)).unfold(-1, self.N_FFT, self.hop_length)
        magnitude = torch.fft.rfft(frames * self.window).abs()
        mel = (magnitude @ self.mel_filters).clamp(min=1e-5).log()
        low = magnitude[..., 1 : 1 + self.LOW_BINS].clamp(min=1e-3).log()
        return torch.cat([(mel + 5) / 2.5, (low + 1) / 2.5], -1).transpose(1, 2)

    def forward(self, audio: Tensor) -> Tensor:
        with torch.autocast(audio.device.type, enabled=False):
            features = self.features(audio.float())
        fine = self.fine(features)
        pairs = fine.reshape(fine.shape[0], -1, 2 * fine.shape[-1])
        return self.out(self.coarse(pairs.transpose(1, 2))).transpose(1, 2)


class HarmonicDecoder(nn.Module):
    """Quantised vectors [B, D, T] -> `Source` and `Gains` at 200 Hz."""

    N_FFT = 480
    """20 ms at 24 kHz: long enough to shape one pitch period, short enough for a stop consonant."""

    def __init__(self, config: NanoCodecConfig):
        super().__init__()
        self.pitch_range = config.pitch_range
        self.bins = self.N_FFT // 2 + 1
        dim, layers = config.dim, config.decoder_layers
        self.coarse = VocosBackbone(dim, dim, config.intermediate_dim, layers[0], layer_scale=0.3)
        self.up = nn.Linear(dim, 2 * dim)
        self.fine = VocosBackbone(dim, dim, config.intermediate_dim, layers[1], layer_scale=0.3)
        self.out = nn.Linear(dim, 2 * (3 * self.bins + 2))
        with torch.no_grad():  # start quiet: speech is about 20 dB below the unit-power source
            self.out.bias.view(2, -1)[:, : 2 * self.bins] = -4.0

    @property
    def context(self) -> int:
        """Code frames on each side that one code frame's output depends on."""
        return self.coarse.context + math.ceil(self.fine.context / 2)

    def forward(self, quantized: Tensor) -> tuple[Source, Gains, Tensor]:
        """Also returns the voicing logits [B, 4T], for the training loss."""
        hidden = self.coarse(quantized.float())
        hidden = self.up(hidden)
        hidden = self.fine(hidden.reshape(hidden.shape[0], -1, hidden.shape[-1] // 2).transpose(1, 2))
        out = self.out(hidden).float()
        out = out.reshape(out.shape[0], -1, out.shape[-1] // 2).transpose(1, 2)
        harmonic, noise, phase, pitch = out.split([self.bins, self.bins, self.bins, 2], dim=1)
        low, high = self.pitch_range
        hertz = low * (high / low) ** pitch[:, 0].sigmoid()
        gains = Gains(torch.polar(harmonic.clamp(max=5).exp(), phase), noise.clamp(max=5).exp())
        return Source(hertz, pitch[:, 1].sigmoid()), gains, pitch[:, 1]


class NanoCodec(nn.Module):
    """Speech at 24 kHz, mono, as 8 levels of 1024 codes at 50 Hz (4 kbps)."""

    channels = 1

    def __init__(self, config: NanoCodecConfig):
        super().__init__()
        self.config = config
        self.sample_rate = config.sample_rate
        self.frame_rate = config.sample_rate / config.hop_length
        self.levels = config.levels
        self.vocab_size = config.vocab_size
        self.encoder = SpectralEncoder(config)
        self.quantizer = ResidualQuantizer(
            config.dim,
            config.levels,
            config.vocab_size,
            config.codebook_dim,
            quantizer_dropout=config.quantizer_dropout,
        )
        self.decoder = HarmonicDecoder(config)
        self.synth = HarmonicSynth(config.sample_rate, HarmonicDecoder.N_FFT, config.hop_length // 4)

    def analyse(self, audio: Tensor, generator: torch.Generator | None = None) -> Quantized:
        """Training: [B, S] -> quantised vectors, codes and the quantiser's losses."""
        return self.quantizer(self.encoder(audio), generator=generator)

    def encode(self, audio: Tensor) -> Tensor:
        """[B, 1, S] -> codes [B, K, T], T = ceil(S / hop_length)."""
        mono = audio[:, 0]
        return self.quantizer.encode(self.encoder(F.pad(mono, (0, -mono.shape[-1] % self.config.hop_length))))

    def decode(self, codes: Tensor) -> Tensor:
        """[B, k, T] of the first k levels -> [B, 1, T * hop_length]."""
        source, gains, _ = self.decoder(self.quantizer.embed(codes))
        noise = self.synth.noise(0, codes.shape[-1] * self.config.hop_length)
        return self.synth(source, gains, noise[None])[:, None]
