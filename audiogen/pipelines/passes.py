"""A pass: what one pipeline did with one request, as the sidecar has it and `replay` repeats it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from torch import Tensor

from audiogen.audio import Audio
from audiogen.pipelines.fill import Filled
from audiogen.pipelines.take import Take
from audiogen.plain import to_plain


class Pipeline(Protocol):
    """What makes Takes."""

    kind: ClassVar[str]
    """Its name in sidecars."""

    @property
    def identity(self) -> Mapping[str, str | None]:
        """Names and SHA-256 of its models."""
        ...

    @property
    def made_with(self) -> Mapping[str, Any]:
        """The machine, as `identity.of_machine` has it."""
        ...

    def run(self, audio: Any, settings: Any) -> Sequence[Take]:
        """All results of a request."""
        ...


def take_of(
    pipeline: Pipeline,
    audio: Audio,
    filled: Filled,
    settings: Any,
    *,
    mask: Tensor,
    seed: int,
    history: Mapping[str, Any],
    notes: Sequence[str] = (),
    variation: int = 0,
    circular: bool = False,
    origin: Audio | None = None,
) -> Take:
    """One result of `pipeline`, with this pass behind those of its history.

    Args:
        audio: what it sounds like.
        filled: its codes, and when they were fixed.
        settings: the request, a dataclass of plain values.
        mask: [K, T] bool, True = was generated.
        seed: its own.
        history: `Take.settings` of what it was made from.
        notes: what a user should know about it.
        variation: its number among the results of the request.
        circular, origin: as in `Take`; no origin: the result itself.
    """
    this = {
        "pipeline": pipeline.kind,
        "settings": to_plain(settings),
        "variation": variation,
        "notes": list(notes),
        "model": pipeline.identity,
        "made_with": pipeline.made_with,
    }
    return Take(
        audio.samples,
        audio.sample_rate,
        codes=filled.codes,
        mask=mask,
        trace=filled.trace,
        seed=seed,
        settings={**history, "passes": [*history["passes"], this]},
        circular=circular,
        origin=audio if origin is None else origin,
    )
