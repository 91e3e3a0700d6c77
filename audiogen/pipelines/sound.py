"""Sounds from captions, and sounds mended: what `audiogen.Sound()` is.

    sound = audiogen.Sound()
    take = sound("rain on a tin roof", seconds=10, seed=1)[0]
    take.save("rain.wav")                                      # and rain.wav.json, from which `replay` makes it again
    like = sound(audio="bark.wav", variations=3)               # a sound as the condition, instead of a caption
    whole = sound.inpaint("field.wav", [(2.5, 3)])             # seconds that are made anew, the rest is kept
    clean = sound.inpaint("field.wav", [(0, 4, 3000, 6000)])   # or a band of frequencies (Hz) of them
    wide = sound.extend_bandwidth("telephone.wav")             # up to 11 kHz
    others = sound.variations("bark.wav", 4, strength=0.5)
    vector = sound.embed("bark.wav", pooled=True)              # what the model knows of it

A grid of codes, five bands by 5.4 columns a second, is filled by one masked model in a few passes; what is longer than
ten seconds is made window by window. The same request gives the same sound, alone or in a list.
Paper: Comunità et al. 2024, arXiv:2406.17672 (SpecMaskGIT). Shapes: F rows, T columns, D width.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.checkpoints import resolve
from audiogen.checkpoints.nano_sound import SOUND_NAME, load_sound
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.errors import InputError
from audiogen.pipelines import coding, identity
from audiogen.pipelines.batches import OnStep
from audiogen.pipelines.fill import Filled
from audiogen.pipelines.passes import take_of
from audiogen.pipelines.precision import dtype_of
from audiogen.pipelines.sound_canvas import SoundCanvas, as_no_loop, canvas_of
from audiogen.pipelines.sound_fill import SLACK, Job, SoundFiller, windows_of
from audiogen.pipelines.sound_settings import SoundSettings
from audiogen.pipelines.source import source_of
from audiogen.pipelines.take import Take
from audiogen.plain import from_plain

MOST_VARIATIONS = 64

Regions = Sequence[Sequence[float]]
"""Each (start, end) in seconds, or (start, end, lowest, highest) with frequencies in Hz."""


class Sound:
    """Makes sounds and mends them. One object per model; several requests may share it, one after the other.

    Args:
        model: name or folder of a packed SpecMaskGIT system.
        device: where it computes: "cpu", "cuda", ...
        dtype: what it computes in: float32, or bfloat16, which makes big models several times as fast.
    Raises:
        InputError: unknown name, damaged files, or a model of another type.
    """

    kind: ClassVar[str] = "sound"

    def __init__(self, model: str | Path = SOUND_NAME, device: str = "cpu", dtype: str = "float32"):
        self.model = identity.lasting(model)
        self.system = load_sound(resolve(model), device, dtype_of(dtype))
        if not isinstance(self.system.codec, SpectrogramCodec):
            raise InputError(
                f"{model}: expected a system with a spectrogram codec, got one with a "
                f"{type(self.system.codec).__name__}. Name another model."
            )
        self.codec = self.system.codec
        _ = self.identity  # of the numbers as they were read: packed ones can be saved no more
        self.system.model.accelerate()

    @property
    def sample_rate(self) -> int:
        """Hz, of all that is made without an input."""
        return self.codec.sample_rate

    def __call__(
        self,
        caption: str | list[str] | tuple[str, ...] | None = None,
        *,
        audio: Audio | str | Path | None = None,
        seconds: float = 10.0,
        seed: int = 0,
        variations: int = 1,
        on_step: OnStep | None = None,
        **settings: Any,
    ) -> list[Take]:
        """Make sounds.

        Args:
            caption: one, or several; "" for any sound.
            audio: 0.5 seconds or more of sound, or its file, to be like, instead of a caption.
            seconds: 0.1 or more, up to an hour.
            seed: same request and seed, same sound, whatever stands beside it.
            variations: how many of each caption, with the seeds `seed`, `seed` + 1, ...
            on_step: told after every pass how many are done, and how many there are.
            settings: `steps`, `temperature`, `confidence_temperature`, `guidance`, `top_k`, `top_p` of `SoundSettings`.
        Returns:
            As many Takes as captions times variations, those of the first caption first.
        Raises:
            InputError: a caption and a sound, or neither; a setting out of its range.
        """
        if (caption is None) == (audio is None):
            got = "neither" if audio is None else "both"
            raise InputError(f'expected a caption or a sound to be like, got {got}. For any sound the caption is "".')
        texts = list(caption) if isinstance(caption, list | tuple) else [caption]
        requests = [_request("make", text, {**settings, "seconds": seconds, "seed": seed}) for text in texts]
        return self._make(audio, _seeded(requests, variations), on_step)

    def inpaint(
        self,
        audio: Audio | str | Path,
        regions: Regions,
        caption: str | None = None,
        *,
        seed: int = 0,
        on_step: OnStep | None = None,
        **settings: Any,
    ) -> Take:
        """Make regions of a sound anew.

        Args:
            audio: 0.5 seconds or more of sound, or its file; any rate, mono or stereo.
            regions: each (start, end) in seconds, or (start, end, lowest, highest) with frequencies in Hz.
            caption: what they are to sound like; None: like the rest.
            settings: as in a call.
        Returns:
            As long as `audio`, in its rate and channels. Outside of the regions it has the samples of `audio`, but for
            fades of 15 ms beside them. What is new has no frequencies above half of `sample_rate`.
        Raises:
            InputError: as a call; silence, too short, or regions that this sound does not have.
        """
        given = {**settings, "seed": seed, "regions": [list(region) for region in regions]}
        return self._make(audio, [_request("inpaint", caption, given)], on_step)[0]

    def extend_bandwidth(
        self,
        audio: Audio | str | Path,
        cutoff: float | None = None,
        caption: str | None = "",
        *,
        seed: int = 0,
        on_step: OnStep | None = None,
        **settings: Any,
    ) -> Take:
        """Give a sound the upper band that it lacks.

        Args:
            audio: as in `inpaint`.
            cutoff: Hz up to which it has anything; None: as found in its spectrum.
            caption: what it is a sound of; "" for any; None: what it sounds like as it is.
            settings: as in a call; and `zero_shot` of `SoundSettings`.
        Returns:
            At `sample_rate`, in the channels of `audio`; up to the cutoff its spectrum is that of `audio`.
        Raises:
            InputError: as `inpaint`; a cutoff above which nothing can be added.
        """
        given = {**settings, "seed": seed, "cutoff": cutoff}
        return self._make(audio, [_request("extend", caption, given)], on_step)[0]

    def variations(
        self,
        audio: Audio | str | Path,
        n: int = 1,
        strength: float = 0.5,
        caption: str | None = None,
        *,
        seed: int = 0,
        on_step: OnStep | None = None,
        **settings: Any,
    ) -> list[Take]:
        """Make variations of a sound: cells here and there are kept, all others made anew.

        Args:
            audio: as in `inpaint`. A Take of this model is not encoded again.
            n: how many, with the seeds `seed`, `seed` + 1, ...
            strength: share of the cells that are new; 1 keeps nothing but what it sounds like.
            caption: what it is to sound like; None: like `audio`.
            settings: as in a call.
        Returns:
            `n` Takes, as long and as loud as `audio`, in its rate and channels.
        Raises:
            InputError: as `inpaint`.
        """
        request = _request("vary", caption, {**settings, "seed": seed, "strength": strength})
        return self._make(audio, _seeded([request], n), on_step)

    @torch.no_grad()
    def embed(self, audio: Audio | str | Path, *, pooled: bool = False, layer: int | None = None) -> Tensor:
        """What the model knows of a sound, column by column.

        Args:
            audio: as in `variations`.
            pooled: the mean of all columns.
            layer: blocks of the network that it goes through; None: all of them.
        Returns:
            [T, F * D], or [F * D] where it is pooled.
        Raises:
            InputError: silence, too short, or a layer that the model does not have.
        """
        codes = source_of(as_no_loop(audio), self.codec, self.codec_sha256).codes[None].to(self.system.device)
        total = codes.shape[-1]
        vectors = torch.empty(0)
        for window in windows_of(torch.ones(total, dtype=torch.bool), self.system):
            seen = self.system.model.representation(codes[..., window.frames(total)], layer=layer)[0].float().cpu()
            vectors = torch.cat([vectors, seen[len(vectors) - window.start :]])
        return vectors.mean(dim=0) if pooled else vectors

    def run(
        self, audio: Audio | str | Path | None, settings: SoundSettings, on_step: OnStep | None = None
    ) -> list[Take]:
        """One result, with all settings in one: what `replay` repeats."""
        return self._make(audio, [settings], on_step)

    @cached_property
    def identity(self) -> dict[str, str | None]:
        """Names and SHA-256 of the model and the codec, as the sidecar has them."""
        numbers: tuple[identity.Numbers, ...] = self.system.model, self.system.embedder, *self.system.predictors
        models = identity.of_modules(*numbers, note=f"{self.codec_sha256} {self.system.decoding}")
        return {"name": self.model, "sha256": models, "codec_sha256": self.codec_sha256}

    @cached_property
    def codec_sha256(self) -> str:
        """Whose codes a Take must have to be used without encoding it again."""
        return identity.of_modules(self.codec)

    @property
    def made_with(self) -> dict[str, Any]:
        """What the last bit of a result depends on besides its settings."""
        return identity.of_machine(self.system.device, self.system.model.dtype)

    def _make(
        self, audio: Audio | str | Path | None, requests: Sequence[SoundSettings], on_step: OnStep | None
    ) -> list[Take]:
        """What is asked for; the requests differ in text and seed only."""
        if not requests:
            raise InputError("expected one or more captions, got none.")
        filler = SoundFiller(self.system, requests[0], on_step)
        longest = (self.system.model.config.columns + SLACK) / self.codec.frame_rate
        canvas = canvas_of(audio, requests[0], self.codec, self.codec_sha256, longest, self.system.predictor)
        embeddings = {text: self._embedding(text, canvas) for text in {one.text for one in requests}}
        jobs = [Job(*canvas.grid(one), embeddings[one.text], one.seed, canvas.evidence) for one in requests]
        return [self._take(canvas, *one) for one in zip(requests, jobs, filler(jobs), strict=True)]

    def _embedding(self, text: str | None, canvas: SoundCanvas) -> Tensor:
        """[E], of a caption, which is read alone, or of what there is to be heard."""
        if text is not None:
            return self.system.embedder.embed_text([text])[0]
        assert canvas.heard is not None
        heard = coding.prepared(canvas.heard)
        return self.system.embedder.embed_audio(heard.samples[None], heard.sample_rate)[0]

    def _take(self, canvas: SoundCanvas, settings: SoundSettings, job: Job, filled: Filled) -> Take:
        audio = canvas.sound(filled.codes, job.mask, settings)
        return take_of(
            self, audio, filled, settings, mask=job.mask, seed=settings.seed, history=canvas.history,
            notes=canvas.notes(job.mask), origin=canvas.origin(audio),
        )  # fmt: skip


def _request(task: str, text: Any, settings: dict[str, Any]) -> SoundSettings:
    """One result, from keyword arguments."""
    return from_plain(SoundSettings, {**settings, "task": task, "text": text}, "Sound")


def _seeded(requests: Sequence[SoundSettings], variations: int) -> list[SoundSettings]:
    """Each request with as many seeds."""
    if not 1 <= variations <= MOST_VARIATIONS:
        raise InputError(f"expected 1 to {MOST_VARIATIONS} variations, got {variations}. Ask again with other seeds.")
    return [replace(one, seed=one.seed + number) for one in requests for number in range(variations)]
