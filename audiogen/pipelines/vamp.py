"""Vamping: what `audiogen.Vamp()` is.

    vamp = audiogen.Vamp()
    take = vamp(audiogen.Audio.read("loop.wav"), "periodic(7) & levels(4)", seed=1)[0]
    take.save("new.wav")

A sound becomes a grid of codes (`coding`), a prompt says which cells are kept, two masked models fill the others
(`fill`), and the codes become a sound again. The result has the input's sample rate, channels and exactly its number of
samples, its loudness and its stereo image; the codes behind it are mono.
Paper: Flores Garcia et al. 2023, arXiv:2307.04686, "VampNet". Shapes: K levels, T frames, R rounds.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiogen import __version__
from audiogen.audio import Audio
from audiogen.checkpoints import models, resolve
from audiogen.checkpoints.vampnet import load_vamp
from audiogen.errors import InputError
from audiogen.pipelines import coding, identity
from audiogen.pipelines.fill import Filled, Filler, Item, OnStep, unrelated
from audiogen.pipelines.level import at_loudness
from audiogen.pipelines.splice import join, splice
from audiogen.pipelines.stereo import spread
from audiogen.pipelines.take import Take, VampSettings
from audiogen.plain import from_plain, to_plain
from audiogen.prompts import Grid, Loop, Prompt, mask, parse
from audiogen.prompts.beats import track
from audiogen.prompts.presets import DEFAULT, PRESETS

DTYPES = ("float32", "bfloat16")
SHORTEST = 0.5
"""Seconds of sound that a prompt and a beat can be in."""


@dataclass(frozen=True, kw_only=True)
class _Source:
    """An input, ready to be vamped."""

    audio: Audio
    """What is replaced: the result has its rate and channels, and its length times `stretch`."""
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

    def __init__(
        self,
        model: str | Path = "nano-vamp",
        device: str = "cpu",
        style: str | Path | None = None,
        dtype: str = "float32",
    ):
        if dtype not in DTYPES:
            raise InputError(f"Vamp: expected a dtype of {', '.join(DTYPES)}, got {dtype!r}. Choose one of these.")
        self.model = str(model) if str(model) in models() else _absolute(model)
        self.style = None if style is None else _absolute(style)
        self.system = load_vamp(resolve(model), device, style, getattr(torch, dtype))

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
        source = self._source(audio, settings, prompt.circular)
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
        codec = identity.of_modules(self.system.codec)
        models = identity.of_modules(self.system.coarse, self.system.fine, note=f"{codec} {self.system.decoding}")
        return {"name": self.model, "style": self.style, "sha256": models, "codec_sha256": codec}

    def _source(self, given: Audio | str | Path, settings: VampSettings, circular: bool) -> _Source:
        audio = given if isinstance(given, Audio) else Audio.read(given)
        taken = audio if isinstance(audio, Take) else None
        circular = circular or (taken is not None and taken.circular)
        if settings.bars is not None:
            audio = first_bars(audio, settings.bars)
        codec = self.system.codec
        if taken is not None and settings.bars is None and not settings.pitch and self._coded(taken):
            origin, codes = taken.origin, taken.codes
            if circular and not taken.circular:  # the last frame may be mostly padding
                codes = codes[:, : coding.loop_frames(audio, codec)]
        else:
            _check_sound(audio)
            origin, codes = audio, coding.encode(audio, codec, circular, settings.pitch)
        return _Source(
            audio=audio,
            origin=origin,
            loudness=origin.loudness(),
            codes=codes,
            frame_rate=codes.shape[-1] / audio.duration if circular else codec.frame_rate,
            circular=circular,
            history=taken.settings if taken is not None else {"input": _facts_of_input(given, audio), "passes": []},
        )

    def _coded(self, take: Take) -> bool:
        """Whether the codes of `take` are this codec's."""
        return take.settings["passes"][-1]["model"]["codec_sha256"] == self.identity["codec_sha256"]

    def _take(self, source: _Source, settings: VampSettings, item: Item, filled: Filled, number: int) -> Take:
        audio = self._sound(source, settings, item.mask, filled.codes)
        this = {
            "settings": to_plain(settings),
            "variation": number,
            "notes": _notes(item.mask),
            "model": self.identity,
            "made_with": made_with(self.system.device, next(self.system.coarse.parameters()).dtype),
        }
        return Take(
            audio.samples,
            audio.sample_rate,
            codes=filled.codes,
            mask=item.mask,
            trace=filled.trace,
            seed=item.seed,
            settings={**source.history, "passes": [*source.history["passes"], this]},
            circular=source.circular,
            origin=source.origin if settings.stretch == 1 else audio,
        )

    def _sound(self, source: _Source, settings: VampSettings, mask: Tensor, codes: Tensor) -> Audio:
        """Codes [K, T] and what of them was generated -> the sound that replaces the source."""
        rate, length = source.audio.sample_rate, source.audio.samples.shape[-1] * settings.stretch
        mono = coding.decode(codes, self.system.codec, length, rate, source.circular)
        audio = at_loudness(spread(mono, source.origin), source.loudness)
        if settings.keep_original:
            audio = splice(source.audio, audio, mask.any(dim=0), source.frame_rate, source.circular)
        again = isinstance(source.audio, Take) and source.audio.circular and settings.stretch == 1
        return join(source.audio, audio) if settings.join and again else audio


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


def made_with(device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """What the last bit of a result depends on besides its settings."""
    return {
        "audiogen": __version__,
        "torch": torch.__version__,
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }


def _absolute(path: str | Path) -> str:
    """A file or folder so that it is found from everywhere; another name as it is."""
    return str(Path(path).resolve()) if Path(path).exists() else str(path)


def _text(prompt: Prompt | str | None) -> str:
    return PRESETS[DEFAULT].prompt if prompt is None else str(prompt)


def _rounds(prompt: Prompt, grid: Grid, seed: int, settings: VampSettings) -> Tensor:
    """[R, K, T * stretch] bool: what is generated in each round. The first mask is that of the seed itself."""
    seeds = [seed, *(unrelated(seed, f"round {number}") for number in range(1, settings.feedback))]
    masks = torch.cat([mask(prompt, grid, each) for each in seeds])
    stretched = masks.repeat_interleave(settings.stretch, dim=-1)
    return stretched | (torch.arange(stretched.shape[-1]) % settings.stretch != 0)


def _notes(mask: Tensor) -> list[str]:
    if not bool(mask.any()):
        return ["The prompt keeps everything: nothing was generated. Keep less, for example periodic(7)."]
    if bool(mask.all()):
        return ["The prompt keeps nothing: of the input, the result has only the length and the loudness."]
    return []


def _check_sound(audio: Audio) -> None:
    if audio.duration < SHORTEST:
        raise InputError(
            f"expected {SHORTEST} seconds of sound or more, got {audio.duration:.2f} s. Repeat it, or record more."
        )
    if audio.loudness() == -math.inf:
        raise InputError(
            "expected sound to make variations of, got silence (nothing above -70 LUFS). Check the recording, or turn "
            "it up."
        )


def _facts_of_input(given: Audio | str | Path, audio: Audio) -> dict[str, Any]:
    """Which sound it was: a file, or samples in memory, which have no name and no place."""
    facts = {"sample_rate": audio.sample_rate, "channels": len(audio.samples), "seconds": round(audio.duration, 4)}
    if isinstance(given, Audio):
        return {"name": None, "path": None, "sha256": identity.of_audio(given), **facts}
    path = Path(given).resolve()
    return {"name": path.name, "path": str(path), "sha256": identity.of_file(path), **facts}
