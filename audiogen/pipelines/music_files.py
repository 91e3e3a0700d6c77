"""What `audiogen music` does around the music: what its options ask for together, captions, names of files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from audiogen.errors import InputError
from audiogen.pipelines.music import Music
from audiogen.pipelines.speak import checked_unicode, read_utf8
from audiogen.pipelines.take import Take
from audiogen.pipelines.take_files import in_folder, prompt_of

SECONDS = 10.0
"""Of music, where no length is given."""
MOST_CAPTIONS = 999

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be made: a piece of each caption, what goes on from a sound, or some of a sound anew."""

    captions: tuple[str, ...]
    in_folder: bool = False
    """Whether results go into a folder, one for each caption."""
    continued: str | None = None
    """Sound file."""
    inpainted: str | None = None
    """Sound file."""
    prompt: str = ""
    """What is kept of the latter."""
    extra: Mapping[str, Any]
    """Settings that depend on what is made."""

    @classmethod
    def of(
        cls,
        caption: str | None,
        file: str | None,
        *,
        seconds: float | None,
        continued: str | None,
        inpainted: str | None,
        regions: Sequence[str],
        prompt: str | None,
        keep_original: bool,
    ) -> "Order":
        """What the options ask for together.

        Raises:
            InputError: options that exclude each other, or none that says what to make.
        """
        sources = {"--file": file, "--continue": continued, "--inpaint": inpainted}
        given = [option for option, value in sources.items() if value is not None]
        if len(given) > 1:
            raise InputError(f"expected one of {', '.join(sources)}, got {' and '.join(given)}. Leave one out.")
        changes = {"--region": regions, "--prompt": prompt, "--keep-original": keep_original}
        asked = [option for option, value in changes.items() if value]
        if inpainted is not None:
            if seconds is not None or not {"--region", "--prompt"} & {*asked}:
                got = "--seconds too" if seconds is not None else "no more"
                raise InputError(
                    f"expected --inpaint with a --region such as 1.5-2, or a --prompt, got {got}. Correct it."
                )
            kept = prompt_of(prompt, None, regions, loop=False)
            extra = {"keep_original": keep_original}
            return cls(captions=(checked_unicode(caption or ""),), inpainted=inpainted, prompt=kept, extra=extra)
        if asked:
            raise InputError(f"expected {asked[0]} with a sound to change, got none. Name it: --inpaint FILE")
        if (caption is None) == (file is None):
            got = "neither" if file is None else "both"
            raise InputError(f'expected a caption or --file, got {got}. Try: audiogen music "a waltz" -o waltz.wav')
        captions = (checked_unicode(caption),) if caption is not None else tuple(read_captions(str(file)))
        length = {"seconds": SECONDS if seconds is None else seconds}
        return cls(captions=captions, in_folder=file is not None, continued=continued, extra=length)

    def outputs(self, output: str) -> list[Path]:
        """A file for each caption: `output`, or 001.wav, 002.wav, ... in the folder `output`, which is made.

        Raises:
            InputError: the folder cannot be made.
        """
        return in_folder(output, len(self.captions)) if self.in_folder else [Path(output)]

    def fill(self, music: Music, settings: Mapping[str, Any]) -> list[Take]:
        """Make it; `settings` are keyword arguments of `Music`, and what they leave at None is not asked for."""
        asked = {name: value for name, value in {**settings, **self.extra}.items() if value is not None}
        if self.continued is not None:
            return [music.continue_(self.continued, self.captions[0], **asked)]
        if self.inpainted is not None:
            return [music.inpaint(self.inpainted, self.prompt, self.captions[0], **asked)]
        return music(self.captions, **asked)


def read_captions(file: str) -> list[str]:
    """The lines of a text file that are not empty; "-" is standard input.

    Raises:
        InputError: it cannot be read, is no UTF-8, or has no captions or too many.
    """
    captions = [line.strip() for line in read_utf8(file).splitlines() if line.strip()]
    if not 1 <= len(captions) <= MOST_CAPTIONS:
        raise InputError(f"{file}: expected 1 to {MOST_CAPTIONS} captions, one per line, got {len(captions)}.")
    return captions


def numbers(text: str | None, kind: Callable[[str], Number], option: str) -> Number | tuple[Number, ...] | None:
    """An option like "20,10,10,10": one number, or several.

    Raises:
        InputError: something else.
    """
    if text is None:
        return None
    try:
        found = tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"{option}: expected numbers with commas, got {text!r}. For example: 20,10,10,10") from error
    return found[0] if len(found) == 1 else found
