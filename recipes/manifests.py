"""Lhotse manifests of a data directory: `recordings.jsonl.gz`, `supervisions.jsonl.gz` and `cuts.jsonl.gz`.

The same as `lhotse kaldi import` makes of a directory with absolute paths, so both ways of getting there agree.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import soundfile

from recipes.data import Utterance, read_data_dir

if TYPE_CHECKING:
    from lhotse import CutSet, Recording, RecordingSet, SupervisionSegment, SupervisionSet


def make_manifests(data_dir: Path, language: str = "en") -> "tuple[RecordingSet, SupervisionSet, CutSet]":
    """Recordings with absolute paths, one supervision with text and speaker for each, and the cuts that join them."""
    from lhotse import CutSet, RecordingSet, SupervisionSet

    utterances = read_data_dir(data_dir)
    recordings = RecordingSet.from_recordings(_recording(utterance) for utterance in utterances)
    lengths = {recording.id: recording.duration for recording in recordings}
    supervisions = SupervisionSet.from_segments(
        _supervision(utterance, lengths[utterance.utt_id], language) for utterance in utterances
    )
    cuts = CutSet.from_manifests(recordings=recordings, supervisions=supervisions)
    return recordings, supervisions, CutSet.from_cuts(cut.with_id(cut.supervisions[0].id) for cut in cuts)


def _recording(utterance: Utterance) -> "Recording":
    from lhotse import Recording
    from lhotse.audio import AudioSource

    info = soundfile.info(utterance.audio)
    return Recording(
        id=utterance.utt_id,
        sources=[AudioSource(type="file", channels=list(range(info.channels)), source=str(utterance.audio))],
        sampling_rate=info.samplerate,
        num_samples=info.frames,
        duration=info.frames / info.samplerate,
    )


def _supervision(utterance: Utterance, duration: float, language: str) -> "SupervisionSegment":
    from lhotse import SupervisionSegment

    return SupervisionSegment(
        id=utterance.utt_id,
        recording_id=utterance.utt_id,
        start=0.0,
        duration=duration,
        channel=0,
        text=utterance.text,
        speaker=utterance.speaker,
        language=language,
    )
