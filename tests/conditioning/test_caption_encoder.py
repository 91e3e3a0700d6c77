"""The text encoder that is trained with the models: any text is read, each as if it were alone."""

import pytest
import torch

from audiogen.conditioning.caption_encoder import LONGEST, CaptionEncoder, CaptionEncoderConfig, pieces
from audiogen.conditioning.encoder import TextEncoder
from audiogen.errors import InputError

SIZES = CaptionEncoderConfig(rows=512, dim=16, layers=2, heads=2)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return CaptionEncoder(SIZES).eval()


def read(encoder, *texts):
    with torch.no_grad():
        return encoder(texts)


def test_it_is_a_text_encoder(encoder):
    used: TextEncoder = encoder
    assert used.width == 16
    assert used.to("cpu") is encoder


def test_a_text_is_the_same_alone_and_in_a_batch(encoder):
    long = "A sad waltz in F# minor, in 3/4 time, at 90 BPM, played on the flute with guitar."
    states, mask = read(encoder, long, "a jig", None)
    for item, text in enumerate((long, "a jig", None)):
        alone, there = read(encoder, text)
        torch.testing.assert_close(states[item, : alone.shape[1]], alone[0], atol=1e-6, rtol=1e-5)
        assert torch.equal(mask[item, : there.shape[1]], there[0])
        assert not mask[item, there.shape[1] :].any()


@pytest.mark.parametrize("text", [None, "", "  ", "?!"])
def test_what_has_no_word_conditions_on_nothing(encoder, text):
    states, mask = read(encoder, text)
    assert not mask.any()
    assert not states.any()
    assert states.shape == (1, 1, 16)


def test_words_matter_and_so_does_their_order(encoder):
    states = [
        read(encoder, text).states[:, :4] for text in ("flute with guitar", "guitar with flute", "flute with harp")
    ]
    assert not torch.allclose(states[0], states[1], atol=1e-3)
    assert not torch.allclose(states[0], states[2], atol=1e-3)
    same = [read(encoder, text).states for text in ("Flute, with guitar.", "flute with GUITAR")]
    assert torch.equal(*same)


def test_words_that_look_alike_share_pieces_and_numbers_that_are_near_do():
    def shared(one, other):
        return len(set(pieces(one)) & set(pieces(other)))

    assert shared("guitar", "guitars") > shared("guitar", "trumpet") == 0
    means = [sum(shared(str(tempo), str(tempo + far)) for tempo in range(60, 170)) for far in (0, 1, 4, 16, 64)]
    assert means == sorted(set(means), reverse=True), "the nearer, the more"
    assert set(pieces("120")).isdisjoint(pieces("6/8"))
    assert pieces("6/8") != pieces("3/4")


def test_a_very_long_text_is_read_to_its_limit(encoder):
    assert read(encoder, "flute " * (2 * LONGEST)).mask.shape[1] == LONGEST + 1


def test_sizes_that_have_no_meaning_are_refused():
    with pytest.raises(InputError, match="3 rows or more, got 2"):
        CaptionEncoderConfig(rows=2)
    with pytest.raises(InputError, match="a multiple of 6"):
        CaptionEncoderConfig(dim=16, heads=3)
