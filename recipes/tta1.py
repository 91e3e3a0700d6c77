"""Text to sound: a spectrogram codec, an audio/text pair, and SpecMaskGIT on recorded and procedural sounds.

`data/` holds the lists of recordings, `dump/<conf>/` the clips and captions, `exp/<conf>/` everything else.
"""

import functools
import logging
import operator
import shutil
from dataclasses import replace
from pathlib import Path

from audiogen.checkpoints import resolve
from audiogen.checkpoints.nano_sound import SOUND_CODEC_NAME, SOUND_NAME, parts_of, unpack_sound
from audiogen.training.audio_text import CaptionedSounds
from audiogen.training.sound import EmbeddedTokens, SoundTraining
from recipes.described import LIST
from recipes.sound_conf import LEARNT, Tta1, ablated
from recipes.sound_generations import SoundMaker
from recipes.sources import SPLITS
from recipes.stages import Job, Recipe, stage

logger = logging.getLogger(__name__)

CREDITS, CHANGES = "CREDITS.md", "changes.jsonl"
MODEL_CODE = ("audiogen.training.sound", "audiogen.models.specmaskgit")
TRAINED_ON = tuple(f"exp/{{tag}}/{part}/{name}" for part in ("tokens", "embeddings") for name in LEARNT)
MADE_WITH = ("exp/{tag}/system", "exp/{tag}/ablations/{ablation}")
MAKING_CODE = ("recipes.sound_generations", "recipes.making", "audiogen.decoding.decoder")
PROCEDURES = "animals catalogue kinds machines people shaping signals strokes weather".split()
RENDER_CODE = (
    *("recipes.sound_clips", "recipes.described", "recipes.asking", "recipes.wordings"),
    *(f"recipes.synth.procedural.{name}" for name in PROCEDURES),
)


@stage(
    reads=("{source}",),
    writes=("data/{split}.jsonl", f"data/{CREDITS}"),
    conf=("data", "corpora"),
    code=("recipes.sounds", "recipes.sound_corpora"),
)
def data(job: Job[Tta1]) -> None:
    """Data preparation: which recordings each split has, and whom they are by."""
    from recipes.sound_corpora import read_corpus
    from recipes.sounds import credits, write_sounds

    root = job.conf.data or Path()
    corpora = {name: replace(one, folder=root / one.folder) for name, one in job.conf.corpora.items()}
    sounds = [sound for name, corpus in corpora.items() for sound in read_corpus(name, corpus)]
    parts = {name: [sound for sound in sounds if sound.split == name] for name in SPLITS}
    for name, part in parts.items():
        write_sounds(part, job.output("data/{split}.jsonl", split=name))
    page = credits(parts)
    job.output(f"data/{CREDITS}").write_text(page, encoding="utf-8")
    logger.info("%s", page.partition("\n- ")[0])


@stage(
    reads=("data/{split}.jsonl", "{source}"),
    writes=("dump/{tag}/{split}", "dump/{tag}/asked.jsonl"),
    conf=("render", "judged", "captions_per_class"),
    code=RENDER_CODE,
)
def render(job: Job[Tta1]) -> None:
    """Clips and captions: recordings, changed and mixed for training, and procedural sounds; held-out captions."""
    from recipes.asking import ask, write_asked
    from recipes.described import write_lists
    from recipes.sound_clips import held_out_orders, make_clip, training_orders

    conf, said = job.conf.render, {}
    for number, name in enumerate(SPLITS):
        folder = job.output("dump/{tag}/{split}", split=name)
        folder.mkdir(parents=True, exist_ok=True)
        sounds, seed = job.input("data/{split}.jsonl", split=name), (conf.seed, number)
        if name == "train":
            orders = training_orders(sounds, folder, conf, seed)
        else:
            orders = held_out_orders(sounds, folder, conf, conf.dev if name == "dev" else conf.test, seed)
        made = job.map(make_clip, orders, f"clips of {name}")
        write_lists(made, folder)
        said[name] = [description for _, description in made]
    seen = {text for one in said["train"] for text in one.captions}
    asked = ask(said["test"], seen, job.conf.judged, job.conf.captions_per_class)
    write_asked(asked, job.output("dump/{tag}/asked.jsonl"))
    logger.info("%d held-out captions", len(asked))


