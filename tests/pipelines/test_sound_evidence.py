"""What is known of a cell in part, and what it does to the choice of its code."""

import pytest
import torch
from tiny_sound import COLUMNS, ROWS, VOCAB_SIZE, tiny_sound

from audiogen.audio import Audio
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.decoding import decode
from audiogen.errors import InputError
from audiogen.pipelines.sound import Sound
from audiogen.pipelines.sound_evidence import WEIGHT, Evidence, patches_of

PATCH = 16


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return Sound(tiny_sound(tmp_path_factory.mktemp("sound")))


@pytest.fixture(scope="module")
def codec(sound: Sound) -> SpectrogramCodec:
    return sound.codec


def picture(codec: SpectrogramCodec, codes: torch.Tensor) -> torch.Tensor:
    """Patches of codes [F, T] side by side, [M, L]."""
    patches = patches_of(codec)
    rows = [torch.cat([patches[row, code].view(PATCH, PATCH) for code in line], 1) for row, line in enumerate(codes)]
    return torch.cat(rows)


def test_a_cell_is_told_its_code_by_the_part_that_is_known(codec: SpectrogramCodec) -> None:
    codes = torch.randint(VOCAB_SIZE, (ROWS, 4), generator=torch.Generator().manual_seed(0))
    new = torch.zeros(ROWS * PATCH, 4 * PATCH, dtype=torch.bool)
    new[2 * PATCH + 8 :] = True
    evidence = Evidence(codec, picture(codec, codes), new)
    told = evidence(torch.arange(4))
    assert told.shape == (ROWS, 4, VOCAB_SIZE)
    patches = patches_of(codec)[2].view(VOCAB_SIZE, PATCH, PATCH)[:, :7]
    for column, code in enumerate(codes[2]):
        differences = (patches - patches[code]).square().sum(dim=(1, 2))
        torch.testing.assert_close(told[2, column] - told[2, column, code], -WEIGHT / PATCH**2 * differences)
    assert (told[3:] == 0).all(), "nothing is known of these"
    torch.testing.assert_close(evidence(torch.tensor([1, 2])), told[:, 1:3], rtol=1e-4, atol=1e-3)


def test_evidence_decides_where_the_model_does_not(sound: Sound) -> None:
    model, wanted = sound.system.model, torch.randint(VOCAB_SIZE, (2, ROWS, COLUMNS))
    evidence = 1e4 * torch.nn.functional.one_hot(wanted, VOCAB_SIZE).float()
    grid, mask = torch.zeros_like(wanted), torch.ones_like(wanted, dtype=torch.bool)
    for guidance in (1.0, 3.0):
        condition = model.condition(torch.randn(2, model.config.condition_dim))
        plan = sound.system.plan(guidance=guidance)
        given = grid, mask, condition, plan, [0, 1]
        assert torch.equal(decode(model, *given, evidence=evidence), wanted)
        assert torch.equal(decode(model, *given, evidence=torch.zeros_like(evidence)), decode(model, *given))
    with pytest.raises(InputError, match="expected evidence"):
        decode(model, *given, evidence=evidence[:1])


def test_sounds_are_mended_in_half_precision(tmp_path_factory: pytest.TempPathFactory) -> None:
    sound = Sound(tiny_sound(tmp_path_factory.mktemp("half")), dtype="bfloat16")
    noise = Audio(0.1 * torch.randn(1, 32_000, generator=torch.Generator().manual_seed(0)), 16_000)
    take = sound.inpaint(noise, [(0.5, 1.2)])
    assert bool(take.mask.any())
    assert not bool(take.mask.all())
