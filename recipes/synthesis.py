"""Speech of each system as a Kaldi data dir with its audio, so that scoring and tools such as VERSA can read it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from audiogen.audio import Audio
from recipes.data import Utterance, read_data_dir

if TYPE_CHECKING:
    from audiogen.codecs import Codec
    from audiogen.pipelines.tts import TTS

BATCH = 8
"""Sentences that are spoken together."""


def one_take_each(data_dir: Path) -> list[Utterance]:
    """The first recording of each sentence, so that sentences with several takes do not count more."""
    first: dict[str, Utterance] = {}
    for utterance in read_data_dir(data_dir):
        first.setdefault(utterance.text, utterance)
    return list(first.values())


def resynthesise(codec: "Codec", utterances: Sequence[Utterance], folder: Path) -> Iterator[Utterance]:
    """The recordings after encoding and decoding; goes on at the first that is missing."""
    from audiogen.metrics.codec import fit

    for utterance in utterances:
        path = folder / "wav" / f"{utterance.utt_id}.wav"
        if not path.exists():
            original = fit(Audio.read(utterance.audio), codec).samples
            with torch.inference_mode():
                samples = codec.decode(codec.encode(original[None]))[0, :, : original.shape[-1]]
            _save(Audio(samples, codec.sample_rate), path)
        yield replace(utterance, audio=path, duration=Audio.read(path).duration)


def speak(tts: "TTS", texts: Mapping[str, str], folder: Path, seed: int) -> Iterator[Utterance]:
    """The texts spoken, by utterance id; goes on at the first batch that is missing."""
    ids = list(texts)
    for start in range(0, len(ids), BATCH):
        paths = {utt_id: folder / "wav" / f"{utt_id}.wav" for utt_id in ids[start : start + BATCH]}
        if not all(path.exists() for path in paths.values()):
            for path, audio in zip(paths.values(), tts([texts[utt_id] for utt_id in paths], seed=seed), strict=True):
                _save(audio, path)
        for utt_id, path in paths.items():
            duration = Audio.read(path).duration
            yield Utterance(utt_id=utt_id, audio=path, text=texts[utt_id], speaker="tts", duration=duration)


def _save(audio: Audio, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    audio.save(path)
