"""What every codec in CODECS promises (audiogen.codecs.base), tested on small ones with random weights."""

import functools
import gc

import pytest
import torch
from torch import Tensor

from audiogen.codecs import CODECS, Codec, load_codec
from audiogen.codecs.streaming import Window
from audiogen.errors import InputError

FRAMES = 41
every_codec = pytest.mark.parametrize("name", CODECS)


@functools.cache
def tiny(name: str) -> Codec:
    return CODECS[name].tiny(name)


@pytest.fixture
def codec(name: str) -> Codec:
    return tiny(name)


def noise(codec: Codec, samples: int, batch: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, codec.channels, samples, generator=generator) * 0.2


def random_codes(codec: Codec, frames: int = FRAMES, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(frames)
    return torch.randint(codec.vocab_size, (batch, codec.levels, frames), generator=generator)


@every_codec
def test_attributes(codec: Codec):
    assert codec.sample_rate == codec.hop_length * codec.frame_rate
    assert codec.levels >= 1
    assert codec.vocab_size >= 2
    assert codec.channels >= 1
    assert codec.bitrate > 0
    assert not codec.training


@every_codec
def test_tiny_is_the_same_every_time_and_leaves_the_global_seed_alone(name: str):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    again = CODECS[name].tiny(name).state_dict()
    assert torch.equal(torch.rand(1), expected)
    for key, tensor in tiny(name).state_dict().items():
        assert torch.equal(tensor, again[key]), key


@every_codec
@pytest.mark.parametrize("odd", [-1, 0, 1])
@pytest.mark.parametrize("frames", [1, 2, 9, 30])
def test_rounding_rule(codec: Codec, frames: int, odd: int):
    samples = max(frames * codec.hop_length + odd, 1)
    codes = codec.encode(noise(codec, samples))
    assert codes.dtype == torch.int64
    assert codes.shape == (1, codec.levels, codec.num_frames(samples))
    assert codes.shape[-1] == -(-samples // codec.hop_length)
    assert codes.min() >= 0
    assert codes.max() < codec.vocab_size


@every_codec
@pytest.mark.parametrize("frames", [1, 2, 13, 41])
def test_decoded_length(codec: Codec, frames: int):
    audio = codec.decode(random_codes(codec, frames))
    assert audio.shape == (2, codec.channels, frames * codec.hop_length)
    assert audio.dtype == torch.float32
    assert audio.isfinite().all()


@every_codec
def test_deterministic_and_without_gradient(codec: Codec):
    audio, codes = noise(codec, 9 * codec.hop_length), random_codes(codec)
    assert torch.equal(codec.encode(audio), codec.encode(audio))
    decoded = codec.decode(codes)
    assert torch.equal(decoded, codec.decode(codes))
    assert not decoded.requires_grad


@every_codec
def test_codes_follow_the_audio_and_audio_follows_every_level(codec: Codec):
    one, other = (codec.encode(noise(codec, 20 * codec.hop_length, seed=seed)) for seed in (0, 1))
    assert (one != other).any(dim=(0, 2)).all(), "a level that is the same for any audio"
    codes = random_codes(codec)
    for level in range(codec.levels):
        changed = codes.clone()
        changed[:, level] = (changed[:, level] + 1) % codec.vocab_size
        assert not torch.allclose(codec.decode(codes), codec.decode(changed), atol=1e-7), f"level {level} has no effect"


@every_codec
def test_alone_as_in_a_batch(codec: Codec):
    audio, codes = noise(codec, 12 * codec.hop_length + 3, batch=3), random_codes(codec, batch=3)
    alone = torch.cat([codec.encode(item[None]) for item in audio])
    assert torch.equal(codec.encode(audio), alone)
    alone = torch.cat([codec.decode(item[None]) for item in codes])
    torch.testing.assert_close(codec.decode(codes), alone, atol=1e-5, rtol=0)


@every_codec
@pytest.mark.parametrize("chunk", [1, 3, 10, FRAMES])
def test_streamed_audio_equals_whole_audio(codec: Codec, chunk: int):
    codes = random_codes(codec)
    streamer = codec.streamer()
    parts = [streamer(part) for part in codes.split(chunk, dim=-1)] + [streamer.flush()]
    torch.testing.assert_close(torch.cat(parts, dim=-1), codec.decode(codes), atol=1e-4, rtol=0)


@every_codec
@pytest.mark.parametrize("frames", [1, 2, 5, 14])
def test_short_streams_and_a_second_stream_after_flush(codec: Codec, frames: int):
    streamer = codec.streamer()
    for codes in (random_codes(codec, frames), random_codes(codec, frames + 1)):
        audio = torch.cat([streamer(codes), streamer(codes[..., :0]), streamer.flush()], dim=-1)
        torch.testing.assert_close(audio, codec.decode(codes), atol=1e-4, rtol=0)


@every_codec
def test_two_streams_of_one_codec_do_not_meet(codec: Codec):
    streams = [(codec.streamer(), random_codes(codec, frames)) for frames in (33, 37)]
    heard: list[list[Tensor]] = [[], []]
    for start in range(0, 37, 4):
        for (streamer, codes), parts in zip(streams, heard, strict=True):
            parts.append(streamer(codes[..., start : start + 4]))
    for (streamer, codes), parts in zip(streams, heard, strict=True):
        whole = torch.cat([*parts, streamer.flush()], dim=-1)
        torch.testing.assert_close(whole, codec.decode(codes), atol=1e-4, rtol=0)


def test_an_empty_stream_is_no_audio():
    for name in CODECS:
        assert tiny(name).streamer().flush().shape[-1] == 0


@every_codec
def test_memory_of_a_stream_does_not_grow(codec: Codec):
    """What a stream holds has reached its size after 60 frames and keeps it: an hour takes no more than seconds."""
    streamer = codec.streamer()
    sizes, heard = [], 0
    for part in random_codes(codec, 200, batch=1).split(5, dim=-1):
        heard += streamer(part).shape[-1]
        sizes.append(held(streamer, codec))
    assert max(sizes[12:]) <= max(sizes[:12])
    assert heard > 100 * codec.hop_length


@every_codec
def test_first_levels_are_a_coarser_codec(name: str):
    codec = CODECS[name].tiny(name)
    audio = noise(codec, 12 * codec.hop_length)
    codes = codec.encode(audio)
    if codec.levels > 1:
        codec.use_levels(codec.levels - 1)
        assert torch.equal(codec.encode(audio), codes[:, :-1])
        assert codec.decode(codes[:, :-1]).shape == (1, codec.channels, 12 * codec.hop_length)
    with pytest.raises(InputError, match="levels"):
        codec.use_levels(codec.levels + 1)
    with pytest.raises(InputError, match="levels"):
        codec.use_levels(0)


@every_codec
def test_wrong_input_is_one_clear_line(codec: Codec):
    audio, codes = noise(codec, 9 * codec.hop_length), random_codes(codec)
    mistakes = [
        lambda: codec.encode(audio[0]),
        lambda: codec.encode(torch.cat([audio, audio, audio], dim=1)),
        lambda: codec.encode(audio[..., :0]),
        lambda: codec.encode((audio * 1000).long()),
        lambda: codec.decode(codes[0]),
        lambda: codec.decode(torch.cat([codes, codes], dim=1)),
        lambda: codec.decode(codes[..., :0]),
        lambda: codec.decode(codes.float()),
        lambda: codec.decode(codes + codec.vocab_size),
        lambda: codec.decode(codes - codec.vocab_size),
        lambda: codec.streamer()(torch.cat([codes, codes], dim=1)),
        lambda: codec.streamer()(codes + codec.vocab_size),
    ]
    for number, mistake in enumerate(mistakes):
        with pytest.raises(InputError) as caught:
            mistake()
        assert "expected" in str(caught.value), number
        assert "got" in str(caught.value), number
        assert "\n" not in str(caught.value), number


def test_unknown_codec_names_the_nearest():
    with pytest.raises(InputError, match="dac-44khz"):
        load_codec("dac44khz")


def test_folder_that_is_no_codec(tmp_path):
    with pytest.raises(InputError, match=r"config\.json"):
        load_codec(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="model_type 'bert'"):
        load_codec(tmp_path)


def test_missing_official_weights_say_what_to_fetch(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="hf download facebook/encodec_24khz"):
        load_codec("encodec-24khz")
    with pytest.raises(InputError, match="no such file"):
        load_codec("encodec-24khz", weights=tmp_path / "nothing.th")


def test_window_returns_what_is_settled_and_no_more():
    def neighbours(frames: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool1d(frames, 3, stride=1, padding=1)

    window = Window(neighbours, channels=1, scale=1, left=1, right=1)
    frames = torch.arange(6.0).view(1, 1, 6)
    heard = [window(frames[..., :1]), window(frames[..., 1:4]), window(frames[..., 4:]), window.flush()]
    assert [part.shape[-1] for part in heard] == [0, 3, 2, 1]
    torch.testing.assert_close(torch.cat(heard, dim=-1), neighbours(frames))


def held(owner: object, codec: Codec) -> int:
    """Numbers in all tensors that `owner` can reach, without the codec's own."""
    seen, waiting, count = {id(codec)}, [owner], 0
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | torch.nn.Module):
            continue
        seen.add(id(thing))
        if isinstance(thing, Tensor):
            count += thing.untyped_storage().nbytes() // thing.element_size()
        elif isinstance(thing, list | tuple | dict) or hasattr(thing, "__dict__"):
            waiting += gc.get_referents(vars(thing) if hasattr(thing, "__dict__") else thing)
    return count
