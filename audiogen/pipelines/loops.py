"""Files of a Take: a WAV with loop points, and a JSON sidecar with every setting.

Format: RIFF WAVE with the chunks `fmt `, `data` and `smpl` ("Multimedia Programming Interface and Data Specifications
1.0", Microsoft and IBM 1991, and its 1994 supplement): samplers and DAWs repeat what lies between the loop points.
"""

import json
import logging
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch

from audiogen.audio import FORMATS, Audio
from audiogen.errors import InputError
from audiogen.files import atomic_write, check_target

if TYPE_CHECKING:
    from audiogen.pipelines.take import Take

logger = logging.getLogger(__name__)

FORMAT = "audiogen-take-1"
"""What a sidecar says it is."""
LARGEST_DATA = 2**32 - 2**10
"""Bytes of samples in one WAV file, whose lengths have 32 bits."""
_FULL_SCALE = 2**23
_BLOCK = 2**20
_MIDDLE_C = 60


def sidecar_of(path: str | Path) -> Path:
    """Where the settings of the sound at `path` are: "loop.wav" -> "loop.wav.json"."""
    return Path(f"{path}.json")


def with_bpm(path: str | Path, tempo: float | None) -> Path:
    """ "loop.wav" at 97.2 bpm -> "loop-97bpm.wav"; unchanged without a tempo."""
    path = Path(path)
    return path if tempo is None else path.with_stem(f"{path.stem}-{round(tempo)}bpm")


def numbered(path: str | Path, index: int, count: int) -> Path:
    """Name of variation `index` of `count`: "out.wav" -> "out-1.wav"; unchanged where there is only one."""
    path = Path(path)
    return path if count == 1 else path.with_stem(f"{path.stem}-{index + 1}")


def check_take_target(path: str | Path) -> None:
    """See before the work that a Take can be saved to `path`.

    Raises:
        InputError: as `check_target`, for the sound or for its sidecar.
    """
    check_target(path, FORMATS)
    check_target(sidecar_of(path))


def save_take(take: "Take", path: str | Path, *, bpm_in_name: bool = False) -> Path:
    """See `Take.save`. Each of the two files appears when it is complete, the sidecar first."""
    path = with_bpm(path, take.tempo) if bpm_in_name else Path(path)
    check_take_target(path)
    _write_sidecar(take, sidecar_of(path))
    if path.suffix.lower() == ".wav":
        write_wav(take, path)
    else:
        Audio(take.samples, take.sample_rate).save(path)
    return path


def write_wav(audio: Audio, path: str | Path) -> Path:
    """Write `audio` as WAV, 24 bit, with its first and last sample as loop points.

    24-bit integers are the samples times 2^23, so that what was read from 16 or 24 bits is written as it was.

    Raises:
        InputError: a place that cannot be written to, or more than the 4 GiB that a WAV file can have.
    """
    path = Path(path)
    channels, num_samples = audio.samples.shape
    frame = 3 * channels
    data = frame * num_samples
    if data > LARGEST_DATA:
        raise InputError(
            f"{path}: expected at most {LARGEST_DATA // frame / audio.sample_rate / 3600:.1f} hours in a WAV file, got "
            f"{audio.duration / 3600:.1f}. Save it as .flac."
        )
    fmt = struct.pack("<HHIIHH", 1, channels, audio.sample_rate, frame * audio.sample_rate, frame, 24)
    smpl = _sampler(audio.sample_rate, num_samples)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        padded = data + data % 2
        file.write(struct.pack("<4sI4s", b"RIFF", 4 + 8 + len(fmt) + 8 + padded + 8 + len(smpl), b"WAVE"))
        file.write(struct.pack("<4sI", b"fmt ", len(fmt)) + fmt + struct.pack("<4sI", b"data", data))
        _write_samples(audio, file, path)
        file.write(b"\0" * (data % 2) + struct.pack("<4sI", b"smpl", len(smpl)) + smpl)
    return path


def _sampler(sample_rate: int, num_samples: int) -> bytes:
    """The content of a `smpl` chunk with one loop, played forwards for ever."""
    period = round(1e9 / sample_rate)  # nanoseconds
    header = struct.pack("<9I", 0, 0, period, _MIDDLE_C, 0, 0, 0, 1, 0)
    return header + struct.pack("<6I", 0, 0, 0, num_samples - 1, 0, 0)


def _write_samples(audio: Audio, file: BinaryIO, path: Path) -> None:
    clipped = int((audio.samples.abs() > 1).sum())
    if clipped:
        logger.warning("%s: %d of %d samples are outside -1..1 and were clipped", path, clipped, audio.samples.numel())
    for block in audio.samples.split(_BLOCK, dim=-1):
        scaled = (block.T.double() * _FULL_SCALE).round().clamp(-_FULL_SCALE, _FULL_SCALE - 1)
        integers = scaled.to(torch.int32).contiguous().numpy().astype("<i4")
        file.write(integers.view("u1").reshape(-1, 4)[:, :3].tobytes())


def _write_sidecar(take: "Take", path: Path) -> None:
    """Settings as JSON; the input's place, if any, is written relative to the folder, so that both can be moved."""
    source = take.settings["input"]
    if source is not None and source["path"] is not None:
        source = {**source, "path": Path(os.path.relpath(source["path"], path.resolve().parent)).as_posix()}
    content = {"format": FORMAT, "input": source, "passes": take.settings["passes"], "result": take.facts}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_sidecar(path: str | Path) -> dict[str, Any]:
    """The settings of a Take, from its sound file or its sidecar, with the input's place as it is from here.

    Raises:
        InputError: no such file, or no sidecar of this version.
    """
    path = Path(path)
    sidecar = path if path.suffix == ".json" else sidecar_of(path)
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"expected the settings of a take in {sidecar}, got: {error.strerror}. "
            "audiogen vamp, music and sound write them beside what they make: keep both together."
        ) from error
    except ValueError as error:
        raise InputError(f"expected JSON in {sidecar}, got: {error}. Copy the file again.") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise InputError(
            f"expected the settings of a take ({FORMAT}) in {sidecar}, got something else. Name the file that "
            "audiogen vamp, music or sound wrote."
        )
    match content:
        case {"input": None, "passes": [_, *_], "result": {"sha256": str()}}:
            return content
        case {"input": {"path": str() | None, "sha256": str()}, "passes": [_, *_], "result": {"sha256": str()}}:
            if content["input"]["path"] is not None:
                content["input"]["path"] = str((sidecar.parent / content["input"]["path"]).resolve())
            return content
    raise InputError(f"{sidecar}: expected an input, passes and a result, got a file without. Copy it again.")