@stage(
    reads=("dump/{tag}/train", "dump/{tag}/dev"),
    writes=("exp/{tag}/codec",),
    conf=("codec", "sound_model"),
    code=("audiogen.training.spectrogram", "audiogen.training.vocoder", "audiogen.codecs.spectrogram_networks"),
)
def codec(job: Job[Tta1]) -> None:
    """Training of the codec: the autoencoder of spectrograms, then the vocoder, unless a system is given."""
    from audiogen.training.spectrogram import train

    clips, dev, out = [job.input("dump/{tag}/train")], job.input("dump/{tag}/dev"), job.output("exp/{tag}/codec")
    if _taken(job, "codec", out):
        return
    job.call(operator.call, functools.partial(train, job.conf.codec, clips, dev, out))


@stage(
    reads=("dump/{tag}/train", "dump/{tag}/dev", "exp/{tag}/codec/model"),
    writes=("exp/{tag}/predictor",),
    conf=("predictor", "sound_model"),
    code=("audiogen.training.band_predictor", "audiogen.models.band_predictor", "audiogen.pipelines.bandwidth"),
)
def predictor(job: Job[Tta1]) -> None:
    """Training of what predicts the bands that a sound lacks, unless a system is given that has it."""
    from audiogen.training.band_predictor import train_band_predictor
    from recipes.sound_clips import read_descriptions
    from recipes.sound_items import has_all_bands

    out = job.output("exp/{tag}/predictor")
    if _taken(job, "predictor", out):
        return
    clips, dev = (job.input(f"dump/{{tag}}/{name}") for name in LEARNT)
    said = read_descriptions(clips)
    whole = job.map(has_all_bands, [clips / f"{one.id}.flac" for one in said], "clips, whether they have all bands")
    kinds: dict[str, list[Path]] = {}
    for one, is_whole in zip(said, whole, strict=True):
        if is_whole:
            kinds.setdefault(one.kind, []).append(clips / f"{one.id}.flac")
    logger.info("%d of %d clips have all bands", sum(whole), len(whole))
    held_out = [dev / f"{one.id}.flac" for one in read_descriptions(dev)]
    given = job.conf.predictor, list(kinds.values()), held_out, job.input("exp/{tag}/codec/model"), out
    job.call(operator.call, functools.partial(train_band_predictor, *given))


@stage(
    reads=("dump/{tag}/train", "dump/{tag}/dev"),
    writes=("exp/{tag}/pair",),
    conf=("pair", "sound_model"),
    code=("audiogen.training.audio_text", "audiogen.conditioning.audio_text"),
)
def pair(job: Job[Tta1]) -> None:
    """Training of the pair of networks that hear sounds and read captions into one space, unless a system is given."""
    from audiogen.training.audio_text import train_pair

    (train, dev), out = (_captioned(job, name) for name in LEARNT), job.output("exp/{tag}/pair")
    if _taken(job, "pair", out):
        return
    job.call(operator.call, functools.partial(train_pair, job.conf.pair, train, dev, out))


@stage(
    reads=("dump/{tag}/{split}", "exp/{tag}/codec/model", "exp/{tag}/pair/model"),
    writes=("exp/{tag}/tokens/{split}", "exp/{tag}/embeddings/{learnt}"),
    conf=("clips_per_shard", "clap"),
    settings=("device",),
    code=("recipes.clip_tokens", "audiogen.pipelines.coding", "audiogen.training.audio_text"),
)
def tokens(job: Job[Tta1]) -> None:
    """Token extraction: clips to codes, in safetensors shards, and what the embedder makes of clips and captions."""
    from audiogen.checkpoints.nano_sound import load_embedder
    from audiogen.training.audio_text import embed_sounds
    from recipes.clip_tokens import missing_shards, write_shard

    made_by = job.input("exp/{tag}/codec/model")
    for name in SPLITS:
        clips, archive = job.input("dump/{tag}/{split}", split=name), job.output("exp/{tag}/tokens/{split}", split=name)
        shards = missing_shards([clips], archive, job.conf.clips_per_shard, made_by, job.conf.device)
        frames = sum(job.map(write_shard, shards, f"shards of {name}"))
        logger.info("%s: %d shards, %d columns", name, len(shards), frames)
    embedder = load_embedder(_embedder(job), device=job.conf.device)
    for name in LEARNT:
        embed_sounds(embedder, _captioned(job, name), job.output("exp/{tag}/embeddings/{learnt}", learnt=name))


@stage(
    reads=(*TRAINED_ON, "exp/{tag}/codec/model"),
    writes=("exp/{tag}/model",),
    conf=("model", "sound_model"),
    code=MODEL_CODE,
)
def model(job: Job[Tta1]) -> None:
    """Training of SpecMaskGIT, unless a system is given, and none that it starts from."""
    out = job.output("exp/{tag}/model")
    if not job.conf.model.start and _taken(job, "model", out):
        return
    _train(job, job.conf.model, out)


