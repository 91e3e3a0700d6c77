"""The same Take again, from the settings beside its file.

Bit for bit where the arithmetic is the same: the same machine, version of torch and kind of device, and as many threads
(`replay` sets as many as there were). Elsewhere it is the same music up to rounding, and a log line says so.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.pipelines import identity
from audiogen.pipelines.loops import read_sidecar
from audiogen.pipelines.take import Take, VampSettings
from audiogen.pipelines.vamp import Vamp, made_with
from audiogen.plain import from_plain

logger = logging.getLogger(__name__)


def replay(
    path: str | Path,
    *,
    audio: Audio | str | Path | None = None,
    model: str | Path | None = None,
    style: str | Path | None = None,
    device: str = "cpu",
) -> Take:
    """Make the Take of `path` again.

    Args:
        path: its sound, with the sidecar beside it, or its sidecar.
        audio: the input, where it is no longer in its place, or never was a file.
        model: the model, where it is no longer known by its name, or lies elsewhere.
        style: the style, where it lies elsewhere.
        device: where to compute.
    Raises:
        InputError: the sidecar, the input or the model is missing or has changed; the message says which.
    """
    history = read_sidecar(path)
    take: Audio | str | Path = _input(history["input"], audio)
    vamps: dict[tuple[str, str | None, str], Vamp] = {}
    for number, one in enumerate(history["passes"]):
        settings, variation, wanted, made = _pass(one, f"{path}: passes[{number}]")
        name = str(model or wanted["name"]), wanted["style"] and str(style or wanted["style"]), made["dtype"]
        if name not in vamps:
            vamps[name] = Vamp(name[0], device, *name[1:])
        _check_model(vamps[name], wanted)
        _tell_machine(vamps[name], made)
        with _threads(made["threads"]):
            take = vamps[name].run(take, settings)[variation]
    assert isinstance(take, Take)  # there is at least one pass
    if identity.of_audio(take) != history["result"]["sha256"]:
        logger.warning("%s: the result is not the same to the last bit: the arithmetic of this machine differs", path)
    return take


def _pass(one: Any, where: str) -> tuple[VampSettings, int, Mapping[str, Any], Mapping[str, Any]]:
    """Settings, variation, model and machine of an entry of the sidecar, checked."""
    match one:
        case {
            "settings": Mapping() as settings,
            "variation": int(variation),
            "model": {"name": str(), "style": str() | None, "sha256": str()} as model,
            "made_with": {"threads": int(threads), "dtype": str()} as made,
        } if threads > 0:
            request = from_plain(VampSettings, settings, f"{where}: settings")
            if 0 <= variation < request.variations:
                return request, variation, model, made
    raise InputError(f"{where}: expected settings, variation, model and made_with, got something else. Copy it again.")


def _input(facts: Mapping[str, Any], given: Audio | str | Path | None) -> Audio | str | Path:
    """The sound that was vamped, where it is what it was."""
    source = given if given is not None else facts["path"]
    if source is None:
        raise InputError(
            "expected the sound that was vamped, got none: it was no file. Pass the same samples (replay(..., audio=))."
        )
    if not isinstance(source, Audio) and not Path(source).is_file():
        raise InputError(
            f"expected the sound that was vamped in {source}, got no such file. "
            "Put it there again, or name its place (--input)."
        )
    found = identity.of_audio(source) if isinstance(source, Audio) else identity.of_file(Path(source))
    if found != facts["sha256"]:
        raise InputError(
            f"expected the input as it was (SHA-256 {facts['sha256'][:12]}...), got another sound "
            f"({found[:12]}...){'' if isinstance(source, Audio) else f' in {source}'}. Put the old one back."
        )
    return source


def _check_model(vamp: Vamp, wanted: Mapping[str, Any]) -> None:
    if vamp.identity["sha256"] != wanted["sha256"]:
        style = f" with the style {wanted['style']}" if wanted["style"] else ""
        raise InputError(
            f"expected the model {wanted['name']}{style} as it was (SHA-256 {wanted['sha256'][:12]}...), got another "
            f"one ({str(vamp.identity['sha256'])[:12]}...). Install the version that made this file, or name the model "
            "with --model."
        )


def _tell_machine(vamp: Vamp, made: Mapping[str, Any]) -> None:
    here = made_with(vamp.system.device, next(vamp.system.coarse.parameters()).dtype)
    different = [
        f"{name} {made.get(name)}, not {value}"
        for name, value in here.items()
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
