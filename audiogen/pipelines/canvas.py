"""What a piece is made on: nothing, a sound that goes on, or a sound of which something is made anew.

Each `Canvas` says which cells there are and which are to be generated, and what the filled grid sounds like.
Shapes: K levels, T frames.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.codecs import Codec
from audiogen.errors import InputError
from audiogen.pipelines.chunks import ROUNDING, frames_in
from audiogen.pipelines.ensemble import Ensemble
from audiogen.pipelines.music_settings import KEEP_ALL, MusicSettings
from audiogen.pipelines.sounding import Sounding, continuation, sound_of
from audiogen.pipelines.source import Source, notes_on, replacing, source_of
from audiogen.pipelines.splice import splice
from audiogen.prompts import Grid, mask, parse

SHORTEST = 0.1
"""Seconds of a piece."""

Settings = TypeVar("Settings", contravariant=True)


class Canvas(ABC, Generic[Settings]):
    """What there is before anything is made."""

    @property
    def circular(self) -> bool:
        """Whether the end of the piece flows into its start."""
        return False

    @property
    @abstractmethod
    def history(self) -> Mapping[str, Any]:
        """`Take.settings` up to here."""

    @abstractmethod
    def grid(self, settings: Settings) -> tuple[Tensor, Tensor]:
        """Codes [K, T] int64, and mask [K, T] bool, True = to be generated."""

    @abstractmethod
    def sound(self, codes: Tensor, mask: Tensor, settings: Settings) -> Audio:
        """Of the filled grid."""

    def origin(self, audio: Audio) -> Audio:
        """`Take.origin` of the piece `audio`."""
        return audio

    def notes(self, mask: Tensor) -> list[str]:
        """What its user should know."""
        return []


def canvas_of(audio: Audio | str | Path | None, settings: MusicSettings, ensemble: Ensemble) -> Canvas[MusicSettings]:
    """What `settings` ask for to be made on.

    Raises:
        InputError: too short, silence, or a prompt that does not go with what is asked.
    """
    if audio is None:
        return Blank.of(settings, ensemble)
    prompt, codec = parse(settings.prompt), ensemble.codec
    source = source_of(audio, codec, ensemble.codec_sha256, circular=prompt.circular)
    if not settings.seconds:
        return Changed(source, codec)
    if prompt.circular:
        raise InputError(
            "expected a prompt without loop() for a sound that goes on, got one whose end is to flow into its start. "
            "Leave loop() out, or seconds."
        )
    return Continued(source, codec)


@dataclass(frozen=True)
class Blank(Canvas[MusicSettings]):
    """Nothing: the whole piece is new."""

    codec: Codec
    steady: bool
    """Whether the piece is long enough for its level to drift."""

    @classmethod
    def of(cls, settings: MusicSettings, ensemble: Ensemble) -> "Blank":
        """For a piece from its caption alone.

        Raises:
            InputError: too short, or settings that are about an input.
        """
        if settings.seconds < SHORTEST:
            raise InputError(f"expected {SHORTEST} seconds of music or more, got {settings.seconds:g}. Change it.")
        if settings.prompt != KEEP_ALL or settings.keep_original:
            raise InputError(
                "expected a prompt or keep_original only with a sound to change, got a caption alone. Use inpaint or "
                "continue_."
            )
        return cls(ensemble.codec, settings.seconds > ensemble.magnet.duration)

    @property
    def history(self) -> Mapping[str, Any]:
        """As in `Canvas`."""
        return {"input": None, "passes": []}

    def grid(self, settings: MusicSettings) -> tuple[Tensor, Tensor]:
        """As in `Canvas`."""
        size = self.codec.levels, frames_in(settings.seconds, self.codec.frame_rate)
        return torch.zeros(size, dtype=torch.int64), torch.ones(size, dtype=torch.bool)

    def sounding(self, settings: MusicSettings) -> Sounding:
        """For its sound while it is made."""
        return Sounding(self.codec, round(settings.seconds * self.codec.sample_rate), self.steady)

    def sound(self, codes: Tensor, mask: Tensor, settings: MusicSettings) -> Audio:
        """As in `Canvas`."""
        return sound_of(codes, self.sounding(settings))


@dataclass(frozen=True)
class Changed(Canvas[MusicSettings]):
    """A sound of which a prompt keeps some cells; the piece is as long."""

    source: Source
    codec: Codec

    @property
    def circular(self) -> bool:
        """As in `Canvas`."""
        return self.source.circular

    @property
    def history(self) -> Mapping[str, Any]:
        """As in `Canvas`."""
        return self.source.history

    def grid(self, settings: MusicSettings) -> tuple[Tensor, Tensor]:
        """As in `Canvas`."""
        return self.source.codes, _asked(self.source, settings)

    def sound(self, codes: Tensor, mask: Tensor, settings: MusicSettings) -> Audio:
        """As in `Canvas`."""
        source = self.source
        audio = replacing(source, codes, self.codec)
        if settings.keep_original:
            audio = splice(source.audio, audio, mask.any(dim=0), source.frame_rate, source.circular)
        return audio

    def origin(self, audio: Audio) -> Audio:
        """As in `Canvas`."""
        return self.source.origin

    def notes(self, mask: Tensor) -> list[str]:
        """As in `Canvas`."""
        return notes_on(mask)


@dataclass(frozen=True)
class Continued(Canvas[MusicSettings]):
    """A sound, of which a prompt may keep less than all, and new sound behind it."""

    source: Source
    codec: Codec

    @property
    def history(self) -> Mapping[str, Any]:
        """As in `Canvas`."""
        return self.source.history

    def grid(self, settings: MusicSettings) -> tuple[Tensor, Tensor]:
        """As in `Canvas`. The last frame of the sound is new where it is only in part sound."""
        rate, duration = self.codec.frame_rate, self.source.audio.duration
        whole = self.source.codes[:, : int(duration * rate + ROUNDING)]
        known = replace(self.source, codes=whole, frame_rate=rate)
        new = frames_in(duration + settings.seconds, rate) - whole.shape[-1]
        return F.pad(whole, (0, new)), F.pad(_asked(known, settings), (0, new), value=True)

    def sound(self, codes: Tensor, mask: Tensor, settings: MusicSettings) -> Audio:
        """As in `Canvas`."""
        return continuation(self.source, codes, mask, self.codec, settings.seconds, settings.keep_original)


def _asked(source: Source, settings: MusicSettings) -> Tensor:
    """[K, T] bool: what the prompt leaves to be generated of a source."""
    levels, frames = source.codes.shape
    grid = Grid(levels, frames, source.frame_rate, source.origin)
    return mask(parse(settings.prompt), grid, settings.seed)[0]
