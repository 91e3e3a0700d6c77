"""Token archives of clips: written shard by shard, gone on with at the first missing one, read by the training."""

from dataclasses import asdict

import pytest
import torch
from safetensors import safe_open

from audiogen.audio import Audio
from audiogen.checkpoints.save import save_model
from audiogen.codecs.nano_music import NanoMusicCodec
from audiogen.pipelines.coding import encode
from audiogen.training.clips import read_clips
from recipes.clip_tokens import load, missing_shards, write_shard
from recipes.clips import Clip, write_list


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    """The folder of a small codec with random weights."""
    model = NanoMusicCodec.tiny("nano-codec-music")
    return save_model(model, "nano-codec-music", asdict(model.config), tmp_path_factory.mktemp("codec") / "model")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders with three clips: 32 kHz mono, and one at another rate in stereo."""
    root = tmp_path_factory.mktemp("clips")
    for name, rate, channels, seed in (("a/x-1", 32000, 1, 0), ("a/x-3", 32000, 1, 1), ("b/x-2", 44100, 2, 2)):
        (root / name).parent.mkdir(exist_ok=True)
        noise = 0.1 * torch.randn(channels, rate, generator=torch.Generator().manual_seed(seed))
        Audio(noise, rate).save(root / f"{name}.flac")
    for folder, names in (("a", ("x-1", "x-3")), ("b", ("x-2",))):
        write_list([listed(name) for name in names], root / folder)
    return [root / "a", root / "b"]


def listed(name: str) -> Clip:
    """A line of the list; x-2 loops."""
    return Clip(
        id=name, kind="loops", seconds=1.0, tempo=None, beats=None, loop=name == "x-2", key="", style="", sources=()
    )


def test_extraction_goes_on_at_the_first_missing_shard(codec, folders, tmp_path):
    first, second = missing_shards(folders, tmp_path, 2, codec)
    assert [[path.stem for path, _ in shard.clips] for shard in (first, second)] == [["x-1", "x-2"], ["x-3"]]
    assert [shard.path.name for shard in (first, second)] == ["000000.safetensors", "000001.safetensors"]
    assert write_shard(second) == 50
    assert missing_shards(folders, tmp_path, 2, codec) == [first]
    assert write_shard(first) == 100
    assert missing_shards(folders, tmp_path, 2, codec) == []
    assert len(list(tmp_path.iterdir())) == 2


def test_what_training_reads_is_what_the_codec_says(codec, folders, tmp_path):
    for shard in missing_shards(folders, tmp_path, 2, codec):
        write_shard(shard)
    clips = read_clips(tmp_path)
    assert list(clips) == ["x-1", "x-2", "x-3"]
    model = load(codec, "cpu")
    for folder, name in ((0, "x-1"), (1, "x-2")):
        expected = encode(Audio.read(folders[folder] / f"{name}.flac"), model, circular=name == "x-2")
        assert clips[name].dtype == torch.int16
        assert torch.equal(clips[name].long(), expected)
        assert expected.shape == (model.levels, 50)
    with safe_open(tmp_path / "000000.safetensors", "pt") as shard:
        assert shard.metadata()["codec"] == "NanoMusicCodec"
        assert float(shard.metadata()["frame_rate"]) == model.frame_rate
