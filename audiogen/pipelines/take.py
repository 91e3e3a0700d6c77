"""`Take`: one result of a pipeline for music or sound, and `VampSettings`: everything that was asked of a vamp.

Shapes: C channels, S samples, K levels, T frames.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from audiogen.audio import Audio
from audiogen.decoding import Trace
from audiogen.errors import InputError
from audiogen.pipelines.identity import of_audio

MAX_SEED = 2**62
Limits = Mapping[str, tuple[float, float]]
"""Name of a number -> the smallest and the largest value that it may have."""
LIMITS: Limits = {
    "seed": (0, MAX_SEED),
    "variations": (1, 64),
    "steps": (1, 1000),
    "temperature": (1e-3, 100),
    "confidence_temperature": (0, 1000),
    "top_p": (1e-3, 1),
    "typical_mass": (1e-3, 1),
    "typical_min_tokens": (1, 2**20),
    "greedy_steps": (0, 1000),
    "feedback": (1, 64),
    "pitch": (-24, 24),
    "stretch": (1, 8),
    "bars": (1, 10_000),
}
"""Of `VampSettings`."""


def check_limits(settings: object, limits: Limits) -> None:
    """Raise InputError unless the numbers of `settings` that are given are within `limits`."""
    for name, (least, most) in limits.items():
        value = getattr(settings, name)
        if value is not None and not (math.isfinite(value) and least <= value <= most):
            raise InputError(f"expected {name} in {least}..{most}, got {value}. Change it.")


@dataclass(frozen=True, kw_only=True)
class VampSettings:
    """One request to `Vamp`, as plain values: what the sidecar keeps and `replay` repeats.

    None stands for what the model comes with.

    Raises:
        InputError: a number outside of LIMITS, or settings that exclude each other.
    """

    prompt: str
    """Text of the prompt, as `audiogen.prompts.parse` reads it: which cells are kept."""
    seed: int = 0
    """Of the first variation; the others have the seeds that follow."""
    variations: int = 1
    steps: int | None = None
    """Passes of the coarse model."""
    temperature: float | None = None
    """Divides the logits of the coarse model: above 1 is bolder, below 1 more usual."""
    confidence_temperature: float | None = None
    """Noise on the choice of the surest cells: a large one fixes cells in random order."""
    top_p: float | None = None
    """Draw from the most probable codes up to this total probability; 1 is off."""
    typical_mass: float | None = None
    """Draw from the codes of most typical surprise up to this total probability; 1 is off."""
    typical_min_tokens: int | None = None
    """Codes that typical filtering leaves at least."""
    greedy_steps: int | None = None
    """Last passes of the coarse model, which take the most probable code instead of drawing one."""
    feedback: int = 1
    """Rounds: each vamps what the last one made, with the prompt drawn anew ("token telephone")."""
    pitch: float = 0.0
    """Semitones by which the input is shifted first."""
    stretch: int = 1
    """Times as long: every frame is followed by `stretch` - 1 new ones."""
    bars: int | None = None
    """Use only so many bars of the input, from its first downbeat; None: all of it."""
    keep_original: bool = False
    """Where all levels are kept the result has the input's own samples, instead of decoded ones."""
    join: bool = False
    """Start and end as the input does, to the sample: passes of one loop can follow each other in any order."""

    def __post_init__(self) -> None:
        check_limits(self, LIMITS)
        if self.keep_original and (self.pitch != 0 or self.stretch != 1):
            raise InputError(
                "expected keep_original without pitch and stretch, got both: nothing of the original stays where it "
                "is. Leave one of them out."
            )

    @property
    def plan(self) -> dict[str, float]:
        """The settings of the coarse model's plan that were given."""
        names = (
            *("steps", "temperature", "confidence_temperature"),
            *("top_p", "typical_mass", "typical_min_tokens", "greedy_steps"),
        )
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, eq=False, repr=False)
class Take(Audio):
    """An Audio that knows how it was made: by `Vamp`, `Music` or `Sound`. Its codes need not be encoded again."""

    codes: Tensor
    """[K, T] int64."""
    mask: Tensor
    """[K, T] bool, True = was generated, in any of the rounds."""
    trace: Trace
    """[1, K, T]: the pass in which each cell was fixed; passes of a second model follow those of the first."""
    seed: int
    """Its own: the same request with this seed, and for one result, gives the same codes."""
    settings: Mapping[str, Any]
    """Plain values that make the same Take again (`audiogen.pipelines.replay`), as the sidecar has them."""
    circular: bool
    """Whether it is a loop: its end flows into its start, and every vamp of it does so too."""
    origin: Audio
    """The sound whose loudness and stereo image it has, and whose beats prompts follow: the first input, if any."""

    def __repr__(self) -> str:
        return f"Take({super().__repr__()[6:-1]}, seed {self.seed}, {float(self.mask.float().mean()):.0%} generated)"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about this result: a prompt that kept everything, or nothing."""
        return tuple(self.settings["passes"][-1]["notes"])

    @cached_property
    def seam(self) -> float:
        """How well its end meets its start: about 1 is seamless, see `audiogen.metrics.seam`."""
        from audiogen.metrics.seam import seam

        return seam(self)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Measured: what the sidecar says of the result, as plain values."""
        seam, loudness = self.seam, self.loudness()
        return {
            "seed": self.seed,
            "seconds": round(self.duration, 4),
            "sample_rate": self.sample_rate,
            "channels": len(self.samples),
            "codes": list(self.codes.shape),
            "generated": round(float(self.mask.float().mean()), 4),
            "loudness": round(loudness, 2) if math.isfinite(loudness) else None,
            "seam": round(seam, 3) if math.isfinite(seam) else None,
            "sha256": of_audio(self),
        }

    @cached_property
    def tempo(self) -> float | None:
        """Beats per minute; None where no beat is heard."""
        from audiogen.prompts.beats import track

        return track(self).tempo

    def save(self, path: str | Path, *, bpm_in_name: bool = False) -> Path:
        """Write the sound, a WAV with loop points, and beside it `<path>.json` with all settings.

        Args:
            path: as in `Audio.save`; .wav is 24 bit, which holds 16-bit and 24-bit originals to the sample.
            bpm_in_name: name it "loop-97bpm.wav" instead of "loop.wav", where a beat is heard.
        Returns:
            The sound's path.
        Raises:
            InputError: as `Audio.save`.
        """
        from audiogen.pipelines.loops import save_take

        return save_take(self, path, bpm_in_name=bpm_in_name)

    def save_plot(self, path: str | Path) -> Path:
        """Spectrogram, what was kept, and the pass in which each code was fixed, as a PNG.

        Raises:
            InputError: another suffix, or a place that cannot be written to.
        """
        from audiogen.metrics.plot import save_take

        made_by = self.settings["passes"][-1]
        title = made_by["settings"].get("text") or made_by["pipeline"]
        return save_take(path, self, self.trace, title, in_rows=made_by["pipeline"] == "sound")
