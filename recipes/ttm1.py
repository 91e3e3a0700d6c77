"""Text to music: MAGNeT and its autoregressive twin on captioned folk music, and what each of their settings does.

`data/` holds the lists of tunes, `dump/<conf>/` the clips and captions, `exp/<conf>/` everything else.
"""

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audiogen.checkpoints import resolve
from audiogen.checkpoints.musicgen import MagnetDecoding, MusicGenDecoding
from audiogen.checkpoints.nano_music import MUSIC_NAME
from audiogen.errors import InputError
from audiogen.training.music import CaptionedTokens, MagnetTraining, TwinTraining
from recipes.captioned import RenderConfig
from recipes.card import Card
from recipes.described import LIST
from recipes.directions import Direction
from recipes.generations import MusicMaker, Variant
from recipes.judging import JudgeTraining, Rendered
from recipes.music_rows import ABLATIONS, CODEC, DIRECTIONS, RECORDINGS, VARIANTS, Ablation
from recipes.sources import SPLITS
from recipes.stages import Job, Recipe, stage

logger = logging.getLogger(__name__)

SYNTH = tuple(
    f"recipes.synth.{name}" for name in ("arrange", "captions", "fluid", "folk", "instruments", "mix", "tunes", "voice")
)
TRAINED_ON = ("exp/{tag}/tokens/train", "exp/{tag}/tokens/dev", "dump/{tag}/train", "dump/{tag}/dev", "{codec}")


MADE_WITH = ("exp/{tag}/system", "exp/{tag}/ablations/{ablation}")
MAKING_CODE = (
    *("recipes.generations", "recipes.making", "audiogen.decoding.decoder", "audiogen.decoding.hybrid"),
    *("audiogen.decoding.autoregressive", "audiogen.decoding.rescorers"),
)


@dataclass(frozen=True, kw_only=True)
class Ttm1:
    """The conf of this recipe."""

    tunes: Path | None = None
    """Folder with `tunes.jsonl` and `midi.zip`; None: only tunes that are drawn."""
    tunes_held_out: float = 0.1
    """Share of the tunes that dev has, and test."""
    render: RenderConfig = field(default_factory=RenderConfig)
    codec: str = "nano-codec-music"
    """Name or folder; egs/loops/vamp1 trains it."""
    clips_per_shard: int = 100
    """Clips per shard of the token archives."""
    music_model: str | None = None
    """Name or folder of a system whose MAGNeT and twin are taken as they are; None: they are trained."""
    magnet: MagnetTraining = field(default_factory=MagnetTraining)
    twin: TwinTraining = field(default_factory=TwinTraining)
    ablations: dict[str, Ablation] = field(default_factory=lambda: dict(ABLATIONS))
    """Models that are trained for a comparison, by name; all else as in `magnet`, but for the steps."""
    ablation_steps: int = 1200
    judge: JudgeTraining = field(default_factory=JudgeTraining)
    decoding: MagnetDecoding = field(default_factory=lambda: MagnetDecoding(steps=(10, 4, 4, 4)))
    """Comes with the packed system, as does that of the twin. Its span is that of the model that decodes."""
    twin_decoding: MusicGenDecoding = field(default_factory=MusicGenDecoding)
    variants: dict[str, Variant] = field(default_factory=lambda: dict(VARIANTS))
    """Rows of the table: ways to make music of the test set's captions."""
    directions: tuple[Direction, ...] = DIRECTIONS
    """Findings of the paper that the rows are compared with."""
    batch_size: int = 20
    """Captions that are made into music together."""
    timed: int = 3
    """Captions that are made into music one by one, for the latency."""
    seed: int = 0
    """Of the music."""
    bundle: Path = Path("exp/bundle")
    """Where stage bundle copies the system; ../../../audiogen/bundled ships it with the package."""
    card: Card = field(default_factory=Card)
    """What the model card says."""
    results: Path = Path("RESULTS.md")
    title: str
    """Heading of RESULTS.md."""
    introduction: str
    """What RESULTS.md says about data and measurement."""
    device: str = "cpu"
    """Where tokens are extracted and music is made; training takes a GPU where there is one."""
    dtype: str = "float32"
    """What models compute in where music is made; bfloat16 is faster on GPUs and on CPUs with AVX-512 BF16."""
    cluster: dict[str, Any] = field(default_factory=dict)
    """Options of the jobs with `--cmd slurm` (submitit's) or `--cmd ray`."""

    def __post_init__(self) -> None:
        counts = (self.render.train, self.render.dev, self.render.test)
        if self.tunes is None and any(count.get("tunes") for count in counts):
            raise InputError("render: expected 0 clips of tunes without a folder of tunes. Give --set tunes=DIR.")
        if unknown := {variant.ablation for variant in self.variants.values()} - {"", *self.ablations}:
            raise InputError(
                f"variants: expected ablations of {', '.join(self.ablations)}, got {', '.join(unknown)}. Rename it."
            )
        if unknown := {row for one in self.directions for row in (one.smaller, one.larger)} - set(self.variants):
            raise InputError(
                f"directions: expected rows of {', '.join(self.variants)}, got {', '.join(unknown)}. Rename it."
            )

    @property
    def sets(self) -> dict[str, Any]:
        """What the recipe reads, its splits, the folder of its codec, and the models for comparison."""
        return {
            "source": (str(self.tunes),) if self.tunes else (),
            "split": SPLITS,
            "codec": str(resolve(self.codec)),
            "ablation": tuple(self.ablations),
        }


