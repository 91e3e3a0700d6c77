"""Clips of music for training and testing: generated loops, folk tunes, and real recordings, changed and mixed.

Every clip is a pure function of its `Order` (kind, sources, seed), so that rendering goes on where it was killed, in
any number of processes. A clip of one split hears the sources of that split only. Clips are 32 kHz mono FLAC.
"""

import functools
import json
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from audiogen.audio import Audio
from audiogen.extras import need
from audiogen.files import atomic_write
from recipes.sources import Source, read_sources
from recipes.synth.fluid import play_fluid
from recipes.synth.loops import draw_loop
from recipes.synth.mix import SAMPLE_RATE, add, render, soft_clip
from recipes.synth.score import Score
from recipes.synth.tunes import draw_tune, read_tune
from recipes.synth.voice import Samples, Voice, pick

KINDS = ("loops", "tunes", "real")
"""Generated loops; folk tunes; clips in which a recording is heard."""
KIT_CATEGORIES = {
    "kick": ("bd",),
    "snare": ("sn",),
    "clap": ("sn", "perc"),
    "hat": ("hat",),
    "open hat": ("hat", "ride"),
    "tom": ("drum", "tabla"),
    "shaker": ("perc", "hat"),
    "rim": ("tabla", "perc", "elec"),
}
"""Drum of a groove -> categories of one-shots that may play it."""
MARGIN = 0.25
"""Seconds of a loop's other end that a time stretch hears on each side, so that the seam is as smooth as before."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One clip to make."""

    id: str
    kind: str
    """One of KINDS."""
    sources: Path
    """List of the split's sources."""
    source: str | None = None
    """The loop to take as it is; None: draw, and change what was drawn."""
    seed: tuple[int, ...]
    seconds: tuple[float, float]
    """Shortest and longest clip; a loop that is shorter is repeated."""
    folder: Path
    soundfont: Path | None = None
    """Tunes are played by FluidSynth with it; None: by the project's own instruments."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One clip that was made: a line of `clips.jsonl`."""

    id: str
    kind: str
    seconds: float
    tempo: float | None
    """Beats per minute, where known."""
    beats: float | None
    loop: bool
    """Its end flows into its start."""
    key: str
    style: str
    sources: tuple[str, ...]
    """Ids of the recordings and tunes that are heard in it."""


def orders(
    counts: Mapping[str, int],
    sources: Path,
    folders: Mapping[str, Path],
    seconds: tuple[float, float],
    seed: tuple[int, ...],
    soundfont: Path | None = None,
) -> list[Order]:
    """`counts[kind]` drawn clips of each kind, into `folders[kind]`."""
    return [
        Order(
            id=f"{kind}-{number:05}",
            kind=kind,
            sources=sources,
            seed=(*seed, KINDS.index(kind), number),
            seconds=seconds,
            folder=folders[kind],
            soundfont=soundfont,
        )
        for kind, count in counts.items()
        for number in range(count)
    ]


def held_out_loops(sources: Path, folder: Path, seconds: tuple[float, float]) -> list[Order]:
    """Each loop of a split that has a tempo, as it is but for repetition."""
    loops = [source for source in read_sources(sources) if source.kind == "loop" and source.beats]
    return [
        Order(
            id=f"real-{loop.id}",
            kind="real",
            sources=sources,
            source=loop.id,
            seed=(0,),
            seconds=seconds,
            folder=folder,
        )
        for loop in loops
    ]


def make_clip(order: Order) -> Clip:
    """Render one clip into `order.folder`; what is there already is not made again."""
    path, note = order.folder / f"{order.id}.flac", order.folder / f".{order.id}.json"
    if not (path.exists() and note.exists()):
        samples, clip = MAKERS[order.kind](order, np.random.default_rng(order.seed))
        save(samples, path)
        with atomic_write(note) as temporary:
            temporary.write_text(json.dumps(asdict(clip)), encoding="utf-8")
    return _clip(json.loads(note.read_text(encoding="utf-8")))


