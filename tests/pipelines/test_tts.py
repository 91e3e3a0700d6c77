"""The pipeline that users call, on a tiny voice with random networks."""

import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_voice import LEVELS, pack_tiny

from audiogen.audio import Audio
from audiogen.checkpoints import load
from audiogen.conditioning.text import LONGEST_TEXT, PAUSES, SILENCE
from audiogen.conditioning.voice import VoicePrompt
from audiogen.errors import InputError
from audiogen.pipelines import speech
from audiogen.pipelines.script import FIRST_LINE, Line, read_lines
from audiogen.pipelines.tts import TTS, Speech

FOX = "The quick brown fox jumps over the lazy dog."
LONG = (
    "It was the best of times, it was the worst of times, and everybody knew that it would not last. "
    "Was it true? Nobody could say! There were 3 kings in the old castle of the town, and they spoke about the weather."
)
HOP = 480


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack_tiny(tmp_path_factory.mktemp("voice"))


@pytest.fixture(scope="module")
def tts(folder: Path) -> TTS:
    return TTS(folder)


@pytest.fixture(scope="module")
def prompt(tts: TTS) -> VoicePrompt:
    noise = torch.randn(1, 24000, generator=torch.Generator().manual_seed(0)) * 0.1
    return tts.voice(Audio(noise, 24000), "Hello there.")


def same(one: Speech, other: Speech) -> bool:
    return torch.equal(one.semantic_codes, other.semantic_codes) and torch.equal(
        one.acoustic_codes, other.acoustic_codes
    )


def test_everything_about_a_sentence_fits_together(tts: TTS) -> None:
    said = tts.speak(FOX)
    frames = said.semantic_codes.shape[-1]
    assert said.text == FOX
    assert said.phones[0] == SILENCE
    assert said.phones[-1] == "."
    assert said.left_out == ()
    assert len(said.durations) == len(said.phones)
    assert sum(said.durations) == pytest.approx(frames / 50)
    assert said.semantic_codes.shape == (1, frames)
    assert said.acoustic_codes.shape == (LEVELS, frames)
    assert int(said.acoustic_codes.max()) < 32, "no mask token is left"
    assert said.audio.samples.shape == (1, frames * HOP)
    assert said.audio.sample_rate == tts.sample_rate == 24000
    assert 0 < float(said.audio.samples.abs().max()) < 1
    assert said.trace.step.shape == (1, 1 + LEVELS, frames)
    assert int(said.trace.step.min()) >= 0, "every code was fixed in some pass"
    assert said.trace.step[0, 0].max() < said.trace.step[0, 1].min(), "acoustic passes follow the semantic ones"
    assert said.trace.confidence.isfinite().all()
    assert said.seconds_taken > 0
    assert torch.equal(tts(FOX).samples, said.audio.samples)


@pytest.mark.parametrize("changed", [{"seed": 1}, {"speed": 1.5}, {"seconds": 2.5}, {"steps": 9}, {"voice": "prompt"}])
def test_every_knob_changes_the_speech(tts: TTS, prompt: VoicePrompt, changed: dict[str, Any]) -> None:
    if changed.get("voice"):
        changed = {"voice": prompt}
    assert same(tts.speak(FOX), tts.speak(FOX)), "same request, same codes"
    assert not same(tts.speak(FOX), tts.speak(FOX, **changed))


def test_speed_and_seconds(tts: TTS) -> None:
    usual = tts(FOX).duration
    assert tts(FOX, speed=0.5).duration == pytest.approx(2 * usual, abs=0.031)
    assert tts(FOX, speed=2).duration == pytest.approx(usual / 2, abs=0.031)
    for text, seconds in ((FOX, 1.0), (FOX, 3.33), (LONG, 8.01)):
        assert tts(text, seconds=seconds).duration == pytest.approx(seconds, abs=0.0101)


def test_steps_set_the_passes_of_both_models(tts: TTS) -> None:
    assert int(tts.speak(FOX, steps=1).trace.step.max()) == 3, "one pass per level"
    assert tts.system.decoding.semantic.steps == 4
    usual, doubled = (tts.system.decoding.acoustic.plan(share) for share in (1.0, 2.0))
    assert [stage.steps for stage in usual] == [3, 2, 1]
    assert [stage.steps for stage in doubled] == [6, 4, 2]


def test_alone_as_in_a_list_and_one_by_one_as_in_batches(tts: TTS, folder: Path, prompt: VoicePrompt) -> None:
    texts = [FOX, "Yes.", FOX + " Yes.", "No, thank you."]
    batched = TTS(folder, batch_frames=1000)
    for voice in (None, prompt):
        together = batched(texts, voice=voice, seed=3)
        for text, audio in zip(texts, together, strict=True):
            torch.testing.assert_close(audio.samples, tts(text, voice=voice, seed=3).samples, atol=1e-4, rtol=0)
    assert isinstance(tts((FOX,)), list)


