"""`Grid`: what a prompt is asked about, and the one rule by which seconds become frames.

Shapes: K levels, T frames. Units: seconds, frames per second.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.prompts.beats import TrackedBeats, track, track_onsets

_ROUNDING = 1e-6
"""Frames: 0.58 s at 50 Hz are 29 frames, though 0.58 * 50 is 28.999999999999996."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of one sound: frame i covers the seconds i / frame_rate to (i + 1) / frame_rate.

    Raises:
        InputError: no levels, no frames, or no frame rate.
    """

    levels: int
    """K."""
    frames: int
    """T."""
    frame_rate: float
    """Hz."""
    audio: Audio | None = None
    """The sound itself, for the prompts that listen to it; tracked when the first of them asks."""

    def __post_init__(self) -> None:
        if min(self.levels, self.frames) < 1 or not 0 < self.frame_rate < math.inf:
            raise InputError(
                f"Grid: expected at least one level and one frame, and a frame rate above 0, got {self.levels} levels, "
                f"{self.frames} frames, {self.frame_rate} Hz. Encode a sound with a codec first."
            )

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames / self.frame_rate

    def frames_of(self, start: float, end: float) -> slice:
        """The frames that the seconds `start` to `end` touch, also where they touch only a part of a frame.

        So a region that is regenerated is regenerated whole, and one that is kept is kept whole. What lies outside the
        grid is cut off; an empty span (start = end) touches nothing.
        """
        if end <= start:
            return slice(0, 0)
        first = math.floor(start * self.frame_rate + _ROUNDING)
        last = math.ceil(end * self.frame_rate - _ROUNDING)
        return slice(min(max(first, 0), self.frames), min(max(last, 0), self.frames))

    def empty(self) -> Tensor:
        """[K, T] bool, all False: the canvas that prompts mark cells on."""
        return torch.zeros(self.levels, self.frames, dtype=torch.bool)

    @cached_property
    def beats(self) -> TrackedBeats:
        """Beats and bars of the sound.

        Raises:
            InputError: the grid has no sound, or no beat is heard in it.
        """
        beats = track(self._sound("beats and bars"))
        if beats.tempo is None:
            raise InputError(
                f"expected a sound with a beat, got {self.duration:.2f} s in which none is heard (silence, a drone, or "
                "too short). Use prompts that need no beat, for example periodic(7) or inpaint(0.5-1)."
            )
        return beats

    @cached_property
    def onsets(self) -> tuple[float, ...]:
        """Seconds at which notes and hits begin.

        Raises:
            InputError: the grid has no sound, or nothing begins in it.
        """
        onsets = track_onsets(self._sound("onsets"))
        if not onsets:
            raise InputError(
                f"expected a sound in which notes or hits begin, got {self.duration:.2f} s of silence or of one steady "
                "sound. Use prompts that need no onset, for example periodic(7)."
            )
        return onsets

    def _sound(self, wanted: str) -> Audio:
        if self.audio is None:
            raise InputError(
                f"Grid: expected the audio, which {wanted} are tracked in, got none. Pass Grid(..., audio=audio)."
            )
        return self.audio