def with_noise_floor(samples: Samples, rng: np.random.Generator) -> Samples:
    """With white noise at -95 to -75 dB of full scale, as recordings have: digital silence is no sound to learn."""
    level = 10 ** (rng.uniform(-95, -75) / 20)
    return (samples + level * rng.standard_normal(len(samples))).astype(np.float32)


def save(samples: Samples, path: Path) -> None:
    """Write a FLAC file of 16 bits."""
    Audio(samples, SAMPLE_RATE).save(path)  # type: ignore[arg-type]  # Audio makes a tensor of them


def write_list(clips: Iterable[Clip], folder: Path) -> None:
    """The list of the clips in `folder`, in the place of the notes that each clip left there."""
    with atomic_write(folder / "clips.jsonl") as path:
        path.write_text("".join(json.dumps(asdict(clip)) + "\n" for clip in clips), encoding="utf-8")
    for note in folder.glob(".*.json"):
        note.unlink()


def read_list(folder: Path) -> list[Clip]:
    """The clips in `folder`, as `write_list` listed them."""
    return [_clip(json.loads(line)) for line in (folder / "clips.jsonl").read_text(encoding="utf-8").splitlines()]


def generated_loop(order: Order, rng: np.random.Generator) -> tuple[Samples, Clip]:
    """A generated loop; half of the time it begins on another beat than its first."""
    score = fitting_loop(rng, order.seconds)
    samples = with_noise_floor(render(score, seed=int(rng.integers(2**31)), level=_level(rng)), rng)
    if rng.random() < 0.5:
        samples = np.roll(samples, round(int(rng.integers(int(score.beats))) * 60 / score.tempo * SAMPLE_RATE))
    return _repeated(order, samples, score, ())


def tune(order: Order, rng: np.random.Generator) -> tuple[Samples, Clip]:
    """An excerpt of a folk tune."""
    tunes = [source for source in read_sources(order.sources) if source.kind == "tune"]
    chosen = pick(rng, tunes)
    with zipfile.ZipFile(chosen.path) as archive:
        notes = read_tune(archive.read(f"{chosen.id}.mid"), chosen.id)
    score = draw_tune(rng, notes, order.seconds)
    seed, level = int(rng.integers(2**31)), _level(rng)
    if order.soundfont:
        samples = play_fluid(score, order.soundfont, level)
    else:
        samples = render(score, seed, level)
    return with_noise_floor(samples, rng), _describe(order, samples, score, (chosen.id,))


def real(order: Order, rng: np.random.Generator) -> tuple[Samples, Clip]:
    """A held-out loop as it is; or a changed loop, a groove on recorded drums, or a stretch of a recording."""
    sources = _by_kind(order.sources)
    if order.source:
        loop = next(source for source in sources["loop"] if source.id == order.source)
        return _as_it_is(order, loop)
    loops = [loop for loop in sources["loop"] if loop.beats]
    stretches = sources["texture"] + sources["recording"] + [loop for loop in sources["loop"] if not loop.beats]
    makers = [(0.45, changed_loop, loops), (0.35, sampled_groove, sources["one_shot"]), (0.2, stretch, stretches)]
    makers = [maker for maker in makers if maker[2]]
    weights = np.array([weight for weight, *_ in makers])
    _, maker, chosen = makers[rng.choice(len(makers), p=weights / weights.sum())]
    return maker(order, rng, chosen)