@stage(
    reads=("{source}",),
    writes=("data/{split}.jsonl", "data/SOURCES.md"),
    conf=("tunes", "tunes_held_out"),
    code=("recipes.sources", "recipes.synth.arrange"),
)
def data(job: Job[Ttm1]) -> None:
    """Data preparation: which tunes each split has."""
    from recipes.captioned import usable
    from recipes.sources import describe, read_tunes, split, write_sources

    there = read_tunes(job.conf.tunes) if job.conf.tunes else []
    tunes = usable(there)
    logger.info("%d of %d tunes are in a metre that is used", len(tunes), len(there))
    parts = split(tunes, {}, job.conf.tunes_held_out)
    for name, part in parts.items():
        write_sources(part, job.output("data/{split}.jsonl", split=name))
    job.output("data/SOURCES.md").write_text(describe(parts), encoding="utf-8")


@stage(
    reads=("data/{split}.jsonl", "{source}"),
    writes=("dump/{tag}/{split}",),
    conf=("render",),
    code=("recipes.captioned", "recipes.described", *SYNTH),
)
def render(job: Job[Ttm1]) -> None:
    """Clips and captions: tunes in a key and tempo, and on instruments, of their own each time."""
    from recipes.captioned import make_clip, orders
    from recipes.described import write_lists

    conf = job.conf.render
    for number, (name, counts) in enumerate((("train", conf.train), ("dev", conf.dev), ("test", conf.test))):
        folder = job.output("dump/{tag}/{split}", split=name)
        folder.mkdir(parents=True, exist_ok=True)
        tunes = job.input("data/{split}.jsonl", split=name)
        made = orders(counts, tunes, folder, conf.seconds, conf.captions, (conf.seed, number), conf.soundfont)
        write_lists(job.map(make_clip, made, f"clips of {name}"), folder)


@stage(
    reads=("dump/{tag}/{split}", "{codec}"),
    writes=("exp/{tag}/tokens/{split}",),
    conf=("clips_per_shard",),
    settings=("device",),
    code=("recipes.clip_tokens", "audiogen.pipelines.coding"),
)
def tokens(job: Job[Ttm1]) -> None:
    """Token extraction: clips to codes, in safetensors shards."""
    from recipes.clip_tokens import missing_shards, write_shard

    codec = job.input("{codec}")
    for name in SPLITS:
        clips, archive = job.input("dump/{tag}/{split}", split=name), job.output("exp/{tag}/tokens/{split}", split=name)
        shards = missing_shards([clips], archive, job.conf.clips_per_shard, codec, job.conf.device)
        frames = sum(job.map(write_shard, shards, f"shards of {name}"))
        logger.info("%s: %d shards, %d frames", name, len(shards), frames)


@stage(
    reads=TRAINED_ON,
    writes=("exp/{tag}/magnet",),
    conf=("magnet", "music_model"),
    code=("audiogen.training.music", "audiogen.models.magnet", "audiogen.conditioning.caption_encoder"),
)
def magnet(job: Job[Ttm1]) -> None:
    """Training of MAGNeT, with its text encoder, unless one is given."""
    from audiogen.checkpoints.nano_music import unpack_listener

    out = job.output("exp/{tag}/magnet")
    if job.conf.music_model:
        unpack_listener(resolve(job.conf.music_model), "nano-magnet", out / "model")
        return
    _train_magnet(job, job.conf.magnet, out)


@stage(
    reads=(*TRAINED_ON, "exp/{tag}/magnet/model"),
    writes=("exp/{tag}/twin",),
    conf=("twin", "music_model"),
    code=("audiogen.training.music", "audiogen.models.musicgen"),
)
def twin(job: Job[Ttm1]) -> None:
    """Training of the autoregressive twin, with MAGNeT's text encoder, unless one is given."""
    from audiogen.checkpoints.nano_music import unpack_listener
    from audiogen.training.music import train_twin

    out, made_by = job.output("exp/{tag}/twin"), job.input("{codec}")
    if job.conf.music_model:
        unpack_listener(resolve(job.conf.music_model), "nano-twin", out / "model")
        return
    magnet = job.input("exp/{tag}/magnet/model")
    train = functools.partial(
        train_twin, job.conf.twin, _archive(job, "train"), _archive(job, "dev"), made_by, magnet, out
    )
    job.call(_run, train)


