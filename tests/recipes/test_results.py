"""RESULTS.md says what the score files say, and shows when somebody edited it."""

import pytest

from audiogen.errors import InputError
from recipes.fingerprint import Fingerprint
from recipes.records import Record
from recipes.results import Figure, Score, Section, check_results, read_section, render

SCORES = [
    Score(
        set="test",
        system="codec",
        utterances=60,
        figures={"wer": Figure(value=0.25, low=0.2, high=0.301), "bad": Figure(value=2), "stoi": Figure(value=0.9)},
    ),
    Score(set="unseen", system="tts", utterances=100, figures={"wer": Figure(value=0.5, low=0.4, high=0.6)}),
]
RUN = Record(
    state="done",
    fingerprint=Fingerprint(conf={}, code="", inputs={}),
    outputs=(),
    command="./run.sh --nj 2",
    revision="abc1234",
    machine="2 CPU cores",
    started="2026-01-31T12:00:00",
    seconds=62,
)


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "RESULTS.md"
    path.write_text(
        render("Title", "Introduction.", [Section(tag="cpu", scores=SCORES, runs={"codec": RUN})]), encoding="utf-8"
    )
    return path


def test_each_number_stands_beside_the_command_and_revision(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert "| set | system | N | WER | STOI | bad utterances |" in lines
    assert "| test | codec | 60 | 0.250 [0.200, 0.301] | 0.900 | 2 |" in lines
    assert "| unseen | tts | 100 | 0.500 [0.400, 0.600] |  |  |" in lines
    assert "| codec | abc1234 | 2026-01-31T12:00:00 | 1:02 | 2 CPU cores | `./run.sh --nj 2` |" in lines


def test_an_untouched_page_passes(page):
    check_results(page)


@pytest.mark.parametrize(("old", "new"), [("0.250", "0.050"), ("sha256", "md5"), ("Title", "Best title"), (" -->", "")])
def test_an_edited_page_is_found(page, old, new):
    page.write_text(page.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match="edited by hand"):
        check_results(page)


def test_a_section_is_read_from_its_folder(tmp_path):
    folder = tmp_path / "cpu" / "score"
    folder.mkdir(parents=True)
    for score in SCORES:
        score.write(folder / f"{score.set}.{score.system}.json")
    assert read_section(folder, {"codec": RUN}) == Section(tag="cpu", scores=SCORES, runs={"codec": RUN})


def test_scores_survive_their_file(tmp_path):
    SCORES[0].write(tmp_path / "score.json")
    assert Score.read(tmp_path / "score.json") == SCORES[0]
