"""The published VampNet system, exactly as its reference implementation behaves: for researchers who compare with it.

Paper: Garcia et al. 2023, arXiv:2307.04686. Behaviour: golden vampnet SPEC 4 and 6, with the traps of its section 10:
items of a batch influence each other, every chunk restarts the seed, chunks do not overlap, the loudness changes.
`audiogen.pipelines.vamp` has none of them, and is what `audiogen vamp` runs.
Shapes: B batch, K levels of the codec, k levels of a model, T frames, V vocab_size, the mask token.
"""

import math
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.checkpoints.vampnet import VampSystem
from audiogen.decoding import Condition, GridNoise, Plan, Stage, Step, decode
from audiogen.errors import InputError
from audiogen.models.vampnet import VampNet, vampnet_plan

OnStep = Callable[[Step], None]

LOUDNESS = -24.0
"""LUFS that the models were trained with."""
QUIETEST = -70.0
"""LUFS below which loudness is not measured."""
LEAST_MEASURED = 0.5
"""Seconds; shorter sound is measured with silence behind it."""
MEASURED_STEP = 0.1
"""Seconds from one block of BS.1770 to the next."""
FILTER_ZEROS, ROLLOFF = 24, 0.945
"""Of the resampling filter: zero crossings on each side, and cut-off over the lower Nyquist frequency."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Of one call of `generate`, with the reference's defaults."""

    steps: int = 12
    temperature: float = 1.0
    """Divides the logits; 0 and below mean 1, not the most probable token."""
    confidence_temperature: float = 10.5
    """Scales the Gumbel noise on the confidence, annealed to 0 in the last step."""
    top_p: float | None = None
    sample_cutoff: float = 1.0
    """Steps that begin after this share of all draw nothing but take the most probable token; below 0 none draws."""
    seed: int | None = None
    """Restarts the random numbers; None: they go on where the last call ended."""
    masked_copy: bool = False
    """A second, fully masked batch is generated and thrown away, as the reference's `cfg_guidance` does: all it changes
    is which random numbers are drawn."""


FINE = Settings(steps=2)
"""What `vamp` generates the fine levels with, whatever it was asked for."""


@dataclass(frozen=True)
class Vamped:
    """What one vamp made."""

    codes: Tensor
    """[B, K, T] int64."""
    masked: Tensor
    """The same with the mask token where something was to be generated."""


def generate(
    model: VampNet,
    codes: Tensor,
    mask: Tensor | None,
    settings: Settings,
    noise: GridNoise,
    on_step: OnStep | None = None,
) -> Tensor:
    """Generate the cells of `mask` with one model, on a grid that it takes at once.

    Differs from `decode`: the number of cells left masked follows from the whole batch; mask tokens in `codes` are
    filled even where the mask keeps them; conditioning levels come back as they are, their mask hides them from the
    first step only; random numbers are drawn for every cell, also when there is nothing to generate.

    Args:
        codes: [B, k, T] int64.
        mask: [B, k, T], or [B, T] for all levels, bool, True = to be generated; None: all that the model predicts.
        noise: the random numbers, restarted where the settings have a seed.
    Returns:
        [B, k, T] int64.
    Raises:
        InputError: codes, mask and model do not fit together, or a setting has no meaning.
    """
    if settings.seed is not None:
        noise.generator.manual_seed(settings.seed)
    hidden = masked_codes(model, codes, mask)
    total = int((hidden == model.mask_token).sum())
    known = codes
    if settings.masked_copy:
        known = torch.cat([codes, codes])
        hidden = torch.cat([hidden, torch.full_like(hidden, model.mask_token)])
    target = hidden == model.mask_token
    target[:, : model.config.condition_levels] = False
    if not target.any():
        _draw_nothing(model, target, settings, noise)
        return codes
    plan = reference_plan(model, settings, total)
    veiled = _VeiledAtFirst(model, (hidden == model.mask_token) & ~target)
    return decode(veiled, known, target, model.condition(len(known)), plan, noise, on_step)[: len(codes)]


