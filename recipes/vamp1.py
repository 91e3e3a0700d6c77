"""Vamping loops: a music codec, and VampNet on its codes.

`data/` holds the lists of sources, `dump/<conf>/` the clips, `exp/<conf>/` everything else.
"""

import functools
import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from audiogen.checkpoints import resolve
from audiogen.checkpoints.vampnet import CODEC_NAME, VAMP_NAME, VampDecoding
from audiogen.errors import InputError
from audiogen.training.music_codec import MusicCodecTraining
from audiogen.training.vamp import FINE, VampTraining
from recipes.card import Card
from recipes.clips import KINDS
from recipes.sources import SPLITS
from recipes.stages import Job, Recipe, stage

logger = logging.getLogger(__name__)

HELD_OUT = SPLITS[1:]
PARTS = ("codec", "coarse", "fine")
"""Models that make up the system."""
PROMPTS = {
    "periodic-7": "periodic(7) & levels(4)",
    "timbre": "periodic(2) & levels(1)",
    "beats": "beats(after=0.08) & levels(4)",
    "onsets": "onsets(width=2) & levels(4)",
    "inpaint": "inpaint(1-3)",
    "loop": "loop(seconds=0.5)",
}
"""Prompts that are scored, by name. The first is the preset "medium"."""


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """How many clips of which kind; the loops that are held out come to dev and test as they are."""

    train: dict[str, int] = field(default_factory=lambda: {"loops": 850, "tunes": 300, "real": 350})
    dev: dict[str, int] = field(default_factory=lambda: {"loops": 24, "tunes": 8})
    test: dict[str, int] = field(default_factory=lambda: {"loops": 12, "tunes": 4})
    seconds: tuple[float, float] = (4.0, 12.0)
    """Shortest and longest clip."""
    soundfont: Path | None = None
    """Tunes are played by FluidSynth with this General MIDI soundfont; None: by the project's own instruments, which
    sound the same on every machine."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, counts in (("train", self.train), ("dev", self.dev), ("test", self.test)):
            known = KINDS if name == "train" else KINDS[:2]
            if unknown := counts.keys() - set(known):
                raise InputError(
                    f"render.{name}: expected numbers of {', '.join(known)}, got {', '.join(unknown)}. Rename it."
                )


@dataclass(frozen=True, kw_only=True)
class Vamp1:
    """The conf of this recipe."""

    samples: Path | None = None
    """Folder with recordings and their `metadata.jsonl`; None: only generated loops."""
    tunes: Path | None = None
    """Folder with `tunes.jsonl` and `midi.zip`; None: only generated loops."""
    licences: tuple[str, ...] = ("CC0-1.0", "PDM-1.0")
    """Of the recordings that are used."""
    held_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Split (dev, test) -> ids of recordings."""
    tunes_held_out: float = 0.05
    """Share of the tunes that dev has, and test."""
    render: RenderConfig = field(default_factory=RenderConfig)
    codec: MusicCodecTraining = field(default_factory=MusicCodecTraining)
    """Its shares are by kind of clip."""
    codec_model: str | None = None
    """Name or folder of a codec that is taken as it is, such as nano-codec-music; None: one is trained."""
    clips_per_shard: int = 100
    """Clips per shard of the token archives."""
    coarse: VampTraining = field(default_factory=VampTraining)
    fine: VampTraining = FINE
    decoding: VampDecoding = field(default_factory=VampDecoding)
    """Comes with the packed system."""
    prompts: dict[str, str] = field(default_factory=lambda: dict(PROMPTS))
    """Name -> prompt, for the vamps that are scored."""
    steps: tuple[int, ...] = (4, 12, 36)
    """Of the coarse model, for the vamps that are scored."""
    seed: int = 0
    """Of the vamps."""
    bundle: Path = Path("exp/bundle")
    """Where stage bundle copies the system; ../../../audiogen/bundled ships it with the package."""
    card: Card = field(default_factory=Card)
    """What the model cards say."""
    results: Path = Path("RESULTS.md")
    title: str
    """Heading of RESULTS.md."""
    introduction: str
    """What RESULTS.md says about data and measurement."""
    device: str = "cpu"
    """Where tokens are extracted and clips are vamped; training takes a GPU where there is one."""
    cluster: dict[str, Any] = field(default_factory=dict)
    """Options of the jobs with `--cmd slurm` (submitit's) or `--cmd ray`."""

    def __post_init__(self) -> None:
        for kind, folder in (("real", self.samples), ("tunes", self.tunes)):
            if folder is None and any(counts.get(kind) for counts in (self.render.train, self.render.test)):
                name = "samples" if kind == "real" else kind
                raise InputError(
                    f"render: expected 0 clips of {kind} without a folder of {name}. Give --set {name}=DIR."
                )

    @property
    def sets(self) -> dict[str, tuple[str, ...]]:
        """What the recipe reads, its splits, and the kinds of its training clips."""
        folders = tuple(str(folder) for folder in (self.samples, self.tunes) if folder)
        kinds = tuple(kind for kind in KINDS if self.render.train.get(kind))
        return {"source": folders, "split": SPLITS, "held_out": HELD_OUT, "kind": kinds}


