"""Text to speech with one speaker: codec, semantic tokenizer, text to semantic, semantic to acoustic (MaskGCT).

`data/` holds the Kaldi data dirs, `dump/` what does not depend on the conf's models, `exp/<conf>/` everything else.
"""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audiogen.checkpoints import resolve
from audiogen.checkpoints.nano import CODEC_NAME, TTS_NAME, SpeechDecoding
from audiogen.errors import InputError
from audiogen.training.codec import CodecTraining
from audiogen.training.tokenizer import TokenizerTraining
from audiogen.training.tts import AcousticTraining, DurationTraining, SemanticTraining
from recipes.card import Card
from recipes.data import read_data_dir, validate_data_dir, write_data_dir
from recipes.progress import track
from recipes.stages import Job, Recipe, stage

logger = logging.getLogger(__name__)

VOICE_SETS = ("train", "dev", "test")
"""Sets of the speaker; the others of the conf train the codec only."""
PARTS = ("codec", "tokenizer", "durations", "t2s", "s2a")
"""Models that make up the voice."""


@dataclass(frozen=True, kw_only=True)
class TTS1:
    """The conf of this recipe."""

    corpus: Path
    """Folder with the data dirs train, dev and test."""
    sentences: Path
    """Text file with sentences that no set has, one per line; synthesised as unseen text."""
    codec_corpora: dict[str, Path] = field(default_factory=dict)
    """Further data dirs that train the codec, by name."""
    language: str = "en"
    tts_model: str | None = None
    """Name or folder of a voice whose models are taken as they are; None: they are trained."""
    codec: CodecTraining = field(default_factory=CodecTraining)
    tokenizer: TokenizerTraining = field(default_factory=TokenizerTraining)
    durations: DurationTraining = field(default_factory=DurationTraining)
    t2s: SemanticTraining = field(default_factory=SemanticTraining)
    """Its model's vocab_size follows from the tokenizer's."""
    s2a: AcousticTraining = field(default_factory=AcousticTraining)
    """Its model's two vocabularies follow from codec and tokenizer; its levels may be fewer than the codec's."""
    cuts_per_shard: int = 200
    """Utterances per shard of the token archives."""
    decoding: SpeechDecoding = field(default_factory=SpeechDecoding)
    """Comes with the packed voice."""
    seed: int = 0
    """Of the synthesised sentences."""
    bundle: Path = Path("exp/bundle")
    """Where stage bundle copies the voice; ../../../audiogen/bundled ships it with the package."""
    card: Card = field(default_factory=Card)
    """What the model cards say."""
    results: Path = Path("RESULTS.md")
    title: str
    """Heading of RESULTS.md."""
    introduction: str
    """What RESULTS.md says about data and measurement."""
    device: str = "cpu"
    """Where tokens are extracted and speech is synthesised; training takes a GPU where there is one."""
    cluster: dict[str, Any] = field(default_factory=dict)
    """Options of the jobs with `--cmd slurm` (submitit's) or `--cmd ray`."""

    def __post_init__(self) -> None:
        if taken := set(VOICE_SETS) & set(self.codec_corpora):
            raise InputError(f"codec_corpora: expected names other than {', '.join(taken)}. Rename them.")

    @property
    def sets(self) -> dict[str, tuple[str, ...]]:
        """Data sets: all, those of the speaker, and those that the codec's training reads."""
        more = tuple(self.codec_corpora)
        return {"set": (*VOICE_SETS, *more), "voice_set": VOICE_SETS, "codec_set": ("train", "dev", *more)}


@stage(
    reads=("{corpus}",),
    writes=("data/{set}",),
    conf=("codec_corpora",),
    code=("recipes.data",),
)
def data(job: Job[TTS1]) -> None:
    """Data preparation: corpus to validated Kaldi data dirs."""
    sources = {name: job.input("{corpus}") / name for name in VOICE_SETS} | job.conf.codec_corpora
    for name, source in sources.items():
        validate_data_dir(source, decode=True)
        write_data_dir(read_data_dir(source), job.output("data/{set}", set=name))
        validate_data_dir(job.output("data/{set}", set=name))


@stage(
    reads=("data/{set}",),
    writes=tuple(f"dump/{{set}}/{kind}.jsonl.gz" for kind in ("recordings", "supervisions", "cuts")),
    conf=("language",),
    code=("recipes.manifests",),
)
def manifests(job: Job[TTS1]) -> None:
    """Lhotse manifests of the data dirs."""
    from recipes.manifests import make_manifests

    for name in job.names["set"]:
        made = make_manifests(job.input("data/{set}", set=name), job.conf.language)
        for kind, manifest in zip(("recordings", "supervisions", "cuts"), made, strict=True):
            manifest.to_file(job.output(f"dump/{{set}}/{kind}.jsonl.gz", set=name))


