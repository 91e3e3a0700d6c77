"""The conf of the recipe tta1.

Everything is checked against everything else before any work: kinds of clips, rows, and models for comparison.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from audiogen.checkpoints.nano_sound import SoundDecoding
from audiogen.errors import InputError
from audiogen.training.audio_text import PairTraining
from audiogen.training.band_predictor import BandPredictorTraining
from audiogen.training.sound import SoundTraining
from audiogen.training.spectrogram import SpectrogramTraining
from recipes.card import Card
from recipes.directions import Direction
from recipes.judging import JudgeTraining
from recipes.probing import ProbeConfig
from recipes.repairs import RepairConfig
from recipes.sound_clips import PROCEDURAL, RenderConfig
from recipes.sound_judging import JUDGE
from recipes.sound_rows import ABLATIONS, DIRECTIONS, STEPS, SYSTEM, VARIANTS, Ablation, Variant
from recipes.sounds import Corpus
from recipes.sources import SPLITS

LEARNT = SPLITS[:2]
"""Splits that models are trained and chosen by."""


@dataclass(frozen=True, kw_only=True)
class Tta1:
    """The conf of this recipe."""

    data: Path | None = None
    """Folder of the data sets; None: only procedural sounds."""
    corpora: dict[str, Corpus] = field(default_factory=dict)
    """Data sets by name."""
    judged: str = PROCEDURAL
    """Kind of clips whose classes the judge tells apart: a data set, or procedural."""
    captions_per_class: int = 10
    """Held-out wordings of each class that are asked of the system."""
    render: RenderConfig = field(default_factory=RenderConfig)
    sound_model: str | None = None
    """Name or folder of a system of which all parts are taken as they are, but for a model with a `start` and for a
    predictor where it has none; None: they are trained."""
    codec: SpectrogramTraining = field(default_factory=SpectrogramTraining)
    predictor: BandPredictorTraining = field(default_factory=BandPredictorTraining)
    """Of the bands that a sound lacks."""
    pair: PairTraining = field(default_factory=PairTraining)
    clap: str = ""
    """Name of a published CLAP that the model is conditioned on; empty: on the pair that is trained here."""
    clips_per_shard: int = 100
    """Clips per shard of the token archives."""
    model: SoundTraining = field(default_factory=SoundTraining)
    ablations: dict[str, Ablation] = field(default_factory=lambda: dict(ABLATIONS))
    """Models that are trained for a comparison, by name; all else as in `model`, but for the steps."""
    ablation_steps: int = 400
    judge: JudgeTraining = JUDGE
    decoding: SoundDecoding = field(default_factory=SoundDecoding)
    """Comes with the packed system."""
    variants: dict[str, Variant] = field(default_factory=lambda: dict(VARIANTS))
    """Rows of the table: ways to make sounds of the held-out captions."""
    everywhere: tuple[str, ...] = (SYSTEM,)
    """Rows that are made of the captions of procedural clips, too."""
    curve: dict[int, str] = field(default_factory=lambda: dict(STEPS))
    """Passes of the model -> row: over these, quality must not fall."""
    directions: tuple[Direction, ...] = DIRECTIONS
    """Findings of the paper that the rows are compared with."""
    repairs: RepairConfig = field(default_factory=RepairConfig)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    digits: Path | None = None
    """Kaldi data dirs train, dev and test of spoken digits, within `data`, to be probed; None: none are."""
    batch_size: int = 20
    """Captions that are made into sounds together."""
    timed: int = 3
    """Captions that are made into sounds one by one, for the latency."""
    seed: int = 0
    """Of the sounds."""
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
    """Where tokens are extracted and sounds are made; training takes a GPU where there is one."""
    cluster: dict[str, Any] = field(default_factory=dict)
    """Options of the jobs with `--cmd slurm` (submitit's) or `--cmd ray`."""

    def __post_init__(self) -> None:
        kinds = {*self.corpora, PROCEDURAL}
        if (self.corpora or self.digits) and self.data is None:
            raise InputError("corpora, digits: expected the folder that they are in, got none. Give --set data=DIR.")
        _check_names("render.train", set(self.render.train), kinds)
        _check_names("judged", {self.judged}, kinds)
        _check_names("variants", {one.ablation for one in self.variants.values()} - {""}, set(self.ablations))
        named = {*self.everywhere, *self.curve.values()}
        named |= {row for one in self.directions for row in (one.smaller, one.larger)}
        _check_names("everywhere, curve, directions", named, set(self.variants))

    @property
    def sets(self) -> dict[str, Any]:
        """What the recipe reads, its splits, and the models for comparison."""
        root = self.data or Path()
        digits = () if self.digits is None else (str(root / self.digits),)
        return {
            "source": tuple(str(root / corpus.folder) for corpus in self.corpora.values()),
            "digits": digits,
            "split": SPLITS,
            "learnt": LEARNT,
            "ablation": tuple(self.ablations),
        }


def _check_names(where: str, got: set[str], known: set[str]) -> None:
    if unknown := sorted(got - known):
        raise InputError(f"{where}: expected some of {', '.join(sorted(known))}, got {', '.join(unknown)}. Rename it.")


def ablated(conf: SoundTraining, change: Ablation, steps: int) -> SoundTraining:
    """A short training with one thing in another way."""
    given = {name: value for name, value in asdict(change).items() if value is not None and name != "entry"}
    entry = change.entry or conf.model.entry
    fit, model = replace(conf.fit, steps=steps), replace(conf.model, entry=entry)
    return replace(conf, **given, start="", fit=fit, model=model)
