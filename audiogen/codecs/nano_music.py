"""The bundled music codec: tones and spectra in, sinusoids and shaped noise out.

The networks are those of `audiogen.codecs.nano_base`, the synthesis is that of `audiogen.nn.sinusoids` and noise. Codes
do not hold phases, so a waveform comes back only in its spectrum.
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
from audiogen.nn.quantize import LookUp
from audiogen.nn.shaping import SpectralShaper
from audiogen.nn.sinusoids import Analysis, PartialAnalysis, Partials, SinusoidBank, band_centres

MAX_LOG_GAIN = 3.0
"""Of a sinusoid, or of noise of power 1; music stays below 0."""


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

    def unpack(self, raw: Tensor, widths: Tensor) -> tuple[Partials, Tensor]:
        """Raw parameters [B, 2M + F, 4T] and the bands' widths [M] -> partials and noise gains [B, F, 4T]."""
        amplitude, offset, noise = raw.float().split([self.bands, self.bands, self.bins], dim=1)
        partials = Partials(amplitude.clamp(max=MAX_LOG_GAIN).exp(), offset.tanh() * widths[:, None])
        return partials, noise.clamp(max=MAX_LOG_GAIN).exp()


class TonalSynth(SpectralShaper):
    """`Partials` and noise gains to samples."""

    def __init__(self, config: NanoMusicCodecConfig):
        super().__init__(config.sample_rate, TonalDecoder.N_FFT, config.hop_length // 4)
        self.bank = SinusoidBank(config.sample_rate, self.hop_length)

    def forward(self, partials: Partials, gains: Tensor, noise: Tensor | None = None) -> Tensor:
        """A whole signal -> samples [B, S]; `noise` [B, S] in place of the table's, for training."""
        batch, _, frames = gains.shape
        tones, _ = self.bank(hold_last(partials), self.bank.silence(batch))
        if noise is None:
            noise = self.noise(0, frames * self.hop_length).expand(batch, -1)
        return tones + self.shape(noise, gains)

    def shape(self, noise: Tensor, gains: Tensor) -> Tensor:
        """Noise [B, S] -> samples [B, S]."""
        return self.istft(self.spectrum(noise) * gains)


def hold_last(partials: Partials) -> Partials:
    """With the last frame twice, so that it lasts for a hop."""
    last = partials.frames(-1, partials.amplitude.shape[-1])
    return Partials(
        torch.cat([partials.amplitude, last.amplitude], -1), torch.cat([partials.deviation, last.deviation], -1)
    )


class NanoMusicCodec(NanoBase):
    """Music at 32 kHz, mono, as 8 levels of 1024 codes at 50 Hz (4 kbps)."""

    encoder: TonalEncoder

    def __init__(self, config: NanoMusicCodecConfig):
        super().__init__(config)
        self.config = config
        self.encoder = TonalEncoder(config)
        self.decoder = TonalDecoder(config)
        self.synth = TonalSynth(config)

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
        return self.decoder.unpack(raw, self.synth.bank.widths)

    def streamer(self) -> "NanoMusicStreamer":
        return NanoMusicStreamer(self)


class NanoMusicStreamer(Streamer):
    """Two windows in a row, the network and the shaping of the noise; the sinusoids' phases run through."""

    def __init__(self, codec: NanoMusicCodec):
        self.codec = codec
        decoder, synth = codec.decoder, codec.synth
        self.network = Window(decoder, decoder.parameters_per_frame, 4, decoder.context, decoder.context)
        self.shaping = Window(self._shape, 1, synth.hop_length, synth.context, synth.context)
        self._reset()

    def _reset(self) -> None:
        self._last: Tensor | None = None  # the frame whose sinusoids wait for the next one
        self._phases: Tensor | None = None
        self._position = 0

    def __call__(self, codes: Tensor) -> Tensor:
        self.codec.check_codes(codes, empty_ok=True)
        if not codes.shape[-1]:
            return torch.zeros(len(codes), 1, 0, device=codes.device)
        raw = self.network(self.codec.quantizer.embed(codes))
        return self._sound(raw if self._last is None else torch.cat([self._last, raw], -1))

    def flush(self) -> Tensor:
        raw = self.network.flush()
        if self._last is not None:
            raw = torch.cat([self._last, raw], -1)
        audio = self._sound(torch.cat([raw, raw[..., -1:]], -1))
        audio = torch.cat([audio, self.shaping.flush()], -1)
        self._reset()
        return audio

    def _sound(self, raw: Tensor) -> Tensor:
        """Raw parameters [B, P, t] -> the samples that are settled; the last frame stays for the next call."""
        self._last = raw[..., -1:].clone()
        hop, frames = self.codec.synth.hop_length, max(0, raw.shape[-1] - 1)
        if not frames:
            return torch.zeros(raw.shape[0], 1, 0, device=raw.device)
        partials, _ = self.codec.unpack(raw)
        if self._phases is None:
            self._phases = self.codec.synth.bank.silence(raw.shape[0])
        tones, self._phases = self.codec.synth.bank(partials, self._phases)
        noise = self.codec.synth.noise(self._position, frames * hop).expand_as(tones)
        self._position += frames * hop
        samples = [part.unflatten(-1, (frames, hop)).transpose(1, 2) for part in (tones, noise)]
        return self.shaping(torch.cat([*samples, raw[..., :frames]], 1))

    def _shape(self, frames: Tensor) -> Tensor:
        hop = self.codec.synth.hop_length
        tones, noise, raw = frames.split([hop, hop, frames.shape[1] - 2 * hop], 1)
        _, gains = self.codec.unpack(raw)
        shaped = self.codec.synth.shape(noise.transpose(1, 2).flatten(1), gains)
        return (tones.transpose(1, 2).flatten(1) + shaped)[:, None]
