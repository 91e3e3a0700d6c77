"""EnCodec: a SEANet autoencoder with an LSTM and residual vector quantisation, at 24, 32 and 48 kHz.

Paper: Défossez et al. 2022, arXiv:2210.13438; the 32 kHz music configuration: Copet et al. 2023, arXiv:2306.05284.
The layers are those of the `encodec` package; this file gives them one configuration, the codec contract, the official
weights in all three layouts in which they are published, and exact streaming.
Differs from the package, at 48 kHz only (see `Segments`): a second is cut into steps of whole frames, and the gain of a
segment is a constant, so that codes alone decode.
Shapes: B batch, C channels, S samples, K levels, T frames, D latent width.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, prod
from pathlib import Path

import torch
from torch import Tensor, nn

from audiogen.codecs.base import Codec, Streamer
from audiogen.codecs.segments import SegmentStreamer, overlap_add, segment_starts
from audiogen.codecs.streaming import Window, reach
from audiogen.codecs.weights import assign_normed, check_sample_rate, check_sizes, liven, old_weight_norm
from audiogen.extras import need


@dataclass(frozen=True, kw_only=True)
class EncodecConfig:
    """One configuration; the defaults are the 24 kHz speech and audio model."""

    sample_rate: int = 24_000
    """Hz."""
    channels: int = 1
    """C."""
    levels: int = 32
    """K."""
    vocab_size: int = 1024
    """V; a power of two."""
    ratios: tuple[int, ...] = (8, 5, 4, 2)
    """Upsampling factors of the decoder, first to last; their product is the hop length."""
    filters: int = 32
    """Channels next to the audio; doubled at every ratio."""
    dimension: int = 128
    """D, latent width."""
    causal: bool = True
    """Padding on the left only; otherwise half on each side."""
    norm: str = "weight_norm"
    """Of every convolution: "weight_norm" or "time_group_norm"."""
    pad_mode: str = "reflect"
    """At the edges of the signal: "reflect" or "constant" (zeros)."""
    shortcut_conv: bool = True
    """Residual blocks have a 1x1 convolution on the skip path."""
    kernel_size: int = 7
    """Of the first convolution, in samples in the encoder, in frames in the decoder."""
    last_kernel_size: int = 7
    """Of the last convolution."""
    residual_kernel_size: int = 3
    """Of the first convolution in a residual block."""
    residual_layers: int = 1
    """Residual blocks per ratio."""
    dilation_base: int = 2
    """Dilation of residual block j is dilation_base ** j."""
    compress: int = 2
    """Residual blocks are this much narrower inside."""
    lstm_layers: int = 2
    """Layers of the LSTM between convolutions and quantiser."""
    trim_right_ratio: float = 1.0
    """Causal only: share of a transposed convolution's padding that is cut off on the right."""
    segment_frames: int | None = None
    """Frames that are coded at a time, with SEGMENT_OVERLAP in common with the next; None: the whole signal at once."""
    gain: float = 1.0
    """The audio is divided by this before the encoder, and multiplied after the decoder."""

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        return prod(self.ratios)


SEGMENT_GAIN = 0.1
"""-20 dBFS, a usual RMS of music. The package divides each segment by its own RMS and multiplies the decoded segment by
it, which codes alone cannot know; here the gain is this constant."""
SEGMENT_OVERLAP = 2
"""Frames that neighbouring segments share at 48 kHz (13 ms; the package has 480 samples, which is 1.5 frames)."""
CONFIGS = {
    "encodec-24khz": EncodecConfig(),
    "encodec-32khz": EncodecConfig(
        sample_rate=32_000,
        levels=4,
        vocab_size=2048,
        ratios=(8, 5, 4, 4),
        filters=64,
        causal=False,
        shortcut_conv=False,
    ),
    "encodec-48khz": EncodecConfig(
        sample_rate=48_000,
        channels=2,
        levels=16,
        causal=False,
        norm="time_group_norm",
        segment_frames=150,
        gain=SEGMENT_GAIN,
    ),
}
"""The official models. 48 kHz: normalise recordings that are much quieter or louder (`Audio.normalize(-20)`)."""


