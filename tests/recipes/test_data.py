"""Data directories: what is wrong is named by file and line, what is right survives every round trip."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiogen.errors import InputError
from recipes.data import Utterance, read_data_dir, validate_data_dir, write_data_dir
from recipes.manifests import make_manifests

MINI = Path(__file__).parents[2] / "egs/mini/tts1/corpus"


@pytest.fixture
def corpus(tmp_path):
    """A copy of the mini corpus that a test may damage."""
    return Path(shutil.copytree(MINI, tmp_path / "corpus"))


def edit(path, line, change):
    """Replace one line (counted from 1) by `change` of it; None removes it."""
    lines = path.read_text().splitlines()
    lines[line - 1 : line] = [text for text in [change(lines[line - 1])] if text is not None]
    path.write_text("".join(f"{text}\n" for text in lines))


@pytest.mark.parametrize(("name", "utterances"), [("train", 14), ("dev", 3), ("test", 3)])
def test_the_mini_corpus_is_valid(name, utterances, caplog):
    caplog.set_level("INFO")
    summary = validate_data_dir(MINI / name, decode=True)
    assert (summary.utterances, summary.speakers) == (utterances, 1)
    assert f"{utterances} utterances, 1 speakers, 0.00" in caplog.text


def test_the_mini_corpus_is_small():
    assert sum(file.stat().st_size for file in MINI.rglob("*") if file.is_file()) < 2 * 2**20


@pytest.mark.parametrize(
    ("file", "line", "change", "message"),
    [
        ("text", 2, lambda text: text.split()[0], "text:2: expected `<id> <value>`"),
        ("text", 3, lambda text: None, "text: expected a line for"),
        ("text", 1, lambda text: f"{text}\n{text}", "text:2: expected each id once"),
        ("utt2spk", 1, lambda text: f"zz kathleen\n{text}", "utt2spk:2: expected lines sorted by id"),
        ("utt2spk", 14, lambda text: f"{text}\nzz kathleen", "utt2spk:15: expected an id of wav.scp, got zz"),
        ("utt2spk", 4, lambda text: text.replace(" kathleen", " other"), "utt2spk:4: expected kathleen"),
        ("utt2dur", 5, lambda text: f"{text.split()[0]} 9.5", "utt2dur:5: expected"),
        ("utt2dur", 5, lambda text: f"{text.split()[0]} long", "got long"),
        (
            "wav.scp",
            6,
            lambda text: f"{text.split()[0]} wav/none.opus",
            "wav.scp:6: expected a sound file, got no file",
        ),
        (
            "wav.scp",
            6,
            lambda text: f"{text.split()[0]} cat x.wav |",
            "wav.scp:6: expected a sound file, got a command",
        ),
        ("wav.scp", 6, lambda text: f"{text.split()[0]} ../README.md", "wav.scp:6: expected a sound file"),
    ],
)
def test_a_problem_is_named_by_file_and_line(corpus, file, line, change, message):
    edit(corpus / "train" / file, line, change)
    with pytest.raises(InputError, match=r"expected") as caught:
        validate_data_dir(corpus / "train")
    assert message in str(caught.value)


def test_a_missing_empty_or_binary_file_is_named(corpus):
    (corpus / "train/text").unlink()
    (corpus / "train/utt2spk").write_text("")
    (corpus / "train/utt2dur").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError) as caught:
        validate_data_dir(corpus / "train")
    for name in (
        "text: expected a UTF-8 text file",
        "utt2spk: expected one line per utterance",
        "utt2dur: expected a UTF-8",
    ):
        assert name in str(caught.value)


def test_only_the_first_problems_are_listed(corpus):
    (corpus / "train/utt2dur").write_text(
        "".join(f"{line.split()[0]} 9\n" for line in (corpus / "train/text").open()) * 3
    )
    with pytest.raises(InputError, match="… and 22 more"):
        validate_data_dir(corpus / "train")


def test_damaged_audio_is_found_by_decoding(corpus):
    path = corpus / "wav" / "short.wav"
    soundfile.write(path, np.zeros(2400), 24000)
    edit(corpus / "dev/wav.scp", 1, lambda text: f"{text.split()[0]} ../wav/short.wav")
    with pytest.raises(InputError, match=r"expected 0.1000 s, the audio's length, got 2.24"):
        validate_data_dir(corpus / "dev", decode=True)


def test_what_is_written_reads_the_same_and_is_byte_identical(tmp_path):
    utterances = read_data_dir(MINI / "train")
    write_data_dir(reversed(utterances), tmp_path / "copy")
    assert read_data_dir(tmp_path / "copy") == utterances
    validate_data_dir(tmp_path / "copy")
    for name in ("text", "utt2spk", "spk2utt", "utt2dur"):
        assert (tmp_path / "copy" / name).read_bytes() == (MINI / "train" / name).read_bytes()


def test_a_data_dir_can_move_with_its_audio(corpus, tmp_path):
    write_data_dir(read_data_dir(corpus / "train"), corpus / "mine" / "train")
    corpus.rename(tmp_path / "elsewhere")
    assert validate_data_dir(tmp_path / "elsewhere/mine/train").utterances == 14


def test_durations_and_speaker_lists_may_be_missing(corpus):
    durations = [utterance.duration for utterance in read_data_dir(corpus / "train")]
    (corpus / "train/utt2dur").unlink()
    (corpus / "train/spk2utt").unlink()
    assert validate_data_dir(corpus / "train").speakers == 1
    found = [utterance.duration for utterance in read_data_dir(corpus / "train")]
    np.testing.assert_allclose(found, durations, atol=1e-4)


def utterance(**values):
    """A valid utterance but for `values`."""
    return Utterance(
        **{"utt_id": "a", "audio": Path("a.wav"), "text": "one", "speaker": "s", "duration": 1.0, **values}
    )


@pytest.mark.parametrize("values", [{"utt_id": "a b"}, {"speaker": ""}, {"text": " "}, {"text": "two\nlines"}])
def test_lines_that_would_not_survive_are_refused(tmp_path, values):
    with pytest.raises(InputError, match="Mend the corpus"):
        write_data_dir([utterance(**values)], tmp_path / "bad")


def test_an_utterance_id_occurs_once(tmp_path):
    with pytest.raises(InputError, match="'a' twice"):
        write_data_dir([utterance(), utterance()], tmp_path / "bad")


def test_manifests_hold_what_the_data_dir_holds():
    recordings, supervisions, cuts = make_manifests(MINI / "train")
    for utterance, cut in zip(read_data_dir(MINI / "train"), cuts, strict=True):
        supervision = cut.supervisions[0]
        assert (cut.id, supervision.text, supervision.speaker) == (utterance.utt_id, utterance.text, utterance.speaker)
        assert (cut.sampling_rate, supervision.language) == (24000, "en")
        assert (
            cut.recording.num_samples == round(utterance.duration * 24000, -1)
            or abs(cut.duration - utterance.duration) < 1e-4
        )
    assert len(recordings) == len(supervisions) == 14
    assert cuts[0].load_audio().shape == (1, cuts[0].num_samples)


@pytest.fixture
def wav_dir(tmp_path):
    """The dev set as WAV files with absolute paths, the form in which Kaldi's and our reading of `wav.scp` agree."""
    (tmp_path / "wav").mkdir()
    utterances = []
    for utterance in read_data_dir(MINI / "dev"):
        path = tmp_path / "wav" / f"{utterance.utt_id}.wav"
        soundfile.write(path, *soundfile.read(utterance.audio))
        utterances.append(replace(utterance, audio=path))
    write_data_dir(utterances, tmp_path / "data")
    scp = (f"{utterance.utt_id} {utterance.audio}\n" for utterance in utterances)
    (tmp_path / "data/wav.scp").write_text("".join(scp))
    return tmp_path / "data"