def changed_loop(order: Order, rng: np.random.Generator, loops: Sequence[Source]) -> tuple[Samples, Clip]:
    """A recorded loop at another tempo and pitch, alone or with generated parts on top."""
    loop = pick(rng, loops)
    assert loop.tempo
    assert loop.beats
    tempo = loop.tempo * 2 ** rng.uniform(-0.25, 0.25)
    first, beats = _bars(rng, loop.beats, order.seconds[1] * tempo / 60)
    original = recording(loop.path)
    per_beat = len(original) / loop.beats
    piece = np.roll(original, -round(first * per_beat)) if first else original
    wrapped = beats == loop.beats
    samples = retimed(
        piece[: round(beats * per_beat)], round(beats * 60 / tempo * SAMPLE_RATE), rng.uniform(-4, 4), wrapped
    )
    score = Score(tempo=tempo, beats=beats, parts=(), style=loop.category, loop=wrapped)
    if rng.random() < 0.5 and beats % 4 == 0 and beats <= 16:
        mix = [name for name in ("bass", "chords", "arpeggio", "lead") if rng.random() < 0.4] or ["bass"]
        layer = replace(draw_loop(rng, bars=int(beats // 4), mix=mix), tempo=tempo)
        samples = samples + rng.uniform(0.3, 0.9) * render(layer, seed=int(rng.integers(2**31)))
        score = replace(score, key=layer.key)
    return _repeated(order, _finished(samples, rng), score, (loop.id,))


def sampled_groove(order: Order, rng: np.random.Generator, one_shots: Sequence[Source]) -> tuple[Samples, Clip]:
    """A generated loop whose drums are recorded ones."""
    score = fitting_loop(rng, order.seconds)
    parts, heard = [], []
    for part in score.parts:
        fitting = [shot for shot in one_shots if shot.category in KIT_CATEGORIES.get(part.name, ())]
        if fitting:
            shot = pick(rng, fitting)
            part = replace(part, voice=Sampled(samples=recording(shot.path), speed=float(2 ** rng.uniform(-0.3, 0.3))))
            heard.append(shot.id)
        parts.append(part)
    score = replace(score, parts=tuple(parts))
    samples = render(score, seed=int(rng.integers(2**31)), level=_level(rng))
    if not heard or rng.random() < 0.3:  # a loop without drums, or one with a surprise on one of its beats
        shot = pick(rng, one_shots)
        sound = recording(shot.path)[: round(2 * SAMPLE_RATE)] * np.float32(rng.uniform(0.2, 0.6))
        add(samples, sound, round(int(rng.integers(int(score.beats))) * 60 / score.tempo * SAMPLE_RATE), loop=True)
        samples = soft_clip(samples)
        heard.append(shot.id)
    return _repeated(order, samples, score, tuple(heard))


def stretch(order: Order, rng: np.random.Generator, recordings: Sequence[Source]) -> tuple[Samples, Clip]:
    """A stretch of a texture or a recording, played a little faster or slower; short ones are repeated."""
    weights = np.array([math.sqrt(source.seconds) for source in recordings])
    chosen = recordings[rng.choice(len(recordings), p=weights / weights.sum())]
    speed = 2 ** rng.uniform(-0.3, 0.3)
    original = recording(chosen.path)
    length = round(rng.uniform(*order.seconds) * speed * SAMPLE_RATE)
    original = np.tile(original, -(-length // len(original)))
    start = int(rng.integers(len(original) - length + 1))
    samples = _finished(resampled(original[start : start + length], speed), rng)
    score = Score(tempo=60.0, beats=len(samples) / SAMPLE_RATE, parts=(), style=chosen.category, loop=False)
    return samples, replace(_describe(order, samples, score, (chosen.id,)), tempo=None, beats=None)


MAKERS = {"loops": generated_loop, "tunes": tune, "real": real}
"""Kind of a clip -> what makes it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sampled(Voice):
    """A recorded stroke."""

    samples: Samples
    speed: float = 1.0

    def play(self, pitch: int, seconds: float, velocity: float, rate: int, noise: np.random.Generator) -> Samples:
        return np.float32(velocity) * resampled(self.samples, self.speed)


def fitting_loop(rng: np.random.Generator, seconds: tuple[float, float]) -> Score:
    """A generated loop no longer than allowed."""
    while True:
        score = draw_loop(rng)
        if score.seconds <= seconds[1]:
            return score


@functools.lru_cache(maxsize=256)
def recording(path: Path) -> Samples:
    """[S]: a sound file, mono at 32 kHz."""
    samples: Samples = Audio.read(path).mono().resample(SAMPLE_RATE).samples[0].numpy()
    return samples


def retimed(samples: Samples, length: int, semitones: float, wrapped: bool) -> Samples:
    """[length]: a loop at another tempo and pitch; `wrapped` where its end flows into its start."""
    effects = need("librosa", "train").effects
    speed = 2 ** (semitones / 12)
    margin = round(MARGIN * SAMPLE_RATE)
    around = np.pad(samples, margin, mode="wrap" if wrapped else "constant")
    shifted = resampled(around, speed)
    factor = len(samples) / length
    stretched = effects.time_stretch(shifted, rate=factor / speed)
    start = round(margin / factor)
    piece = stretched[start : start + length]
    return np.pad(piece, (0, length - len(piece))).astype(np.float32)


def resampled(samples: Samples, speed: float) -> Samples:
    """The samples played faster (and higher) by `speed`, by interpolation in the spectrum."""
    soxr = need("soxr", "train")
    return np.asarray(soxr.resample(samples, speed * SAMPLE_RATE, SAMPLE_RATE), np.float32)


def _as_it_is(order: Order, loop: Source) -> tuple[Samples, Clip]:
    assert loop.beats
    samples = recording(loop.path)
    tempo = loop.beats * 60 * SAMPLE_RATE / len(samples)
    bars = int(order.seconds[1] * tempo / 60 // 4)
    beats = min(loop.beats, 4 * bars)
    score = Score(tempo=tempo, beats=beats, parts=(), style=loop.category, loop=beats == loop.beats)
    return _repeated(order, samples[: round(beats * 60 / tempo * SAMPLE_RATE)], score, (loop.id,))


def _bars(rng: np.random.Generator, beats: float, most: float) -> tuple[float, float]:
    """First beat and number of beats: the whole loop, or, where that is longer than `most`, some of its bars."""
    if beats <= most:
        return 0, beats
    length = max(4, int(most // 4) * 4)
    return 4 * int(rng.integers(0, int(beats - length) // 4 + 1)), length


def _repeated(order: Order, samples: Samples, score: Score, sources: tuple[str, ...]) -> tuple[Samples, Clip]:
    """The loop as often as it takes to reach the shortest length."""
    times = max(1, math.ceil(order.seconds[0] * SAMPLE_RATE / len(samples)))
    samples = np.tile(samples, times)
    return samples, _describe(order, samples, replace(score, beats=times * score.beats), sources)


def _describe(order: Order, samples: Samples, score: Score, sources: tuple[str, ...]) -> Clip:
    return Clip(
        id=order.id,
        kind=order.kind,
        seconds=len(samples) / SAMPLE_RATE,
        tempo=score.tempo,
        beats=score.beats,
        loop=score.loop,
        key=score.key,
        style=score.style,
        sources=sources,
    )


def _finished(samples: Samples, rng: np.random.Generator) -> Samples:
    """At a level of its own, without clipping, with a noise floor."""
    gain = _level(rng) / max(1e-4, float(np.sqrt(np.mean(samples**2))))
    return with_noise_floor(soft_clip(samples * gain), rng)


def _level(rng: np.random.Generator) -> float:
    """Root mean square: between -26 and -14 dB of full scale."""
    return float(10 ** (rng.uniform(-26, -14) / 20))


def _by_kind(path: Path) -> dict[str, list[Source]]:
    kinds: dict[str, list[Source]] = {kind: [] for kind in ("loop", "one_shot", "texture", "recording", "tune")}
    for source in read_sources(path):
        kinds[source.kind].append(source)
    return kinds


def _clip(values: dict) -> Clip:
    return Clip(**{**values, "sources": tuple(values["sources"])})
