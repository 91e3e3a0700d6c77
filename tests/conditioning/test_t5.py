"""T5 text states: equal to the reference's, words dropped as it drops them, found only where they may be."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.testing import assert_close

from audiogen.conditioning.encoder import TextStates
from audiogen.conditioning.t5 import T5Text, drop_words
from audiogen.errors import InputError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "magnet"
GOLDEN: dict[str, Any] = json.loads((FIXTURES / "t5_tiny.json").read_text())
TENSORS = load_file(FIXTURES / "t5_tiny.safetensors")
WEIGHTS = {name.removeprefix("t5."): tensor for name, tensor in TENSORS.items() if name.startswith("t5.")}
TEXTS: list[str | None] = GOLDEN["texts"]
CAPTION = "a chill lofi song"


def tiny_t5(weights: dict[str, Tensor] = WEIGHTS) -> T5Text:
    return T5Text.assemble(GOLDEN["t5_config"], weights, FIXTURES / "t5_tiny_tokenizer.json", Path("tiny"))


@pytest.fixture(scope="module")
def t5() -> T5Text:
    return tiny_t5()


def projected(text: TextStates) -> Tensor:
    """What the models make of the states (SPEC 5, step 6)."""
    return (text.states @ TENSORS["output_proj.weight"].T + TENSORS["output_proj.bias"]) * text.mask[..., None]


class TestGolden:
    """Figures of the reference conditioner, tolerance 5e-5; ids and masks exact."""

    def test_tokens(self, t5: T5Text):
        ids, mask = t5.tokens(TEXTS)
        assert torch.equal(ids, TENSORS["input_ids"])
        assert torch.equal(mask.long(), TENSORS["attention_mask"].long())
        assert not torch.equal(TENSORS["attention_mask_tokenizer"].long(), mask.long()), "empty texts have no token"

    def test_states(self, t5: T5Text):
        text = t5(TEXTS)
        expected = TENSORS["t5_hidden"] * text.mask[..., None]
        assert_close(text.states, expected, atol=5e-5, rtol=1e-4)

    def test_condition(self, t5: T5Text):
        text = t5(TEXTS)
        assert_close(projected(text), TENSORS["cond"], atol=5e-5, rtol=1e-4)
        assert torch.equal(text.mask.long(), TENSORS["cond_mask"].long())

    def test_condition_of_a_batch_with_its_null_half(self, t5: T5Text):
        text = t5(GOLDEN["cfg_texts"])
        assert_close(projected(text), TENSORS["cfg.cond"], atol=5e-5, rtol=1e-4)
        assert torch.equal(text.mask.long(), TENSORS["cfg.cond_mask"].long())

    def test_dropped_words(self, t5: T5Text):
        golden = GOLDEN["word_dropout"]
        texts = drop_words(TEXTS, golden["p"], random.Random(golden["python_random_seed"]))
        assert texts == golden["entries_after"]
        ids, mask = t5.tokens(texts)
        assert ids.tolist() == golden["input_ids"]
        assert mask.long().tolist() == golden["attention_mask"]


def test_words_are_dropped_at_the_given_rate():
    text = " ".join(["word"] * 4000)
    left = [len(drop_words([text], rate, random.Random(0))[0].split()) / 4000 for rate in (0.0, 0.3, 1.0)]
    assert left == [1.0, pytest.approx(0.7, abs=0.03), 0.0]
    assert drop_words([None, "", " a  b "], 0.0, random.Random(0)) == ["", "", " a  b "]


def test_empty_and_blank_texts(t5: T5Text):
    states, mask = t5([None, "", " ", CAPTION])
    assert mask.sum(1).tolist() == [0, 0, 1, 5], "blanks are a text without words, which still has an end"
    assert not states[:2].any()
    assert bool(states.isfinite().all())
    assert t5([None]).mask.tolist() == [[False]]


def test_a_text_is_the_same_alone_and_in_a_batch(t5: T5Text):
    alone, together = t5([CAPTION]), t5([TEXTS[0], CAPTION])
    length = alone.states.shape[1]
    assert_close(together.states[1:, :length], alone.states, atol=1e-6, rtol=1e-5)
    assert not together.states[1, length:].any()


def test_long_texts_are_not_cut(t5: T5Text):
    assert t5([" ".join([CAPTION] * 200)]).mask.sum() == 801


def test_is_frozen_and_stays_in_evaluation_mode(t5: T5Text):
    assert not isinstance(t5, torch.nn.Module), "models that hold it neither train nor save it"
    assert not t5.encoder.training
    assert not any(parameter.requires_grad for parameter in t5.encoder.parameters())
    assert not t5([CAPTION]).states.requires_grad
    assert t5.width == 32
    assert t5.to("cpu").device == torch.device("cpu")


@pytest.mark.parametrize("missing", ["shared.weight", "encoder.embed_tokens.weight"])
def test_files_hold_the_token_table_under_either_name(t5: T5Text, missing: str):
    weights = {name: tensor for name, tensor in WEIGHTS.items() if name != missing}
    other = tiny_t5({**weights, "decoder.final_layer_norm.weight": torch.ones(32)})
    assert torch.equal(other([CAPTION]).states, t5([CAPTION]).states)


def test_weights_that_do_not_fit():
    weights = {name: tensor for name, tensor in WEIGHTS.items() if "embed_tokens" not in name and "shared" not in name}
    with pytest.raises(InputError, match=r"T5EncoderModel in tiny, got 2 missing .first: encoder.embed_tokens.weight"):
        tiny_t5(weights)


class TestLoad:
    """From a folder or from the Hugging Face cache, and from nowhere else."""

    @pytest.fixture
    def cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        return tmp_path / "hub"

    def put(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(GOLDEN["t5_config"] | {"model_type": "t5"}))
        shutil.copy(FIXTURES / "t5_tiny_tokenizer.json", folder / "tokenizer.json")
        save_file(
            {name: tensor for name, tensor in WEIGHTS.items() if name != "shared.weight"}, folder / "model.safetensors"
        )
        return folder

    def put_in_cache(self, repository: Path) -> None:
        self.put(repository / "snapshots" / "0123")
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("0123")

    def test_a_folder(self, t5: T5Text, cache: Path, tmp_path: Path):
        self.put(tmp_path / "t5-base")
        assert torch.equal(T5Text.load("t5-base", tmp_path)([CAPTION]).states, t5([CAPTION]).states)

    @pytest.mark.parametrize("repository", ["google-t5--t5-base", "t5-base"])
    def test_the_cache_under_the_present_name_and_the_old_one(self, cache: Path, tmp_path: Path, repository: str):
        self.put_in_cache(cache / f"models--{repository}")
        assert T5Text.load("t5-base", tmp_path).width == 32

    def test_other_owners(self, cache: Path, tmp_path: Path):
        self.put_in_cache(cache / "models--google--flan-t5-base")
        assert T5Text.load("google/flan-t5-base", tmp_path).width == 32

    @pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
    def test_what_is_missing_is_one_line_that_says_what_to_fetch(self, cache: Path, tmp_path: Path, file: str):
        (self.put(tmp_path / "t5-large") / file).unlink()
        with pytest.raises(InputError) as caught:
            T5Text.load("t5-large", tmp_path)
        message = str(caught.value)
        assert "hf download google-t5/t5-large config.json model.safetensors tokenizer.json" in message
        assert str(tmp_path / "t5-large") in message
        assert "\n" not in message

    def test_a_damaged_tokenizer(self, cache: Path, tmp_path: Path):
        (self.put(tmp_path / "t5-base") / "tokenizer.json").write_text("{}")
        with pytest.raises(InputError, match=r"expected T5's tokenizer in .*tokenizer.json, got"):
            T5Text.load("t5-base", tmp_path)