def masked_codes(model: VampNet, codes: Tensor, mask: Tensor | None) -> Tensor:
    """What the model sees first: the mask token in every cell of `mask`. Arguments as in `generate`."""
    if mask is None:
        mask = torch.ones_like(codes, dtype=torch.bool)
        mask[:, : model.config.condition_levels] = False
    if mask.ndim == 2:
        mask = mask[:, None].expand(-1, codes.shape[1], -1)
    _check_mask(codes, mask)
    return codes.masked_fill(mask, model.mask_token)


def reference_plan(model: VampNet, settings: Settings, total: int) -> Plan:
    """`vampnet_plan` with the settings read as the reference reads them; `total` mask tokens are in the batch."""
    (stage,) = vampnet_plan(
        model.config.predicted,
        steps=settings.steps,
        temperature=settings.temperature if settings.temperature > 0 else 1.0,
        confidence_temperature=settings.confidence_temperature,
        top_p=1.0 if settings.top_p is None else settings.top_p,
        greedy_steps=_greedy_steps(settings),
    )
    return Plan((replace(stage, schedule_total=total),))


def _greedy_steps(settings: Settings) -> int:
    """Steps that draw no token: those that begin after the cut-off, not at it, so that a cut-off of 0 draws in one."""
    return sum(step / settings.steps > settings.sample_cutoff for step in range(settings.steps))


def _draw_nothing(model: VampNet, nowhere: Tensor, settings: Settings, noise: GridNoise) -> None:
    """Draw what a call without anything to generate draws, so that the next one goes on from there."""
    places = nowhere[:, list(model.config.predicted)]
    for step in range(settings.steps):
        if step < settings.steps - _greedy_steps(settings):
            noise.gumbel(places, model.config.vocab_size)
        noise.gumbel(places)


@dataclass(frozen=True)
class _VeiledAtFirst:
    """A model that does not see some known cells, [B, k, T], in the first step."""

    model: VampNet
    cells: Tensor

    @property
    def mask_token(self) -> int:
        return self.model.mask_token

    def prepare(self, codes: Tensor, mask: Tensor, condition: Condition, stage: Stage) -> Condition:
        return self.model.prepare(codes, mask, condition, stage)

    def hidden(self, codes: Tensor, condition: Condition, stage: Stage, time: Tensor) -> Tensor:
        veiled = self.cells & (time == 1)[:, None, None]
        return self.model.hidden(codes.masked_fill(veiled, self.mask_token), condition, stage, time)

    def head(self, hidden: Tensor, stage: Stage) -> Tensor:
        return self.model.head(hidden, stage)


