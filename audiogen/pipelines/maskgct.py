"""MaskGCT speaks: phones and a voice prompt in, speech out.

Paper: Wang et al. 2025, arXiv:2409.00750, "MaskGCT". Text to semantic codes, semantic codes to the first acoustic level
(a model of its own), then to the other levels, then to sound.
Differs from the paper: no duration predictor, which the reference never published; the target's length follows from
the number of phones, as in the reference.
Shapes: B requests, K levels, P phones, Ps and Pa semantic and acoustic frames of a voice prompt, T frames.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from audiogen.audio import Audio
from audiogen.checkpoints.maskgct import MaskGCT
from audiogen.conditioning.voice import VoicePrompt
from audiogen.decoding import Noise, Plan, Step, decode
from audiogen.errors import InputError
from audiogen.models.maskgct import SemanticToAcoustic, s2a_plan, t2s_plan

logger = logging.getLogger(__name__)

OnStep = Callable[[Step], None]
Seeds = Sequence[int] | Noise
"""One seed per request, or a source of noise for all of them."""


@dataclass(frozen=True, kw_only=True)
class SpeechRequest:
    """One utterance to speak."""

    phone_ids: Sequence[int]
    """What to say, in the ids of the model's phone table, separators and punctuation included."""
    voice: VoicePrompt | None = None
    """Who says it; None: a voice of the model's own invention."""
    seconds: float | None = None
    """Length of the speech; None: the voice's own pace."""
    seed: int = 0
    """Same request and seed, same speech, alone or in any batch."""


@dataclass(frozen=True)
class _Spans:
    """Where the parts of each request lie on the time axis, in frames; one list entry per request."""

    semantic_prompt: list[int]
    acoustic_prompt: list[int]
    end: list[int]
    """Ps + target: both grids end here."""


@dataclass(frozen=True, kw_only=True)
class MaskGCTPipeline:
    """Turns requests into speech with a loaded system."""

    system: MaskGCT
    t2s: Plan = field(default_factory=t2s_plan)
    """How semantic codes are generated."""
    s2a: Plan = field(default_factory=s2a_plan)
    """How acoustic codes are generated: the first stage by the 1-layer model, the others by the full one."""

    @property
    def device(self) -> torch.device:
        """Where the system's weights are."""
        return self.system.t2s.mask_emb.weight.device

    def voice(self, recording: Audio, phone_ids: Sequence[int], text: str = "") -> VoicePrompt:
        """A voice prompt from a recording and what is said in it.

        Raises:
            InputError: the recording is too short, or there are no phones.
        """
        mono = recording.mono()
        features, codec = self.system.features, self.system.acoustic_codec
        return self.voice_of(mono.resample(features.sample_rate), mono.resample(codec.sample_rate), phone_ids, text)

    def voice_of(self, at_16k: Audio, at_24k: Audio, phone_ids: Sequence[int], text: str = "") -> VoicePrompt:
        """The same from a mono recording that was already resampled to the rates of the two codecs."""
        features = self.system.features(at_16k.samples[None].to(self.device))
        return VoicePrompt(
            semantic_codes=self.system.semantic_codec.encode(features)[0].cpu(),
            acoustic_codes=self.system.acoustic_codec.encode_unpadded(at_24k.samples[None].to(self.device))[0].cpu(),
            phone_ids=torch.tensor(list(phone_ids), dtype=torch.int64),
            duration=at_16k.duration,
            text=text,
        )

    def __call__(self, requests: Sequence[SpeechRequest], on_step: OnStep | None = None) -> list[Audio]:
        """Speak every request; they share the passes of the networks.

        Args:
            requests: at least one.
            on_step: called after every pass of the three decodes, for progress bars and traces.
        Raises:
            InputError: nothing to say, no length to be had, or ids outside the phone table.
        """
        seeds = [request.seed for request in requests]
        semantic = self.semantic_codes(requests, seeds, on_step)
        first = self.first_level(requests, semantic, [seed + 1 for seed in seeds], on_step)
        acoustic = self.all_levels(requests, semantic, first, [seed + 2 for seed in seeds], on_step)
        return [self.sound(codes) for codes in acoustic]

    def semantic_codes(
        self, requests: Sequence[SpeechRequest], seeds: Seeds, on_step: OnStep | None = None
    ) -> list[Tensor]:
        """Semantic codes of prompt and target together, [1, Ps + T] per request."""
        spans = self._spans(requests)
        prompts = [_semantic_prompt(request) for request in requests]
        codes, mask, valid = _grid(prompts, spans.end, self.system.t2s.mask_token)
        phones = [_phones(request) for request in requests]
        padding = self.system.t2s.config.phone_vocab_size - 1
        condition = self.system.t2s.condition(
            pad_sequence(phones, batch_first=True, padding_value=padding).to(self.device),
            _valid([len(ids) for ids in phones]).to(self.device),
            valid.to(self.device),
        )
        model = self.system.t2s
        codes = decode(model, codes.to(self.device), mask.to(self.device), condition, self.t2s, seeds, on_step)
        return _ungrid(codes, [0] * len(requests), spans.end)

    def first_level(
        self, requests: Sequence[SpeechRequest], semantic: list[Tensor], seeds: Seeds, on_step: OnStep | None = None
    ) -> list[Tensor]:
        """Level 0 of the target, [1, T'] per request, T' = Ps + T - Pa."""
        plan = Plan(self.s2a.stages[:1])
        return self._acoustic(self.system.s2a_1layer, requests, semantic, None, plan, seeds, on_step)

    def all_levels(
        self,
        requests: Sequence[SpeechRequest],
        semantic: list[Tensor],
        first: list[Tensor],
        seeds: Seeds,
        on_step: OnStep | None = None,
    ) -> list[Tensor]:
        """All levels of the target, [K, T'] per request, the first as given."""
        return self._acoustic(self.system.s2a_full, requests, semantic, first, self.s2a, seeds, on_step)

    @torch.no_grad()
    def sound(self, codes: Tensor) -> Audio:
        """Acoustic codes [K, T] to speech."""
        codec = self.system.acoustic_codec
        return Audio(codec.decode(codes[None].to(self.device))[0].cpu(), codec.sample_rate)

    def target_frames(self, request: SpeechRequest) -> int:
        """Frames of speech that a request asks for.

        Without `seconds`, the target takes as long per phone as the voice prompt does; the order of the operations is
        the reference's, so that the truncated result is too.

        Raises:
            InputError: neither seconds nor a voice, or no whole frame.
        """
        rate = self.system.features.frame_rate
        if request.seconds is not None:
            frames = int(request.seconds * rate) if math.isfinite(request.seconds) else 0
        elif request.voice is None:
            raise InputError(
                "expected the length of the speech in seconds, or a voice whose pace to keep, got neither."
            )
        else:
            sample_rate = self.system.features.sample_rate
            num_samples = round(request.voice.duration * sample_rate)
            frames = int(num_samples * len(request.phone_ids) / len(request.voice.phone_ids) / sample_rate * rate)
        if frames < 1:
            raise InputError(
                f"expected speech of at least one frame ({1 / rate:g} s), got {frames} frames "
                f"(seconds={request.seconds}). Ask for a longer duration."
            )
        return frames

    def _spans(self, requests: Sequence[SpeechRequest]) -> _Spans:
        """Both prompts start together. The target ends Ps + T frames later, though the acoustic prompt may be longer:
        then the first semantic codes of the target lie under the prompt, as in the reference.
        """
        if not requests:
            raise InputError("expected one or more requests to speak, got none.")
        semantic_prompt = [_semantic_prompt(request).shape[-1] for request in requests]
        levels = self.system.s2a_full.config.levels
        acoustic_prompt = [_acoustic_prompt(request, levels).shape[-1] for request in requests]
        end = [prompt + self.target_frames(request) for prompt, request in zip(semantic_prompt, requests, strict=True)]
        for prompt, total in zip(acoustic_prompt, end, strict=True):
            if total <= prompt:
                raise InputError(
                    f"expected speech that goes on after the voice prompt, got {total} frames in all, {prompt} of them "
                    "the prompt's. Ask for a longer duration."
                )
        return _Spans(semantic_prompt, acoustic_prompt, end)

    def _acoustic(
        self,
        model: SemanticToAcoustic,
        requests: Sequence[SpeechRequest],
        semantic: list[Tensor],
        first: list[Tensor] | None,
        plan: Plan,
        seeds: Seeds,
        on_step: OnStep | None,
    ) -> list[Tensor]:
        """Codes [K, T'] of the target per request; `first` [1, T'] is its level 0 where that is known."""
        spans = self._spans(requests)
        prompts = [_acoustic_prompt(request, model.config.levels) for request in requests]
        codes, mask, valid = _grid(prompts, spans.end, model.mask_token)
        if first is not None:
            mask[:, 0] = False
            for row, known, start, end in zip(codes, first, spans.acoustic_prompt, spans.end, strict=True):
                row[0, start:end] = known[0]
        padded = pad_sequence([codes[0] for codes in semantic], batch_first=True)
        condition = model.condition(padded.to(self.device), valid.to(self.device))
        codes = decode(model, codes.to(self.device), mask.to(self.device), condition, plan, seeds, on_step)
        return _ungrid(codes, spans.acoustic_prompt, spans.end)


