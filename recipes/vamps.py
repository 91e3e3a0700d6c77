"""Vamps of the held-out clips: every prompt at every number of steps, beside the codec's own round trip.

A folder of results has a FLAC file per clip and `made.jsonl`, one `Made` per line; a folder that has it is whole.
"""

import contextlib
import functools
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.files import atomic_write
from audiogen.prompts import parse
from recipes.progress import track

if TYPE_CHECKING:
    from audiogen.codecs import Codec
    from audiogen.pipelines.vamp import Vamp

logger = logging.getLogger(__name__)

ROUND_TRIP = "codec"
"""Folder of what the codec makes of the clips."""
ALL = {False: "everything()", True: "loop(seconds=0)"}
"""Prompts that generate nothing; True: of a loop."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """One vamp, or one round trip."""

    id: str
    copied: float | None
    """Share of the generated cells that came out as in the source; None where nothing was generated."""
    seconds: float
    """Computing time per 10 s of sound, from samples to samples."""


Maker = Callable[[int, str, Audio], tuple[Audio, float | None]]
"""Number, id and sound of a clip -> what is made of it, and the share of copied cells."""


def folder_name(prompt: str, steps: int) -> str:
    """Where the vamps of one prompt at one number of steps are."""
    return f"{prompt}.{steps}"


def read_made(folder: Path) -> list[Made]:
    """What was made in a folder."""
    return [Made(**json.loads(line)) for line in (folder / "made.jsonl").read_text(encoding="utf-8").splitlines()]


def round_trips(codec: "Codec", audios: Mapping[str, Audio], folder: Path) -> None:
    """The clips after encoding and decoding, in `folder`/codec."""
    from audiogen.metrics.codec import fit

    @torch.inference_mode()
    def make(_number: int, _name: str, audio: Audio) -> tuple[Audio, None]:
        original = fit(audio, codec).samples.to(next(codec.parameters()).device)
        samples = codec.decode(codec.encode(original[None]))[0, :, : original.shape[-1]]
        return Audio(samples.cpu(), codec.sample_rate), None

    make_all(make, audios, folder / ROUND_TRIP)


def vamp_clips(
    vamp: "Vamp", audios: Mapping[str, Audio], folder: Path, prompts: Mapping[str, str], steps: Sequence[int], seed: int
) -> None:
    """Every clip with every prompt and number of steps, in `folder`/<prompt>.<steps>; each clip has its own seed."""
    kinds = {parse(text).circular for text in prompts.values()}
    codes = {
        (name, circular): vamp(audio, ALL[circular])[0].codes for name, audio in audios.items() for circular in kinds
    }
    for prompt, text in prompts.items():
        with contextlib.suppress(InputError):
            vamp(next(iter(audios.values())), text, steps=1)  # the first call of all compiles its beat tracker
        for number in steps:
            make = functools.partial(_vamp_one, vamp, codes, text, number, seed)
            make_all(make, audios, folder / folder_name(prompt, number))


def _vamp_one(
    vamp: "Vamp",
    codes: Mapping[tuple[str, bool], torch.Tensor],
    prompt: str,
    steps: int,
    seed: int,
    number: int,
    name: str,
    audio: Audio,
) -> tuple[Audio, float | None]:
    take = vamp(audio, prompt, steps=steps, seed=seed + number)[0]
    same = (take.codes == codes[name, parse(prompt).circular])[take.mask]
    return Audio(take.samples, take.sample_rate), float(same.float().mean()) if len(same) else None


def make_all(make: Maker, audios: Mapping[str, Audio], folder: Path) -> None:
    """`make` of every clip; a clip for which it finds no place (no beat, say) is left out, and a warning says so."""
    if (folder / "made.jsonl").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    made = [one for one in track(_each(make, audios, folder), len(audios), f"clips of {folder.name}") if one]
    with atomic_write(folder / "made.jsonl") as path:
        path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in made), encoding="utf-8")


def _each(make: Maker, audios: Mapping[str, Audio], folder: Path) -> Iterator[Made | None]:
    for number, (name, audio) in enumerate(audios.items()):
        started = time.perf_counter()
        try:
            result, copied = make(number, name, audio)
        except InputError as error:
            logger.warning("%s: %s is left out: %s", folder.name, name, error)
            yield None
            continue
        seconds = 10 * (time.perf_counter() - started) / audio.duration
        result.save(folder / f"{name}.flac")
        yield Made(id=name, copied=copied, seconds=round(seconds, 3))