@dataclass(frozen=True, kw_only=True)
class VampNetPipeline:
    """A loaded system behind the operations of the reference's `Interface`."""

    system: VampSystem
    noise: GridNoise = field(default_factory=lambda: GridNoise(Generator().manual_seed(0)))
    """Where all random numbers come from; the reference uses PyTorch's global generator of the CPU."""
    coarse_seconds: float = 10.0
    """Length of the chunks that the coarse model gets."""
    fine_seconds: float = 3.0
    """Length of those that the fine model gets."""

    def frames(self, seconds: float) -> int:
        """Frames of the codec that cover `seconds`."""
        return math.ceil(seconds * self.system.codec.sample_rate / self.system.codec.hop_length)

    def preprocess(self, audio: Audio) -> Audio:
        """Mono at the codec's rate, -24 LUFS, no peak above 1, silence at the end up to a whole frame.

        Doing it twice is not doing it once: the silence changes the loudness.
        """
        codec = self.system.codec
        mono = at_loudness(_resampled(audio, codec.sample_rate).mono(), LOUDNESS).samples
        mono = mono / mono.abs().max().clamp(min=1)
        return Audio(F.pad(mono, (0, -mono.shape[-1] % codec.hop_length)), codec.sample_rate)

    @torch.no_grad()
    def encode(self, audio: Audio) -> Tensor:
        """Codes [1, K, T] of the preprocessed audio."""
        samples = self.preprocess(audio).samples
        return self.system.codec.encode(samples[None].to(self.system.device))

    @torch.no_grad()
    def decode(self, codes: Tensor) -> list[Audio]:
        """Codes [B, k, T], any number of first levels, to sound; a mask token sounds as code 0, not as silence."""
        codec = copy(self.system.codec)  # the same weights, with levels of its own
        codec.use_levels(codes.shape[1])
        sound = codec.decode(codes.masked_fill(codes == codec.vocab_size, 0))
        return [Audio(samples.cpu(), codec.sample_rate) for samples in sound]

    def coarse_vamp(self, codes: Tensor, mask: Tensor, settings: Settings, on_step: OnStep | None = None) -> Vamped:
        """Generate the coarse levels in chunks that know nothing of each other; the last one is shorter.

        A chunk of which anything is known keeps its first and last frame in all coarse levels.

        Args:
            codes: [B, K, T] int64; fine levels come back as they are.
            mask: [B, K, T] bool, True = to be generated.
        Returns:
            Codes [B, K, T]; masked codes of the coarse levels [B, k, T].
        Raises:
            InputError: codes and mask do not fit together.
        """
        model = self.system.coarse
        _check_mask(codes, mask)
        coarse, size = codes[:, : model.config.levels], self.frames(self.coarse_seconds)
        generated, masked = [], []
        for chunk, hide in zip(coarse.split(size, -1), mask[:, : model.config.levels].split(size, -1), strict=True):
            ends = torch.zeros_like(hide)
            ends[..., [0, -1]] = not hide.all()
            generated.append(generate(model, chunk, hide & ~ends, settings, self.noise, on_step))
            masked.append(masked_codes(model, chunk, hide & ~ends))
        fine = codes[:, model.config.levels :]
        return Vamped(torch.cat([torch.cat(generated, dim=-1), fine], dim=1), torch.cat(masked, dim=-1))

    def coarse_to_fine(
        self, codes: Tensor, mask: Tensor | None, settings: Settings, on_step: OnStep | None = None
    ) -> Vamped:
        """Generate the fine levels in chunks that know nothing of each other, the last one filled up with code 0.

        Args:
            codes: [B, K or fewer, T] int64; levels that are missing are made.
            mask: [B, K, T] bool, True = to be generated; None: all fine levels. Coarse levels are kept in any case.
        Returns:
            Codes and masked codes [B, K, T].
        Raises:
            InputError: codes and mask do not fit together, or have more levels than the model.
        """
        model, frames, size = self.system.fine, codes.shape[-1], self.frames(self.fine_seconds)
        codes = F.pad(codes, (0, -frames % size, 0, max(model.config.levels - codes.shape[1], 0)))
        if mask is None:
            mask = torch.ones_like(codes, dtype=torch.bool)
        mask = F.pad(mask, (0, codes.shape[-1] - mask.shape[-1]), value=True)
        _check_mask(codes, mask)
        mask = mask & (torch.arange(codes.shape[1], device=mask.device) >= model.config.condition_levels)[:, None]
        chunks = list(zip(codes.split(size, -1), mask.split(size, -1), strict=True))
        generated = [generate(model, chunk, hide, settings, self.noise, on_step) for chunk, hide in chunks]
        masked = codes.masked_fill(mask, model.mask_token)
        return Vamped(torch.cat(generated, dim=-1)[..., :frames], masked[..., :frames])

    def vamp(
        self,
        codes: Tensor,
        mask: Tensor,
        settings: Settings,
        *,
        batch: int = 1,
        feedback_steps: int = 1,
        time_stretch: int = 1,
        on_step: OnStep | None = None,
    ) -> Vamped:
        """All levels: coarse with `settings`, then fine in two steps (`FINE`), whatever the settings are.

        Args:
            codes: [1, K, T] int64.
            mask: [1, K, T] bool, True = to be generated.
            batch: variations that are made side by side.
            feedback_steps: times that the coarse model generates, each time from its own result.
            time_stretch: every frame is repeated as often, and what is added is generated.
        Returns:
            Codes and masked codes [batch, K, T * time_stretch].
        Raises:
            InputError: more than one item, a count below 1, or a mask that does not fit the codes.
        """
        _check_mask(codes, mask)
        if len(codes) > 1 or min(batch, feedback_steps, time_stretch) < 1:
            raise InputError(
                f"expected one item, and batch, feedback_steps and time_stretch of 1 or more, got {len(codes)} items, "
                f"{batch}, {feedback_steps} and {time_stretch}. Vamp items one by one."
            )
        codes, mask = codes.expand(batch, -1, -1), mask.expand(batch, -1, -1)
        if time_stretch > 1:
            codes, mask = self._stretch(codes, mask, time_stretch)
        for _ in range(feedback_steps):
            coarse = self.coarse_vamp(codes, mask, settings, on_step)
            codes = coarse.codes
        fine = self.coarse_to_fine(codes, mask, FINE, on_step)
        coarse_levels = coarse.masked.shape[1]
        return Vamped(fine.codes, torch.cat([coarse.masked, fine.masked[:, coarse_levels:]], dim=1))

    def _stretch(self, codes: Tensor, mask: Tensor, factor: int) -> tuple[Tensor, Tensor]:
        """Every frame `factor` times; only the first of each is kept where the mask keeps it."""
        self.noise.uniform((len(codes), codes.shape[-1]))  # the reference draws whether to keep each, with certainty
        codes, mask = codes.repeat_interleave(factor, dim=-1), mask.repeat_interleave(factor, dim=-1)
        added = torch.arange(codes.shape[-1], device=codes.device) % factor > 0
        return codes, mask | added


