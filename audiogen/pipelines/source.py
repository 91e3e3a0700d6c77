"""Sounds that are to be changed: read, checked, encoded, or taken with the codes they have; and what replaces them.

Shapes: K levels, T frames.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from audiogen.audio import Audio
from audiogen.codecs import Codec
from audiogen.errors import InputError
from audiogen.pipelines import coding, identity
from audiogen.pipelines.level import at_loudness
from audiogen.pipelines.stereo import spread
from audiogen.pipelines.take import Take
from audiogen.prompts.beats import track

SHORTEST = 0.5
"""Seconds of sound that a prompt and a beat can be in."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """An input, ready to be changed."""

    audio: Audio
    """What is replaced: the result has its rate and channels."""
    origin: Audio
    """Whose loudness, stereo image and beats the result has."""
    loudness: float
    """LUFS of `origin`."""
    codes: Tensor
    """[K, T]."""
    frame_rate: float
    """Hz; of a loop, whose length is a whole number of frames, not exactly the codec's."""
    circular: bool
    history: Mapping[str, Any]
    """`Take.settings` up to here."""


def source_of(
    given: Audio | str | Path,
    codec: Codec,
    codec_sha256: str,
    *,
    circular: bool = False,
    bars: int | None = None,
    pitch: float = 0.0,
) -> Source:
    """An input as a grid of codes.

    Args:
        given: SHORTEST seconds or more of sound, or its file. A Take with codes of this codec is not encoded again,
            unless it is to be cut or shifted.
        codec_sha256: what `identity.of_modules` says of `codec`.
        circular: its end is to flow into its start; so does that of a Take that is a loop.
        bars, pitch: as in `VampSettings`.
    Raises:
        InputError: silence, too short, or fewer bars.
    """
    audio = given if isinstance(given, Audio) else Audio.read(given)
    taken = audio if isinstance(audio, Take) else None
    circular = circular or (taken is not None and taken.circular)
    if bars is not None:
        audio = first_bars(audio, bars)
    if taken is not None and bars is None and not pitch and has_codes_of(codec, codec_sha256, taken):
        origin, codes = taken.origin, taken.codes
        if circular and not taken.circular:  # the last frame may be mostly padding
            codes = codes[:, : coding.loop_frames(audio, codec)]
    else:
        check_sound(audio)
        origin, codes = audio, coding.encode(audio, codec, circular, pitch)
    return Source(
        audio=audio,
        origin=origin,
        loudness=origin.loudness(),
        codes=codes,
        frame_rate=codes.shape[-1] / audio.duration if circular else codec.frame_rate,
        circular=circular,
        history=taken.settings if taken is not None else {"input": _facts(given, audio), "passes": []},
    )


def replacing(source: Source, codes: Tensor, codec: Codec, stretch: int = 1) -> Audio:
    """The sound of codes [K, T] in the rate, length, channels, stereo image and loudness of what it replaces."""
    length = source.audio.samples.shape[-1] * stretch
    mono = coding.decode(codes, codec, length, source.audio.sample_rate, source.circular)
    return at_loudness(spread(mono, source.origin), source.loudness)


def first_bars(audio: Audio, count: int) -> Audio:
    """The first `count` bars, from the first downbeat on.

    Raises:
        InputError: no beat is heard, or fewer bars.
    """
    beats = track(audio)
    if beats.tempo is None:
        raise InputError("expected a sound with a beat to cut bars from, got none that is heard. Leave bars out.")
    edges = [*beats.downbeats, audio.duration]
    if count >= len(edges):
        raise InputError(f"expected at most the {len(edges) - 1} bars of this sound, got {count}. Ask for fewer.")
    start, end = (round(edges[place] * audio.sample_rate) for place in (0, count))
    return Audio(audio.samples[:, start:end], audio.sample_rate)


def check_sound(audio: Audio) -> None:
    """Raise InputError unless there is SHORTEST seconds of something to be heard."""
    if audio.duration < SHORTEST:
        raise InputError(
            f"expected {SHORTEST} seconds of sound or more, got {audio.duration:.2f} s. Repeat it, or record more."
        )
    if audio.loudness() == -math.inf:
        raise InputError(
            "expected sound to make something of, got silence (nothing above -70 LUFS). Check the recording, or turn "
            "it up."
        )


def notes_on(mask: Tensor) -> list[str]:
    """What a user should know of a prompt that left [.., K, T] to be generated: all of the input, or nothing of it."""
    if not bool(mask.any()):
        return ["The prompt keeps everything: nothing was generated. Keep less, for example periodic(7)."]
    if bool(mask.all()):
        return ["The prompt keeps nothing: of the input, the result has only the length and the loudness."]
    return []


def has_codes_of(codec: Codec, codec_sha256: str, take: Take) -> bool:
    """Whether the codes of `take` are this codec's, in as many levels."""
    made_by = take.settings["passes"][-1]["model"]["codec_sha256"]
    return made_by == codec_sha256 and len(take.codes) == codec.levels


def _facts(given: Audio | str | Path, audio: Audio) -> dict[str, Any]:
    """Which sound it was: a file, or samples in memory, which have no name and no place."""
    facts = {"sample_rate": audio.sample_rate, "channels": len(audio.samples), "seconds": round(audio.duration, 4)}
    if isinstance(given, Audio):
        return {"name": None, "path": None, "sha256": identity.of_audio(given), **facts}
    path = Path(given).resolve()
    return {"name": path.name, "path": str(path), "sha256": identity.of_file(path), **facts}
