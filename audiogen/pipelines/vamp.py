"""Vamping: what `audiogen.Vamp()` is.

    vamp = audiogen.Vamp()
    take = vamp(audiogen.Audio.read("loop.wav"), "periodic(7) & levels(4)", seed=1)[0]
    take.save("new.wav")

A sound becomes a grid of codes (`coding`), a prompt says which cells are kept, two masked models fill the others
(`fill`), and the codes become a sound again. The result has the input's sample rate, channels and exactly its number of
samples, its loudness and its stereo image; the codes behind it are mono.
Paper: Flores Garcia et al. 2023, arXiv:2307.04686, "VampNet". Shapes: K levels, T frames, R rounds.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.checkpoints import resolve
from audiogen.checkpoints.vampnet import load_vamp
from audiogen.errors import InputError
from audiogen.pipelines import identity
from audiogen.pipelines.batches import OnStep
from audiogen.pipelines.fill import Filled, Filler, Item, unrelated
from audiogen.pipelines.passes import take_of
from audiogen.pipelines.precision import dtype_of
from audiogen.pipelines.source import Source, has_codes_of, notes_on, replacing, source_of
from audiogen.pipelines.splice import join, splice
from audiogen.pipelines.take import Take, VampSettings
from audiogen.plain import from_plain
from audiogen.prompts import Grid, Loop, Prompt, mask, parse
from audiogen.prompts.presets import DEFAULT, PRESETS


class Vamp:
    """Makes variations of music. One object per model; several requests may share it, one after the other.

    Args:
        model: name or folder of a VampNet system, packed or official.
        device: where it computes: "cpu", "cuda", ...
        style: a file that `audiogen finetune vamp` made.
        dtype: what it computes in: float32, or bfloat16, which makes big models several times as fast.
    Raises:
        InputError: unknown name, damaged files, or a model of another type.
    """

    kind: ClassVar[str] = "vamp"

    def __init__(
        self,
        model: str | Path = "nano-vamp",
        device: str = "cpu",
        style: str | Path | None = None,
        dtype: str = "float32",
    ):
        self.model = identity.lasting(model)
        self.style = None if style is None else identity.lasting(style)
        self.system = load_vamp(resolve(model), device, style, dtype_of(dtype))

    def __call__(
        self,
        audio: Audio | str | Path,
        prompt: Prompt | str | None = None,
        *,
        steps: int | None = None,
        temperature: float | None = None,
        seed: int = 0,
        variations: int = 1,
        keep_original: bool = False,
        bars: int | None = None,
        feedback: int = 1,
        pitch: float = 0.0,
        stretch: int = 1,
        confidence_temperature: float | None = None,
        top_p: float | None = None,
        typical_mass: float | None = None,
        typical_min_tokens: int | None = None,
        greedy_steps: int | None = None,
        on_step: OnStep | None = None,
    ) -> list[Take]:
        """Vamp a sound.

        Args:
            audio: 0.5 seconds or more of sound, or its file. A Take is not encoded again, unless it is to be cut or
                shifted (`bars`, `pitch`).
            prompt: what is kept, as a Prompt or its text (`audiogen.prompts`); default: the preset "medium".
            seed: same request and seed, same result, whatever the number of variations.
            variations: how many results, with the seeds `seed`, `seed` + 1, ...
            on_step: told after every pass how many are done, and how many there are.
            steps: this and all other settings are explained in `VampSettings`.
        Returns:
            As many Takes as `variations`.
        Raises:
            InputError: silence, too short, a setting out of its range, or a prompt that this sound has no place for.
        """
        settings = VampSettings(
            prompt=_text(prompt), steps=steps, temperature=temperature, seed=seed, variations=variations,
            keep_original=keep_original, bars=bars, feedback=feedback, pitch=pitch, stretch=stretch,
            confidence_temperature=confidence_temperature, top_p=top_p, typical_mass=typical_mass,
            typical_min_tokens=typical_min_tokens, greedy_steps=greedy_steps,
        )  # fmt: skip
        return self.run(audio, settings, on_step)

    def endless(
        self,
        audio: Audio | str | Path,
        prompt: Prompt | str | None = None,
        *,
        seed: int = 0,
        on_step: OnStep | None = None,
        **settings: Any,
    ) -> Iterator[Take]:
        """Vamp a loop for ever: each pass is made from the one before it, with the next seed.

        All passes are loops of the same length, in the same loudness and beat; at their seams they have the same
        samples, so that any of them can follow any other, or itself, without a gap.

        Args:
            audio: the loop; with `bars`, its first bars.
            settings: as in a call; `bars`, `pitch` and `stretch` apply to the first pass.
        Raises:
            InputError: as a call; wrong settings at once.
        """
        whole = parse(_text(prompt))
        prompt = str(whole if whole.circular else whole & Loop(0))
        first = from_plain(VampSettings, {**settings, "prompt": prompt, "seed": seed, "join": True}, "endless")
        if first.variations != 1:
            raise InputError(f"endless: expected one variation, got {first.variations}. Start another one beside it.")
        return self._passes(audio, first, on_step)

    def _passes(self, audio: Audio | str | Path, settings: VampSettings, on_step: OnStep | None) -> Iterator[Take]:
        while True:
            take = self.run(audio, settings, on_step)[0]
            yield take
            audio = take
            settings = replace(settings, seed=settings.seed + 1, bars=None, pitch=0.0, stretch=1)

    def run(self, audio: Audio | str | Path, settings: VampSettings, on_step: OnStep | None = None) -> list[Take]:
        """As a call, with all settings in one: what `replay` repeats."""
        prompt = parse(settings.prompt)
        plan = self.system.decoding.coarse_plan(**settings.plan)
        source = source_of(
            audio, self.system.codec, self.codec_sha256,
            circular=prompt.circular, bars=settings.bars, pitch=settings.pitch,
        )  # fmt: skip
        levels, frames = source.codes.shape
        grid = Grid(levels, frames, source.frame_rate, source.origin)
        codes = source.codes.repeat_interleave(settings.stretch, dim=-1)
        items = [
            Item(codes, _rounds(prompt, grid, seed, settings), seed)
            for seed in range(settings.seed, settings.seed + settings.variations)
        ]
        filled = Filler(self.system, plan, source.circular, on_step)(items)
        return [
            self._take(source, settings, item, result, number)
            for number, (item, result) in enumerate(zip(items, filled, strict=True))
        ]

    @cached_property
    def identity(self) -> dict[str, str | None]:
        """Names and SHA-256 of model and codec, as the sidecar has them."""
        models = identity.of_modules(
            self.system.coarse, self.system.fine, note=f"{self.codec_sha256} {self.system.decoding}"
        )
        return {"name": self.model, "style": self.style, "sha256": models, "codec_sha256": self.codec_sha256}

    @cached_property
    def codec_sha256(self) -> str:
        """Whose codes a Take must have to be vamped without encoding it again."""
        return identity.of_modules(self.system.codec)

    def knows(self, take: Take) -> bool:
        """Whether a Take is vamped by its codes: whether they are those of this model's codec."""
        return has_codes_of(self.system.codec, self.codec_sha256, take)

    @property
    def made_with(self) -> dict[str, Any]:
        """What the last bit of a result depends on besides its settings."""
        return identity.of_machine(self.system.device, next(self.system.coarse.parameters()).dtype)

    def _take(self, source: Source, settings: VampSettings, item: Item, filled: Filled, number: int) -> Take:
        audio = self._sound(source, settings, item.mask, filled.codes)
        return take_of(
            self, audio, filled, settings, mask=item.mask, seed=item.seed, history=source.history,
            notes=notes_on(item.mask), variation=number, circular=source.circular,
            origin=source.origin if settings.stretch == 1 else audio,
        )  # fmt: skip

    def _sound(self, source: Source, settings: VampSettings, mask: Tensor, codes: Tensor) -> Audio:
        """Codes [K, T] and what of them was generated -> the sound that replaces the source."""
        audio = replacing(source, codes, self.system.codec, settings.stretch)
        if settings.keep_original:
            audio = splice(source.audio, audio, mask.any(dim=0), source.frame_rate, source.circular)
        again = isinstance(source.audio, Take) and source.audio.circular and settings.stretch == 1
        return join(source.audio, audio) if settings.join and again else audio


def _text(prompt: Prompt | str | None) -> str:
    return PRESETS[DEFAULT].prompt if prompt is None else str(prompt)


def _rounds(prompt: Prompt, grid: Grid, seed: int, settings: VampSettings) -> Tensor:
    """[R, K, T * stretch] bool: what is generated in each round. The first mask is that of the seed itself."""
    seeds = [seed, *(unrelated(seed, f"round {number}") for number in range(1, settings.feedback))]
    masks = torch.cat([mask(prompt, grid, each) for each in seeds])
    stretched = masks.repeat_interleave(settings.stretch, dim=-1)
    return stretched | (torch.arange(stretched.shape[-1]) % settings.stretch != 0)
