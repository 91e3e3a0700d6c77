"""CLAP: found only where it may be, sounds and captions to vectors of length 1, equal to the library's own."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from audiogen.conditioning.clap import CLAP_NAME, Clap
from audiogen.conditioning.embedder import Embedder
from audiogen.errors import InputError

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "a", "dog", "barks", "rain"]
CONFIG = {
    "projection_dim": 12,
    "text_config": {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 90,
    },
    "audio_config": {
        "spec_size": 64,
        "num_mel_bins": 16,
        "window_size": 4,
        "patch_size": 2,
        "patch_stride": [2, 2],
        "patch_embeds_hidden_size": 16,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "depths": [2, 2],
        "num_attention_heads": [2, 2],
    },
}
EXTRACTOR = {
    "feature_size": 16,
    "sampling_rate": 8000,
    "hop_length": 80,
    "max_length_s": 1,
    "frequency_max": 4000,
    "truncation": "rand_trunc",
}


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A folder laid out as the published models are, with random weights."""
    folder = tmp_path_factory.mktemp("hub") / CLAP_NAME.rpartition("/")[2]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.ClapModel(transformers.ClapConfig(**CONFIG))
    model.save_pretrained(folder)
    transformers.ClapFeatureExtractor(**EXTRACTOR).save_pretrained(folder)
    words = tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def clap(published) -> Clap:
    return Clap.load(folder=published.parent)


def noise(seconds, batch=1, rate=8000):
    generator = torch.Generator().manual_seed(int(100 * seconds))
    return 0.1 * torch.randn(batch, 1, int(seconds * rate), generator=generator)


def test_it_is_a_frozen_embedder(clap):
    used: Embedder = clap
    assert used.width == 12
    assert used.to("cpu") is clap
    assert not isinstance(clap, torch.nn.Module), "models that hold it neither train nor save it"
    assert not clap.model.training
    assert not any(parameter.requires_grad for parameter in clap.model.parameters())
    assert set(clap.state_dict()) == set(clap.model.state_dict())


@torch.no_grad()
def test_texts_are_those_of_the_library(clap, published):
    library = transformers.ClapModel.from_pretrained(published)
    found = clap.embed_text(["a dog barks", "rain"])
    ids = torch.tensor([[0, 4, 5, 6, 2], [0, 7, 2, 1, 1]])
    expected = library.get_text_features(input_ids=ids, attention_mask=(ids != 1).long())
    expected = expected if isinstance(expected, torch.Tensor) else expected.pooler_output
    torch.testing.assert_close(found, torch.nn.functional.normalize(expected, dim=-1))
    torch.testing.assert_close(clap.embed_text(["rain"]), found[1:])


@torch.no_grad()
def test_sounds_are_those_of_the_library(clap, published):
    library = transformers.ClapModel.from_pretrained(published)
    sound = noise(0.4, batch=2)
    features = clap.extractor(list(sound[:, 0].numpy()), sampling_rate=8000, return_tensors="pt")
    expected = library.get_audio_features(**features)
    expected = expected if isinstance(expected, torch.Tensor) else expected.pooler_output
    found = clap.embed_audio(sound, 8000)
    torch.testing.assert_close(found, torch.nn.functional.normalize(expected, dim=-1))
    torch.testing.assert_close(clap.embed_audio(sound[1:], 8000), found[1:], atol=1e-5, rtol=1e-4)


def test_vectors_have_length_1_and_no_word_none(clap):
    torch.testing.assert_close(clap.embed_text(["a dog", "", "  "]).norm(dim=-1), torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(clap.embed_audio(noise(2.5, batch=2), 8000).norm(dim=-1), torch.ones(2))


def test_long_sounds_and_texts_are_heard_and_read_alike_every_time(clap):
    sound = noise(2.5)
    assert torch.equal(clap.embed_audio(sound, 8000), clap.embed_audio(sound, 8000))
    assert not torch.allclose(clap.embed_audio(sound, 8000), clap.embed_audio(sound[..., :8000], 8000), atol=1e-5)
    assert clap.embed_text(["a dog " * 300]).isfinite().all()


def tone(hertz, rate):
    return 0.3 * torch.sin(2 * torch.pi * hertz * torch.arange(rate // 2) / rate)[None, None]


def test_sounds_of_another_rate_are_resampled(clap):
    home, elsewhere, other = (clap.embed_audio(tone(*it), it[1]) for it in ((440, 8000), (440, 16000), (2500, 8000)))
    assert (home - elsewhere).norm() < 0.5 * (home - other).norm()
    with pytest.raises(InputError, match=r"sounds \[B, 1, S\], got \[1, 2, 100\]"):
        clap.embed_audio(torch.zeros(1, 2, 100), 8000)


class TestLoad:
    """From a folder or from the Hugging Face cache, and from nowhere else."""

    @pytest.fixture(autouse=True)
    def cache(self, tmp_path, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def copy(self, published: Path, folder: Path) -> Path:
        folder.mkdir(parents=True)
        for path in published.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        return folder

    def test_the_published_pickle_is_read_too(self, clap, published, tmp_path):
        folder = self.copy(published, tmp_path / published.name)
        tensors = load_file(folder / "model.safetensors")
        tensors["text_model.embeddings.position_ids"] = torch.arange(90)[None]  # older files hold it
        torch.save(tensors, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
        found = Clap.load(folder=tmp_path)
        torch.testing.assert_close(found.embed_text(["a dog"]), clap.embed_text(["a dog"]))

    @pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"])
    def test_what_is_missing_is_one_line_that_says_what_to_fetch(self, published, tmp_path, file):
        (self.copy(published, tmp_path / published.name) / file).unlink()
        with pytest.raises(InputError) as caught:
            Clap.load(folder=tmp_path)
        message = str(caught.value)
        assert f"hf download {CLAP_NAME} config.json preprocessor_config.json tokenizer.json pytorch_model" in message
        assert str(tmp_path / published.name) in message
        assert "\n" not in message

    def test_weights_that_do_not_fit(self, published, tmp_path):
        folder = self.copy(published, tmp_path / published.name)
        config = json.loads((folder / "config.json").read_text())
        config["projection_dim"] = 24
        (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(InputError, match=r"the tensors of ClapModel in .* of another shape"):
            Clap.load(folder=tmp_path)

    def test_a_damaged_tokenizer(self, published, tmp_path):
        (self.copy(published, tmp_path / published.name) / "tokenizer.json").write_text("{}")
        with pytest.raises(InputError, match=r"expected CLAP's tokenizer in .*tokenizer.json, got"):
            Clap.load(folder=tmp_path)
