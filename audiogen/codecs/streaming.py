"""Streaming decoders from whole ones: decode a window, keep what is settled.

A convolutional decoder sees a finite number of frames around each output, its receptive field. `Window` keeps that many
frames of the past, decodes them together with the new ones, and returns the outputs whose whole receptive field has
arrived. Nothing in the decoder has to know about it, and what is kept does not grow.

Shapes: B batch, K levels, D features, T and t frames, C channels.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from audiogen.codecs.base import Codec, Streamer


class Window:
    """Applies a function of a whole sequence [B, D, T] -> [B, C, T * scale] to a sequence that arrives in parts.

    `left` and `right` are the frames before and after a frame that its outputs may depend on. `start` is the number of
    frames without which not even the first outputs are settled: reflection padding reads ahead at the start of the
    sequence only.
    """

    def __init__(
        self, function: Callable[[Tensor], Tensor], channels: int, scale: int, left: int, right: int, start: int = 0
    ):
        self.function = function
        self.channels = channels
        self.scale = scale
        self.left = left
        self.right = right
        self.start = start
        self._reset()

    def _reset(self) -> None:
        self._frames: Tensor | None = None  # the past that outputs still depend on, then the frames without output
        self._pending = 0  # how many frames at the end of _frames have no output yet
        self._started = False

    def __call__(self, frames: Tensor) -> Tensor:
        """The outputs [B, C, s] that are settled once `frames` [B, D, t] have followed the earlier ones."""
        self._frames = frames if self._frames is None else torch.cat([self._frames, frames], dim=-1)
        self._pending += frames.shape[-1]
        settled = self._pending - self.right
        if settled <= 0 or (not self._started and self._frames.shape[-1] < self.start):
            return self._nothing(frames)
        outputs = self._outputs()[..., : settled * self.scale]
        self._started = True
        self._pending = self.right
        keep = self.left + self.right
        if self._frames.shape[-1] > keep:
            self._frames = self._frames[..., -keep:].clone() if keep else self._frames[..., :0]
        return outputs.clone()

    def flush(self) -> Tensor:
        """The remaining outputs, with the end of the sequence where the last frame was; ready for another sequence."""
        frames = self._frames
        outputs = self._nothing(frames) if frames is None or self._pending == 0 else self._outputs()
        self._reset()
        return outputs

    def _outputs(self) -> Tensor:
        """Of all frames that have none yet, settled or not."""
        assert self._frames is not None
        return self.function(self._frames)[..., -self._pending * self.scale :]

    def _nothing(self, like: Tensor | None) -> Tensor:
        if like is None:
            return torch.zeros(1, self.channels, 0)
        return torch.zeros(like.shape[0], self.channels, 0, device=like.device)


def in_windows(window: Window, frames: Tensor, size: int) -> Tensor:
    """What `window` makes of a whole sequence [B, D, T], given to it `size` frames at a time, [B, C, T * scale]."""
    return torch.cat([*(window(part) for part in frames.split(size, dim=-1)), window.flush()], dim=-1)


class WindowedStreamer(Streamer):
    """Streams any codec whose decoder has a finite receptive field, by decoding windows with `codec.decode`.

    `left` and `right` (default: as `left`) are frames of context; `reach` computes them for convolutions.
    """

    def __init__(self, codec: Codec, left: int, right: int | None = None):
        self.codec = codec
        self.window = Window(codec.decode, codec.channels, codec.hop_length, left, left if right is None else right)

    def __call__(self, codes: Tensor) -> Tensor:
        self.codec.check_codes(codes, empty_ok=True)
        return self.window(codes)

    def flush(self) -> Tensor:
        return self.window.flush()


def reach(module: nn.Module, scale: int, padding: Callable[[nn.Module], int] | None = None) -> tuple[int, int]:
    """Frames before and after a frame that its `scale` outputs depend on, in a stack of convolutions of stride 1 and
    transposed convolutions.

    Follows the outputs of frame 0 back through the Conv1d and ConvTranspose1d layers in the order of registration,
    which must be the order of the signal. Parallel branches are followed one after the other: then the result may be
    larger than needed, never smaller.

    Args:
        module: [B, D, T] -> [B, C, T * scale].
        scale: the product of the strides.
        padding: samples that a layer pads on the left (transposed: cuts off); default: its own `padding`.
    Returns:
        (left, right) for `Window`.
    """
    first, last = 0, scale - 1
    for layer in reversed(list(module.modules())):
        if not isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            continue
        left = padding(layer) if padding else int(layer.padding[0])
        width = (layer.kernel_size[0] - 1) * layer.dilation[0]
        if isinstance(layer, nn.ConvTranspose1d):
            stride = layer.stride[0]
            first, last = -((width - first - left) // stride), (last + left) // stride
        else:
            first, last = first - left, last - left + width
    return max(0, -first), max(0, last)
