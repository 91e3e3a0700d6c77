"""Who makes music together: a MAGNeT, its autoregressive twin, and whoever rescores. All speak the same codes.

Shapes: B batch, K levels, T frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from audiogen.checkpoints import load
from audiogen.checkpoints.musicgen import MagnetSystem, MusicGenSystem, MusicSystem
from audiogen.codecs import Codec
from audiogen.decoding.hybrid import Beginning
from audiogen.decoding.rescorers import CausalRescorer, MaskedRescorer, log_likelihood
from audiogen.decoding.rescoring import Rescorer
from audiogen.errors import InputError
from audiogen.models.magnet import Magnet
from audiogen.pipelines import identity
from audiogen.pipelines.chunks import frames_in

PROBE = 8
"""Frames by which codecs are compared."""
SAME = 1e-3
"""How far apart the sounds of one codec may lie that was read from two kinds of files."""


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """The systems behind one `Music`."""

    magnet: MagnetSystem
    twin: MusicGenSystem | None
    """Begins pieces, and chooses among candidates."""
    rescorer: MusicSystem | None
    """The second opinion in every pass; without another one, the twin."""

    @classmethod
    def load(
        cls,
        model: str | Path,
        twin: str | Path | None = None,
        rescorer: str | Path | None = None,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> "Ensemble":
        """From names or folders; without `twin`, the one that the model comes with, if any.

        Raises:
            InputError: an unknown name, damaged files, a system of another kind, or one with other codes.
        """
        magnet = load(model, device)
        if not isinstance(magnet, MagnetSystem):
            hint = " Name it as the twin of a MAGNeT." if isinstance(magnet, MusicGenSystem) else ""
            raise InputError(f"expected a MAGNeT, got {model} of type {type(magnet).__name__}.{hint}")
        other_twin = magnet.twin if twin is None else load(twin, device)
        if not isinstance(other_twin, MusicGenSystem | None):
            raise InputError(
                f"expected a MusicGen as twin, got {twin} of type {type(other_twin).__name__}. Name an autoregressive "
                "model, or let this one rescore."
            )
        second = other_twin if rescorer is None else load(rescorer, device)
        if not isinstance(second, MusicSystem | None):
            raise InputError(
                f"expected a MAGNeT or a MusicGen as rescorer, got {rescorer} of type {type(second).__name__}. "
                "Name another model."
            )
        for name, system in ((twin, other_twin), (rescorer, second)):
            if name is not None and system is not None:
                _check_codes(magnet, system, name)
        ensemble = cls(magnet=magnet, twin=other_twin, rescorer=second)
        for system in ensemble.systems:
            system.to(device, dtype)
        _ = ensemble.sha256  # of the numbers as they were read: packed ones can be saved no more
        for system in ensemble.systems:
            system.model.accelerate()
        return ensemble

    @property
    def systems(self) -> list[MusicSystem]:
        """Each of them once."""
        found = [system for system in (self.magnet, self.twin, self.rescorer) if system is not None]
        return list({id(system): system for system in found}.values())

    @property
    def codec(self) -> Codec:
        return self.magnet.codec

    @property
    def device(self) -> torch.device:
        return self.magnet.device

    @cached_property
    def codec_sha256(self) -> str:
        """Whose codes a Take must have to be used without encoding it again."""
        return identity.of_modules(self.codec)

    @cached_property
    def sha256(self) -> str:
        """Of all that decides about codes and sound."""
        numbers = [part for system in self.systems for part in (system.model, system.text)]
        how = [self.codec_sha256, *(f"{type(one).__name__} {one.decoding}" for one in self.systems)]
        return identity.of_modules(*numbers, note=" ".join(how))

    def needed_twin(self, what: str) -> MusicGenSystem:
        """The twin.

        Raises:
            InputError: there is none; `what` needs it.
        """
        if self.twin is None:
            raise InputError(
                f"expected an autoregressive twin for {what}, got a model without. Name one that was trained on the "
                f"same codes (twin=, --twin), or leave {what} out."
            )
        return self.twin

    def beginning(self, texts: Sequence[str], frames: int) -> Beginning:
        """The first frames of B pieces, by the twin."""
        twin = self.needed_twin("hybrid")
        return Beginning(
            model=twin.model,
            condition=twin.condition(texts),
            frames=frames,
            sampling=twin.decoding.sampling,
            guidance_scale=twin.decoding.guidance_scale,
        )

    def second_opinion(self, texts: Sequence[str]) -> Rescorer:
        """Who rescores B pieces."""
        system = self.rescorer or self.needed_twin("rescore")
        condition = system.condition(texts)
        if isinstance(system.model, Magnet):
            return MaskedRescorer(model=system.model, condition=condition)
        return CausalRescorer(model=system.model, condition=condition)

    @torch.no_grad()
    def likelihood(self, codes: Tensor, text: str) -> float:
        """Mean log-probability of codes [K, T] after a caption, as the twin finds it; window by window."""
        twin = self.needed_twin("candidates")
        condition = twin.condition([text])
        size = frames_in(twin.duration, self.codec.frame_rate)
        parts = codes[None].to(self.device).split(size, dim=-1)
        total = sum(part.shape[-1] * float(log_likelihood(twin.model, part, condition)) for part in parts)
        return total / codes.shape[-1]


def _check_codes(magnet: MagnetSystem, other: MusicSystem, name: str | Path) -> None:
    """Raise InputError unless both systems mean the same by a code."""
    ours, theirs = magnet.codec, other.codec
    facts = [(codec.levels, codec.vocab_size, codec.sample_rate, codec.hop_length) for codec in (ours, theirs)]
    if facts[0] != facts[1]:
        shown = ["{} levels of {} codes at {} Hz, hop {}".format(*one) for one in facts]
        raise InputError(f"{name}: expected the codes of the model ({shown[0]}), got {shown[1]}. Name another one.")
    if not _sound_alike(ours, theirs):
        raise InputError(
            f"{name}: expected the codec of the model, got one whose codes mean other sounds. "
            "Name a model that was trained on the same codes."
        )


@torch.no_grad()
def _sound_alike(ours: Codec, theirs: Codec) -> bool:
    """Whether both decode a few codes to the same sound; codecs have no names that could be compared."""
    count = ours.levels * PROBE
    codes = (torch.arange(count) * 7919 % ours.vocab_size).view(1, ours.levels, PROBE)
    sounds = [codec.decode(codes.to(next(codec.parameters()).device)).float().cpu() for codec in (ours, theirs)]
    return torch.allclose(sounds[0], sounds[1], atol=SAME, rtol=0)
