"""The bundled VampNet itself: its variations keep rhythm and loudness, and are no copies."""

from pathlib import Path

import pytest
import torch

from audiogen.audio import Audio
from audiogen.codecs import load_codec
from audiogen.metrics.codec import compare
from audiogen.metrics.rhythm import onset_f_measure
from audiogen.pipelines.take import Take
from audiogen.pipelines.vamp import Vamp
from audiogen.serving.demo.examples import write_examples


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_examples(tmp_path_factory.mktemp("loops"))


@pytest.fixture(scope="module")
def takes(loops: dict[str, Path]) -> list[tuple[Audio, Take]]:
    vamp = Vamp()
    return [(Audio.read(path), vamp(path, "periodic(7) & levels(4)", steps=12, seed=1)[0]) for path in loops.values()]


def test_the_codec_gives_back_what_can_be_recognised(loops: dict[str, Path]) -> None:
    codec = load_codec("nano-codec-music")
    reports = [compare(codec, Audio.read(path)).report for path in loops.values()]
    assert sum(report.mel_loss for report in reports) / len(reports) < 1.5
    assert max(report.decode_rtf for report in reports) < 0.5


def test_variations_have_the_length_and_the_loudness_of_their_source(takes: list[tuple[Audio, Take]]) -> None:
    for source, take in takes:
        assert take.samples.shape == source.samples.shape
        assert take.loudness() == pytest.approx(source.loudness(), abs=1.0)
        assert torch.isfinite(take.samples).all()


def test_what_is_kept_holds_the_rhythm(loops: dict[str, Path]) -> None:
    vamp, kept = Vamp(), {"everything()": 0.9, "periodic(3) & levels(4)": 0.6}
    for prompt, expected in kept.items():
        found = [
            onset_f_measure(Audio.read(path), vamp(path, prompt, steps=12, seed=1)[0]) or 0.0 for path in loops.values()
        ]
        assert sum(found) / len(found) > expected, f"{prompt}: {found}"


def test_variations_are_no_copies(takes: list[tuple[Audio, Take]]) -> None:
    vamp = Vamp()
    for source, take in takes:
        given = vamp(source, "everything()", seed=1)[0]
        made = take.mask
        assert torch.equal(take.codes[~made], given.codes[~made])
        assert float((take.codes == given.codes)[made].float().mean()) < 0.6
