"""What a linear classifier reads out of a representation: digits that are spoken, and classes of sounds.

Compared are what the trained model makes of the codes of a sound, what the same network makes of them with random
weights, and the log-mel spectrogram cut into the same columns. Of each, mean and deviation over the columns are probed.
Shapes: N sounds, T columns, D numbers of a column.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from audiogen.audio import Audio
from audiogen.checkpoints.nano_sound import SoundSystem
from audiogen.codecs.spectrogram import SpectrogramCodec
from audiogen.models.specmaskgit import SpecMaskGIT
from audiogen.pipelines import coding
from recipes.figures import mean
from recipes.progress import track
from recipes.results import Score

logger = logging.getLogger(__name__)

MODEL, RANDOM, LOG_MEL = "SpecMaskGIT", "random weights", "log-mel"
"""What is probed; the first two are followed by the layer."""
SHORTEST = 1.0
"""Seconds; a shorter sound is repeated."""
DECAYS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Weight decays, of which the dev split decides."""
ITERATIONS = 60


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """What is probed."""

    layers: tuple[int, ...] = (3, 6)
    """Blocks of the network that a representation goes through."""
    clips: int = 600
    """Sounds to learn from at most, and half as many of dev and of test, spread over all."""
    seed: int = 0
    """Of the random weights."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One sound and its class."""

    path: Path
    label: str
    split: str


def probe_all(system: SoundSystem, sets: Mapping[str, Sequence[Labelled]], config: ProbeConfig, folder: Path) -> None:
    """The scores of every set, by name, as files in `folder`."""
    folder.mkdir(exist_ok=True)
    models = {MODEL: system.model, RANDOM: untrained(system.model, config.seed)}
    for name, sounds in sets.items():
        chosen = spread_over(sounds, config.clips)
        vectors = representations(chosen, system, models, config.layers)
        for score in probe(name, chosen, vectors):
            score.write(folder / f"{name}.{score.system}.json")


@torch.no_grad()
def representations(
    sounds: Sequence[Labelled], system: SoundSystem, models: Mapping[str, SpecMaskGIT], layers: Sequence[int]
) -> dict[str, Tensor]:
    """What is probed -> [N, 2 * D]."""
    codec = system.codec
    assert isinstance(codec, SpectrogramCodec), "the recipe trains such a one"
    found: dict[str, list[Tensor]] = {}
    for sound in track(sounds, len(sounds), "sounds to probe"):
        audio = coding.prepared(at_least(Audio.read(sound.path), SHORTEST)).resample(codec.sample_rate)
        samples = audio.samples[None].to(system.device)
        codes, mel = codec.encode(samples), codec.mel(samples)[0]
        seen = {LOG_MEL: mel.unflatten(1, (codes.shape[-1], -1)).transpose(0, 1).flatten(1)}
        for name, model in models.items():
            for layer in layers:
                seen[f"{name}, layer {layer}"] = model.representation(codes, layer=layer)[0].float()
        for name, columns in seen.items():
            pooled = torch.cat((columns.mean(dim=0), columns.std(dim=0, correction=0)))
            found.setdefault(name, []).append(pooled.cpu())
    return {name: torch.stack(vectors) for name, vectors in found.items()}


def at_least(audio: Audio, seconds: float) -> Audio:
    """A sound, repeated until it is so long."""
    times = -(-round(seconds * audio.sample_rate) // audio.samples.shape[-1])
    return Audio(audio.samples.repeat(1, max(1, times)), audio.sample_rate)


def probe(set_name: str, sounds: Sequence[Labelled], vectors: Mapping[str, Tensor]) -> list[Score]:
    """A row for each representation: how often a linear classifier is right on the test split."""
    classes = sorted({sound.label for sound in sounds})
    labels = torch.tensor([classes.index(sound.label) for sound in sounds])
    splits = {name: torch.tensor([sound.split == name for sound in sounds]) for name in ("train", "dev", "test")}
    scores = []
    for name, known in vectors.items():
        right = classify(known, labels, splits, len(classes))
        figure = mean(right.double().tolist())
        assert figure is not None, "the test split has sounds"
        scores.append(Score(set=set_name, system=name, utterances=len(right), figures={"probed": figure}))
        logger.info("%s, %s: %s of %d", set_name, name, figure, len(right))
    return scores


def classify(known: Tensor, labels: Tensor, splits: Mapping[str, Tensor], classes: int) -> Tensor:
    """Which sounds of the test split [N] a linear classifier is right about; dev chooses its weight decay."""
    train = known[splits["train"]]
    scaled = (known - train.mean(dim=0)) / (train.std(dim=0, correction=0) + 1e-4 * float(train.std()) + 1e-8)
    found = []
    for decay in DECAYS:
        weight = fit_linear(scaled[splits["train"]], labels[splits["train"]], classes, decay)
        right = (F.pad(scaled, (0, 1), value=1.0) @ weight).argmax(dim=1) == labels
        found.append((float(right[splits["dev"]].double().mean()), right[splits["test"]]))
    return max(found, key=lambda one: one[0])[1]


def fit_linear(vectors: Tensor, labels: Tensor, classes: int, decay: float) -> Tensor:
    """[D + 1, classes]: weights and biases of a softmax regression."""
    given = F.pad(vectors, (0, 1), value=1.0)
    weight = torch.zeros(given.shape[1], classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(given @ weight, labels) + decay * weight.square().sum() / 2
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return weight.detach()


def untrained(model: SpecMaskGIT, seed: int) -> SpecMaskGIT:
    """The same network with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SpecMaskGIT(model.config).eval().to(model.device)


def spread_over(sounds: Sequence[Labelled], most: int) -> list[Labelled]:
    """At most `most` sounds of each split, and half as many of dev and test, evenly from all over the list."""
    chosen: list[Labelled] = []
    for name, limit in (("train", most), ("dev", most // 2), ("test", most // 2)):
        part = [sound for sound in sounds if sound.split == name]
        count = min(limit, len(part))
        chosen += [part[index * len(part) // count] for index in range(count)]
    return chosen