@stage(
    reads=("{source}",),
    writes=("data/{split}.jsonl", "data/SOURCES.md"),
    conf=("samples", "tunes", "licences", "held_out", "tunes_held_out"),
    code=("recipes.sources",),
)
def data(job: Job[Vamp1]) -> None:
    """Data preparation: which recordings and tunes each split has."""
    from recipes.sources import Source, describe, read_samples, read_tunes, split, write_sources

    sources: list[Source] = []
    if job.conf.samples:
        sources += read_samples(job.conf.samples, job.conf.licences)
    if job.conf.tunes:
        sources += read_tunes(job.conf.tunes)
    parts = split(sources, job.conf.held_out, job.conf.tunes_held_out)
    for name, part in parts.items():
        write_sources(part, job.output("data/{split}.jsonl", split=name))
    page = describe(parts)
    job.output("data/SOURCES.md").write_text(page, encoding="utf-8")
    logger.info("%s", page.partition("\n## ")[0])


@stage(
    reads=("data/{split}.jsonl", "{source}"),
    writes=("dump/{tag}/train/{kind}", "dump/{tag}/{held_out}"),
    conf=("render",),
    code=(
        "recipes.clips",
        *(
            f"recipes.synth.{name}"
            for name in ("drums", "fluid", "instruments", "loops", "mix", "styles", "tunes", "voice")
        ),
    ),
)
def render(job: Job[Vamp1]) -> None:
    """Clips: generated loops, folk tunes, and recordings that are changed and mixed."""
    from recipes.clips import held_out_loops, make_clip, orders, write_list

    conf = job.conf.render
    for number, (name, counts) in enumerate((("train", conf.train), ("dev", conf.dev), ("test", conf.test))):
        folders = _folders(job, name)
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        sources = job.input("data/{split}.jsonl", split=name)
        made = orders(counts, sources, folders, conf.seconds, (conf.seed, number), conf.soundfont)
        if name != "train":
            made += held_out_loops(sources, folders["loops"], conf.seconds)
        clips = job.map(make_clip, made, f"clips of {name}")
        for folder in dict.fromkeys(folders.values()):
            listed = [clip for clip, order in zip(clips, made, strict=True) if order.folder == folder]
            write_list(listed, folder)
            seconds = sum(clip.seconds for clip in listed)
            logger.info("%s: %d clips, %.2f h", folder, len(listed), seconds / 3600)


def _folders(job: Job[Vamp1], name: str) -> dict[str, Path]:
    """Kind of a clip -> where the clips of a split are made."""
    if name == "train":
        return {kind: job.output("dump/{tag}/train/{kind}", kind=kind) for kind in job.names["kind"]}
    return dict.fromkeys(KINDS, job.output("dump/{tag}/{held_out}", held_out=name))


@stage(
    reads=("dump/{tag}/train/{kind}", "dump/{tag}/dev"),
    writes=("exp/{tag}/codec",),
    conf=("codec", "codec_model"),
    code=("audiogen.training.music_codec", "audiogen.codecs.nano_music"),
)
def codec(job: Job[Vamp1]) -> None:
    """Training of the codec, unless one is given."""
    from audiogen.training.music_codec import train

    clips = _train_clips(job)
    dev, out = job.input("dump/{tag}/dev"), job.output("exp/{tag}/codec")
    if job.conf.codec_model:
        shutil.copytree(resolve(job.conf.codec_model), out / "model", dirs_exist_ok=True)
        return
    job.call(_run, functools.partial(train, job.conf.codec, clips, dev, out))