def _semantic_prompt(request: SpeechRequest) -> Tensor:
    """[1, Ps]; Ps = 0 without a voice."""
    return torch.empty(1, 0, dtype=torch.int64) if request.voice is None else request.voice.semantic_codes


def _acoustic_prompt(request: SpeechRequest, levels: int) -> Tensor:
    """[levels, Pa]; Pa = 0 without a voice."""
    if request.voice is None:
        return torch.empty(levels, 0, dtype=torch.int64)
    if len(request.voice.acoustic_codes) < levels:
        raise InputError(
            f"expected a voice with {levels} acoustic levels, got {len(request.voice.acoustic_codes)}. "
            "Make it with the system that is to speak."
        )
    return request.voice.acoustic_codes[:levels]


def _phones(request: SpeechRequest) -> Tensor:
    """[P] the voice's phones, then the request's, with nothing in between."""
    if len(request.phone_ids) == 0:
        raise InputError("expected one or more phones to speak, got none. Check the text.")
    ids = torch.tensor(list(request.phone_ids), dtype=torch.int64)
    return ids if request.voice is None else torch.cat([request.voice.phone_ids, ids])


def _valid(lengths: list[int]) -> Tensor:
    """[B, longest] bool, True on the first `lengths[i]` places of row i."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def _grid(prompts: list[Tensor], ends: list[int], mask_token: int) -> tuple[Tensor, Tensor, Tensor]:
    """Codes and mask [B, K, T] of prompts [K, P] with everything up to `ends` to be generated, and valid [B, T]."""
    valid = _valid(ends)
    codes = torch.full((len(prompts), len(prompts[0]), max(ends)), mask_token)
    mask = valid[:, None].repeat(1, len(prompts[0]), 1)
    for index, prompt in enumerate(prompts):
        codes[index, :, : prompt.shape[-1]] = prompt
        mask[index, :, : prompt.shape[-1]] = False
    return codes, mask, valid


def _ungrid(codes: Tensor, starts: list[int], ends: list[int]) -> list[Tensor]:
    """[K, end - start] of each row of codes [B, K, T]."""
    return [row[:, start:end].cpu() for row, start, end in zip(codes, starts, ends, strict=True)]
