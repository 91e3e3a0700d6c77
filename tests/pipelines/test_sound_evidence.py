"""What is known of a cell in part, and what it does to the choice of its code."""

import pytest
import torch
from tiny_sound import COLUMNS, ROWS, VOCAB_SIZE, tiny_sound

from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.decoding import decode
from audiogen.decoding.informed import Informed
from audiogen.pipelines.sound import Sound
from audiogen.pipelines.sound_evidence import evidence_of, patches_of

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
    told = evidence_of(codec, picture(codec, codes), new)
    assert told.shape == (ROWS, 4, VOCAB_SIZE)
    patches = patches_of(codec)[2].view(VOCAB_SIZE, PATCH, PATCH)[:, :7]
    for column, code in enumerate(codes[2]):
        differences = (patches - patches[code]).square().sum(dim=(1, 2))
        torch.testing.assert_close(told[2, column] - told[2, column, code], -1000 / PATCH**2 * differences)
    assert (told[3:] == 0).all(), "nothing is known of these"


def test_evidence_decides_where_the_model_does_not(sound: Sound) -> None:
    model, wanted = sound.system.model, torch.randint(VOCAB_SIZE, (2, ROWS, COLUMNS))
    evidence = 1e4 * torch.nn.functional.one_hot(wanted, VOCAB_SIZE).float()
    grid, mask = torch.zeros_like(wanted), torch.ones_like(wanted, dtype=torch.bool)
    for guidance in (1.0, 3.0):
        condition = model.condition(torch.randn(2, model.config.condition_dim))
        plan = sound.system.plan(guidance=guidance)
        assert torch.equal(decode(Informed(model, evidence), grid, mask, condition, plan, [0, 1]), wanted)
        nothing = Informed(model, torch.zeros_like(evidence))
        plain = decode(model, grid, mask, condition, plan, [0, 1])
        assert torch.equal(decode(nothing, grid, mask, condition, plan, [0, 1]), plain)
