"""Clips of sounds and what is said of them: recordings, changed and mixed, and procedural sounds.

A folder of clips is one of `recipes.clips`, with `captions.jsonl` beside its list: a `Description` per line. Every clip
is a pure function of its `Order`, so that rendering goes on where it was killed. A clip of one split hears the
recordings of that split only. Clips are mono FLAC at 22.05 kHz and at the loudness at which sounds are coded.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.extras import need
from audiogen.files import atomic_write
from audiogen.pipelines.coding import CODING_LUFS
from audiogen.plain import from_plain
from recipes.clips import Clip, resampled, retimed, with_noise_floor
from recipes.described import read_described
from recipes.sounds import Sound, read_sounds
from recipes.synth.procedural import catalogue
from recipes.synth.procedural.shaping import RATE, put
from recipes.synth.voice import Samples, pick
from recipes.wordings import BEHIND, IMITATIONS, JOINTS, framed, training_wordings

PROCEDURAL = "procedural"
"""Kind of the clips that no recording is heard in; the other kinds are names of data sets."""
OCTAVES = 0.3
"""By how much a recording is played faster or slower at most."""
SEAM = 0.08
"""Seconds in which a recording that is too short fades into its own beginning."""
STEADY_DB = -16.0
"""A recording whose ends are no more than this below its mean goes on without a pause when it is repeated."""
SOFTER_DB = (-14.0, 0.0)
"""Level of the second sound of a mixture, from that of the first; below BEHIND_DB it is in the background."""
BEHIND_DB = -7.0
OWN = 3
"""A recording with so many captions of its own needs no others."""


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """How many clips of which kind, and how recordings are changed in those for training."""

    train: dict[str, int] = field(default_factory=lambda: {PROCEDURAL: 1000})
    """Kind -> number of clips: the name of a data set, or procedural."""
    dev: int = 48
    """Procedural clips; of the data sets, dev and test have each recording once, as it is."""
    test: int = 48
    seconds: float = 10.0
    captions: int = 8
    """Per clip."""
    procedural: tuple[str, ...] = ()
    """Classes of procedural sounds; none: all."""
    changed: float = 0.7
    """Share of the recordings that are played faster or slower, or stretched."""
    mixed: float = 0.25
    """Share of the clips in which a second sound is heard."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.procedural:
            catalogue.known(name)
        if not (0 <= self.changed <= 1 and 0 <= self.mixed <= 1):
            raise InputError(f"render: expected shares of 0 to 1, got {self.changed} and {self.mixed}. Change them.")


