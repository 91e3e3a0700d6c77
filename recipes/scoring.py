"""Scores of each system: what the recogniser hears, and for the codec how near it is to the recording."""

import importlib.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from audiogen.audio import Audio
from audiogen.files import atomic_write
from audiogen.metrics.codec import pesq, stoi
from audiogen.metrics.speech import Heard, Rate, Summary, error_rate, score
from recipes.data import read_data_dir
from recipes.results import Figure, Score

HAS_PESQ = importlib.util.find_spec("pesq") is not None
"""The package is compiled when it is installed, which some machines cannot; its figure is then left out."""


@dataclass(frozen=True)
class Item:
    """One utterance to score."""

    utt_id: str
    text: str
    audio: Path
    recording: Path | None
    """The same speech before the codec; None for a system that has no such thing."""


@dataclass(frozen=True)
class Scored:
    """One utterance, scored."""

    heard: Heard
    stoi: float | None = None
    """None also where it is not defined."""
    pesq: float | None = None


def items(folder: Path, recordings: Path | None) -> list[Item]:
    """What to score in the data dir `folder`, beside the recordings of the same ids."""
    originals = {utterance.utt_id: utterance.audio for utterance in read_data_dir(recordings)} if recordings else {}
    return [Item(u.utt_id, u.text, u.audio, originals.get(u.utt_id)) for u in read_data_dir(folder)]


def score_item(item: Item) -> Scored:
    """Recognise and compare one utterance."""
    heard = score(item.utt_id, item.text, item.audio)
    if item.recording is None:
        return Scored(heard)
    audio = Audio.read(item.audio)
    original = Audio.read(item.recording).mono().resample(audio.sample_rate)
    return Scored(heard, stoi(original, audio), pesq(original, audio) if HAS_PESQ else None)


def summarise(set_name: str, system: str, scored: list[Scored]) -> Score:
    """All figures of one system on one set."""
    summary = Summary.of(one.heard for one in scored)
    figures = {"wer": _figure(summary.wer), "cer": _figure(summary.cer)}
    for name in ("stoi", "pesq"):
        values = [value for one in scored if (value := getattr(one, name)) is not None]
        if values:
            figures[name] = _figure(error_rate(values, [1] * len(values)))
    figures["bad"] = Figure(value=sum(bool(one.heard.problems) for one in scored))
    return Score(set=set_name, system=system, utterances=len(scored), figures=figures)


def write_scores(scored: list[Scored], path: Path) -> None:
    """One JSON object per utterance and line."""
    with atomic_write(path) as temporary:
        lines = ({**asdict(one.heard), "stoi": one.stoi, "pesq": one.pesq} for one in scored)
        temporary.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def _figure(rate: Rate) -> Figure:
    return Figure(value=rate.value, low=rate.low, high=rate.high)
