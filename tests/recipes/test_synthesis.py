"""Synthesis and scoring on real recordings and a small random codec; the model card that comes out of the figures."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from audiogen.checkpoints.save import save_model
from audiogen.codecs.nano import NanoCodec, NanoCodecConfig
from recipes.card import Card, render_card
from recipes.data import read_data_dir, validate_data_dir, write_data_dir
from recipes.results import Figure, Score, Section
from recipes.scoring import Item, items, score_item, summarise, write_scores
from recipes.synthesis import one_take_each, resynthesise, speak

MINI = Path(__file__).parents[2] / "egs/mini/tts1/corpus"


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    config = NanoCodecConfig(dim=32, intermediate_dim=32, encoder_layers=(1, 1), decoder_layers=(1, 1), vocab_size=16)
    return NanoCodec(config).eval()


def test_sentences_with_several_takes_count_once(tmp_path):
    first, second, *_ = read_data_dir(MINI / "train")
    write_data_dir([first, replace(second, text=first.text)], tmp_path / "data")
    assert one_take_each(tmp_path / "data") == [first]


def test_resynthesis_goes_on_where_it_was(codec, tmp_path):
    utterances = read_data_dir(MINI / "test")[:2]
    (made,) = resynthesise(codec, utterances[:1], tmp_path)
    time = made.audio.stat().st_mtime_ns
    both = list(resynthesise(codec, utterances, tmp_path))
    assert both[0].audio.stat().st_mtime_ns == time
    write_data_dir(both, tmp_path)
    assert validate_data_dir(tmp_path, decode=True).utterances == 2
    assert [one.duration for one in both] == pytest.approx([one.duration for one in utterances], abs=1e-4)


def test_only_missing_batches_are_spoken(tmp_path):
    from audiogen.audio import Audio

    asked = []

    def voice(texts, seed):
        asked.append((list(texts), seed))
        return [Audio(torch.full((1, 2400), 0.1), 24000) for _ in texts]

    texts = {f"s{number:02}": f"Sentence {number}." for number in range(10)}
    spoken = list(speak(voice, texts, tmp_path, seed=3))
    assert [(one.utt_id, one.text, one.duration) for one in spoken] == [(key, text, 0.1) for key, text in texts.items()]
    assert [(len(batch), seed) for batch, seed in asked] == [(8, 3), (2, 3)]
    (tmp_path / "wav/s09.wav").unlink()
    list(speak(voice, texts, tmp_path, seed=3))
    assert asked[2:] == [(["Sentence 8.", "Sentence 9."], 3)]


def test_a_recording_scored_against_itself_is_perfect_but_for_the_recogniser(tmp_path):
    (item, *_) = items(MINI / "test", MINI / "test")
    scored = score_item(item)
    assert scored.stoi == pytest.approx(1, abs=1e-3)
    assert scored.heard.problems == ()
    assert score_item(Item(item.utt_id, item.text, item.audio, None)).stoi is None
    score = summarise("test", "codec", [scored])
    assert (score.set, score.system, score.utterances) == ("test", "codec", 1)
    assert score.figures["bad"] == Figure(value=0)
    assert score.figures["wer"].low == score.figures["wer"].value == score.figures["wer"].high
    write_scores([scored], tmp_path / "test.codec.jsonl")
    (line,) = (tmp_path / "test.codec.jsonl").read_text().splitlines()
    assert json.loads(line)["utt_id"] == item.utt_id
    assert json.loads(line)["stoi"] == scored.stoi


def test_a_card_says_what_was_measured(codec, tmp_path):
    folder = save_model(codec, "nano-codec", asdict(codec.config), tmp_path / "nano")
    score = Score(set="test", system="codec", utterances=60, figures={"stoi": Figure(value=0.9, low=0.8, high=0.95)})
    section = Section(tag="cpu", scores=[score], runs={})
    facts = Card(summary="It speaks.", data="Speech, CC0.", provenance="Started by hand.", limits="One voice.")
    card = render_card(folder, "nano", facts, section, recipe="egs/corpus/tts1")
    for text in (
        'license: "mit"',
        "# nano\n",
        "It speaks.",
        "egs/corpus/tts1",
        "Started by hand.",
        "Speech, CC0.",
        "| test | codec | 60 | 0.900 [0.800, 0.950] |",
        "One voice.",
    ):
        assert text in card
    count = sum(tensor.numel() for tensor in codec.state_dict().values())
    assert f"{count / 1e6:.2f} million numbers (F32)" in card
