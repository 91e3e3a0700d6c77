"""Phones with durations to speech: aligned text to semantic, semantic to acoustic, codec.

Paper: Wang et al. 2025, arXiv:2409.00750, "MaskGCT", with the durations of `audiogen.models.duration` in the place of
the paper's implicit alignment, and one semantic-to-acoustic model for all levels.
Shapes: B utterances, K levels, P phones, Q frames of the voice prompt, T frames of the target, S samples.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from audiogen.checkpoints.nano import NanoTTS
from audiogen.conditioning.voice import VoicePrompt
from audiogen.decoding import Condition, MaskedModel, Plan, Step, Trace, decode
from audiogen.errors import InputError
from audiogen.models.duration import whole_frames

FADE = 0.005
"""Seconds over which a line fades in and out: it starts and ends at zero, so that nothing clicks where lines meet."""
PEAK = 0.98
"""A line with samples above this is made quieter as a whole."""
SILENT_PEAK = 0.003
"""A line without a sample above this (-50 dBFS) is decoded once more, with other random numbers."""

OnShare = Callable[[float], None]
"""Told the share of the work that is done, 0..1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Utterance:
    """One line to speak."""

    phone_ids: Tensor
    """[P] int64."""
    durations: Tensor
    """[P] int64 frames; their sum is T."""
    seed: int
    """Same utterance, voice and seed: same speech, alone or in any batch."""
    index: int = 0
    """Place in its text: lines draw different random numbers."""
    attempt: int = 0
    """Counts the decodes of this line; each draws other random numbers."""

    @property
    def frame_phones(self) -> Tensor:
        """[T]: which phone each frame belongs to."""
        return self.phone_ids.repeat_interleave(self.durations)

    def seed_for(self, model: str) -> int:
        """Unrelated ones for the two models of a line, and for the lines of a text."""
        return random.Random(f"{self.seed}/{self.index}/{model}/{self.attempt}").getrandbits(62)


@dataclass(frozen=True, kw_only=True, eq=False)
class Spoken:
    """A line that was spoken; codes and trace without the voice prompt."""

    semantic_codes: Tensor
    """[1, T]."""
    acoustic_codes: Tensor
    """[K, T]."""
    trace: Trace
    """[1, 1 + K, T]: the semantic level, then the acoustic ones; the steps count on from one model to the next."""
    samples: Tensor
    """[1, S], S = T * hop_length, zero at both ends."""
    retries: int
    """1 if the first decode was silent."""


@dataclass(frozen=True, eq=False)
class _Voice:
    """The prompt in the form in which it stands in front of every target; Q = 0 without one."""

    frame_phones: Tensor
    """[Q]."""
    semantic_codes: Tensor
    """[1, Q]."""
    acoustic_codes: Tensor
    """[K, Q]."""