@stage(
    reads=("dump/{tag}/train/{kind}", "dump/{tag}/dev", "exp/{tag}/codec/model"),
    writes=("exp/{tag}/tokens/train", "exp/{tag}/tokens/dev"),
    conf=("clips_per_shard",),
    settings=("device",),
    code=("recipes.clip_tokens", "audiogen.pipelines.coding"),
)
def tokens(job: Job[Vamp1]) -> None:
    """Token extraction: clips to codes, in safetensors shards."""
    from recipes.clip_tokens import missing_shards, write_shard

    made_by, conf = job.input("exp/{tag}/codec/model"), job.conf
    for name, folders in (("train", _train_clips(job)), ("dev", [job.input("dump/{tag}/dev")])):
        archive = job.output(f"exp/{{tag}}/tokens/{name}")
        shards = missing_shards(folders, archive, conf.clips_per_shard, made_by, conf.device)
        frames = sum(job.map(write_shard, shards, f"shards of {name}"))
        logger.info("%s: %d shards, %d frames", name, len(shards), frames)


@stage(
    reads=("exp/{tag}/tokens/train", "exp/{tag}/tokens/dev", "exp/{tag}/codec/model"),
    writes=("exp/{tag}/coarse",),
    conf=("coarse",),
    code=("audiogen.training.vamp", "audiogen.models.vampnet"),
)
def coarse(job: Job[Vamp1]) -> None:
    """Training of the coarse model: the first levels, from themselves."""
    _train(job, job.conf.coarse, "coarse")


@stage(
    reads=("exp/{tag}/tokens/train", "exp/{tag}/tokens/dev", "exp/{tag}/codec/model"),
    writes=("exp/{tag}/fine",),
    conf=("fine",),
    code=("audiogen.training.vamp", "audiogen.models.vampnet"),
)
def fine(job: Job[Vamp1]) -> None:
    """Training of the fine model: the other levels, from the coarse ones."""
    _train(job, job.conf.fine, "fine")


@stage(
    reads=tuple(f"exp/{{tag}}/{part}/model" for part in PARTS),
    writes=("exp/{tag}/system",),
    conf=("decoding",),
    code=("audiogen.checkpoints.vampnet",),
)
def pack(job: Job[Vamp1]) -> None:
    """Packing of the system: one folder for the codec, one for both models, weights in 8 bits."""
    from audiogen.checkpoints.vampnet import pack_vamp

    folders = {part: job.input(f"exp/{{tag}}/{part}/model") for part in PARTS}
    pack_vamp(job.output("exp/{tag}/system"), decoding=job.conf.decoding, **folders)


@stage(
    reads=("dump/{tag}/test", "exp/{tag}/system"),
    writes=("exp/{tag}/vamps",),
    conf=("prompts", "steps", "seed"),
    settings=("device",),
    code=("recipes.vamps", "audiogen.pipelines.vamp", "audiogen.pipelines.fill", "audiogen.decoding.decoder"),
)
def vamps(job: Job[Vamp1]) -> None:
    """Vamps of the held-out clips, with every prompt and number of steps, and the codec's copies of them."""
    from audiogen.audio import Audio
    from audiogen.codecs import load_codec
    from audiogen.pipelines.vamp import Vamp
    from recipes.clips import read_list
    from recipes.vamps import round_trips, vamp_clips

    source, out, system = job.input("dump/{tag}/test"), job.output("exp/{tag}/vamps"), job.input("exp/{tag}/system")
    audios = {clip.id: Audio.read(source / f"{clip.id}.flac") for clip in read_list(source)}
    round_trips(load_codec(system / CODEC_NAME), audios, out)
    vamp = Vamp(system / VAMP_NAME, device=job.conf.device)
    vamp_clips(vamp, audios, out, job.conf.prompts, job.conf.steps, job.conf.seed)