@stage(
    reads=("dump/{set}/cuts.jsonl.gz",),
    writes=("dump/{set}/pitch.safetensors", "dump/{voice_set}/aligned.jsonl.gz"),
    code=("audiogen.training.alignment", "audiogen.training.pitch"),
)
def align(job: Job[TTS1]) -> None:
    """Alignment of phones to sound, and pitch."""
    from audiogen.training.alignment import align as align_cuts
    from audiogen.training.pitch import track_cuts

    work = [(align_cuts, name, f"dump/{name}/aligned.jsonl.gz") for name in VOICE_SETS]
    work += [(track_cuts, name, f"dump/{name}/pitch.safetensors") for name in job.names["set"]]
    missing = [
        (function, job.input("dump/{set}/cuts.jsonl.gz", set=name), job.output(out))
        for function, name, out in work
        if not job.output(out).exists()
    ]
    job.map(_call, missing, "files")


@stage(
    reads=("dump/{codec_set}/cuts.jsonl.gz", "dump/{codec_set}/pitch.safetensors"),
    writes=("exp/{tag}/codec",),
    conf=("codec", "tts_model"),
    code=("audiogen.training.codec", "audiogen.codecs.nano"),
)
def codec(job: Job[TTS1]) -> None:
    """Training of the codec."""
    from audiogen.training.codec import train

    if _taken(job, "codec"):
        return
    cuts = {name: job.input("dump/{codec_set}/cuts.jsonl.gz", codec_set=name) for name in job.names["codec_set"]}
    dev = cuts.pop("dev")
    job.call(_run, functools.partial(train, job.conf.codec, [*cuts.values()], dev, job.output("exp/{tag}/codec")))


@stage(
    reads=("dump/train/aligned.jsonl.gz", "dump/dev/aligned.jsonl.gz"),
    writes=("exp/{tag}/tokenizer",),
    conf=("tokenizer", "tts_model"),
    code=("audiogen.training.tokenizer", "audiogen.codecs.semantic"),
)
def tokenizer(job: Job[TTS1]) -> None:
    """Training of the semantic tokenizer."""
    from audiogen.training.tokenizer import train

    if _taken(job, "tokenizer"):
        return
    cuts, dev = (job.input(f"dump/{name}/aligned.jsonl.gz") for name in ("train", "dev"))
    job.call(_run, functools.partial(train, job.conf.tokenizer, cuts, dev, job.output("exp/{tag}/tokenizer")))


@stage(
    reads=("dump/{voice_set}/aligned.jsonl.gz", "exp/{tag}/codec/model", "exp/{tag}/tokenizer/model"),
    writes=("exp/{tag}/tokens/{voice_set}",),
    conf=("cuts_per_shard",),
    settings=("device",),
    code=("recipes.tokens",),
)
def tokens(job: Job[TTS1]) -> None:
    """Token extraction: sound to codes, as Lhotse Shar."""
    from recipes.tokens import missing_shards, write_shard

    models = job.input("exp/{tag}/codec/model"), job.input("exp/{tag}/tokenizer/model")
    for name in VOICE_SETS:
        cuts, folder = job.input(f"dump/{name}/aligned.jsonl.gz"), job.output(f"exp/{{tag}}/tokens/{name}")
        shards = missing_shards(cuts, folder, job.conf.cuts_per_shard, *models, job.conf.device)
        frames = sum(job.map(write_shard, shards, f"shards of {name}"))
        logger.info("%s: %d shards, %d frames", name, len(shards), frames)


@stage(
    reads=("exp/{tag}/tokens/train", "exp/{tag}/tokens/dev"),
    writes=("exp/{tag}/durations", "exp/{tag}/t2s"),
    conf=("durations", "t2s", "tokenizer", "tts_model"),
    code=("audiogen.training.tts", "audiogen.models.maskgct", "audiogen.models.duration"),
)
def t2s(job: Job[TTS1]) -> None:
    """Training of text to semantic codes, and of the durations."""
    from audiogen.training.tts import train_durations, train_semantic

    if _taken(job, "durations", "t2s"):
        return
    conf = job.conf.t2s
    model = replace(conf.model, vocab_size=job.conf.tokenizer.model.vocab_size)
    _train(job, train_durations, job.conf.durations, "exp/{tag}/durations")
    _train(job, train_semantic, replace(conf, model=model), "exp/{tag}/t2s")


@stage(
    reads=("exp/{tag}/tokens/train", "exp/{tag}/tokens/dev"),
    writes=("exp/{tag}/s2a",),
    conf=("s2a", "tokenizer", "codec", "tts_model"),
    code=("audiogen.training.tts", "audiogen.models.maskgct"),
)
def s2a(job: Job[TTS1]) -> None:
    """Training of semantic to acoustic codes."""
    from audiogen.training.tts import train_acoustic

    if _taken(job, "s2a"):
        return
    codec, tokenizer = job.conf.codec.model, job.conf.tokenizer.model
    conf = job.conf.s2a
    model = replace(conf.model, vocab_size=codec.vocab_size, semantic_vocab_size=tokenizer.vocab_size)
    _train(job, train_acoustic, replace(conf, model=model), "exp/{tag}/s2a")


