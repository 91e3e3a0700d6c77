"""Text to speech: what `audiogen.TTS()` is.

    tts = audiogen.TTS()
    tts("It speaks.").save("speech.wav")

A text is spoken line by line (`script`), each line by three small networks and a codec (`speech`). What a line sounds
like depends on the line, its place in the text, the seed and the settings: not on what it is batched with, and not on
whether the text is streamed. (On a GPU, rounding may tip the balance between two codes that are equally probable.)
Shapes: K acoustic levels, T frames, S samples.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from audiogen.audio import Audio
from audiogen.checkpoints import load
from audiogen.checkpoints.nano import NanoTTS, SpeechDecoding
from audiogen.conditioning.mel_features import MelFeatures
from audiogen.conditioning.text import PHONE_IDS, SILENCE, check_text, phonemize
from audiogen.conditioning.voice import VoicePrompt
from audiogen.decoding import Trace
from audiogen.errors import InputError
from audiogen.pipelines.script import MAX_SPEED, MIN_SPEED, TimedLine, read_lines, timed
from audiogen.pipelines.speech import Speaker, Spoken, Utterance

logger = logging.getLogger(__name__)

MAX_STEPS = 1000
VOICE_SECONDS = (0.5, 30.0)
"""Of a recording whose voice is to be continued: at least, at most."""
CPU_BATCH_FRAMES, GPU_BATCH_FRAMES = 2_000, 30_000
"""Padded frames that are decoded together: on two cores 24 sentences take a third less time than one by one."""

OnProgress = Callable[[float], None]
"""Told the share of the request that is done, 0..1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Speech:
    """A text that was spoken, with everything in between."""

    audio: Audio
    text: str
    phones: tuple[str, ...]
    """What was said: symbols of `audiogen.conditioning.text.PHONES`, each line beginning with silence."""
    left_out: tuple[str, ...]
    """What stands in the text and cannot be said."""
    durations: tuple[float, ...]
    """Seconds of each phone; their sum is that of the codes."""
    semantic_codes: Tensor
    """[1, T] int64, all lines joined; the pauses between lines have no codes."""
    acoustic_codes: Tensor
    """[K, T] int64."""
    trace: Trace
    """[1, 1 + K, T]: in which pass each code was fixed, and how surely; row 0 is the semantic level."""
    seconds_taken: float
    """Compute time; of texts that were spoken together each has its share by length."""
    retries: int
    """Lines that were silent at first, and were decoded once more."""

    def save_plot(self, path: str | Path) -> Path:
        """Waveform, mel spectrogram and trace as a PNG.

        Raises:
            InputError: another suffix, or a place that cannot be written to.
        """
        from audiogen.metrics.plot import save_speech

        return save_speech(path, self.audio, self.trace)


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What a request asks for, checked."""

    seed: int
    speed: float
    seconds: float | None
    steps: int | None
    prompt: VoicePrompt | None


class TTS:
    """Speaks English. One object per model; several requests may share it, one after the other.

    Args:
        model: name or folder of a model of type nano-tts.
        device: where it computes: "cpu", "cuda", ...
        batch_frames: padded frames that are decoded together; default: 40 seconds on a CPU, 10 minutes on a GPU.
        decoding: another plan than the one that the voice comes with.
    Raises:
        InputError: unknown name, damaged files, or a model of another type.
    """

    def __init__(
        self,
        model: str | Path = "nano-tts",
        device: str = "cpu",
        batch_frames: int | None = None,
        decoding: SpeechDecoding | None = None,
    ):
        system = load(model, device)
        if not isinstance(system, NanoTTS):
            raise InputError(
                f"expected a model of type nano-tts, got {model} of type {type(system).__name__}. "
                "TTS() takes the bundled voice; audiogen.load reads others."
            )
        if batch_frames is None:
            batch_frames = CPU_BATCH_FRAMES if system.device.type == "cpu" else GPU_BATCH_FRAMES
        self.system = replace(system, decoding=decoding) if decoding else system
        self._speaker = Speaker(self.system, batch_frames)

    @property
    def sample_rate(self) -> int:
        """Hz, of all audio that is returned."""
        return self.system.codec.sample_rate

    @overload
    def __call__(
        self,
        text: str,
        *,
        seed: int = 0,
        speed: float = 1.0,
        seconds: float | None = None,
        steps: int | None = None,
        voice: VoicePrompt | str | Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> Audio: ...

    @overload
    def __call__(
        self,
        text: list[str] | tuple[str, ...],
        *,
        seed: int = 0,
        speed: float = 1.0,
        seconds: float | None = None,
        steps: int | None = None,
        voice: VoicePrompt | str | Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Audio]: ...

    def __call__(
        self,
        text: str | list[str] | tuple[str, ...],
        *,
        seed: int = 0,
        speed: float = 1.0,
        seconds: float | None = None,
        steps: int | None = None,
        voice: VoicePrompt | str | Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> Audio | list[Audio]:
        """Speak a text, or several.

        Args:
            text: English, at most 100,000 characters (`stream` takes any length), or a list of such texts.
            seed: same request and seed, same speech, alone or in a list.
            speed: 0.25 to 4 times the voice's own pace.
            seconds: length of each text's speech, to 10 ms, instead of `speed`.
            steps: passes of the semantic decode, 1 to 1000; the acoustic ones change in proportion. Default: as tuned.
            voice: a VoicePrompt or its file; None: the built-in voice.
            on_progress: called with the share that is done.
        Returns:
            Mono audio, one for each text.
        Raises:
            InputError: nothing speakable, or a setting out of its range.
        """
        settings = self._settings(seed, speed, seconds, steps, voice)
        several = isinstance(text, list | tuple)
        spoken = self._speak_all(text if isinstance(text, list | tuple) else [text], settings, on_progress)
        for speech in spoken:
            _warn(speech.left_out)
        return [speech.audio for speech in spoken] if several else spoken[0].audio

    def speak(
        self,
        text: str,
        *,
        seed: int = 0,
        speed: float = 1.0,
        seconds: float | None = None,
        steps: int | None = None,
        voice: VoicePrompt | str | Path | None = None,
        on_progress: OnProgress | None = None,
    ) -> Speech:
        """As a call with one text, with phones, codes and trace beside the audio."""
        settings = self._settings(seed, speed, seconds, steps, voice)
        return self._speak_all([text], settings, on_progress)[0]

    def stream(
        self,
        text: str,
        *,
        seed: int = 0,
        speed: float = 1.0,
        seconds: float | None = None,
        steps: int | None = None,
        voice: VoicePrompt | str | Path | None = None,
    ) -> Iterator[Audio]:
        """Speak a text of any length, line by line as each is ready; joined, the parts are what a call returns.

        With `seconds`, the whole text is measured before the first line is spoken.

        Raises:
            InputError: as a call, at once.
        """
        settings = self._settings(seed, speed, seconds, steps, voice)
        _check_type(text)
        lines = self._lines(text, settings)
        first = next(lines)

        def parts() -> Iterator[Audio]:
            for index, line in enumerate(chain([first], lines)):
                _warn(line.line.left_out)
                spoken = self._speaker([_utterance(line, settings.seed, index)], settings.steps, settings.prompt)
                yield Audio(self._after_pause(line, spoken[0]), self.sample_rate)

        return parts()

    def voice(self, audio: Audio | str | Path, text: str) -> VoicePrompt:
        """The voice of a recording, for `voice=`.

        Args:
            audio: 0.5 to 30 seconds of speech without background noise, or its file.
            text: what is said in it, to the word.
        Raises:
            InputError: an unreadable, too short, too long or silent recording, or nothing speakable in the text.
        """
        recording = audio if isinstance(audio, Audio) else Audio.read(audio)
        shortest, longest = VOICE_SECONDS
        if not shortest <= recording.duration <= longest:
            raise InputError(
                f"expected a recording of {shortest} to {longest} seconds, got {recording.duration:.2f} s. "
                "Cut it at a pause, and the text with it."
            )
        if recording.loudness() == -math.inf:
            raise InputError("expected a recording of speech, got silence. Record it louder.")
        codec, tokenizer = self.system.codec, self.system.tokenizer
        phone_ids = [PHONE_IDS[SILENCE], *phonemize(text).ids]
        samples = recording.mono().resample(codec.sample_rate).samples[None].to(self.system.device)
        features = MelFeatures(codec.sample_rate, codec.hop_length).to(self.system.device)
        with torch.no_grad():
            return VoicePrompt(
                semantic_codes=tokenizer.encode(features(samples))[0].cpu(),
                acoustic_codes=codec.encode(samples)[0].cpu(),
                phone_ids=torch.tensor(phone_ids),
                duration=recording.duration,
                text=text,
            )

    def _settings(
        self,
        seed: int,
        speed: float,
        seconds: float | None,
        steps: int | None,
        voice: VoicePrompt | str | Path | None,
    ) -> _Settings:
        if not MIN_SPEED <= speed <= MAX_SPEED:
            raise InputError(f"expected a speed of {MIN_SPEED} to {MAX_SPEED:g}, got {speed}. 1 is the voice's own.")
        if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
            raise InputError(f"expected a length above 0 seconds, got {seconds}. Leave it out for the usual one.")
        if seconds is not None and speed != 1:
            raise InputError(f"expected speed or seconds, got both ({speed} and {seconds}). Leave one of them out.")
        if steps is not None and not 1 <= steps <= MAX_STEPS:
            raise InputError(f"expected 1 to {MAX_STEPS} steps, got {steps}. More than 50 change little.")
        prompt = VoicePrompt.load(voice) if isinstance(voice, str | Path) else voice
        return _Settings(seed=seed, speed=speed, seconds=seconds, steps=steps, prompt=prompt)

    def _lines(self, text: str, settings: _Settings) -> Iterator[TimedLine]:
        rate, scale = self.system.codec.frame_rate, self.system.decoding.duration_scale

        def natural(ids: Tensor) -> Tensor:
            return self.system.durations.frames(ids.to(self.system.device)) * scale

        return timed(read_lines(text), natural, rate, settings.speed, settings.seconds)

    def _speak_all(self, texts: Sequence[str], settings: _Settings, on_progress: OnProgress | None) -> list[Speech]:
        if not texts:
            raise InputError("expected one or more texts to speak, got none.")
        for text in texts:
            _check_type(text)
            check_text(text)
        started = time.perf_counter()
        scripts = [list(self._lines(text, settings)) for text in texts]
        utterances = [_utterance(line, settings.seed, index) for script in scripts for index, line in enumerate(script)]
        spoken = iter(self._speaker(utterances, settings.steps, settings.prompt, on_progress))
        speeches = [
            self._speech(text, script, [next(spoken) for _ in script])
            for text, script in zip(texts, scripts, strict=True)
        ]
        return _share_time(speeches, time.perf_counter() - started)

    def _speech(self, text: str, script: list[TimedLine], spoken: list[Spoken]) -> Speech:
        samples = [self._after_pause(line, part) for line, part in zip(script, spoken, strict=True)]
        frames = torch.cat([line.durations for line in script])
        return Speech(
            audio=Audio(torch.cat(samples, dim=-1), self.sample_rate),
            text=text,
            phones=tuple(phone for line in script for phone in line.line.phones),
            left_out=tuple(piece for line in script for piece in line.line.left_out),
            durations=tuple((frames.double() / self.system.codec.frame_rate).tolist()),
            semantic_codes=torch.cat([part.semantic_codes for part in spoken], dim=-1),
            acoustic_codes=torch.cat([part.acoustic_codes for part in spoken], dim=-1),
            trace=Trace(
                torch.cat([part.trace.step for part in spoken], dim=-1),
                torch.cat([part.trace.confidence for part in spoken], dim=-1),
            ),
            seconds_taken=0.0,
            retries=sum(part.retries for part in spoken),
        )

    def _after_pause(self, line: TimedLine, spoken: Spoken) -> Tensor:
        """Samples [1, S] of a line and of the silence before it."""
        return torch.cat([torch.zeros(1, line.pause * self.system.codec.hop_length), spoken.samples], dim=-1)


def _utterance(line: TimedLine, seed: int, index: int) -> Utterance:
    """Line `index` of a text."""
    return Utterance(phone_ids=line.line.ids, durations=line.durations, seed=seed, index=index)


def _share_time(speeches: list[Speech], seconds: float) -> list[Speech]:
    total = sum(speech.audio.duration for speech in speeches)
    return [replace(speech, seconds_taken=seconds * speech.audio.duration / total) for speech in speeches]


def _check_type(text: object) -> None:
    if not isinstance(text, str):
        raise InputError(f"expected a text, got a {type(text).__name__}. Pass a str, or a list of them.")


def _warn(left_out: tuple[str, ...]) -> None:
    if left_out:
        logger.warning("left out what cannot be said: %s", ", ".join(repr(piece[:40]) for piece in left_out[:10]))