def test_a_stream_joined_is_the_whole(tts: TTS, prompt: VoicePrompt) -> None:
    for settings in ({"seed": 5, "speed": 1.5, "steps": 2}, {"seconds": 6.0}, {"voice": prompt, "steps": 1}):
        parts = list(tts.stream(LONG, **settings))
        assert len(parts) == len(list(read_lines(LONG)))
        joined = torch.cat([part.samples for part in parts], dim=-1)
        assert torch.equal(joined, tts(LONG, **settings).samples), settings


def test_lines_of_a_long_text() -> None:
    lines = list(read_lines(LONG))
    assert len(lines) == 5, "the first sentence is cut, so that it starts soon"
    assert lines[0].phones[-1] == ",", "and does not sound as if it ended there"
    assert len(lines[0].phones) < FIRST_LINE
    assert [line.phones[-1] for line in lines[1:]] == [".", "?", "!", "."]
    assert all(line.phones[0] == SILENCE for line in lines)
    assert lines[0].pause < lines[1].pause
    assert len(list(read_lines(LONG[:96]))) == 1, "a sentence of its own is spoken in one go"
    words = [phone for line in lines for phone in line.phones if phone not in (SILENCE, *PAUSES)]
    whole = [phone for line in _sentences(LONG) for phone in line.phones if phone not in (SILENCE, *PAUSES)]
    assert words == whole, "no phone is lost or added by the cut"


def _sentences(text: str) -> list[Line]:
    return [line for part in text.replace("! ", "!|").replace("? ", "?|").replace(". ", ".|").split("|")
            for line in read_lines(part)]  # fmt: skip


@pytest.mark.parametrize("sentence", ["word " * 300, "a" * 700, "One, two, three, " * 40])
def test_sentences_without_an_end(sentence: str) -> None:
    lines = list(read_lines(sentence))
    assert len(lines) > 2
    assert [line.phones[-1] for line in lines[:-1]] == [","] * (len(lines) - 1)
    assert lines[-1].phones[-1] == "."


def test_seams_do_not_click(tts: TTS) -> None:
    samples = tts(LONG).samples[0]
    steps = samples.diff().abs()
    parts = [part.samples.shape[-1] for part in tts.stream(LONG)]
    for end in itertools.accumulate(parts[:-1]):
        assert float(steps[end - 2 : end + 1].max()) < 0.1 * float(steps.max())
        assert float(samples[end]) == 0
    assert float(samples[0]) == float(samples[-1]) == 0


def test_pauses_between_sentences(tts: TTS) -> None:
    parts = list(tts.stream(LONG))
    assert torch.count_nonzero(parts[0].samples[0, :HOP]) > HOP // 2, "none before the first line"
    silent = [int(part.samples[0].nonzero()[0]) / HOP for part in parts[1:]]
    assert silent == pytest.approx([4, 13, 13, 13], abs=0.1)


def test_a_voice_is_the_recording_in_codes(tts: TTS, prompt: VoicePrompt, tmp_path: Path) -> None:
    assert prompt.semantic_codes.shape == (1, 50)
    assert prompt.acoustic_codes.shape == (LEVELS, 50)
    assert prompt.duration == 1
    assert prompt.text == "Hello there."
    stereo = Audio(torch.randn(2, 22050, generator=torch.Generator().manual_seed(0)) * 0.1, 44100)
    assert tts.voice(stereo, "Hi.").semantic_codes.shape == (1, 25)
    frame_phones = tts._speaker.prompt_frames(prompt.phone_ids, 50)
    assert len(frame_phones) == 50
    assert frame_phones.unique_consecutive().tolist() == [
        phone for phone in prompt.phone_ids.tolist() if phone in frame_phones.tolist()
    ], "the phones stand in their order"
    path = prompt.save(tmp_path / "voice.safetensors")
    assert same(tts.speak(FOX, voice=path), tts.speak(FOX, voice=prompt))


def test_the_prompt_is_heard_by_the_model_and_not_by_the_listener(tts: TTS, prompt: VoicePrompt) -> None:
    with_voice, without = tts.speak(FOX, voice=prompt), tts.speak(FOX)
    assert with_voice.audio.duration == without.audio.duration
    assert with_voice.semantic_codes.shape == without.semantic_codes.shape
    assert int(with_voice.trace.step.min()) >= 0, "no cell of the prompt is part of it"
    other = replace(prompt, acoustic_codes=prompt.acoustic_codes.roll(1, dims=-1))
    spoken = tts.speak(FOX, voice=other)
    assert torch.equal(spoken.semantic_codes, with_voice.semantic_codes), "the sound does not change what is said"
    assert not torch.equal(spoken.acoustic_codes, with_voice.acoustic_codes)