@stage(
    reads=(*TRAINED_ON, "exp/{tag}/codec/model"),
    writes=("exp/{tag}/ablations/{ablation}",),
    conf=("model", "ablations", "ablation_steps"),
    code=MODEL_CODE,
)
def ablations(job: Job[Tta1]) -> None:
    """Shorter training of SpecMaskGITs for a comparison, each with one thing in another way."""
    for name, change in job.conf.ablations.items():
        logger.info("%s: %s", name, change)
        conf = ablated(job.conf.model, change, job.conf.ablation_steps)
        _train(job, conf, job.output("exp/{tag}/ablations/{ablation}", ablation=name))


@stage(
    reads=("dump/{tag}/train", "dump/{tag}/dev"),
    writes=("exp/{tag}/judge",),
    conf=("judge", "judged"),
    code=("recipes.sound_judging", "recipes.judging", "audiogen.metrics.classes"),
)
def judge(job: Job[Tta1]) -> None:
    """Training of the judge on clips of the judged data set alone: which class a sound is of."""
    from audiogen.metrics.classes import save_class_judge
    from recipes.sound_clips import read_descriptions
    from recipes.sound_judging import accuracy, heard, labelled, train_class_judge

    summaries, categories = {}, {}
    for name in LEARNT:
        folder = job.input(f"dump/{{tag}}/{name}")
        chosen = labelled(read_descriptions(folder), job.conf.judged, job.conf.judge.clips)
        summaries[name] = job.map(heard, [folder / f"{one.id}.flac" for one in chosen], f"clips of {name}")
        categories[name] = [one.category for one in chosen]
    made = train_class_judge(job.conf.judge, summaries["train"], categories["train"])
    logger.info(
        "%.3f of %d dev clips right", accuracy(made, summaries["dev"], categories["dev"]), len(summaries["dev"])
    )
    save_class_judge(made, job.output("exp/{tag}/judge"))


@stage(
    reads=tuple(f"exp/{{tag}}/{part}/model" for part in ("codec", "pair", "predictor", "model")),
    writes=("exp/{tag}/system",),
    conf=("decoding", "clap"),
    code=("audiogen.checkpoints.nano_sound",),
)
def pack(job: Job[Tta1]) -> None:
    """Packing of the system: one folder for the codec, one for model and pair, weights in 8 bits."""
    from audiogen.checkpoints.nano_sound import pack_sound

    pack_sound(
        job.output("exp/{tag}/system"),
        codec=job.input("exp/{tag}/codec/model"),
        model=job.input("exp/{tag}/model/model"),
        pair=_embedder(job),
        predictor=job.input("exp/{tag}/predictor/model"),
        decoding=job.conf.decoding,
    )


@stage(
    reads=(
        *("dump/{tag}/test", "dump/{tag}/asked.jsonl", "exp/{tag}/tokens/test", "exp/{tag}/codec/model"),
        *MADE_WITH,
    ),
    writes=("exp/{tag}/sounds",),
    conf=("variants", "everywhere", "judged", "batch_size", "seed"),
    settings=("device",),
    code=MAKING_CODE,
)
def generate(job: Job[Tta1]) -> None:
    """Sounds of the held-out captions, in every way that the conf names, and the codec's copies of held-out clips."""
    from recipes.asking import read_asked
    from recipes.making import batches, make_batch
    from recipes.sound_clips import read_descriptions
    from recipes.sound_generations import copies
    from recipes.sound_items import sets_of

    conf, out = job.conf, job.output("exp/{tag}/sounds")
    asked = read_asked(job.input("dump/{tag}/asked.jsonl"))
    held_out = sets_of(read_descriptions(job.input("dump/{tag}/test")), conf.judged)
    names = {name: [one.id for one in clips] for name, clips in held_out.items()}
    copies(job.input("exp/{tag}/tokens/test"), job.input("exp/{tag}/codec/model"), names, out)
    work = {}
    for name, make in _makers(job).items():
        for kind in dict.fromkeys(one.set for one in asked if one.category or name in conf.everywhere):
            captions = {one.id: one.text for one in asked if one.set == kind}
            work[kind, name] = batches(make, captions, out / kind / name, conf.batch_size, conf.seed)
    job.map_each(make_batch, work, "batches")


