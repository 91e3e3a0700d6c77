"""The voice's models and the tokenizer learn a small batch, and padding takes no part in it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from audiogen.codecs.semantic import SemanticCodecConfig
from audiogen.conditioning.mel_features import MelFeatures
from audiogen.conditioning.text import PHONES
from audiogen.models.duration import DurationConfig, DurationModel, whole_frames
from audiogen.models.maskgct import (
    SemanticToAcoustic,
    SemanticToAcousticConfig,
    TextToSemantic,
    TextToSemanticConfig,
)
from audiogen.training.fit import FitConfig, Task, step_generator
from audiogen.training.tokenizer import IGNORED, FeatureCrops, TokenizerTask, TokenizerTraining
from audiogen.training.tokens import TokenizedUtterance
from audiogen.training.tts import (
    PHONE_VOCAB,
    AcousticTask,
    AcousticTraining,
    DurationTask,
    SemanticTask,
    SemanticTraining,
    TokenBatch,
    collate,
    draw_batch,
)

FIT = FitConfig(steps=100)


def utterance(seed: int, phones: int) -> TokenizedUtterance:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, len(PHONES), (phones,), generator=generator)
    durations = 2 + ids % 5  # the duration follows from the phone, the codes from both: there is something to learn
    frames = ids.repeat_interleave(durations)
    semantic = frames % 11
    codes = torch.stack([(semantic * 3 + level) % 13 for level in range(3)])
    return TokenizedUtterance(f"u{seed}", codes, semantic, ids, durations)


@pytest.fixture
def batch() -> TokenBatch:
    return collate([utterance(seed, phones) for seed, phones in ((0, 6), (1, 9), (2, 9), (3, 10))])


TASKS: dict[str, Callable[[], Task]] = {
    "durations": lambda: DurationTask(
        DurationModel(DurationConfig(phone_vocab_size=PHONE_VOCAB, dim=32, layers=2, dropout=0)), FIT
    ),
    "t2s": lambda: SemanticTask(
        TextToSemantic(
            TextToSemanticConfig(
                dim=32, layers=1, heads=2, vocab_size=11, phone_vocab_size=PHONE_VOCAB, aligned=True, condition_layers=1
            )
        ),
        SemanticTraining(fit=FIT),
    ),
    "s2a": lambda: AcousticTask(
        SemanticToAcoustic(
            SemanticToAcousticConfig(
                dim=32, layers=1, heads=2, levels=3, vocab_size=13, semantic_vocab_size=11, condition_layers=1
            )
        ),
        AcousticTraining(fit=FIT),
    ),
}


@pytest.mark.parametrize("name", TASKS)
def test_loss_falls_on_one_batch(name: str, batch: TokenBatch) -> None:
    torch.manual_seed(0)
    task = TASKS[name]()
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-2)
    losses = []
    for step in range(60):
        loss = task.loss(batch, step_generator(0, step))["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


@pytest.mark.parametrize("name", TASKS)
def test_what_stands_in_padding_changes_nothing(name: str, batch: TokenBatch) -> None:
    torch.manual_seed(0)
    task = TASKS[name]().eval()
    other = replace(
        batch,
        codes=batch.codes.masked_fill(~batch.valid[:, None], 5),
        semantic_codes=batch.semantic_codes.masked_fill(~batch.valid[:, None], 3),
        frame_phones=batch.frame_phones.masked_fill(~batch.valid, 7),
        durations=batch.durations.masked_fill(~batch.phones_valid, 9),
    )
    assert not torch.equal(other.codes, batch.codes)
    expected, found = (task.loss(each, step_generator(0, 3))["loss"] for each in (batch, other))
    torch.testing.assert_close(found, expected)


def test_batches_are_neighbours_in_length_and_depend_on_the_step_alone() -> None:
    utterances = [utterance(seed, 4 + seed) for seed in range(20)]
    first, again = (draw_batch(utterances, 4, step_generator(0, 9)) for _ in range(2))
    assert torch.equal(first.codes, again.codes)
    lengths = first.phones_valid.sum(1)
    assert int(lengths.max() - lengths.min()) == 3


def test_tokenizer_learns_to_name_phones_and_to_rebuild_features() -> None:
    torch.manual_seed(0)
    model = SemanticCodecConfig(
        feature_dim=MelFeatures.feature_dim,
        vocab_size=32,
        backbone_dim=32,
        backbone_intermediate_dim=64,
        backbone_layers=1,
    )
    task = TokenizerTask(TokenizerTraining(fit=FIT, model=model))
    labels = torch.randint(0, 6, (4, 10)).repeat_interleave(5, 1)
    prototypes = torch.randn(6, MelFeatures.feature_dim)
    crops = FeatureCrops(prototypes[labels].transpose(1, 2), labels)
    crops.phones[:, -5:] = IGNORED
    optimizer = torch.optim.AdamW(task.parameters(), lr=3e-3)
    for step in range(80):
        found = task.loss(crops, step_generator(0, step))
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        if step == 0:
            first = float(found["reconstruction"].detach())
    assert float(found["accuracy"]) > 0.9
    assert float(found["reconstruction"].detach()) < 0.7 * first


@pytest.mark.parametrize("samples", [480, 481, 24000, 24001, 100])
def test_mel_features_have_one_vector_per_code_frame(samples: int) -> None:
    features = MelFeatures()(torch.randn(2, 1, samples) * 0.1)
    assert features.shape == (2, MelFeatures.feature_dim, -(-samples // 480))
    assert torch.isfinite(features).all()


def test_whole_frames_add_up_and_stay_close() -> None:
    wanted = torch.rand(40) * 6
    frames = whole_frames(wanted)
    assert int(frames.sum()) == round(float(wanted.sum()))
    assert float((frames - wanted).abs().max()) <= 1.0
    assert int(whole_frames(wanted, total=100).sum()) == 100
    assert int(whole_frames(torch.zeros(3)).sum()) == 0
