"""Clips of folk music and what can be said of them: tunes of a collection, and tunes that are drawn.

A folder of clips is one of `recipes.clips`, with its descriptions (`recipes.described`). Every clip
is a pure function of its `Order`. A clip of one split is of a tune of that split.
"""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from audiogen.errors import InputError
from recipes.clips import Clip, save, with_noise_floor
from recipes.described import read_described
from recipes.sources import Source, read_sources
from recipes.synth.arrange import METRES, Signature, arrange, draw_attributes, read_signature
from recipes.synth.captions import MODES, Attributes, draw_captions
from recipes.synth.fluid import play_fluid
from recipes.synth.folk import draw_folk_tune
from recipes.synth.mix import render
from recipes.synth.tunes import Tune, read_tune
from recipes.synth.voice import pick

KINDS = ("tunes", "drawn")
"""Tunes of the collection; tunes of our own generator."""
BARS = (8, 16)
"""Shortest and longest drawn tune."""
LOUDNESS = (-24.0, -16.0)
"""Root mean square of clips, dB of full scale."""


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """How many clips of which kind, how long, and what is said of them."""

    train: dict[str, int] = field(default_factory=lambda: {"tunes": 1000, "drawn": 1000})
    dev: dict[str, int] = field(default_factory=lambda: {"tunes": 16, "drawn": 16})
    test: dict[str, int] = field(default_factory=lambda: {"tunes": 60, "drawn": 60})
    seconds: float = 10.0
    captions: int = 8
    """Per clip."""
    soundfont: Path | None = None
    """FluidSynth plays with this General MIDI soundfont; None: the project's own instruments, the same everywhere."""
    seed: int = 0

    def __post_init__(self) -> None:
        for counts in (self.train, self.dev, self.test):
            if unknown := counts.keys() - set(KINDS):
                raise InputError(
                    f"render: expected numbers of {', '.join(KINDS)}, got {', '.join(unknown)}. Rename it."
                )


@dataclass(frozen=True, kw_only=True)
class Order:
    """One clip to make."""

    id: str
    kind: str
    """One of KINDS."""
    sources: Path
    """List of the split's tunes."""
    seed: tuple[int, ...]
    seconds: float
    captions: int
    """How many."""
    folder: Path
    soundfont: Path | None = None
    """FluidSynth plays with it; None: the project's own instruments do."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is known of a clip, and said of it."""

    id: str
    attributes: Attributes
    captions: tuple[str, ...]
    """The first names all attributes."""


def orders(
    counts: Mapping[str, int],
    sources: Path,
    folder: Path,
    seconds: float,
    captions: int,
    seed: tuple[int, ...],
    soundfont: Path | None = None,
) -> list[Order]:
    """`counts[kind]` clips of each kind."""
    return [
        Order(
            id=f"{kind}-{number:05}",
            kind=kind,
            sources=sources,
            seed=(*seed, KINDS.index(kind), number),
            seconds=seconds,
            captions=captions,
            folder=folder,
            soundfont=soundfont,
        )
        for kind, count in counts.items()
        for number in range(count)
    ]


def make_clip(order: Order) -> tuple[Clip, Description]:
    """Render one clip into `order.folder`; what is there already is not made again."""
    rng = np.random.default_rng(order.seed)
    tune, written, source = MAKERS[order.kind](order, rng)
    attributes = draw_attributes(rng, written.metre, written.mode)
    score = arrange(rng, tune, written.key, attributes, order.seconds)
    description = Description(
        id=order.id, attributes=attributes, captions=draw_captions(rng, attributes, order.captions)
    )
    path = order.folder / f"{order.id}.flac"
    if not path.exists():
        level, seed = float(10 ** (rng.uniform(*LOUDNESS) / 20)), int(rng.integers(2**31))
        played = play_fluid(score, order.soundfont, level) if order.soundfont else render(score, seed, level)
        save(with_noise_floor(played, rng), path)
    return _clip(order, attributes, source), description


def collected(order: Order, rng: np.random.Generator) -> tuple[Tune, Signature, str]:
    """A tune of the collection, how it is written, and its id."""
    chosen = pick(rng, read_sources(order.sources))
    data = read_midi(chosen)
    signature = read_signature(data, chosen.id)
    assert signature is not None, "usable() leaves such tunes out"
    return read_tune(data, chosen.id), signature, chosen.id


def drawn(order: Order, rng: np.random.Generator) -> tuple[Tune, Signature, str]:
    """A tune that nobody wrote."""
    metre, mode = pick(rng, tuple(METRES)), pick(rng, MODES)
    tune = draw_folk_tune(rng, metre, mode, bars=4 * int(rng.integers(BARS[0] // 4, BARS[1] // 4 + 1)))
    return tune, Signature(metre=metre, key=f"C {mode}"), ""


MAKERS = {"tunes": collected, "drawn": drawn}
"""Kind of a clip -> where its tune is from."""


def usable(tunes: Iterable[Source]) -> list[Source]:
    """The tunes in one of METRES, whose files say so."""
    return [tune for tune in tunes if read_signature(read_midi(tune), tune.id)]


def read_midi(tune: Source) -> bytes:
    """The MIDI file of a tune."""
    with zipfile.ZipFile(tune.path) as archive:
        return archive.read(f"{tune.id}.mid")


def read_descriptions(folder: Path) -> list[Description]:
    """What is said of the clips in `folder`; see `recipes.described.read_described`."""
    return read_described(Description, folder)


def _clip(order: Order, attributes: Attributes, source: str) -> Clip:
    return Clip(
        id=order.id,
        kind=order.kind,
        seconds=order.seconds,
        tempo=attributes.tempo,
        beats=order.seconds * attributes.tempo / 60,
        loop=False,
        key=attributes.key,
        style="folk",
        sources=(source,) if source else (),
    )