@stage(
    reads=("dump/{tag}/asked.jsonl", *MADE_WITH),
    writes=("exp/{tag}/costs",),
    conf=("variants", "timed", "seed"),
    settings=("device",),
    code=MAKING_CODE,
)
def costs(job: Job[Tta1]) -> None:
    """Seconds and passes of single captions, in every way that the conf names: nothing should run beside it."""
    from recipes.asking import read_asked
    from recipes.making import measure

    captions = {one.id: one.text for one in read_asked(job.input("dump/{tag}/asked.jsonl")) if one.category}
    for name, make in _makers(job).items():
        measure(make, captions, job.output("exp/{tag}/costs") / name, job.conf.timed, job.conf.seed)


@stage(
    reads=("dump/{tag}/test", "exp/{tag}/system"),
    writes=("exp/{tag}/repairs",),
    conf=("repairs", "seed"),
    settings=("device",),
    code=(
        "recipes.repairs",
        "audiogen.pipelines.sound",
        "audiogen.pipelines.sound_canvas",
        "audiogen.pipelines.sound_evidence",
        "audiogen.decoding.decoder",
    ),
)
def repair(job: Job[Tta1]) -> None:
    """Held-out clips mended: the missing upper band, and a missing stretch of time, beside what needs no model."""
    from recipes.repairs import mend, repairs
    from recipes.sound_items import mended_clips

    conf, folder, system = job.conf, job.input("dump/{tag}/test"), job.input("exp/{tag}/system") / SOUND_NAME
    clips = {one.id: folder / f"{one.id}.flac" for one in mended_clips(folder, conf.repairs.clips)}
    missing = repairs(clips, job.output("exp/{tag}/repairs"), conf.repairs, system, conf.device, conf.seed)
    job.map(mend, missing, "repairs")


@stage(
    reads=("dump/{tag}/{split}", "{digits}", "exp/{tag}/system"),
    writes=("exp/{tag}/probe",),
    conf=("probe", "digits", "judged"),
    settings=("device",),
    code=("recipes.probing", "audiogen.pipelines.coding"),
)
def probe(job: Job[Tta1]) -> None:
    """Linear probe of what the model knows of spoken digits and of classes of sounds."""
    from audiogen.checkpoints.nano_sound import load_sound
    from recipes.probing import probe_all
    from recipes.sound_items import labelled_clips, labelled_digits

    folders = {name: job.input("dump/{tag}/{split}", split=name) for name in SPLITS}
    sets = {f"classes of {job.conf.judged}": labelled_clips(folders, job.conf.judged)}
    if job.conf.digits is not None:
        sets["digits"] = labelled_digits(Path(job.names["digits"][0]))
    system = load_sound(job.input("exp/{tag}/system") / SOUND_NAME, job.conf.device)
    probe_all(system, sets, job.conf.probe, job.output("exp/{tag}/probe"))


@stage(
    reads=(
        *("dump/{tag}/dev", "dump/{tag}/test", "dump/{tag}/asked.jsonl", "exp/{tag}/sounds", "exp/{tag}/costs"),
        *("exp/{tag}/repairs", "exp/{tag}/probe", "exp/{tag}/judge", "exp/{tag}/pair/model"),
    ),
    writes=("exp/{tag}/score",),
    conf=("variants", "curve", "directions", "judged", "repairs"),
    code=(
        *("recipes.sound_scoring", "recipes.sound_items", "recipes.scored", "recipes.figures", "recipes.curves"),
        *("recipes.directions", "audiogen.metrics.bands", "audiogen.metrics.classes", "audiogen.metrics.frechet"),
    ),
)
def score(job: Job[Tta1]) -> None:
    """Scoring: classes that are heard, distances, likeness to captions, passes and time; targets and findings."""
    from recipes.asking import read_asked
    from recipes.curves import changes, write_changes
    from recipes.directions import compare
    from recipes.results import Score
    from recipes.scored import write_scored
    from recipes.sound_items import Shelf
    from recipes.sound_scoring import LOSSES, score_item, score_mended, summarise, targets

    conf, out = job.conf, job.output("exp/{tag}/score")
    out.mkdir(exist_ok=True)
    shelf = Shelf(
        dev=job.input("dump/{tag}/dev"),
        test=job.input("dump/{tag}/test"),
        asked=read_asked(job.input("dump/{tag}/asked.jsonl")),
        sounds=job.input("exp/{tag}/sounds"),
        costs=job.input("exp/{tag}/costs"),
        repairs=job.input("exp/{tag}/repairs"),
        judged=conf.judged,
        judge=job.input("exp/{tag}/judge"),
        pair=str(job.input("exp/{tag}/pair/model")),
    )
    made = job.map_each(score_item, dict(shelf.items(list(conf.variants))), "sounds")
    mended = job.map_each(score_mended, dict(shelf.mended(conf.repairs.clips)), "mended clips")
    scores = [Score.read(path) for path in sorted(job.input("exp/{tag}/probe").glob("*.json"))]
    rows = {**made, **mended}
    for (name, system), sounds in rows.items():
        write_scored(sounds, out / f"{name}.{system}.jsonl")
    scores += job.map(summarise, list(rows.items()), "rows")
    for one in scores:
        one.write(out / f"{one.set}.{one.system}.json")
    judged = {row: sounds for (name, row), sounds in made.items() if name == conf.judged}
    remarks = targets(scores, conf.judged, conf.curve) + [compare(one, judged) for one in conf.directions]
    (out / "remarks.txt").write_text("".join(f"{remark}\n" for remark in remarks), encoding="utf-8")
    points = {passes: judged[row] for passes, row in conf.curve.items()}
    write_changes(changes(conf.judged, points, LOSSES), out / CHANGES)


