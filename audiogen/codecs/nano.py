"""The bundled speech codec: spectral encoder, residual quantiser, harmonic-plus-noise Vocos decoder.

The networks are those of `audiogen.codecs.nano_base`, the synthesis is that of `audiogen.nn.harmonic`.
Shapes: B batch, S samples, K levels, T code frames (50 Hz), 2T encoder frames (100 Hz), 4T synthesis frames (200 Hz).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.codecs.base import Streamer
from audiogen.codecs.nano_base import NanoBase, NanoConfig, NanoDecoder, NanoEncoder
from audiogen.codecs.streaming import Window
from audiogen.nn.harmonic import Gains, HarmonicSynth, Source

MAX_LOG_GAIN = 5.0
"""Over the unit-power source; speech stays below 1."""


@dataclass(frozen=True, kw_only=True)
class NanoCodecConfig(NanoConfig):
    """Sizes of the bundled speech codec."""

    sample_rate: int = 24000
    hop_length: int = 480
    dim: int = 256
    intermediate_dim: int = 768
    encoder_layers: tuple[int, int] = (2, 3)
    decoder_layers: tuple[int, int] = (4, 4)
    pitch_range: tuple[float, float] = (60.0, 480.0)
    """Hz: what the decoder can sing."""


class SpectralEncoder(NanoEncoder):
    """Audio [B, S] -> [B, D, T], from log-mel and, for the pitch, single low frequencies at 100 Hz."""

    N_FFT = 1024
    MELS = 100
    LOW_BINS = 64
    """1.5 kHz at 24 kHz: where the harmonics of a voice are apart."""
    mel_filters: Tensor
    window: Tensor

    def __init__(self, config: NanoCodecConfig):
        from torchaudio.functional import melscale_fbanks

        width = config.dim * 3 // 4
        super().__init__(config, self.MELS + self.LOW_BINS, width, 3 * width)
        self.hop_length = config.hop_length // 2
        filters = melscale_fbanks(
            self.N_FFT // 2 + 1, 0.0, config.sample_rate / 2, self.MELS, config.sample_rate, norm="slaney"
        )
        self.register_buffer("mel_filters", filters, persistent=False)
        self.register_buffer("window", torch.hann_window(self.N_FFT), persistent=False)

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
        return self.reduce(features)


class HarmonicDecoder(NanoDecoder):
    """Quantised vectors [B, D, T] -> `Source` and `Gains` at 200 Hz."""

    N_FFT = 480
    """20 ms at 24 kHz: long enough to shape one pitch period, short enough for a stop consonant."""

    def __init__(self, config: NanoCodecConfig):
        self.bins = self.N_FFT // 2 + 1
        super().__init__(config, 3 * self.bins + 2)
        self.pitch_range = config.pitch_range
        with torch.no_grad():  # start quiet: speech is about 20 dB below the unit-power source
            self.out.bias.view(2, -1)[:, : 2 * self.bins] = -4.0

    def unpack(self, raw: Tensor) -> tuple[Source, Gains, Tensor]:
        """Raw parameters [B, 3F + 2, 4T] -> source, gains, and the voicing logits [B, 4T] for the training loss."""
        harmonic, noise, phase, pitch = raw.float().split([self.bins, self.bins, self.bins, 2], dim=1)
        low, high = self.pitch_range
        hertz = low * (high / low) ** pitch[:, 0].sigmoid()
        gains = Gains(torch.polar(harmonic.clamp(max=MAX_LOG_GAIN).exp(), phase), noise.clamp(max=MAX_LOG_GAIN).exp())
        return Source(hertz, pitch[:, 1].sigmoid()), gains, pitch[:, 1]


class NanoCodec(NanoBase):
    """Speech at 24 kHz, mono, as 8 levels of 1024 codes at 50 Hz (4 kbps)."""

    def __init__(self, config: NanoCodecConfig):
        super().__init__(config)
        self.config = config
        self.encoder = SpectralEncoder(config)
        self.decoder = HarmonicDecoder(config)
        self.synth = HarmonicSynth(config.sample_rate, HarmonicDecoder.N_FFT, config.hop_length // 4)

    @classmethod
    def tiny(cls, name: str) -> "NanoCodec":
        """A small one with random weights, the same at every call."""
        config = NanoCodecConfig(
            levels=4, vocab_size=32, codebook_dim=4, dim=16, intermediate_dim=24,
            encoder_layers=(1, 1), decoder_layers=(1, 1),
        )  # fmt: skip
        codec = cls.seeded(config)
        out, bins = codec.decoder.out, codec.decoder.bins
        with torch.no_grad():
            out.weight.view(2, -1, config.dim)[:, -1] *= 30  # sure of what is voiced: where it is not, rounding decides
            out.bias.view(2, -1)[:, : 2 * bins] -= 1.5  # random gains are uneven, so that their peaks are loud
        return codec

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """[B, K, T] -> [B, 1, T * hop_length]."""
        self.check_codes(codes)
        source, gains, _ = self.decoder.unpack(self.decoder(self.quantizer.embed(codes)))
        return self.synth(source, gains)[:, None]

    def streamer(self) -> "NanoStreamer":
        return NanoStreamer(self)


class NanoStreamer(Streamer):
    """Three windows in a row: the network, the source per sample, the shaping; the pulses' phase runs through."""

    def __init__(self, codec: NanoCodec):
        self.codec = codec
        decoder, synth = codec.decoder, codec.synth
        self.network = Window(decoder, decoder.parameters_per_frame, 4, decoder.context, decoder.context)
        self.source = Window(self._per_sample, 2, synth.hop_length, 1, 1)
        self.shaping = Window(self._shape, 1, synth.hop_length, synth.context, synth.context)
        self._reset()

    def _reset(self) -> None:
        self._raw: Tensor | None = None  # parameters whose source has not been made yet
        self._cycles: Tensor | None = None
        self._position = 0

    def __call__(self, codes: Tensor) -> Tensor:
        self.codec.check_codes(codes, empty_ok=True)
        if not codes.shape[-1]:
            return torch.zeros(len(codes), 1, 0, device=codes.device)
        raw = self.network(self.codec.quantizer.embed(codes))
        return self.shaping(self._excite(raw, self.source(self._tracks(raw))))

    def flush(self) -> Tensor:
        raw = self.network.flush()
        source = torch.cat([self.source(self._tracks(raw)), self.source.flush()], -1)
        audio = self.shaping(self._excite(raw, source))
        audio = torch.cat([audio, self.shaping.flush()], -1)
        self._reset()
        return audio

    def _tracks(self, raw: Tensor) -> Tensor:
        """Raw parameters -> pitch and voicing [B, 2, T]."""
        source, _, _ = self.codec.decoder.unpack(raw)
        return torch.stack([source.pitch, source.voicing], 1)

    def _per_sample(self, tracks: Tensor) -> Tensor:
        return torch.stack([self.codec.synth.per_sample(track) for track in tracks.unbind(1)], 1)

    def _excite(self, raw: Tensor, source: Tensor) -> Tensor:
        """Parameters and source [B, 2, S] -> one tensor per frame for the last window: pulses, noise, parameters."""
        hop = self.codec.synth.hop_length
        waiting = raw if self._raw is None else torch.cat([self._raw, raw], -1)
        frames = source.shape[-1] // hop
        self._raw = waiting[..., frames:].clone()
        if not frames:
            return torch.cat([raw.new_zeros(raw.shape[0], 2 * hop, 0), waiting[..., :0]], 1)
        if self._cycles is None:
            self._cycles = source.new_zeros(source.shape[0], dtype=torch.float64)
        pulses, noise, self._cycles = self.codec.synth.excite(source[:, 0], source[:, 1], self._cycles, self._position)
        self._position += source.shape[-1]
        drive = [samples.unflatten(-1, (frames, hop)).transpose(1, 2) for samples in (pulses, noise)]
        return torch.cat([*drive, waiting[..., :frames]], 1)

    def _shape(self, frames: Tensor) -> Tensor:
        hop = self.codec.synth.hop_length
        pulses, noise, raw = frames.split([hop, hop, frames.shape[1] - 2 * hop], 1)
        _, gains, _ = self.codec.decoder.unpack(raw)
        drive = [samples.transpose(1, 2).flatten(1) for samples in (pulses, noise)]
        return self.codec.synth.shape(drive[0], drive[1], gains)[:, None]
