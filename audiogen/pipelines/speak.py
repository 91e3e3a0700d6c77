"""What `audiogen tts` does around the voice: where text comes from, where sound goes, what is told about it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiogen.audio import FORMATS, Audio
from audiogen.conditioning.text import check_text
from audiogen.errors import InputError

if TYPE_CHECKING:
    from audiogen.pipelines.tts import Speech

STANDARD = "-"
"""As a file name: standard input, or output."""
MOST_BYTES = 2**26
"""That are read of a text; far more than can be spoken, but an endless file is not read to its end."""


def read_text(text: str | None, file: str | Path | None) -> str:
    """The text to say: as given, or of a UTF-8 file; "-" in either place is standard input.

    Raises:
        InputError: both or neither are given, or the text is unreadable, no UTF-8, empty or too long.
    """
    if (text is None) == (file is None):
        got = "neither" if text is None else "both"
        raise InputError(f'expected a text or --file, got {got}. Try: audiogen tts "It speaks." -o speech.wav')
    if text is not None and text != STANDARD:
        return check_text(text)
    source = "standard input" if STANDARD in (text, str(file)) else str(file)
    try:
        with sys.stdin.buffer if source == "standard input" else Path(source).open("rb") as stream:
            content = stream.read(MOST_BYTES)
        return check_text(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: expected UTF-8 text, got byte 0x{content[error.start]:02x} at {error.start}. "
            "Save it as UTF-8 first."
        ) from error
    except OSError as error:
        raise InputError(f"{source}: expected a text file, got: {error.strerror}. Check its name.") from error


def check_targets(output: str, plot: str | None, as_json: bool) -> None:
    """See before the work that its results can be written.

    Raises:
        InputError: another suffix, no such folder, no permission, or sound and JSON both on standard output.
    """
    if output == STANDARD and as_json:
        raise InputError("expected one thing on standard output, got sound (-o -) and --json. Give -o a file name.")
    if output != STANDARD:
        _check_target(Path(output), tuple(FORMATS))
    if plot is not None:
        _check_target(Path(plot), (".png",))


def _check_target(path: Path, suffixes: tuple[str, ...]) -> None:
    if path.suffix.lower() not in suffixes:
        got = repr(path.suffix) if path.suffix else "no suffix"
        raise InputError(f"{path}: expected a name that ends in {', '.join(suffixes)}, got {got}. Rename it.")
    if path.is_dir() or not path.parent.is_dir():
        got = "a folder" if path.is_dir() else "a folder that does not exist"
        raise InputError(f"{path}: expected a file in a folder that exists, got {got}. Choose another name.")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: expected a folder that can be written to, got no permission. Choose another one.")


def write(audio: Audio, target: str) -> None:
    """Save a sound, or write it as WAV to standard output where `target` is "-"."""
    if target == STANDARD:
        sys.stdout.buffer.write(audio.to_wav_bytes())
        sys.stdout.buffer.flush()
    else:
        audio.save(target)


def describe(speech: "Speech", **settings: Any) -> dict[str, Any]:
    """What --json prints: what was said and with which settings, how long it is and how long it took."""
    seconds = speech.audio.duration
    return {
        "text": speech.text,
        "phones": list(speech.phones),
        "left_out": list(speech.left_out),
        "durations": [round(duration, 4) for duration in speech.durations],
        "seconds": round(seconds, 4),
        "sample_rate": speech.audio.sample_rate,
        "semantic_codes": list(speech.semantic_codes.shape),
        "acoustic_codes": list(speech.acoustic_codes.shape),
        "seconds_taken": round(speech.seconds_taken, 3),
        "retries": speech.retries,
        "rtf": round(speech.seconds_taken / seconds, 4),
        **settings,
    }