@stage(
    reads=("exp/{tag}/score",),
    writes=("exp/{tag}/curves.txt",),
    code=("recipes.curves",),
)
def curves(job: Job[Tta1]) -> None:
    """Check that more passes make no sound worse."""
    from recipes.curves import check, read_changes

    found = read_changes(job.input("exp/{tag}/score") / CHANGES)
    check(found)
    job.output("exp/{tag}/curves.txt").write_text("".join(f"{change}\n" for change in found), encoding="utf-8")


@stage(
    reads=("exp/{tag}/system", "exp/{tag}/score", "exp/{tag}/curves.txt", f"data/{CREDITS}"),
    writes=(f"{{bundle}}/{SOUND_CODEC_NAME}", f"{{bundle}}/{SOUND_NAME}"),
    conf=("card",),
    code=("recipes.card", "recipes.publish"),
)
def bundle(job: Job[Tta1]) -> None:
    """The system with its model cards and credits, as `audiogen.Sound` loads it by name."""
    from recipes.publish import bundle_models

    for folder in bundle_models(job, "exp/{tag}/system", (SOUND_CODEC_NAME, SOUND_NAME)):
        shutil.copyfile(job.input(f"data/{CREDITS}"), folder / CREDITS)


@stage(
    reads=("exp/{tag}/score",),
    writes=("{results}",),
    conf=("title", "introduction"),
    code=("recipes.publish", "recipes.results"),
)
def results(job: Job[Tta1]) -> None:
    """RESULTS.md from the score files of every conf that was run."""
    from recipes.publish import write_results

    write_results(job, items="clips")


def _taken(job: Job[Tta1], part: str, out: Path) -> bool:
    """Whether the conf gives a system that has the part, which then is in `out`/model."""
    if not job.conf.sound_model or part not in parts_of(resolve(job.conf.sound_model)):
        return False
    unpack_sound(resolve(job.conf.sound_model), part, out / "model")
    return True


def _train(job: Job[Tta1], conf: SoundTraining, out: Path) -> None:
    from audiogen.training.sound import train_specmaskgit

    train, dev = (
        EmbeddedTokens(**{part: job.input(f"exp/{{tag}}/{part}/{name}") for part in ("tokens", "embeddings")})
        for name in LEARNT
    )
    codec = job.input("exp/{tag}/codec/model")
    job.call(operator.call, functools.partial(train_specmaskgit, conf, train, dev, codec, out))


def _captioned(job: Job[Tta1], split: str) -> CaptionedSounds:
    """The clips and captions of a split."""
    folder = job.input(f"dump/{{tag}}/{split}")
    return CaptionedSounds(folder=folder, captions=folder / LIST)


def _makers(job: Job[Tta1]) -> dict[str, SoundMaker]:
    """Row of the table -> what makes its sounds."""
    system, found = job.input("exp/{tag}/system") / SOUND_NAME, {}
    for name, variant in job.conf.variants.items():
        folder = variant.ablation and job.input("exp/{tag}/ablations/{ablation}", ablation=variant.ablation) / "model"
        found[name] = SoundMaker(variant, system, folder or None, job.conf.device)
    return found


def _embedder(job: Job[Tta1]) -> str:
    """Name or folder of what the model is conditioned on."""
    return job.conf.clap or str(job.input("exp/{tag}/pair/model"))


RECIPE = Recipe(
    name="tta1",
    conf=Tta1,
    stages=(
        *(data, render, codec, predictor, pair, tokens, model, ablations, judge, pack, generate, costs, repair, probe),
        *(score, curves, bundle, results),
    ),
)