class Speaker:
    """Turns utterances into speech with a loaded system.

    `batch_frames` limits the padded frames of one batch.
    """

    def __init__(self, system: NanoTTS, batch_frames: int):
        self.system = system
        self.batch_frames = batch_frames

    @torch.inference_mode()
    def __call__(
        self,
        utterances: Sequence[Utterance],
        steps: int | None = None,
        prompt: VoicePrompt | None = None,
        on_share: OnShare | None = None,
    ) -> list[Spoken]:
        """Speak every utterance, those of similar length together.

        Args:
            utterances: at least one.
            steps: passes of the semantic decode, instead of the plan's; the acoustic ones change in proportion.
            prompt: the voice; None: the built-in one.
            on_share: called after every pass.
        Raises:
            InputError: the voice was made for another system.
        """
        plans = self._plans(steps)
        voice = self._voice(prompt)
        spoken: list[Spoken | None] = [None] * len(utterances)
        total = sum(int(utterance.durations.sum()) for utterance in utterances)
        done = 0
        for chosen in self._batches(utterances, voice):
            batch = [utterances[index] for index in chosen]
            frames = sum(int(utterance.durations.sum()) for utterance in batch)
            clock = _Clock(plans, on_share, done / total, frames / total)
            for index, result in zip(chosen, self._speak(batch, plans, voice, clock), strict=True):
                spoken[index] = result
            done += frames
        return [result for result in spoken if result is not None]

    def prompt_frames(self, phone_ids: Tensor, frames: int) -> Tensor:
        """Phones [P] of a recording -> the phone of each of its `frames` frames [Q], by predicted durations.

        Raises:
            InputError: ids outside the phones this system knows.
        """
        known = self.system.durations.config.phone_vocab_size
        if not 0 <= int(phone_ids.min()) <= int(phone_ids.max()) < known:
            raise InputError(
                f"expected a voice with phones in 0..{known - 1}, got {int(phone_ids.min())}..{int(phone_ids.max())}. "
                "Make it with the model that is to speak."
            )
        predicted = self.system.durations.frames(phone_ids.to(self.system.device)).cpu()
        return phone_ids.repeat_interleave(whole_frames(predicted.clamp(min=1e-3), frames))

    def _plans(self, steps: int | None) -> tuple[Plan, Plan]:
        decoding = self.system.decoding
        share = 1.0 if steps is None else steps / decoding.semantic.steps
        return decoding.semantic.plan(steps), decoding.acoustic.plan(share)

    def _voice(self, prompt: VoicePrompt | None) -> _Voice:
        levels = self.system.s2a.config.levels
        if prompt is None:
            empty = torch.empty(levels, 0, dtype=torch.int64)
            return _Voice(empty[0], empty[:1], empty)
        self._check_voice(prompt)
        frames = min(prompt.semantic_codes.shape[-1], prompt.acoustic_codes.shape[-1])
        return _Voice(
            self.prompt_frames(prompt.phone_ids, frames),
            prompt.semantic_codes[:, :frames],
            prompt.acoustic_codes[:levels, :frames],
        )

    def _check_voice(self, prompt: VoicePrompt) -> None:
        levels = self.system.s2a.config.levels
        found = len(prompt.acoustic_codes)
        grids = {
            "semantic": (prompt.semantic_codes, self.system.t2s.mask_token),
            "acoustic": (prompt.acoustic_codes, self.system.s2a.mask_token),
        }
        fits = found >= levels and all(0 <= int(g.min()) <= int(g.max()) < size for g, size in grids.values())
        if not fits:
            ranges = ", ".join(f"{name} codes up to {int(grid.max())}" for name, (grid, _) in grids.items())
            raise InputError(
                f"expected a voice made by this model ({levels} levels, codes below {self.system.t2s.mask_token} and "
                f"{self.system.s2a.mask_token}), got {found} levels, {ranges}. Make it again from its recording."
            )

    def _batches(self, utterances: Sequence[Utterance], voice: _Voice) -> Iterator[list[int]]:
        """Places of utterances of similar length; each batch has at least one."""
        prompt = len(voice.frame_phones)
        lengths = [prompt + int(utterance.durations.sum()) for utterance in utterances]
        batch: list[int] = []
        for index in sorted(range(len(utterances)), key=lambda index: lengths[index]):
            if batch and (len(batch) + 1) * lengths[index] > self.batch_frames:
                yield batch
                batch = []
            batch.append(index)
        yield batch

    def _speak(
        self, batch: list[Utterance], plans: tuple[Plan, Plan], voice: _Voice, on_step: Callable[[Step], None]
    ) -> list[Spoken]:
        """One batch through both models and the codec; silent ones once more."""
        semantic, semantic_trace = self._semantic(batch, plans[0], voice, on_step)
        acoustic, acoustic_trace = self._acoustic(batch, semantic, plans[1], voice, on_step)
        trace = _joined(semantic_trace, acoustic_trace, sum(stage.steps for stage in plans[0]))
        start = len(voice.frame_phones)
        spoken = []
        for index, utterance in enumerate(batch):
            end = start + int(utterance.durations.sum())
            samples = self._sound(acoustic[index : index + 1, :, start:end])
            if utterance.attempt == 0 and float(samples.abs().max()) < SILENT_PEAK:
                again = replace(utterance, attempt=1)
                spoken += self._speak([again], plans, voice, lambda step: None)
                continue
            here = slice(index, index + 1)
            result = Spoken(
                semantic_codes=semantic[index, :, start:end].cpu(),
                acoustic_codes=acoustic[index, :, start:end].cpu(),
                trace=Trace(trace.step[here, :, start:end].cpu(), trace.confidence[here, :, start:end].cpu()),
                samples=samples,
                retries=utterance.attempt,
            )
            spoken.append(result)
        return spoken

    def _semantic(
        self, batch: list[Utterance], plan: Plan, voice: _Voice, on_step: Callable[[Step], None]
    ) -> tuple[Tensor, Trace]:
        """Codes [B, 1, Q + T] of prompt and target."""
        model = self.system.t2s
        phones = [torch.cat([voice.frame_phones, utterance.frame_phones]) for utterance in batch]
        valid = _valid([len(row) for row in phones])
        padded = pad_sequence(phones, batch_first=True, padding_value=model.config.phone_vocab_size - 1)
        condition = model.condition(padded.to(self.system.device), valid=valid.to(self.system.device))
        seeds = [utterance.seed_for("semantic") for utterance in batch]
        return _fill(model, voice.semantic_codes, valid, condition, plan, seeds, on_step)

    def _acoustic(
        self,
        batch: list[Utterance],
        semantic: Tensor,
        plan: Plan,
        voice: _Voice,
        on_step: Callable[[Step], None],
    ) -> tuple[Tensor, Trace]:
        """Codes [B, K, Q + T] of prompt and target."""
        model = self.system.s2a
        valid = _valid([len(voice.frame_phones) + int(utterance.durations.sum()) for utterance in batch])
        known = semantic[:, 0].masked_fill(~valid.to(semantic.device), 0)
        condition = model.condition(known, valid.to(semantic.device))
        seeds = [utterance.seed_for("acoustic") for utterance in batch]
        return _fill(model, voice.acoustic_codes, valid, condition, plan, seeds, on_step)

    def _sound(self, codes: Tensor) -> Tensor:
        """Codes [1, K, T] -> samples [1, S] on the CPU, faded at both ends."""
        codec = self.system.codec
        samples = codec.decode(codes)[0].float().cpu()
        samples = samples * min(1.0, PEAK / max(float(samples.abs().max()), 1e-9))
        length = min(round(FADE * codec.sample_rate), samples.shape[-1] // 2)
        ramp = torch.sin(torch.arange(length) / max(length, 1) * (math.pi / 2)).square()
        samples[:, :length] *= ramp
        samples[:, samples.shape[-1] - length :] *= ramp.flip(0)
        return samples


class _Clock:
    """Counts the passes of one batch and tells how far the whole request is."""

    def __init__(self, plans: tuple[Plan, Plan], on_share: OnShare | None, done: float, share: float):
        self.planned = [sum(stage.steps for stage in plan) for plan in plans]
        self.on_share = on_share
        self.done = done
        self.share = share
        self.model = 0

    def __call__(self, step: Step) -> None:
        if self.on_share is None:
            return
        if step.number == 0 and self.model < 2:
            self.model += 1
        passes = sum(self.planned[: self.model - 1]) + step.number + 1
        self.on_share(min(1.0, self.done + self.share * passes / sum(self.planned)))


def _fill(
    model: MaskedModel,
    prompt: Tensor,
    valid: Tensor,
    condition: Condition,
    plan: Plan,
    seeds: list[int],
    on_step: Callable[[Step], None],
) -> tuple[Tensor, Trace]:
    """Codes [B, K, Q + T] with `prompt` [K, Q] in front of each item and the rest decoded, and the trace of it."""
    codes = torch.full((len(valid), len(prompt), valid.shape[1]), model.mask_token)
    codes[:, :, : prompt.shape[-1]] = prompt
    mask = valid[:, None].repeat(1, len(prompt), 1)
    mask[:, :, : prompt.shape[-1]] = False
    device = condition["valid"].device
    codes, mask = codes.to(device), mask.to(device)
    trace = Trace.like(codes)

    def record(step: Step) -> None:
        trace.record(step)
        on_step(step)

    return decode(model, codes, mask, condition, plan, seeds, record), trace


def _joined(semantic: Trace, acoustic: Trace, passes: int) -> Trace:
    """One grid of both, the semantic level on top; the acoustic steps begin at `passes`."""
    later = torch.where(acoustic.step < 0, acoustic.step, acoustic.step + passes)
    return Trace(torch.cat([semantic.step, later], 1), torch.cat([semantic.confidence, acoustic.confidence], 1))


def _valid(lengths: list[int]) -> Tensor:
    """[B, longest] bool, True on the first `lengths[i]` places of row i."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
