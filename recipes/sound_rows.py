"""Rows of the result table of text to sound, and what the paper says about pairs of them."""

from dataclasses import dataclass

from audiogen.models.specmaskgit import Entry
from recipes.directions import Direction

RECORDINGS, OTHERS, CODEC = "recordings", "other recordings", "codec"
"""Rows that nobody generated: the held-out clips, those of the dev split in their place, and the codec's copies."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to make sounds; what is None is as in the system's settings."""

    ablation: str = ""
    """The model of this name, which was trained for a comparison; empty: the system's."""
    steps: int | None = None
    guidance: float | None = None
    """1 is off."""
    temperature: float | None = None
    confidence_temperature: float | None = None

    @property
    def settings(self) -> dict[str, float]:
        """The settings of decoding that are given."""
        names = ("steps", "guidance", "temperature", "confidence_temperature")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What one model that is trained for a comparison has in another way; what is None is as in the system's."""

    text_share: float | None = None
    embedding_noise: float | None = None
    regions: float | None = None
    entry: Entry | None = None
    """Where the condition enters the model."""


ABLATIONS = {
    "as it is": Ablation(),
    "sounds only": Ablation(text_share=0.0, embedding_noise=0.0),
    "captions only": Ablation(text_share=1.0),
}
"""What the model is conditioned on in training; the paper: on embeddings of sounds only."""

VARIANTS = {
    "steps 4": Variant(steps=4),
    "steps 8": Variant(steps=8),
    "steps 16": Variant(steps=16),
    "guidance off": Variant(guidance=1.0),
    "guidance 5": Variant(guidance=5.0),
    "confidence temperature 1": Variant(confidence_temperature=1.0),
    "confidence temperature 4.5": Variant(confidence_temperature=4.5),
    **{f"short training, {name}": Variant(ablation=name) for name in ABLATIONS},
}
"""By name; what a row does not name is as in the system's own settings."""
STEPS = {4: "steps 4", 8: "steps 8", 16: "steps 16"}
"""Passes -> row: over these, quality must not fall."""
SYSTEM = STEPS[8]
"""As the system's own settings have it: what rows are compared with that differ in another one."""
DIRECTIONS = (
    Direction(paper="a few passes are not enough", smaller="steps 16", larger="steps 4"),
    Direction(paper="classifier-free guidance makes sounds better", smaller=SYSTEM, larger="guidance off"),
    Direction(paper="fewer passes take less time", figure="seconds", smaller="steps 4", larger="steps 16"),
)
"""What arXiv:2406.17672 says of such pairs."""
