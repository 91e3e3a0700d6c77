"""The bundled music codec: tones and spectra in, sinusoids and shaped noise out.

The networks are those of `audiogen.codecs.nano_base`, the synthesis is that of `audiogen.nn.tonal`. Codes do not hold
phases, so a waveform comes back only in its spectrum.
Shapes: B batch, S samples, K levels, T code frames (50 Hz), 2T encoder frames (100 Hz), 4T synthesis frames (200 Hz),
M bands with one sinusoid each, F noise frequencies.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.codecs.base import Streamer
from audiogen.codecs.nano_base import NanoBase, NanoConfig, NanoDecoder, NanoEncoder
from audiogen.codecs.streaming import Window
from audiogen.codecs.tonal import TonalStream
from audiogen.nn.quantize import LookUp
from audiogen.nn.sinusoids import Analysis, PartialAnalysis, Partials, band_centres
from audiogen.nn.tonal import TonalSynth


@dataclass(frozen=True, kw_only=True)
class NanoMusicCodecConfig(NanoConfig):
    """Sizes of the bundled music codec."""

    sample_rate: int = 32000
    hop_length: int = 640
    codebook_dim: int = 16
    look_up: LookUp = "distance"
    dim: int = 192
    intermediate_dim: int = 352
    encoder_layers: tuple[int, int] = (2, 2)
    decoder_layers: tuple[int, int] = (3, 3)
    linear_paths: bool = True


class TonalEncoder(NanoEncoder):
    """Audio [B, S] -> [B, D, T], from the tone in every band and, for what is short, log-mel at 200 Hz."""

    N_FFT = 512
    MELS = 64
    mel_filters: Tensor
    window: Tensor

    def __init__(self, config: NanoMusicCodecConfig):
        from torchaudio.functional import melscale_fbanks

        super().__init__(config, 2 * len(band_centres()) + 2 * self.MELS, config.dim, config.intermediate_dim)
        self.hop_length = config.hop_length // 4
        filters = melscale_fbanks(
            self.N_FFT // 2 + 1, 0.0, config.sample_rate / 2, self.MELS, config.sample_rate, norm="slaney"
        )
        self.register_buffer("mel_filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(self.N_FFT).clone(), persistent=False)
        self.analysis = PartialAnalysis(config.sample_rate, config.hop_length // 2)

    def features(self, audio: Tensor, found: Analysis) -> Tensor:
        """[B, S] -> [B, 2M + 2 MELS, 2T], about zero mean and unit variance for music at -20 LUFS."""
        edge = (self.N_FFT - self.hop_length) // 2
        frames = F.pad(audio, (edge, edge)).unfold(-1, self.N_FFT, self.hop_length)
        mel = (torch.fft.rfft(frames * self.window).abs() @ self.mel_filters).clamp(min=1e-5).log()
        pairs = mel.reshape(mel.shape[0], -1, 2 * mel.shape[-1]).transpose(1, 2)
        tones = found.magnitude.clamp(min=1e-6).log()
        return torch.cat([(tones + 8) / 3, found.deviation / self.analysis.widths[:, None], (pairs + 5) / 3], 1)

    def forward(self, audio: Tensor, found: Analysis | None = None) -> Tensor:
        """`found` is the analysis of `audio`, where the caller has it already."""
        with torch.autocast(audio.device.type, enabled=False):
            audio = audio.float()
            features = self.features(audio, found or self.analysis(audio))
        return self.reduce(features)


class TonalDecoder(NanoDecoder):
    """Quantised vectors [B, D, T] -> `Partials` and noise gains at 200 Hz."""

    N_FFT = 320
    """10 ms at 32 kHz: noise needs sharp attacks, not sharp frequencies."""

    def __init__(self, config: NanoMusicCodecConfig):
        self.bins, self.bands = self.N_FFT // 2 + 1, len(band_centres())
        super().__init__(config, 2 * self.bands + self.bins)
        with torch.no_grad():  # start quiet
            self.out.bias.view(2, -1)[:, : self.bands] = -6.0
            self.out.bias.view(2, -1)[:, 2 * self.bands :] = -5.0


class NanoMusicCodec(NanoBase):
    """Music at 32 kHz, mono, as 8 levels of 1024 codes at 50 Hz (4 kbps)."""

    encoder: TonalEncoder

    def __init__(self, config: NanoMusicCodecConfig):
        super().__init__(config)
        self.config = config
        self.encoder = TonalEncoder(config)
        self.decoder = TonalDecoder(config)
        self.synth = TonalSynth(config.sample_rate, TonalDecoder.N_FFT, config.hop_length // 4)

    @classmethod
    def tiny(cls, name: str) -> "NanoMusicCodec":
        """See `CodecClass.tiny`."""
        config = NanoMusicCodecConfig(
            levels=6, vocab_size=32, codebook_dim=4, dim=16, intermediate_dim=24,
            encoder_layers=(1, 1), decoder_layers=(1, 1),
        )  # fmt: skip
        codec = cls.seeded(config)
        with torch.no_grad():
            codec.decoder.out.weight *= 2  # random gains are uneven, so that something is heard ..
            assert codec.decoder.line is not None
            codec.decoder.line.weight /= 4  # .. and nothing is loud
        return codec

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """[B, K, T] -> [B, 1, T * hop_length]."""
        self.check_codes(codes)
        partials, gains = self.unpack(self.decoder(self.quantizer.embed(codes)))
        return self.synth(partials, gains)[:, None]

    def unpack(self, raw: Tensor) -> tuple[Partials, Tensor]:
        """What the decoder's raw parameters [B, 2M + F, 4T] mean."""
        return self.synth.unpack(raw)

    def streamer(self) -> "NanoMusicStreamer":
        return NanoMusicStreamer(self)


class NanoMusicStreamer(Streamer):
    """The network in windows, and the synthesis of its parameters as a stream."""

    def __init__(self, codec: NanoMusicCodec):
        self.codec = codec
        decoder = codec.decoder
        self.network = Window(decoder, decoder.parameters_per_frame, 4, decoder.context, decoder.context)
        self.sound = TonalStream(codec.synth)

    def __call__(self, codes: Tensor) -> Tensor:
        self.codec.check_codes(codes, empty_ok=True)
        if not codes.shape[-1]:
            return torch.zeros(len(codes), 1, 0, device=codes.device)
        return self.sound(self.network(self.codec.quantizer.embed(codes)))

    def flush(self) -> Tensor:
        return self.sound.flush(self.network.flush())
