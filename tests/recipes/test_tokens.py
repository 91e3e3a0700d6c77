"""Token archives: written shard by shard, gone on with at the first missing one, read by the training."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from audiogen.audio import Audio
from audiogen.checkpoints.save import save_model
from audiogen.codecs.nano import NanoCodec, NanoCodecConfig
from audiogen.codecs.semantic import SemanticCodec, SemanticCodecConfig
from audiogen.training.alignment import align
from audiogen.training.tokens import read_tokens
from recipes.manifests import make_manifests
from recipes.tokens import load, missing_shards, write_shard

MINI = Path(__file__).parents[2] / "egs/mini/tts1/corpus"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of a small codec and a small tokenizer with random weights."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    codec = NanoCodecConfig(dim=32, intermediate_dim=32, encoder_layers=(1, 1), decoder_layers=(1, 1), vocab_size=16)
    tokenizer = SemanticCodecConfig(
        feature_dim=160, vocab_size=16, backbone_dim=32, backbone_intermediate_dim=32, backbone_layers=1
    )
    return (
        save_model(NanoCodec(codec), "nano-codec", asdict(codec), folder / "codec"),
        save_model(SemanticCodec(tokenizer), "semantic-codec", asdict(tokenizer), folder / "tokenizer"),
    )


@pytest.fixture(scope="module")
def aligned(tmp_path_factory):
    """The aligned cuts of the mini corpus' dev set."""
    folder = tmp_path_factory.mktemp("cuts")
    make_manifests(MINI / "dev")[2].to_file(folder / "cuts.jsonl.gz")
    align(folder / "cuts.jsonl.gz", folder / "aligned.jsonl.gz")
    return folder / "aligned.jsonl.gz"


def test_extraction_goes_on_at_the_first_missing_shard(models, aligned, tmp_path):
    def missing():
        return missing_shards(aligned, tmp_path, 2, *models, "cpu")

    first, second = missing()
    assert [(shard.start, shard.stop) for shard in (first, second)] == [(0, 2), (2, 3)]
    write_shard(second)
    assert missing() == [first]
    (tmp_path / ".000000").mkdir()
    (tmp_path / ".000000" / "codes.000000.tar").write_bytes(b"half")  # left by a kill
    write_shard(first)
    assert missing() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{kind}.{shard:06}.{suffix}"
        for kind, suffix in (("codes", "tar"), ("cuts", "jsonl.gz"), ("semantic_codes", "tar"))
        for shard in (0, 1)
    ]


def test_what_training_reads_is_what_the_codec_says(models, aligned, tmp_path):
    frames = sum(write_shard(shard) for shard in missing_shards(aligned, tmp_path, 2, *models, "cpu"))
    utterances = list(read_tokens(tmp_path))
    assert len(utterances) == 3
    assert sum(len(utterance.semantic_codes) for utterance in utterances) == frames
    codec = load(models[0], "cpu")
    for utterance in utterances:
        audio = Audio.read(MINI / "wav" / f"{utterance.utt_id.removeprefix('kathleen_')}.opus")
        assert torch.equal(utterance.codes, codec.encode(audio.samples[None])[0])
        assert utterance.durations.sum() == utterance.codes.shape[-1] == len(utterance.semantic_codes)
