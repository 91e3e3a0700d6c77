"""Tones and noise (`audiogen.nn.tonal`) as a stream.

Shapes: B batch, P = 2M + F raw parameters of a synthesis frame, t frames, s samples.
"""

import torch
from torch import Tensor

from audiogen.codecs.streaming import Window
from audiogen.nn.tonal import TonalSynth


class TonalStream:
    """Raw parameters that arrive in parts, to samples; the sinusoids' phases and the noise run through."""

    def __init__(self, synth: TonalSynth):
        self.synth = synth
        self.shaping = Window(self._shape, 1, synth.hop_length, synth.context, synth.context)
        self._reset()

    def _reset(self) -> None:
        self._last: Tensor | None = None  # the frame whose sinusoids wait for the next one
        self._phases: Tensor | None = None
        self._position = 0

    def __call__(self, raw: Tensor) -> Tensor:
        """Parameters [B, P, t] that follow those of the last call -> the samples [B, 1, s] that are settled by now."""
        return self._sound(raw if self._last is None else torch.cat([self._last, raw], -1))

    def flush(self, raw: Tensor) -> Tensor:
        """The remaining samples, with the stream's last parameters [B, P, t], t >= 0; then a new stream may begin."""
        if self._last is not None:
            raw = torch.cat([self._last, raw], -1)
        audio = self._sound(torch.cat([raw, raw[..., -1:]], -1))
        audio = torch.cat([audio, self.shaping.flush()], -1)
        self._reset()
        return audio

    def _sound(self, raw: Tensor) -> Tensor:
        """Raw parameters [B, P, t] -> the samples that are settled; the last frame stays for the next call."""
        self._last = raw[..., -1:].clone()
        hop, frames = self.synth.hop_length, max(0, raw.shape[-1] - 1)
        if not frames:
            return torch.zeros(raw.shape[0], 1, 0, device=raw.device)
        partials, _ = self.synth.unpack(raw)
        if self._phases is None:
            self._phases = self.synth.bank.silence(raw.shape[0])
        tones, self._phases = self.synth.bank(partials, self._phases)
        noise = self.synth.noise(self._position, frames * hop).expand_as(tones)
        self._position += frames * hop
        samples = [part.unflatten(-1, (frames, hop)).transpose(1, 2) for part in (tones, noise)]
        return self.shaping(torch.cat([*samples, raw[..., :frames]], 1))

    def _shape(self, frames: Tensor) -> Tensor:
        hop = self.synth.hop_length
        tones, noise, raw = frames.split([hop, hop, frames.shape[1] - 2 * hop], 1)
        _, gains = self.synth.unpack(raw)
        shaped = self.synth.shape(noise.transpose(1, 2).flatten(1), gains)
        return (tones.transpose(1, 2).flatten(1) + shaped)[:, None]