@stage(
    reads=("dump/{tag}/test", "exp/{tag}/vamps"),
    writes=("exp/{tag}/score",),
    conf=("prompts", "steps"),
    code=(
        "recipes.vamp_scoring",
        "recipes.figures",
        "recipes.curves",
        "audiogen.metrics.codec",
        "audiogen.metrics.frechet",
        "audiogen.metrics.rhythm",
    ),
)
def score(job: Job[Vamp1]) -> None:
    """Scoring: distances from the source, rhythm, share of copied codes, computing time."""
    from recipes.clips import read_list
    from recipes.curves import changes, write_changes
    from recipes.vamp_scoring import LOSSES, SETS, Item, score_item, summarise, write_scored
    from recipes.vamps import ROUND_TRIP, folder_name, read_made

    source, made, out = job.input("dump/{tag}/test"), job.input("exp/{tag}/vamps"), job.output("exp/{tag}/score")
    out.mkdir(exist_ok=True)
    clips = read_list(source)
    systems = {
        folder_name(prompt, steps): f"{prompt}, {steps} steps"
        for prompt in job.conf.prompts
        for steps in job.conf.steps
    }
    kind_of, work = {clip.id: clip.kind for clip in clips}, {}
    for name in (ROUND_TRIP, *systems):
        notes = {one.id: one for one in read_made(made / name)}
        work[name] = [
            Item(source / f"{clip.id}.flac", made / name / f"{clip.id}.flac", notes[clip.id], vamped=name in systems)
            for clip in clips
            if clip.id in notes
        ]
    scored = job.map_each(score_item, work, "clips")
    for name, system in {ROUND_TRIP: ROUND_TRIP, **systems}.items():
        for set_name, kinds in SETS.items():
            chosen = [one for one in scored[name] if kind_of[one.id] in kinds]
            if chosen:
                write_scored(chosen, out / f"{set_name}.{name}.jsonl")
                summarise(set_name, system, chosen).write(out / f"{set_name}.{name}.json")
    found = [
        change
        for prompt in job.conf.prompts
        for change in changes(prompt, {steps: scored[folder_name(prompt, steps)] for steps in job.conf.steps}, LOSSES)
    ]
    write_changes(found, out / "changes.jsonl")


@stage(
    reads=("exp/{tag}/score",),
    writes=("exp/{tag}/curves.txt",),
    code=("recipes.curves",),
)
def curves(job: Job[Vamp1]) -> None:
    """Check that more steps make no vamp worse."""
    from recipes.curves import check, read_changes

    found = read_changes(job.input("exp/{tag}/score") / "changes.jsonl")
    check(found)
    job.output("exp/{tag}/curves.txt").write_text("".join(f"{change}\n" for change in found), encoding="utf-8")


@stage(
    reads=("exp/{tag}/system", "exp/{tag}/score", "exp/{tag}/curves.txt"),
    writes=(f"{{bundle}}/{CODEC_NAME}", f"{{bundle}}/{VAMP_NAME}"),
    conf=("card",),
    code=("recipes.card", "recipes.publish"),
)
def bundle(job: Job[Vamp1]) -> None:
    """The system with its model cards, as `audiogen.Vamp` loads it by name."""
    from recipes.publish import bundle_models

    bundle_models(job, "exp/{tag}/system", (CODEC_NAME, VAMP_NAME))


@stage(
    reads=("exp/{tag}/score",),
    writes=("{results}",),
    conf=("title", "introduction"),
    code=("recipes.publish", "recipes.results"),
)
def results(job: Job[Vamp1]) -> None:
    """RESULTS.md from the score files of every conf that was run."""
    from recipes.publish import write_results

    write_results(job, items="clips")


def _train_clips(job: Job[Vamp1]) -> list[Path]:
    """The folders of training clips, one per kind."""
    return [job.input("dump/{tag}/train/{kind}", kind=kind) for kind in job.names["kind"]]


def _train(job: Job[Vamp1], conf: VampTraining, part: Literal["coarse", "fine"]) -> None:
    """Train on the token archives."""
    from audiogen.training.vamp import train_vamp

    archive, dev = (job.input(f"exp/{{tag}}/tokens/{name}") for name in ("train", "dev"))
    made_by, out = job.input("exp/{tag}/codec/model"), job.output(f"exp/{{tag}}/{part}")
    job.call(_run, functools.partial(train_vamp, conf, archive, dev, made_by, out, part))


def _run(function: functools.partial[Any]) -> None:
    """Call a bound function, for its effect on the disk."""
    function()


RECIPE = Recipe(
    name="vamp1",
    conf=Vamp1,
    stages=(data, render, codec, tokens, coarse, fine, pack, vamps, score, curves, bundle, results),
)
