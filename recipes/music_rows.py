"""Rows of the result table of text to music, and what the paper says about pairs of them."""

from dataclasses import dataclass

from recipes.directions import Direction
from recipes.generations import Variant

RECORDINGS, CODEC = "recordings", "codec"
"""Rows of the table that nobody generated: the held-out clips, and what the codec leaves of them."""


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What one MAGNeT that is trained for a comparison has in another way."""

    span: int = 3
    context: int = 5


ABLATIONS = {"span-3": Ablation(), "span-1": Ablation(span=1), "full-context": Ablation(context=-1)}

VARIANTS = {
    "AR twin": Variant(hybrid=10),
    "steps 1-1-1-1": Variant(steps=(1, 1, 1, 1)),
    "steps 4-2-2-2": Variant(steps=(4, 2, 2, 2)),
    "steps 10-4-4-4 (system)": Variant(),
    "steps 20-4-4-4": Variant(steps=(20, 4, 4, 4)),
    "steps 20-10-10-10": Variant(steps=(20, 10, 10, 10)),
    "guidance off": Variant(guidance=(1.0, 1.0)),
    "guidance constant": Variant(guidance=(4.0, 4.0)),
    "rescoring 0.3": Variant(rescore=0.3),
    "rescoring 0.7": Variant(rescore=0.7),
    "hybrid 1 s": Variant(hybrid=1),
    "hybrid 3 s": Variant(hybrid=3),
    "hybrid 5 s": Variant(hybrid=5),
    "short training, span 3, context 5": Variant(ablation="span-3"),
    "short training, span 1": Variant(ablation="span-1"),
    "short training, full context": Variant(ablation="full-context"),
}
"""By name; what a row does not name is as in the system's own settings."""
SYSTEM = "steps 10-4-4-4 (system)"
"""Annealed guidance, no rescoring, no hybrid decoding: what rows are compared with."""
DIRECTIONS = (
    Direction(
        paper="MAGNeT is about 7 times as fast as its autoregressive baseline",
        figure="seconds",
        smaller=SYSTEM,
        larger="AR twin",
    ),
    Direction(paper="the first level needs many steps", smaller="steps 20-4-4-4", larger="steps 4-2-2-2"),
    Direction(
        paper="fewer steps on the other levels hurt little", smaller="steps 20-10-10-10", larger="steps 20-4-4-4"
    ),
    Direction(
        paper="masking spans of 3 frames is better than masking frames",
        smaller="short training, span 3, context 5",
        larger="short training, span 1",
    ),
    Direction(
        paper="restricted context is better on the levels above the first",
        smaller="short training, span 3, context 5",
        larger="short training, full context",
    ),
    Direction(paper="annealed guidance is better than a constant one", smaller=SYSTEM, larger="guidance constant"),
    Direction(paper="rescoring makes the music better", smaller="rescoring 0.7", larger=SYSTEM),
    Direction(paper="rescoring makes it slower", figure="seconds", smaller=SYSTEM, larger="rescoring 0.7"),
    Direction(paper="an autoregressive beginning makes the music better", smaller="hybrid 5 s", larger=SYSTEM),
)
"""What arXiv:2401.04577 says of such pairs."""
