"""The spectrogram codec: log-mel in patches of 16 x 16, one code each, and a vocoder.

Papers: Comunità et al. 2024, arXiv:2406.17672 (SpecMaskGIT); Iashin & Rahtu 2021, arXiv:2110.08791 (SpecVQGAN).
10 s of sound are a grid of 5 rows and 53 columns. Row 0 is the lowest band, and all rows share one codebook.
Differs from the papers: see `spectrogram_networks` for the autoencoder, and `MelVocoder` there for the vocoder.
Shapes: B batch, S samples, M mel bands, L mel frames, K = F rows and T columns of the grid.
"""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.codecs.base import Codec, Streamer
from audiogen.codecs.spectrogram_networks import LogMel, MelVocoder, SpectrogramAutoencoder, SpectrogramCodecConfig
from audiogen.codecs.streaming import Window
from audiogen.codecs.tonal import TonalStream
from audiogen.errors import InputError

SILENCE = -1.0
"""In a spectrogram."""


class SpectrogramCodec(Codec):
    """Sound at 22.05 kHz, mono, as a grid of 5 rows at 5.4 Hz (0.27 kbps)."""

    channels = 1

    def __init__(self, config: SpectrogramCodecConfig):
        super().__init__()
        self.config = config
        self.sample_rate = config.sample_rate
        self.frame_rate = config.sample_rate / (config.mel_hop * config.patch)
        self.levels = config.rows
        self.vocab_size = config.vocab_size
        self.log_mel = LogMel(config)
        self.autoencoder = SpectrogramAutoencoder(config)
        self.vocoder = MelVocoder(config)

    @classmethod
    def load(cls, name: str, source: Path) -> Codec:
        """The codec in the folder `source`, or the folder of the file `source`."""
        from audiogen.checkpoints.nano import load_nano_codec

        return load_nano_codec(source if source.is_dir() else source.parent)

    @classmethod
    def tiny(cls, name: str) -> "SpectrogramCodec":
        """A small one with random weights, the same at every call."""
        config = SpectrogramCodecConfig(
            vocab_size=32, codebook_dim=4, look_up="cosine", dim=8, widths=(8, 16), blocks=1,
            vocoder_dim=16, vocoder_intermediate_dim=24, vocoder_layers=1,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            codec = cls(config).eval()
        with torch.no_grad():
            stem = codec.autoencoder.encoder.stem.weight
            stem -= stem.mean((2, 3), keepdim=True)  # changes are heard, and levels are not: codes follow any noise
            for key, parameter in codec.autoencoder.named_parameters():
                if key.endswith("bias"):
                    parameter.zero_()
                elif key.endswith("gamma"):
                    parameter.fill_(1.0)
            for layer in (codec.vocoder.out, codec.vocoder.line):
                layer.weight *= 50
        return codec

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        """[B, 1, S] -> codes [B, K, T], T = ceil(S / hop_length)."""
        return self.tokenize(self.mel(audio))

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """[B, K, T] -> [B, 1, T * hop_length]."""
        return self.vocode(self.spectrogram(codes))

    @torch.no_grad()
    def mel(self, audio: Tensor) -> Tensor:
        """Audio [B, 1, S] -> log-mel [B, M, L], L the frames of whole columns: silence is added at the end.

        A spectrogram is -1 at a mel magnitude of -80 dB, which is silence, and 1 at 20 dB: 50 dB per unit.

        Raises:
            InputError: as `encode`.
        """
        self.check_audio(audio)
        return self.log_mel(F.pad(audio[:, 0], (0, -audio.shape[-1] % self.hop_length)))

    @torch.no_grad()
    def tokenize(self, mel: Tensor) -> Tensor:
        """Log-mel [B, M, L], L a multiple of the patch -> codes [B, K, T].

        Raises:
            InputError: wrong shape, or part of a column.
        """
        self._check_mel(mel)
        if mel.shape[-1] % self.config.patch:
            raise InputError(
                f"{type(self).__name__}: expected a spectrogram of whole columns of {self.config.patch} frames, got "
                f"{mel.shape[-1]} frames. Add silence ({SILENCE:g}) at its end."
            )
        return self.autoencoder.encode(mel)[:, : self.levels]

    @torch.no_grad()
    def spectrogram(self, codes: Tensor) -> Tensor:
        """Codes [B, K, T] -> log-mel [B, M, L] in -1..1; with fewer rows in use, the bands above them are silent.

        Raises:
            InputError: as `decode`.
        """
        self.check_codes(codes)
        missing = self.config.rows - codes.shape[1]
        if not missing:
            return self.autoencoder.decode(codes).clamp(-1, 1)
        silent = self._silent_codes()[None, -missing:].expand(len(codes), -1, codes.shape[-1])
        mel = self.autoencoder.decode(torch.cat([codes, silent], 1)).clamp(-1, 1)
        mel[:, -missing * self.config.patch :] = SILENCE
        return mel

    @torch.no_grad()
    def vocode(self, mel: Tensor) -> Tensor:
        """Log-mel [B, M, L], of any length -> audio [B, 1, L * mel_hop].

        Raises:
            InputError: wrong shape.
        """
        self._check_mel(mel)
        return self.vocoder(mel)[:, None]

    def streamer(self) -> "SpectrogramStreamer":
        return SpectrogramStreamer(self)

    def codebooks(self) -> Tensor:
        """The one table, [K, V, E]."""
        return self.autoencoder.table().expand(self.levels, -1, -1)

    @property
    def row_edges(self) -> list[float]:
        """Hz: where each row of the grid begins, and where the last one ends, [F + 1]."""
        centres, (low, high) = self.log_mel.centres.tolist(), self.config.mel_range
        inner = range(self.config.patch, self.config.mels, self.config.patch)
        return [low, *((centres[band - 1] + centres[band]) / 2 for band in inner), high]

    def _silent_codes(self) -> Tensor:
        """Codes [F, 1] in the midst of silence."""
        around = 2 * self.autoencoder.decoder.context + 1
        mel = torch.full((1, self.config.mels, around * self.config.patch), SILENCE, device=self.log_mel.window.device)
        return self.autoencoder.encode(mel)[0, :, around // 2, None]

    def _check_mel(self, mel: Tensor) -> None:
        if mel.dim() != 3 or mel.shape[1] != self.config.mels or 0 in mel.shape:
            raise InputError(
                f"{type(self).__name__}: expected log-mel [B, M={self.config.mels}, L], got {list(mel.shape)}. "
                "Make it with this codec's `mel`."
            )


class SpectrogramStreamer(Streamer):
    """Three streams in a row: the autoencoder's columns, the vocoder's parameters, the sound."""

    def __init__(self, codec: SpectrogramCodec):
        self.codec = codec
        vocoder, context = codec.vocoder, codec.autoencoder.decoder.context
        self.mel = Window(codec.spectrogram, codec.config.mels, codec.config.patch, context, context)
        self.network = Window(vocoder.network, vocoder.parameters_per_frame, 2, vocoder.context, vocoder.context)
        self.sound = TonalStream(vocoder.synth)

    @torch.no_grad()
    def __call__(self, codes: Tensor) -> Tensor:
        self.codec.check_codes(codes, empty_ok=True)
        mel = self.mel(codes)
        if not mel.shape[-1]:
            return torch.zeros(len(codes), 1, 0, device=codes.device)
        return self.sound(self.network(mel))

    @torch.no_grad()
    def flush(self) -> Tensor:
        mel = self.mel.flush()
        raw = torch.cat([self.network(mel), self.network.flush()], -1) if mel.shape[-1] else self.network.flush()
        return self.sound.flush(raw)