def test_lhotse_exports_to_kaldi_and_imports_the_same(wav_dir, tmp_path):
    from lhotse.kaldi import export_to_kaldi, load_kaldi_data_dir

    recordings, supervisions, cuts = make_manifests(wav_dir)
    export_to_kaldi(recordings, supervisions, tmp_path / "kaldi")
    assert validate_data_dir(tmp_path / "kaldi").utterances == 3
    ours = make_manifests(tmp_path / "kaldi")
    lhotses = load_kaldi_data_dir(tmp_path / "kaldi", 24000)
    assert list(ours[0]) == list(recordings) == list(lhotses[0])
    assert list(ours[1]) == list(supervisions) == list(lhotses[1])
    assert list(ours[2]) == list(cuts)


def test_lhotse_imports_our_data_dir(wav_dir):
    from lhotse.kaldi import load_kaldi_data_dir

    for ours, theirs in zip(make_manifests(wav_dir)[0], load_kaldi_data_dir(wav_dir, 24000)[0], strict=True):
        assert (ours.id, ours.sources) == (theirs.id, theirs.sources)
        assert abs(ours.duration - theirs.duration) < 1e-3, "lhotse rounds to milliseconds here"


def test_parts_of_recordings_are_refused(corpus):
    ids = [line.split()[0] for line in (corpus / "dev/text").open()]
    (corpus / "dev/segments").write_text("".join(f"{utt_id} {utt_id} 0.5 1.0\n" for utt_id in ids))
    with pytest.raises(InputError, match=r"segments:1: expected a whole recording"):
        validate_data_dir(corpus / "dev")