@pytest.mark.parametrize("batch_frames", [1, 2000])
def test_progress_rises_to_the_end(folder: Path, batch_frames: int) -> None:
    shares: list[float] = []
    TTS(folder, batch_frames=batch_frames)([FOX, LONG], on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(shares) > (20 if batch_frames == 1 else 5), "it is told after every pass of every batch"


def test_silence_is_decoded_once_more(tts: TTS, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = tts.speak(FOX)
    assert usual.retries == 0
    monkeypatch.setattr(speech, "SILENT_PEAK", 2.0)
    again = tts.speak(FOX)
    assert again.retries == 1
    assert not same(usual, again)


def test_what_cannot_be_said_is_reported(tts: TTS, caplog: pytest.LogCaptureFixture) -> None:
    said = tts.speak("Hello 😀 world. 你好。 Goodbye.")
    assert "😀" in said.left_out
    assert any("你" in piece for piece in said.left_out)
    tts("Hello 😀 world.")
    assert "😀" in caplog.text


def test_a_picture(tts: TTS, tmp_path: Path) -> None:
    path = tts.speak("Yes.").save_plot(tmp_path / "speech.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match=r"\.png"):
        tts.speak("Yes.").save_plot(tmp_path / "speech.jpg")


def test_a_stream_of_a_million_characters_starts_at_once(tts: TTS) -> None:
    text = (LONG + " ") * (1_000_000 // len(LONG))
    started = time.process_time()
    parts = tts.stream(text)
    heard = [next(parts) for _ in range(3)]
    assert time.process_time() - started < 10, "seconds of one core, most of them for finding the sentences"
    assert torch.equal(torch.cat([part.samples for part in heard], -1), tts(LONG).samples[:, : _length(heard)])


def _length(parts: list[Audio]) -> int:
    return sum(part.samples.shape[-1] for part in parts)


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("", {}, "got an empty text"),
        (" \n ", {}, "got an empty text"),
        ("😀 … 🎉", {}, "Nothing in it can be spoken"),
        ("!?", {}, "Nothing in it can be spoken"),
        ("a " * LONGEST_TEXT, {}, "at most 100,000 characters"),
        (5, {}, "expected a text, got a int"),
        ([FOX, None], {}, "expected a text, got a NoneType"),
        ([], {}, "one or more texts"),
        (FOX, {"speed": 0.2}, "speed of 0.25 to 4, got 0.2"),
        (FOX, {"speed": 5}, "speed of 0.25 to 4, got 5"),
        (FOX, {"speed": float("nan")}, "got nan"),
        (FOX, {"seconds": 0}, "above 0 seconds"),
        (FOX, {"seconds": float("inf")}, "above 0 seconds"),
        (FOX, {"seconds": 60}, r"expected 0\.\d to \d+\.\d seconds for this text, got 60"),
        (FOX, {"seconds": 0.05}, "seconds for this text"),
        (FOX, {"seconds": 2, "speed": 2}, "got both"),
        (FOX, {"steps": 0}, "expected 1 to 1000 steps"),
        (FOX, {"voice": "nowhere.safetensors"}, "no such file"),
    ],
)
def test_wrong_input_is_one_clear_line(tts: TTS, text: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        tts(text, **settings)
    assert "\n" not in str(caught.value)
    if isinstance(text, str) and len(text) < LONGEST_TEXT:
        with pytest.raises(InputError, match="expected"):
            tts.stream(text, **settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"acoustic_codes": torch.zeros(2, 50, dtype=torch.int64)}, "got 2 levels"),
        ({"acoustic_codes": torch.full((3, 50), 32)}, "acoustic codes up to 32"),
        ({"semantic_codes": torch.full((1, 50), 1000)}, "semantic codes up to 1000"),
        ({"phone_ids": torch.tensor([0, 900])}, r"phones in 0\.\."),
    ],
)
def test_a_voice_of_another_model(tts: TTS, prompt: VoicePrompt, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tts(FOX, voice=replace(prompt, **change))


@pytest.mark.parametrize(
    ("samples", "text", "message"),
    [
        (torch.ones(1, 100), "Hi.", "got 0.00 s"),
        (torch.ones(1, 24000 * 31), "Hi.", "30.0 seconds, got 31.00 s"),
        (torch.zeros(1, 24000), "Hi.", "got silence"),
        (torch.rand(1, 24000), "", "Nothing in it can be spoken"),
    ],
)
def test_recordings_without_a_voice(tts: TTS, samples: torch.Tensor, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tts.voice(Audio(samples, 24000), text)


def test_models_that_do_not_speak(folder: Path) -> None:
    with pytest.raises(InputError, match=r"type nano-tts, got .* of type NanoCodec"):
        TTS(folder.parent / "nano-codec-speech")
    assert not load(folder).t2s.training


def test_another_decoding_plan_than_the_voices_own(folder: Path, tts: TTS) -> None:
    own = tts.system.decoding
    hotter = TTS(folder, decoding=replace(own, semantic=replace(own.semantic, temperature=5.0, top_fraction=1.0)))
    assert same(TTS(folder, decoding=own).speak(FOX), tts.speak(FOX))
    assert not same(hotter.speak(FOX), tts.speak(FOX))