@stage(
    reads=TRAINED_ON,
    writes=("exp/{tag}/ablations/{ablation}",),
    conf=("magnet", "ablations", "ablation_steps"),
    code=("audiogen.training.music", "audiogen.models.magnet", "audiogen.conditioning.caption_encoder"),
)
def ablations(job: Job[Ttm1]) -> None:
    """Shorter training of MAGNeTs for a comparison, which differ in one thing."""
    for name, change in job.conf.ablations.items():
        conf = replace(
            job.conf.magnet,
            start="",
            fit=replace(job.conf.magnet.fit, steps=job.conf.ablation_steps),
            model=replace(job.conf.magnet.model, span=change.span, context=change.context),
        )
        logger.info("%s: %s", name, change)
        _train_magnet(job, conf, job.output("exp/{tag}/ablations/{ablation}", ablation=name))


@stage(
    reads=("exp/{tag}/tokens/train", "dump/{tag}/train", "{codec}"),
    writes=("exp/{tag}/judge",),
    conf=("judge", "magnet"),
    code=("recipes.judging", "audiogen.metrics.attributes"),
)
def judge(job: Job[Ttm1]) -> None:
    """Training of the judge: what tempo, metre, key and instrument a clip has."""
    from audiogen.metrics.attributes import save_judge
    from recipes.captioned import read_descriptions
    from recipes.judging import summaries, train_judge

    said = read_descriptions(job.input("dump/{tag}/train"))
    chosen = said[:: max(1, len(said) // job.conf.judge.clips)]
    clips = _rendered(job, "train", [one.id for one in chosen])
    heard = job.map(summaries, clips, "clips")
    known = [one.attributes for one in chosen]
    made = train_judge(job.conf.judge, [one for pair in zip(*heard, strict=True) for one in pair], known * 2)
    save_judge(made, job.output("exp/{tag}/judge"))


@stage(
    reads=("{codec}", "exp/{tag}/magnet/model", "exp/{tag}/twin/model"),
    writes=("exp/{tag}/system",),
    conf=("magnet", "decoding", "twin_decoding"),
    code=("audiogen.checkpoints.nano_music",),
)
def pack(job: Job[Ttm1]) -> None:
    """Packing of the system: one folder for the codec, one for both models and their text encoder."""
    from audiogen.checkpoints.nano_music import pack_music

    pack_music(
        job.output("exp/{tag}/system"),
        codec=job.input("{codec}"),
        magnet=job.input("exp/{tag}/magnet/model"),
        twin=job.input("exp/{tag}/twin/model"),
        duration=job.conf.magnet.seconds,
        decoding=replace(job.conf.decoding, span=job.conf.magnet.model.span),
        twin_decoding=job.conf.twin_decoding,
    )


@stage(
    reads=("dump/{tag}/test", "exp/{tag}/tokens/test", "{codec}", *MADE_WITH),
    writes=("exp/{tag}/music",),
    conf=("magnet", "variants", "batch_size", "seed", "dtype"),
    settings=("device",),
    code=MAKING_CODE,
)
def generate(job: Job[Ttm1]) -> None:
    """Music of the test set's captions, in every way that the conf names, and the codec's copies of its clips."""
    from recipes.judging import play
    from recipes.making import batches, make_batch

    conf, out = job.conf, job.output("exp/{tag}/music")
    captions = _captions(job)
    (out / CODEC).mkdir(parents=True, exist_ok=True)
    for clip in _rendered(job, "test", list(captions)):
        play(clip.codes, clip.codec).save(out / CODEC / f"{clip.path.stem}.flac")
    makers = _makers(job)
    work = {name: batches(make, captions, out / name, conf.batch_size, conf.seed) for name, make in makers.items()}
    job.map_each(make_batch, work, "batches")


@stage(
    reads=("dump/{tag}/test", *MADE_WITH),
    writes=("exp/{tag}/costs",),
    conf=("variants", "timed", "seed", "dtype"),
    settings=("device",),
    code=MAKING_CODE,
)
def costs(job: Job[Ttm1]) -> None:
    """Seconds and passes of single captions, in every way that the conf names: nothing should run beside it."""
    from recipes.making import measure

    captions = _captions(job)
    for name, make in _makers(job).items():
        measure(make, captions, job.output("exp/{tag}/costs") / name, job.conf.timed, job.conf.seed)


@stage(
    reads=("dump/{tag}/test", "exp/{tag}/music", "exp/{tag}/costs", "exp/{tag}/judge"),
    writes=("exp/{tag}/score",),
    conf=("variants", "directions"),
    code=(
        "recipes.music_scoring",
        "recipes.scored",
        "recipes.directions",
        "recipes.figures",
        "recipes.judging",
        "audiogen.metrics.attributes",
        "audiogen.metrics.frechet",
    ),
)
def score(job: Job[Ttm1]) -> None:
    """Scoring: distances from the recordings, attributes that are heard, passes and time, and what the paper found."""
    from recipes.captioned import read_descriptions
    from recipes.directions import compare
    from recipes.making import read_costs
    from recipes.music_scoring import Item, score_item, summarise
    from recipes.scored import write_scored

    source, made, out = job.input("dump/{tag}/test"), job.input("exp/{tag}/music"), job.output("exp/{tag}/score")
    out.mkdir(exist_ok=True)
    said, judge, work = read_descriptions(source), job.input("exp/{tag}/judge"), {}
    for name in (RECORDINGS, CODEC, *job.conf.variants):
        folder = source if name == RECORDINGS else made / name
        cost = read_costs(job.input("exp/{tag}/costs") / name)
        work[name] = [
            Item(source / f"{one.id}.flac", folder / f"{one.id}.flac", one.attributes, judge, cost.get(one.id))
            for one in said
        ]
    scored = job.map_each(score_item, work, "clips")
    for name, clips in scored.items():
        write_scored(clips, out / f"{name}.jsonl")
    for row in job.map(summarise, list(scored.items()), "rows"):
        row.write(out / f"{row.system}.json")
    remarks = [compare(direction, scored) for direction in job.conf.directions]
    (out / "remarks.txt").write_text("".join(f"{remark}\n" for remark in remarks), encoding="utf-8")


@stage(
    reads=("exp/{tag}/system", "exp/{tag}/score"),
    writes=(f"{{bundle}}/{MUSIC_NAME}",),
    conf=("card",),
    code=("recipes.card", "recipes.publish"),
)
def bundle(job: Job[Ttm1]) -> None:
    """The system with its model card, as `audiogen.load` finds it by name; its codec is bundled by itself."""
    from recipes.publish import bundle_models

    bundle_models(job, "exp/{tag}/system", (MUSIC_NAME,))


@stage(
    reads=("exp/{tag}/score",),
    writes=("{results}",),
    conf=("title", "introduction"),
    code=("recipes.publish", "recipes.results"),
)
def results(job: Job[Ttm1]) -> None:
    """RESULTS.md from the score files of every conf that was run."""
    from recipes.publish import write_results

    write_results(job, items="clips")


def _train_magnet(job: Job[Ttm1], conf: MagnetTraining, out: Path) -> None:
    from audiogen.training.music import train_magnet

    train, dev = _archive(job, "train"), _archive(job, "dev")
    job.call(_run, functools.partial(train_magnet, conf, train, dev, job.input("{codec}"), out))


def _archive(job: Job[Ttm1], split: str) -> CaptionedTokens:
    """The codes and captions of a split."""
    tokens, clips = job.input(f"exp/{{tag}}/tokens/{split}"), job.input(f"dump/{{tag}}/{split}")
    return CaptionedTokens(tokens=tokens, captions=clips / LIST)


def _rendered(job: Job[Ttm1], split: str, names: Sequence[str]) -> list[Rendered]:
    """Some clips of a split, with the codes of the levels that the models make."""
    from audiogen.training.clips import read_clips

    folder, codec = job.input(f"dump/{{tag}}/{split}"), job.input("{codec}")
    codes, levels = read_clips(job.input(f"exp/{{tag}}/tokens/{split}")), job.conf.magnet.model.levels
    return [Rendered(folder / f"{name}.flac", codes[name][:levels], codec) for name in names]


def _captions(job: Job[Ttm1]) -> dict[str, str]:
    """Id of a test clip -> the caption that is asked for."""
    from recipes.captioned import read_descriptions

    return {one.id: one.captions[0] for one in read_descriptions(job.input("dump/{tag}/test"))}


def _makers(job: Job[Ttm1]) -> dict[str, MusicMaker]:
    """Row of the table -> what makes its music."""
    system, found = job.input("exp/{tag}/system") / MUSIC_NAME, {}
    for name, variant in job.conf.variants.items():
        folder = variant.ablation and job.input("exp/{tag}/ablations/{ablation}", ablation=variant.ablation) / "model"
        found[name] = MusicMaker(variant, system, folder or None, job.conf.device, job.conf.dtype)
    return found


def _run(function: functools.partial[Any]) -> None:
    """Call a bound function, for its effect on the disk."""
    function()


RECIPE = Recipe(
    name="ttm1",
    conf=Ttm1,
    stages=(data, render, tokens, magnet, twin, ablations, judge, pack, generate, costs, score, bundle, results),
)