@stage(
    reads=tuple(f"exp/{{tag}}/{part}/model" for part in PARTS),
    writes=("exp/{tag}/voice",),
    conf=("decoding",),
    code=("audiogen.checkpoints.nano",),
)
def voice(job: Job[TTS1]) -> None:
    """Packing of the voice: one folder for the codec, one for the rest, weights in 8 bits."""
    from audiogen.checkpoints.nano import pack

    folders = {part: job.input(f"exp/{{tag}}/{part}/model") for part in PARTS}
    pack(job.output("exp/{tag}/voice"), decoding=job.conf.decoding, **folders)


@stage(
    reads=("data/test", "{sentences}", "exp/{tag}/voice"),
    writes=("exp/{tag}/speech",),
    conf=("seed",),
    settings=("device",),
    code=("recipes.synthesis", "audiogen.pipelines.speech", "audiogen.decoding.decoder"),
)
def synthesis(job: Job[TTS1]) -> None:
    """Synthesis: the test sentences and unseen ones, and the codec's copy of the recordings."""
    from audiogen.checkpoints import load
    from audiogen.pipelines.evaluate import read_test_set
    from audiogen.pipelines.tts import TTS
    from recipes.synthesis import one_take_each, resynthesise, speak

    folder, packed = job.output("exp/{tag}/speech"), job.input("exp/{tag}/voice")
    takes = one_take_each(job.input("data/test"))
    write_data_dir(takes, folder / "test.recordings")
    copies = resynthesise(load(packed / CODEC_NAME), takes, folder / "test.codec")
    write_data_dir(track(copies, len(takes), "recordings"), folder / "test.codec")
    sets = {"test": {u.utt_id: u.text for u in takes}, "unseen": read_test_set(job.input("{sentences}")).texts}
    tts = TTS(packed / TTS_NAME, device=job.conf.device)
    for name, texts in sets.items():
        spoken = speak(tts, texts, folder / f"{name}.tts", job.conf.seed)
        write_data_dir(track(spoken, len(texts), f"sentences of {name}"), folder / f"{name}.tts")


@stage(
    reads=("exp/{tag}/speech",),
    writes=("exp/{tag}/score",),
    code=("recipes.scoring", "audiogen.metrics.speech", "audiogen.metrics.codec"),
)
def score(job: Job[TTS1]) -> None:
    """Scoring: error rates of a recogniser, likeness of the codec's copies, utterances that went wrong."""
    from recipes.scoring import items, score_item, summarise, write_scores

    out, speech = job.output("exp/{tag}/score"), job.input("exp/{tag}/speech")
    out.mkdir(exist_ok=True)
    for folder in sorted(speech.iterdir()):
        set_name, system = folder.name.split(".")
        work = items(folder, speech / "test.recordings" if system == "codec" else None)
        scored = job.map(score_item, work, f"utterances of {folder.name}")
        write_scores(scored, out / f"{folder.name}.jsonl")
        summarise(set_name, system, scored).write(out / f"{folder.name}.json")


@stage(
    reads=("exp/{tag}/voice", "exp/{tag}/score"),
    writes=(f"{{bundle}}/{CODEC_NAME}", f"{{bundle}}/{TTS_NAME}"),
    conf=("card",),
    code=("recipes.card", "recipes.publish"),
)
def bundle(job: Job[TTS1]) -> None:
    """The voice with its model cards, as `audiogen.TTS` loads it by name."""
    from recipes.publish import bundle_models

    bundle_models(job, "exp/{tag}/voice", (CODEC_NAME, TTS_NAME))


@stage(
    reads=("exp/{tag}/score",),
    writes=("{results}",),
    conf=("title", "introduction"),
    code=("recipes.publish", "recipes.results"),
)
def results(job: Job[TTS1]) -> None:
    """RESULTS.md from the score files of every conf that was run."""
    from recipes.publish import write_results

    write_results(job)


def _taken(job: Job[TTS1], *parts: str) -> bool:
    """Put these parts of the voice that is given where training would write them; False: none is given."""
    from audiogen.checkpoints.nano import unpack

    if job.conf.tts_model is None:
        return False
    for part in parts:
        unpack(resolve(job.conf.tts_model), part, job.output(f"exp/{{tag}}/{part}") / "model")
    return True


def _train(job: Job[TTS1], train: Callable[..., Path], conf: Any, out: str) -> None:
    """Train on the token archives, unless a killed run of this stage had finished that."""
    tokens, dev = (job.input(f"exp/{{tag}}/tokens/{name}") for name in ("train", "dev"))
    job.call(_run, functools.partial(train, conf, tokens, dev, job.output(out)))


def _call(work: tuple[Any, ...]) -> None:
    """Call a function with its arguments; picklable, unlike a lambda."""
    function, *arguments = work
    function(*arguments)


def _run(function: functools.partial[Any]) -> None:
    """Call a bound function, for its effect on the disk."""
    function()


RECIPE = Recipe(
    name="tts1",
    conf=TTS1,
    stages=(data, manifests, align, codec, tokenizer, tokens, t2s, s2a, voice, synthesis, score, bundle, results),
)
