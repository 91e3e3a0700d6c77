"""What `audiogen tts` does around the voice: where text comes from, where sound goes, what is told about it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiogen.audio import FORMATS, Audio
from audiogen.conditioning.text import check_text
from audiogen.errors import InputError
from audiogen.extras import need
from audiogen.files import check_target

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
        return check_text(checked_unicode(text))
    return check_text(read_utf8(STANDARD if text is not None else str(file)))


def read_utf8(name: str) -> str:
    """A text file, or standard input where `name` is "-".

    Raises:
        InputError: it cannot be read, or is no UTF-8.
    """
    source = "standard input" if name == STANDARD else name
    if name == STANDARD and sys.stdin is None:
        raise InputError("expected text on standard input, got a closed one. Pipe a text in, or give a file.")
    try:
        with sys.stdin.buffer if name == STANDARD else Path(name).open("rb") as stream:
            return stream.read(MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: expected UTF-8 text, got byte 0x{error.object[error.start]:02x} at {error.start}. "
            "Save it as UTF-8 first."
        ) from error
    except OSError as error:
        raise InputError(f"{source}: expected a text file, got: {error.strerror}. Check its name.") from error


def checked_unicode(text: str) -> str:
    """Bytes of a command line that are no text come as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"expected UTF-8 text, got something else at character {error.start}. Check the terminal's encoding, "
            "or put the text in a UTF-8 file and give it with --file."
        ) from error
    return text


def check_targets(output: str, plot: str | None, as_json: bool) -> None:
    """See before the work that its results can be written.

    Raises:
        InputError: as `check_target`; standard output is closed, or would get sound and JSON; matplotlib is missing.
    """
    if output == STANDARD and as_json:
        raise InputError("expected one thing on standard output, got sound (-o -) and --json. Give -o a file name.")
    if sys.stdout is None and (output == STANDARD or as_json):
        raise InputError("expected an open standard output, got a closed one. Give -o a file name.")
    if output != STANDARD:
        check_target(output, FORMATS)
    if plot is not None:
        check_target(plot, (".png",))
        need("matplotlib", "scoring")


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
