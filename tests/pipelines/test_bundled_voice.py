"""The bundled voice itself: it speaks, is understood, and keeps the promises that random networks keep."""

import pytest
import torch

from audiogen.audio import Audio
from audiogen.metrics.speech import evaluate
from audiogen.pipelines.tts import TTS

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "She had your dark suit in greasy wash water all year.",
    "The storm came in from the west a little before noon.",
    "He paid five dollars for the book.",
]


@pytest.fixture(scope="module")
def tts() -> TTS:
    return TTS()


@pytest.fixture(scope="module")
def spoken(tts: TTS) -> list[Audio]:
    return tts(SENTENCES, seed=1)


def test_a_recogniser_understands_most_words(spoken: list[Audio]) -> None:
    texts = [(f"u{index}", text, audio) for index, (text, audio) in enumerate(zip(SENTENCES, spoken, strict=True))]
    summary = evaluate(texts)
    assert summary.wer.value < 0.6, [one.heard for one in summary.utterances]
    assert summary.cer.value < 0.4
    assert not any(summary.problems.values()), summary.problems


def test_speech_is_as_loud_and_as_long_as_speech(spoken: list[Audio]) -> None:
    for audio in spoken:
        assert audio.sample_rate == 24000
        assert 1.5 < audio.duration < 6
        assert -30 < audio.loudness() < -16
        assert float(audio.samples.abs().max()) < 1


def test_alone_in_a_list_and_as_a_stream_it_is_the_same(tts: TTS, spoken: list[Audio]) -> None:
    alone = [tts(text, seed=1) for text in SENTENCES]
    for one, other in zip(alone, spoken, strict=True):
        torch.testing.assert_close(one.samples, other.samples, atol=1e-3, rtol=0)
    text = " ".join(SENTENCES)
    whole = tts(text, seed=1)
    streamed = torch.cat([part.samples for part in tts.stream(text, seed=1)], -1)
    torch.testing.assert_close(streamed, whole.samples, atol=1e-3, rtol=0)


def test_seeds_and_speed_are_heard(tts: TTS, spoken: list[Audio]) -> None:
    other = tts(SENTENCES[0], seed=2)
    assert other.samples.shape != spoken[0].samples.shape or not torch.equal(other.samples, spoken[0].samples)
    fast, slow = (tts(SENTENCES[0], speed=speed).duration for speed in (1.5, 0.75))
    assert slow / fast == pytest.approx(2.0, rel=0.1)
    assert tts(SENTENCES[0], seconds=2.5).duration == pytest.approx(2.5, abs=0.02)