class Encodec(Codec):
    """EnCodec with random weights; `Encodec.load` reads official ones. Parameter names are the package's."""

    def __init__(self, config: EncodecConfig):
        super().__init__()
        modules = need("encodec.modules", "codecs")
        quantization = need("encodec.quantization", "codecs")
        self.config = config
        self.sample_rate = config.sample_rate
        self.frame_rate = config.sample_rate / config.hop_length
        self.levels = config.levels
        self.vocab_size = config.vocab_size
        self.channels = config.channels
        layers = _layer_arguments(config)
        with old_weight_norm():
            self.encoder = modules.SEANetEncoder(**layers)
            self.decoder = modules.SEANetDecoder(**layers, trim_right_ratio=config.trim_right_ratio)
        self.quantizer = quantization.ResidualVectorQuantizer(
            config.dimension, config.levels, config.vocab_size, kmeans_init=False
        )

    @classmethod
    def load(cls, name: str, source: Path) -> "Encodec":
        """See `CodecClass.load`; every published layout is read (`encodec_weights`)."""
        from audiogen.codecs.encodec_weights import read

        config, state = read(source, CONFIGS.get(name))
        check_sample_rate(source, config.sample_rate, CONFIGS.get(name, config).sample_rate)
        return cls.assemble(config, state, source)

    @classmethod
    def assemble(cls, config: EncodecConfig, state: Mapping[str, Tensor], source: Path) -> "Encodec":
        """From its configuration and parameters, under either set of names; `source` is for error messages.

        Raises:
            InputError: names or shapes differ.
        """
        from audiogen.codecs.encodec_weights import transformers_name

        with torch.device("meta"):  # no time and memory for weights that are replaced
            codec = cls(config)
        assign_normed(codec, state, source, transformers_name)
        return codec.eval()

    @classmethod
    def tiny(cls, name: str) -> "Encodec":
        """See `CodecClass.tiny`."""
        config = replace(CONFIGS[name], filters=4, dimension=8, vocab_size=32, levels=4)
        if config.segment_frames:
            config = replace(config, segment_frames=12)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            codec = cls(config)
            for key, buffer in codec.named_buffers():
                if key.endswith(".embed"):
                    nn.init.normal_(buffer, std=0.2)
        liven(codec, 1.8)
        return codec.eval()

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Tensor:
        self.check_audio(audio)
        frames = self.config.segment_frames
        if frames is None:
            return self._encode(audio)
        # a segment's last frames are also its successor's first: each frame is kept from the segment that starts later
        step = frames - SEGMENT_OVERLAP
        hop = self.hop_length
        starts = segment_starts(self.num_frames(audio.shape[-1]), frames, SEGMENT_OVERLAP)
        parts = [self._encode(audio[..., start * hop : (start + frames) * hop]) for start in starts]
        return torch.cat([part[..., :step] for part in parts[:-1]] + parts[-1:], dim=-1)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        self.check_codes(codes)
        frames = self.config.segment_frames
        if frames is None:
            return self._decode(codes)
        starts = segment_starts(codes.shape[-1], frames, SEGMENT_OVERLAP)
        segments = [self._decode(codes[..., start : start + frames]) for start in starts]
        return overlap_add(segments, SEGMENT_OVERLAP * self.hop_length)

    def encode_long(self, audio: Tensor, block: float = 30.0, context: float = 2.0) -> Tensor:
        """See `Codec.encode_long`; segments are blocks already."""
        return self.encode(audio) if self.config.segment_frames else super().encode_long(audio, block, context)

    def codebooks(self) -> Tensor:
        return torch.stack([layer.codebook for layer in self.quantizer.vq.layers[: self.levels]]).detach()

    def streamer(self) -> Streamer:
        frames = self.config.segment_frames
        if frames is None:
            return EncodecStreamer(self)
        return SegmentStreamer(self, self._decode, frames, SEGMENT_OVERLAP)

    def _encode(self, audio: Tensor) -> Tensor:
        # the layers pad a last, partial frame themselves, by reflection, as the official codes expect
        latents = self.encoder(audio / self.config.gain)
        return self.quantizer.vq.encode(latents, self.levels).transpose(0, 1)

    def _decode(self, codes: Tensor) -> Tensor:
        return self.decoder(self.embed(codes)) * self.config.gain

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [B, K, T] -> latents [B, D, T], the sum of the codebook rows."""
        return self.quantizer.decode(codes.transpose(0, 1))


class EncodecStreamer(Streamer):
    """The decoder in three parts: convolution, LSTM, convolutions. The LSTM has an endless memory but looks only back,
    so its state is carried on; the convolutions on both sides of it are windowed."""

    def __init__(self, codec: Encodec):
        self.codec = codec
        layers = codec.decoder.model
        split = next((i for i, layer in enumerate(layers) if hasattr(layer, "lstm")), 0)
        self.lstm = layers[split] if split else None
        before, after = layers[:split], layers[split + 1 :] if split else layers
        width = codec.config.filters * 2 ** len(codec.config.ratios)
        self.before = _window(before, width, 1, codec.config)
        self.after = _window(after, codec.channels, codec.hop_length, codec.config)
        self._state: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def __call__(self, codes: Tensor) -> Tensor:
        self.codec.check_codes(codes, empty_ok=True)
        latents = self.codec.embed(codes)
        return self.after(self._recur(self.before(latents))) * self.codec.config.gain

    @torch.no_grad()
    def flush(self) -> Tensor:
        settled = self.after(self._recur(self.before.flush()))
        self._state = None
        return torch.cat([settled, self.after.flush()], dim=-1) * self.codec.config.gain

    def _recur(self, latents: Tensor) -> Tensor:
        """The LSTM layer on [B, D, t], going on from the last call."""
        if self.lstm is None or latents.shape[-1] == 0:
            return latents
        outputs, self._state = self.lstm.lstm(latents.permute(2, 0, 1), self._state)
        outputs = outputs.permute(1, 2, 0)
        return outputs + latents if self.lstm.skip else outputs


def _window(layers: nn.Sequential, channels: int, scale: int, config: EncodecConfig) -> Window:
    def padding(layer: nn.Module) -> int:
        """The package's layers pad in wrappers: on the left, or most of an odd number there."""
        assert isinstance(layer, nn.Conv1d | nn.ConvTranspose1d)
        if isinstance(layer, nn.ConvTranspose1d):
            total = layer.kernel_size[0] - layer.stride[0]
            return total - (ceil(total * config.trim_right_ratio) if config.causal else total // 2)
        total = (layer.kernel_size[0] - 1) * layer.dilation[0]
        return total if config.causal else total - total // 2

    left, right = reach(layers, scale, padding)
    # reflection at the start of the signal reads as far ahead as it pads
    return Window(layers, channels, scale, left, right, start=left + 1)


def _layer_arguments(config: EncodecConfig) -> dict[str, object]:
    """What the package's encoder and decoder have in common, under its names."""
    return {
        "channels": config.channels,
        "dimension": config.dimension,
        "n_filters": config.filters,
        "n_residual_layers": config.residual_layers,
        "ratios": list(config.ratios),
        "norm": config.norm,
        "kernel_size": config.kernel_size,
        "last_kernel_size": config.last_kernel_size,
        "residual_kernel_size": config.residual_kernel_size,
        "dilation_base": config.dilation_base,
        "causal": config.causal,
        "pad_mode": config.pad_mode,
        "true_skip": not config.shortcut_conv,
        "compress": config.compress,
        "lstm": config.lstm_layers,
    }
