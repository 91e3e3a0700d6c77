"""Error rates of an offline recogniser and broken utterances, on three recordings that are in the repository."""

import json
from pathlib import Path

import pytest
import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.metrics import speech
from audiogen.metrics.speech import Summary, error_rate, evaluate, normalize, problems

RATE = 24_000


@pytest.fixture(scope="module")
def recordings() -> list[tuple[str, str, Path]]:
    folder = Path(__file__).parents[1] / "fixtures" / "speech"
    paths = dict(line.split() for line in (folder / "wav.scp").read_text().splitlines())
    texts = dict(line.split(" ", 1) for line in (folder / "text").read_text().splitlines())
    return [(utt_id, texts[utt_id], folder / paths[utt_id]) for utt_id in sorted(texts)]


@pytest.fixture(scope="module")
def summary(recordings) -> Summary:
    return evaluate(recordings)


def noise(seconds: float, level: float = 0.05) -> Audio:
    return Audio(level * torch.randn(1, round(seconds * RATE), generator=torch.Generator().manual_seed(0)), RATE)


def test_recordings_are_understood(summary):
    assert summary.wer.value <= 0.1
    assert summary.cer.value <= 0.1
    assert summary.wer.low <= summary.wer.value <= summary.wer.high
    assert summary.seconds == pytest.approx(6.52, abs=0.05)
    assert summary.problems == {"silent": 0, "clipped": 0, "cut_off": 0, "repeated": 0}


def test_noise_is_not(recordings):
    heard = evaluate([(utt_id, text, noise(1.5)) for utt_id, text, _ in recordings[:2]])
    assert 0.7 <= heard.wer.value <= 1.3
    assert heard.cer.value >= 0.6


def test_the_wrong_text_is_noticed(recordings):
    (first, _, path), (_, text, _), *_ = recordings
    assert evaluate([(first, text, path)]).wer.value >= 0.8


@pytest.mark.timeout(900)  # two processes load torch and the recogniser
def test_processes_and_order_do_not_matter(recordings, summary):
    seen: list[int] = []
    backwards = evaluate(recordings[1::-1], jobs=2, on_progress=seen.append)
    assert backwards.utterances == summary.utterances[1::-1]
    assert seen == [1, 2]


def test_results_are_saved_as_json_lines(summary, tmp_path):
    summary.save(tmp_path / "utterances.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "utterances.jsonl").read_text().splitlines()]
    assert [row["utt_id"] for row in rows] == [heard.utt_id for heard in summary.utterances]
    assert sum(row["word_errors"] for row in rows) / sum(row["words"] for row in rows) == summary.wer.value
    assert json.loads(json.dumps(summary.to_json()))["wer"]["value"] == summary.wer.value


def test_both_sides_are_normalised_alike():
    assert normalize("Dr. Smith paid $5 to the BBC, in 1999!") == (
        "doctor smith paid five dollars to the b b c in nineteen ninety nine"
    )
    assert normalize(normalize("It's 5 o'clock; NASA's here.")) == normalize("It's 5 o'clock; NASA's here.")


def test_intervals_of_error_rates():
    same = error_rate([1] * 50, [10] * 50)
    assert (same.value, same.low, same.high) == pytest.approx((0.1, 0.1, 0.1))
    mixed = error_rate([0, 10] * 50, [10] * 100)
    assert mixed == error_rate([0, 10] * 50, [10] * 100)
    assert mixed.value == 0.5
    assert (mixed.low, mixed.high) == pytest.approx((0.4, 0.6), abs=0.03)  # 0.5 ± 1.96 · 0.5 / sqrt(100)
    long_weighs_more = error_rate([0, 10], [10, 90])
    assert long_weighs_more.value == 0.1


def test_problems_of_broken_recordings(recordings):
    _, text, path = recordings[0]
    audio, words = Audio.read(path), normalize(text)
    samples = audio.samples

    def found(samples: torch.Tensor, heard: str = words) -> tuple[str, ...]:
        return problems(Audio(samples, audio.sample_rate), text, heard)

    middle = samples.shape[-1] // 2
    assert found(samples) == ()
    assert found(samples * 0.0005) == ("silent",)
    assert found(torch.zeros_like(samples)) == ("silent",)
    assert found((20 * samples).clamp(-1, 1)) == ("clipped",)
    assert "cut_off" in found(samples[:, : samples.shape[-1] // 3])
    loudest = int(samples[0, middle // 2 : -middle // 2].abs().argmax()) + middle // 2
    assert "cut_off" in found(samples[:, :loudest])
    assert "cut_off" in found(samples[:, loudest:])
    assert found(samples, f"{words} {words}") == ("repeated",)
    assert found(samples.repeat(1, 3)) == ("repeated",)
    assert found(samples[:, loudest : loudest + 10]) == ("cut_off",)


def test_repetitions_that_are_in_the_text_are_fine():
    text = "Again and again and again and again."
    assert problems(noise(2.5), text, normalize(text)) == ("cut_off",)  # noise has no quiet ends


@pytest.mark.parametrize(
    ("utterances", "message"), [([], "got none"), ([("u1", "...", noise(1.0))], "u1: expected a text")]
)
def test_wrong_input(utterances, message):
    with pytest.raises(InputError, match=message):
        evaluate(utterances)


def test_silence_is_heard_as_nothing():
    assert speech.recognize(Audio(torch.zeros(1, RATE), RATE)) == ""
