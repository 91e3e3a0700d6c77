"""What commands do around takes: the prompt that options ask for, and files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiogen.errors import InputError
from audiogen.extras import need
from audiogen.files import check_target, make_folder
from audiogen.pipelines.loops import check_take_target, numbered, sidecar_of
from audiogen.pipelines.take import Take
from audiogen.prompts import Loop, parse
from audiogen.prompts.presets import DEFAULT, preset


def prompt_of(text: str | None, name: str | None, regions: Sequence[str], loop: bool) -> str:
    """The prompt, as text, that the options of the command ask for together.

    Args:
        text: a prompt; or else `name`, of a preset; or else the default one.
        regions: each "start-end" in seconds: all outside of them is kept too; without a prompt, nothing inside.
        loop: the end is to flow into the start, and the seam is made anew too; without a prompt, only the seam.
    Raises:
        InputError: text and name are given, or one of them says nothing that is known.
    """
    if text is not None and name is not None:
        raise InputError(f"expected --prompt or --preset, got both. As a prompt the preset is: {preset(name)}")
    asked = parse(text) if text is not None else preset(name) if name is not None else None
    if regions:
        places = parse(f"inpaint({', '.join(regions)})")
        asked = places if asked is None else places | asked
    if loop:
        asked = Loop() if asked is None else asked & Loop()
    return str(asked if asked is not None else preset(DEFAULT))


def names(name: str | Path, count: int) -> list[Path]:
    """Where `count` results go: "out-1.wav", "out-2.wav", ...; one has the name as it is."""
    return [numbered(name, index, count) for index in range(count)]


def in_folder(folder: str | Path, count: int) -> list[Path]:
    """001.wav, 002.wav, ... in a folder, which is made.

    Raises:
        InputError: it cannot be made.
    """
    made = make_folder(folder)
    return [made / f"{number:03}.wav" for number in range(1, count + 1)]


def check_targets(outputs: Sequence[Path], plot: str | None = None, bpm_in_name: bool = False) -> None:
    """See before the work that its results can be written.

    Raises:
        InputError: a suffix that is not known, a place that cannot be written to, or a package that is missing.
    """
    for output in outputs:
        check_take_target(output)
    if plot is not None:
        check_target(plot, (".png",))
        need("matplotlib", "scoring")
    if bpm_in_name:
        need("librosa", "codecs")


def write(
    takes: Sequence[Take], outputs: Sequence[Path], plot: str | None = None, bpm_in_name: bool = False
) -> list[dict[str, Any]]:
    """Save every take, and a picture of it, numbered where there are several; returns what --json prints of each."""
    pictures = [None] * len(takes) if plot is None else names(plot, len(takes))
    told = []
    for take, output, picture in zip(takes, outputs, pictures, strict=True):
        path = take.save(output, bpm_in_name=bpm_in_name)
        if picture is not None:
            take.save_plot(picture)
        told.append(_describe(take, path, picture))
    return told


def _describe(take: Take, path: Path, picture: Path | None) -> dict[str, Any]:
    settings = take.settings["passes"][-1]["settings"]
    asked = {name: settings[name] for name in ("text", "prompt") if name in settings}
    files = {"output": str(path), "sidecar": str(sidecar_of(path))}
    plot = {} if picture is None else {"plot": str(picture)}
    return {**files, **plot, **asked, **take.facts, "notes": list(take.notes)}