def loudness(audio: Audio) -> float:
    """LUFS as the reference measures them: every last block filled up with silence, nothing below -70."""
    least, step = (round(seconds * audio.sample_rate) for seconds in (LEAST_MEASURED, MEASURED_STEP))
    samples = F.pad(audio.samples, (0, max(least - audio.samples.shape[-1], 0)))
    samples = F.pad(samples, (0, -samples.shape[-1] % step))
    return max(Audio(samples, audio.sample_rate).loudness(), QUIETEST)


def at_loudness(audio: Audio, lufs: float) -> Audio:
    """The same sound at `lufs`, with peaks above 1 where that takes them there."""
    return Audio(audio.samples * 10 ** ((lufs - loudness(audio)) / 20), audio.sample_rate)


def _resampled(audio: Audio, sample_rate: int) -> Audio:
    """floor(S * new / old) samples; the reference's filter is longer than ours, and the sound's ends go on outside."""
    if audio.sample_rate == sample_rate:
        return audio
    from torchaudio.functional import resample

    common = math.gcd(audio.sample_rate, sample_rate)
    old, new = audio.sample_rate // common, sample_rate // common
    around = math.ceil(FILTER_ZEROS / ROLLOFF)  # in units of old samples, which are new ones afterwards
    samples = F.pad(audio.samples, (around * old, around * old), mode="replicate")
    samples = resample(samples, old, new, lowpass_filter_width=FILTER_ZEROS, rolloff=ROLLOFF)
    return Audio(samples[:, around * new :][:, : audio.samples.shape[-1] * new // old], sample_rate)


def _check_mask(codes: Tensor, mask: Tensor) -> None:
    if mask.shape != codes.shape or mask.dtype != torch.bool or not codes.numel():
        raise InputError(
            f"expected codes [B, K, T] and a bool mask of their shape, got {list(codes.shape)} and {list(mask.shape)} "
            f"{mask.dtype}. Make the mask for all levels of the codes; True marks the cells to generate."
        )