@dataclass(frozen=True, kw_only=True)
class Order:
    """One clip to make."""

    id: str
    kind: str
    sound: str = ""
    """Id of the recording to take as it is, or class of the procedural sound; empty: drawn, and recordings changed."""
    sounds: Path
    """List of the split's recordings."""
    seed: tuple[int, ...]
    render: RenderConfig
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is known of a clip, and said of it."""

    id: str
    kind: str
    category: str
    """Of its sound; empty where none is known, and of a mixture."""
    captions: tuple[str, ...]
    """The first says most."""
    sources: tuple[str, ...]
    """Ids of the recordings that are heard."""


@dataclass(frozen=True)
class Part:
    """One sound of a clip."""

    samples: Samples
    category: str
    captions: tuple[str, ...]
    sources: tuple[str, ...]


def training_orders(sounds: Path, folder: Path, render: RenderConfig, seed: tuple[int, ...]) -> list[Order]:
    """As many drawn clips of each kind as the conf names."""
    make = functools.partial(Order, sounds=sounds, folder=folder, render=render)
    return [
        make(id=f"{kind}-{number:05}", kind=kind, seed=(*seed, place, number))
        for place, (kind, count) in enumerate(sorted(render.train.items()))
        for number in range(count)
    ]


def held_out_orders(sounds: Path, folder: Path, render: RenderConfig, count: int, seed: tuple[int, ...]) -> list[Order]:
    """Each recording of a split, and `count` procedural sounds, all classes equally often."""
    make = functools.partial(Order, sounds=sounds, folder=folder, render=render)
    real = [
        make(id=f"real-{sound.id}", kind=sound.kind, sound=sound.id, seed=(*seed, 0, number))
        for number, sound in enumerate(read_sounds(sounds))
    ]
    names = render.procedural or tuple(catalogue.KINDS)
    return real + [
        make(id=f"{PROCEDURAL}-{number:05}", kind=PROCEDURAL, sound=names[number % len(names)], seed=(*seed, 1, number))
        for number in range(count)
    ]


def make_clip(order: Order) -> tuple[Clip, Description]:
    """Render one clip into `order.folder`; what is there already is not made again."""
    path, note = order.folder / f"{order.id}.flac", order.folder / f".{order.id}.json"
    if not (path.exists() and note.exists()):
        part = held_out(order) if order.sound else drawn(order)
        _save(part.samples, np.random.default_rng((*order.seed, 1)), path)
        said = Description(
            id=order.id, kind=order.kind, category=part.category, captions=part.captions, sources=part.sources
        )
        with atomic_write(note) as temporary:
            temporary.write_text(json.dumps(asdict(said)), encoding="utf-8")
    return _clip(order), from_plain(Description, json.loads(note.read_text(encoding="utf-8")), str(note))


def held_out(order: Order) -> Part:
    """A recording as it is, repeated up to the length of a clip; or a procedural sound of a class."""
    rng = np.random.default_rng(order.seed)
    if order.kind == PROCEDURAL:
        return procedural(order, rng, (order.sound,))
    sound = next(sound for sound in _sounds(order.sounds) if sound.id == order.sound)
    samples = lengthened(recording(sound.path), order.render.seconds, None)
    return Part(samples, sound.category, captions_of(sound, rng, order.render.captions), (sound.id,))


def drawn(order: Order) -> Part:
    """A clip for training: a sound of the order's kind, sometimes with a second one of any kind."""
    rng = np.random.default_rng(order.seed)
    first = draw_part(order, order.kind, rng)
    if rng.random() >= order.render.mixed:
        return first
    second = draw_part(order, pick(rng, sorted(order.render.train)), rng)
    return mixture(first, second, rng, order.render.captions)


def draw_part(order: Order, kind: str, rng: np.random.Generator) -> Part:
    """One sound of a kind."""
    if kind == PROCEDURAL:
        return procedural(order, rng, order.render.procedural)
    sound = draw_sound(order.sounds, kind, rng)
    samples = recording(sound.path)
    if rng.random() < order.render.changed:
        samples = changed(samples, rng)
    samples = lengthened(samples, order.render.seconds, rng)
    return Part(samples, sound.category, captions_of(sound, rng, order.render.captions), (sound.id,))


def draw_sound(sounds: Path, kind: str, rng: np.random.Generator) -> Sound:
    """A recording of a data set, its categories equally often.

    Raises:
        InputError: the split has none of it.
    """
    there = [sound for sound in _sounds(sounds) if sound.kind == kind]
    if not there:
        raise InputError(f"render.train: expected kinds that have recordings for training, got {kind}. Set it to 0.")
    category = pick(rng, sorted({sound.category for sound in there}))
    return pick(rng, [sound for sound in there if sound.category == category])


def procedural(order: Order, rng: np.random.Generator, kinds: Sequence[str]) -> Part:
    """A procedural sound; where its class has recordings, too, its captions say that it is none of them."""
    sound = catalogue.draw(rng, kinds)
    said = catalogue.captions(sound, rng, order.render.captions)
    if any(sound.kind == one.category for one in _sounds(order.sounds)):
        said = tuple(pick(rng, IMITATIONS).format(text) for text in said)
    return Part(catalogue.play(sound, order.render.seconds), sound.kind, said, ())


def captions_of(sound: Sound, rng: np.random.Generator, count: int) -> tuple[str, ...]:
    """Up to `count` captions of a recording: its own, then wordings of its class, or its own ones in other words."""
    own = list(dict.fromkeys(sound.captions))
    if len(own) < OWN:
        others = training_wordings(sound.category) if sound.category in catalogue.KINDS else framed(own[0])
        own += [text for text in rng.permutation(list(others)).tolist() if text not in own]
    return tuple(own[:count])


