"""Token archives of clips are read whole, and crops come from all their frames alike."""

import pytest
import torch
from safetensors.torch import save_file
from torch import Generator

from audiogen.errors import InputError
from audiogen.training.clips import CropSampler, crop, read_clips, write_clips


def clip(frames, levels=3):
    return torch.arange(frames).repeat(levels, 1)


def test_clips_come_back_from_all_shards_sorted(tmp_path):
    write_clips(tmp_path / "000001.safetensors", {"a": clip(5)}, "some-codec", 50.0)
    write_clips(tmp_path / "000000.safetensors", {"c": clip(3), "b": clip(4)}, "some-codec", 50.0)
    (tmp_path / ".audiogen.half.safetensors").write_bytes(b"what a killed run leaves")
    clips = read_clips(tmp_path)
    assert [*clips] == ["a", "b", "c"]
    assert torch.equal(clips["b"].long(), clip(4))
    assert clips["b"].dtype == torch.int16


def test_archives_that_cannot_be_right_are_refused(tmp_path):
    with pytest.raises(InputError, match="got none"):
        read_clips(tmp_path)
    write_clips(tmp_path / "000000.safetensors", {"a": clip(5)}, "some-codec", 50.0)
    write_clips(tmp_path / "000001.safetensors", {"a": clip(5)}, "some-codec", 50.0)
    with pytest.raises(InputError, match="a second time"):
        read_clips(tmp_path)
    save_file({"b": clip(5, levels=2)}, tmp_path / "000001.safetensors")
    with pytest.raises(InputError, match=r"\[2, 3\] levels"):
        read_clips(tmp_path)


def test_a_crop_goes_on_at_the_beginning():
    assert crop(clip(5), 3, 7)[0].tolist() == [3, 4, 0, 1, 2, 3, 4]


def test_every_frame_is_as_likely_as_any_other_and_short_clips_repeat():
    sampler = CropSampler([clip(90) + 100, clip(10)], 20)
    crops = sampler(2000, 0.0, Generator().manual_seed(0))
    assert crops.shape == (2000, 3, 20)
    short = (crops[:, 0, 0] < 100).float().mean()
    assert float(short) == pytest.approx(0.1, abs=0.02)
    assert (crops[:, 0].diff(dim=1) == 1).all(dim=1).float().mean() == 1 - short, "only the short clip is repeated"
    assert {*crops[crops[:, 0, 0] >= 100][:, 0, 0].tolist()} == {*range(100, 171)}


def test_crops_of_loops_begin_anywhere_and_run_over_the_end():
    sampler = CropSampler([clip(50)], 20)
    looped, plain = (sampler(500, wrap, Generator().manual_seed(0))[:, 0] for wrap in (1.0, 0.0))
    assert {*looped[:, 0].tolist()} == {*range(50)}
    assert (looped.diff(dim=1) % 50 == 1).all()
    assert (plain.diff(dim=1) == 1).all()
    assert torch.equal(sampler(9, 0.5, Generator().manual_seed(1)), sampler(9, 0.5, Generator().manual_seed(1)))
