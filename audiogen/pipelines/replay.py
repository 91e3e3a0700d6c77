"""The same Take again, from the settings beside its file.

Bit for bit where the arithmetic is the same: the same machine, version of torch and kind of device, and as many threads
(`replay` sets as many as there were). Elsewhere it is the same music up to rounding, and a log line says so.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from audiogen.audio import Audio
from audiogen.errors import InputError, nearest
from audiogen.pipelines import identity
from audiogen.pipelines.loops import read_sidecar
from audiogen.pipelines.music import Music
from audiogen.pipelines.music_settings import MusicSettings
from audiogen.pipelines.passes import Pipeline
from audiogen.pipelines.sound import Sound
from audiogen.pipelines.sound_settings import SoundSettings
from audiogen.pipelines.take import Take, VampSettings
from audiogen.pipelines.vamp import Vamp
from audiogen.plain import from_plain

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kind:
    open: Callable[[Mapping[str, Any], str, str], Pipeline]
    """Names of its models, device and dtype -> the pipeline."""
    settings: type
    parts: tuple[str, ...]
    """What else than the model its sidecar names."""
    begins: bool
    """Whether it makes something of nothing."""


def _vamp(names: Mapping[str, Any], device: str, dtype: str) -> Pipeline:
    return Vamp(names["name"], device, names["style"], dtype)


def _music(names: Mapping[str, Any], device: str, dtype: str) -> Pipeline:
    return Music(names["name"], names["twin"], names["rescorer"], device, dtype)


def _sound(names: Mapping[str, Any], device: str, dtype: str) -> Pipeline:
    return Sound(names["name"], device, dtype)


KINDS = {
    Vamp.kind: _Kind(_vamp, VampSettings, ("style",), begins=False),
    Music.kind: _Kind(_music, MusicSettings, ("twin", "rescorer"), begins=True),
    Sound.kind: _Kind(_sound, SoundSettings, (), begins=True),
}
"""What a pass may have been made by."""


@dataclass(frozen=True)
class _Pass:
    """An entry of a sidecar, checked."""

    kind: str
    settings: Any
    variation: int
    names: Mapping[str, str | None]
    """Of the model ("name") and of what else is named beside it."""
    sha256: str
    made_with: Mapping[str, Any]


def replay(
    path: str | Path,
    *,
    audio: Audio | str | Path | None = None,
    model: str | Path | None = None,
    style: str | Path | None = None,
    twin: str | Path | None = None,
    rescorer: str | Path | None = None,
    device: str = "cpu",
) -> Take:
    """Make the Take of `path` again.

    Args:
        path: its sound, with the sidecar beside it, or its sidecar.
        audio: the input, where it is no longer in its place, or never was a file.
        model: the model, where it is no longer known by its name, or lies elsewhere.
        style, twin, rescorer: where they lie elsewhere; only those that were named when it was made.
        device: where to compute.
    Raises:
        InputError: the sidecar, the input or the model is missing or has changed; the message says which.
    """
    history = read_sidecar(path)
    moved = {"name": model, "style": style, "twin": twin, "rescorer": rescorer}
    take = _input(history["input"], audio)
    passes = [
        _pass(one, f"{path}: passes[{number}]", begins=take is None and not number)
        for number, one in enumerate(history["passes"])
    ]
    _check_moved(moved, passes)
    opened: dict[tuple[str | None, ...], Pipeline] = {}
    for this in passes:
        names = {part: known and str(moved[part] or known) for part, known in this.names.items()}
        key = this.kind, *names.values(), this.made_with["dtype"]
        if key not in opened:
            opened[key] = KINDS[this.kind].open(names, device, this.made_with["dtype"])
        _check_model(opened[key], this)
        _tell_machine(opened[key], this.made_with)
        with _threads(this.made_with["threads"]):
            take = opened[key].run(take, this.settings)[this.variation]
    assert isinstance(take, Take)  # there is at least one pass
    if identity.of_audio(take) != history["result"]["sha256"]:
        logger.warning("%s: the result is not the same to the last bit: the arithmetic of this machine differs", path)
    return take


def _pass(one: Any, where: str, begins: bool) -> _Pass:
    """An entry of the sidecar, checked; `begins`: there is no sound before it."""
    match one:
        case {
            "settings": Mapping() as settings,
            "variation": int(variation),
            "model": {"name": str(), "sha256": str(sha256)} as model,
            "made_with": {"threads": int(threads), "dtype": str()} as made,
        } if threads > 0:
            name = str(one.get("pipeline", "vamp"))  # files that are older than `Music` do not say it
            if name not in KINDS:
                raise InputError(
                    f"{where}: expected a known pipeline, got {name!r}. The nearest: {nearest(name, KINDS)}."
                )
            kind = KINDS[name]
            request: Any = from_plain(kind.settings, settings, f"{where}: settings")
            names = {part: model.get(part) for part in ("name", *kind.parts)}
            if 0 <= variation < getattr(request, "variations", 1) and kind.begins >= begins and _are_names(names):
                return _Pass(name, request, variation, names, sha256, made)
    raise InputError(f"{where}: expected settings, variation, model and made_with, got something else. Copy it again.")


def _are_names(names: Mapping[str, Any]) -> bool:
    return all(isinstance(name, str | None) for name in names.values())


def _input(facts: Mapping[str, Any] | None, given: Audio | str | Path | None) -> Audio | str | Path | None:
    """The sound that it was made from, where it is what it was; None: it was made from a caption alone."""
    if facts is None:
        if given is not None:
            raise InputError("expected no input for what was made from a caption alone, got one. Leave it out.")
        return None
    source = given if given is not None else facts["path"]
    if source is None:
        raise InputError(
            "expected the sound that it was made from, got none: that was no file. Pass the same samples: "
            "replay(..., audio=)"
        )
    if not isinstance(source, Audio) and not Path(source).is_file():
        raise InputError(
            f"expected the sound that it was made from in {source}, got no such file. "
            "Put it there again, or name its place (--input)."
        )
    found = identity.of_audio(source) if isinstance(source, Audio) else identity.of_file(Path(source))
    if found != facts["sha256"]:
        raise InputError(
            f"expected the input as it was (SHA-256 {facts['sha256'][:12]}...), got another sound "
            f"({found[:12]}...){'' if isinstance(source, Audio) else f' in {source}'}. Put the old one back."
        )
    return source


def _check_moved(moved: Mapping[str, str | Path | None], passes: Sequence[_Pass]) -> None:
    """Raise InputError for what is said to lie elsewhere, but was not named when the file was made."""
    for part, place in moved.items():
        if place is not None and not any(one.names.get(part) for one in passes):
            raise InputError(
                f"expected no {part} (--{part}) for what was made without naming one, got {place}. Leave it out."
            )


def _check_model(pipeline: Pipeline, wanted: _Pass) -> None:
    found = str(pipeline.identity["sha256"])
    if found != wanted.sha256:
        named = [f"{part} {name}" for part, name in wanted.names.items() if name and part != "name"]
        raise InputError(
            f"expected the model {' with the '.join([str(wanted.names['name']), *named])} as it was (SHA-256 "
            f"{wanted.sha256[:12]}...), got another one ({found[:12]}...). Install the version that made this file, or "
            "name the model with --model."
        )


def _tell_machine(pipeline: Pipeline, made: Mapping[str, Any]) -> None:
    different = [
        f"{name} {made.get(name)}, not {value}"
        for name, value in pipeline.made_with.items()
        if name != "threads" and made.get(name) != value
    ]
    if different:
        logger.warning("made with %s: the result may differ in rounding", "; ".join(different))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with `count` threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
