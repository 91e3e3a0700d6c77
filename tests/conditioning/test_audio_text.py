"""The audio/text pair: vectors of length 1 whatever is heard or read, the loss, and what counts as the same."""

import math

import pytest
import torch

from audiogen.conditioning.audio_text import AudioTextConfig, AudioTextPair, contrastive_loss
from audiogen.conditioning.caption_encoder import CaptionEncoderConfig
from audiogen.conditioning.embedder import Embedder
from audiogen.errors import InputError

TINY = AudioTextConfig(
    seconds=1.0, channels=(4, 8), dim=16, text=CaptionEncoderConfig(rows=256, dim=16, layers=1, heads=2)
)
RATE = TINY.sample_rate


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    return AudioTextPair(TINY).eval()


def tone(hertz, seconds=1.0, rate=RATE):
    time = torch.arange(int(seconds * rate)) / rate
    return 0.3 * torch.sin(2 * torch.pi * hertz * time)[None, None]


def test_it_is_an_embedder(pair):
    used: Embedder = pair
    assert used.width == 16
    assert used.to("cpu") is pair


def test_the_bundled_size_is_small():
    assert sum(weight.numel() for weight in AudioTextPair(AudioTextConfig()).parameters()) < 1_000_000


def test_vectors_have_length_1_and_no_word_none(pair):
    found = pair.embed_text(["a dog barks", "", "?!", "rain"])
    torch.testing.assert_close(found.norm(dim=-1), torch.tensor([1.0, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(pair.embed_audio(torch.cat([tone(200), tone(900)]), RATE).norm(dim=-1), torch.ones(2))
    silent = pair.embed_audio(torch.zeros(1, 1, 1000), RATE)
    assert silent.isfinite().all()


def test_an_item_is_the_same_alone_and_in_a_batch(pair):
    sounds, texts = torch.cat([tone(200), tone(900)]), ["a dog barks at the postman", "rain"]
    for item in range(2):
        alone = pair.embed_audio(sounds[item : item + 1], RATE)
        torch.testing.assert_close(pair.embed_audio(sounds, RATE)[item : item + 1], alone, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(pair.embed_text(texts)[item : item + 1], pair.embed_text(texts[item : item + 1]))


@pytest.mark.parametrize("seconds", [0.01, 0.4, 2.7])
def test_sounds_of_any_length_are_heard(pair, seconds):
    mel = pair.spectrogram(tone(440, seconds), RATE)
    assert mel.shape[2] == max(TINY.frames, math.ceil(int(seconds * RATE) / 512))
    assert pair.embed_audio(tone(440, seconds), RATE).isfinite().all()


def test_what_matters_is_the_sound_not_its_rate_or_level(pair):
    at_home, elsewhere = pair.embed_audio(tone(440), RATE), pair.embed_audio(tone(440, rate=48000), 48000)
    other = pair.embed_audio(tone(2500), RATE)
    assert (at_home - elsewhere).norm() < 0.5 * (at_home - other).norm()
    noise = 0.1 * torch.randn(1, 1, RATE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pair.embed_audio(noise, RATE), pair.embed_audio(4 * noise, RATE), atol=1e-3, rtol=0)
    with pytest.raises(InputError, match=r"sounds \[B, 1, S\], got \[2, 100\]"):
        pair.embed_audio(torch.zeros(2, 100), RATE)


def test_the_loss_is_that_of_guessing_where_nothing_is_known():
    assert float(contrastive_loss(torch.zeros(8, 8), torch.eye(8).bool())) == pytest.approx(math.log(8))
    assert float(contrastive_loss(50 * torch.eye(8), torch.eye(8).bool())) == pytest.approx(0, abs=1e-4)


def test_captions_that_say_the_same_are_no_negatives():
    """Sounds 0 and 1 have the same caption: finding either is right, and their likeness costs nothing."""
    same = torch.eye(4).bool()
    same[0, 1] = same[1, 0] = True
    known = 50 * torch.eye(4)
    known[0, 1] = known[1, 0] = 50
    assert float(contrastive_loss(known, same)) == pytest.approx(0, abs=1e-4)
    assert float(contrastive_loss(known, torch.eye(4).bool())) > 0.3
    assert float(contrastive_loss(torch.zeros(4, 4), torch.ones(4, 4).bool())) == 0


@pytest.mark.parametrize("settings", [{"channels": ()}, {"channels": (4,) * 7}, {"seconds": 0.0}, {"dim": 0}])
def test_sizes_that_have_no_meaning_are_refused(settings):
    with pytest.raises(InputError, match="AudioTextConfig: expected"):
        AudioTextConfig(**settings)
