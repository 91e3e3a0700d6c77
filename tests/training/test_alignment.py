"""Forced alignment and pitch of real recordings: gapless, in the right order, at plausible places."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from audiogen.audio import Audio
from audiogen.conditioning.text import PAUSES, PHONES, SILENCE, phonemize
from audiogen.training.alignment import Aligner, Segment, align, frame_phones, phone_frames
from audiogen.training.pitch import FRAME_RATE, track_pitch


@pytest.fixture(scope="module")
def recordings(fixtures: Path) -> list[tuple[str, Path]]:
    folder = fixtures / "speech"
    texts = dict(line.split(maxsplit=1) for line in (folder / "text").read_text().splitlines())
    paths = dict(line.split() for line in (folder / "wav.scp").read_text().splitlines())
    return [(texts[utt_id], folder / paths[utt_id]) for utt_id in sorted(texts)]


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner()


def test_segments_follow_the_text_and_cover_the_sound(aligner: Aligner, recordings: list[tuple[str, Path]]) -> None:
    for text, path in recordings:
        audio = Audio.read(path)
        segments = aligner(phonemize(text), audio)
        assert segments is not None
        spoken = [segment.phone for segment in segments if segment.phone != SILENCE]
        assert spoken == [phone for phone in phonemize(text).phones if phone != SILENCE]
        assert segments[0].start == 0.0
        assert segments[-1].end == pytest.approx(audio.duration)
        for before, after in pairwise(segments):
            assert before.end == pytest.approx(after.start), "no gaps, no overlaps"
        phones = [segment for segment in segments if segment.phone not in (SILENCE, *PAUSES)]
        assert all(0.02 <= segment.end - segment.start <= 0.5 for segment in phones)


def test_vowels_are_louder_than_pauses(aligner: Aligner, recordings: list[tuple[str, Path]]) -> None:
    def level(audio: Audio, segments: list[Segment]) -> float:
        pieces = [audio.samples[:, int(s.start * audio.sample_rate) : int(s.end * audio.sample_rate)] for s in segments]
        return float(torch.cat(pieces, -1).square().mean())

    for text, path in recordings:
        audio = Audio.read(path)
        segments = aligner(phonemize(text), audio) or []
        vowels = [s for s in segments if s.phone[-1] in "12"]
        pauses = [s for s in segments if s.phone in (SILENCE, *PAUSES) and s.end > s.start]
        assert level(audio, vowels) > 30 * level(audio, pauses)


def test_wrong_text_is_not_aligned_or_scores_no_path(aligner: Aligner, recordings: list[tuple[str, Path]]) -> None:
    audio = Audio.read(recordings[0][1])
    long_text = "This text has many more words than anybody could say in such a short recording, " * 6
    assert aligner(phonemize(long_text), audio) is None
    assert aligner(phonemize(recordings[0][0]), audio) is not None, "the aligner works on after a failure"


def test_aligned_cuts_give_a_phone_for_every_code_frame(tmp_path: Path, recordings: list[tuple[str, Path]]) -> None:
    from lhotse import CutSet, MonoCut, Recording, SupervisionSegment

    cuts = []
    for index, (text, path) in enumerate(recordings):
        recording = Recording.from_file(path, recording_id=f"u{index}")
        supervision = SupervisionSegment(f"u{index}", f"u{index}", 0.0, recording.duration, text=text)
        cuts.append(MonoCut(f"u{index}", 0.0, recording.duration, 0, [supervision], recording=recording))
    CutSet.from_cuts(cuts).to_file(tmp_path / "cuts.jsonl.gz")
    align(tmp_path / "cuts.jsonl.gz", tmp_path / "aligned.jsonl.gz")
    aligned = list(CutSet.from_file(tmp_path / "aligned.jsonl.gz"))
    assert len(aligned) == len(cuts)
    for cut in aligned:
        frames = -(-cut.recording.num_samples // 480)
        durations = phone_frames(cut, frames)[1]
        assert int(durations.sum()) == frames
        assert int(durations.min()) >= 0
        labels = frame_phones(cut, frames)
        assert labels.shape == (frames,)
        assert 0 <= int(labels.min()) <= int(labels.max()) < len(PHONES)


def test_pitch_of_a_tone_and_of_a_voice(recordings: list[tuple[str, Path]]) -> None:
    time = torch.arange(24000) / 24000
    tone = Audio(torch.sin(2 * torch.pi * 180 * time)[None] * 0.5, 24000)
    pitch, voicing = track_pitch(tone)
    assert pitch.shape == (FRAME_RATE,)
    assert float((pitch[20:-20] / 180 - 1).abs().max()) < 0.02
    assert float(voicing[20:-20].mean()) == 1.0
    pitch, voicing = track_pitch(Audio.read(recordings[0][1]))
    assert 120 < float(pitch[voicing > 0].median()) < 220, "a woman of 50 to 70 years"
    assert 0.3 < float(voicing.mean()) < 0.95


def test_silence_has_no_pitch() -> None:
    pitch, voicing = track_pitch(Audio(torch.zeros(1, 12000), 24000))
    assert float(voicing.sum()) == 0.0
    assert float(pitch.min()) > 0