def mixture(first: Part, second: Part, rng: np.random.Generator, count: int) -> Part:
    """Two sounds at once, the second no louder than the first."""
    level = rng.uniform(*SOFTER_DB)
    gain = 10 ** (level / 20) * _rms(first.samples) / _rms(second.samples)
    samples = (first.samples + np.float32(gain) * second.samples).astype(np.float32)
    templates = BEHIND if level < BEHIND_DB else JOINTS
    said = [
        pick(rng, templates).format(pick(rng, first.captions), pick(rng, second.captions)) for _ in range(2 * count)
    ]
    return Part(samples, "", tuple(dict.fromkeys(said))[:count], first.sources + second.sources)


def changed(samples: Samples, rng: np.random.Generator) -> Samples:
    """A recording played faster or slower, and now and then only longer or shorter."""
    if rng.random() < 0.25:
        return retimed(samples, round(len(samples) * 2 ** rng.uniform(-OCTAVES, OCTAVES)), 0.0, wrapped=False)
    return resampled(samples, 2 ** rng.uniform(-OCTAVES, OCTAVES))


def lengthened(samples: Samples, seconds: float, rng: np.random.Generator | None) -> Samples:
    """A recording as long as a clip: a piece of it, or all of it again and again, with pauses where it has an end.

    Args:
        rng: draws the piece and the pauses; None: the beginning, and pauses of 0.4 seconds.
    """
    total, fade = round(seconds * RATE), min(round(SEAM * RATE), len(samples) // 4)
    if len(samples) >= total:
        start = 0 if rng is None else int(rng.integers(len(samples) - total + 1))
        return samples[start : start + total]
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    steady = _is_steady(samples)
    piece, made, at = samples.copy(), np.zeros(total, np.float32), 0.0
    piece[:fade] *= ramp if steady else 1
    piece[len(piece) - fade :] *= ramp[::-1]
    if rng is not None:
        at = -float(rng.uniform(0, 0.5)) * len(piece) / RATE if steady else float(rng.uniform(0, 0.3))
    while at < seconds:
        put(made, piece[max(0, -round(at * RATE)) :], max(0.0, at))
        pause = -fade / RATE if steady else 0.4 if rng is None else float(rng.uniform(0.1, 0.9))
        at += len(piece) / RATE + pause
    return made


@functools.lru_cache(maxsize=512)
def recording(path: Path) -> Samples:
    """[S]: a sound file, mono at RATE."""
    audio = Audio.read(path).mono()
    soxr = need("soxr", "train")
    return np.asarray(soxr.resample(audio.samples[0].numpy(), audio.sample_rate, RATE), np.float32)


def read_descriptions(folder: Path) -> list[Description]:
    """What is said of the clips in `folder`; see `recipes.described.read_described`."""
    return read_described(Description, folder)


@functools.lru_cache(maxsize=8)
def _sounds(path: Path) -> list[Sound]:
    return read_sounds(path)


def _is_steady(samples: Samples) -> bool:
    """Whether both ends are about as loud as the whole."""
    edge = max(1, min(round(0.1 * RATE), len(samples) // 4))
    limit = _rms(samples) * 10 ** (STEADY_DB / 20)
    return len(samples) > RATE and min(_rms(samples[:edge]), _rms(samples[-edge:])) > limit


def _rms(samples: Samples) -> float:
    return max(1e-6, float(np.sqrt(np.mean(np.square(samples)))))


def _save(samples: Samples, rng: np.random.Generator, path: Path) -> None:
    """At the loudness of coding, with a noise floor."""
    leveled = Audio(samples, RATE).normalize(CODING_LUFS).samples[0].numpy()  # type: ignore[arg-type]
    Audio(with_noise_floor(leveled, rng), RATE).save(path)  # type: ignore[arg-type]  # Audio makes a tensor of them


def _clip(order: Order) -> Clip:
    return Clip(
        id=order.id, kind=order.kind, seconds=order.render.seconds, tempo=None, beats=None, loop=False, key="",
        style=order.kind, sources=(),
    )  # fmt: skip
