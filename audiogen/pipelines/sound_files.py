"""What `audiogen sound` does around the sounds: what its options ask for together, names of files, embeddings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from audiogen.errors import InputError
from audiogen.files import atomic_write, check_target
from audiogen.pipelines.batches import OnStep
from audiogen.pipelines.music_files import read_captions
from audiogen.pipelines.sound import Sound
from audiogen.pipelines.sound_regions import EXAMPLE, read_region
from audiogen.pipelines.speak import checked_unicode
from audiogen.pipelines.take import Take
from audiogen.pipelines.take_files import check_targets, in_folder, names

TRY = 'Try: audiogen sound "rain on a roof" -o rain.wav'
CAPTION = "a caption"
DRAWING = ("seed", "steps", "temperature", "confidence_temperature", "guidance", "top_k", "top_p", "plot")
"""Options of all that draws codes."""
OPTIONS = {
    CAPTION: ("seconds", "variations", *DRAWING),
    "--file": ("seconds", "variations", *DRAWING),
    "--like": ("seconds", "variations", *DRAWING),
    "--input": ("inpaint", *DRAWING),
    "--extend": ("cutoff", "zero_shot", *DRAWING),
    "--vary": ("strength", "variations", *DRAWING),
    "--embed": ("pooled", "layer"),
}
"""What says what is made -> the options that it has a use for."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be made of what."""

    job: str
    """Of OPTIONS."""
    source: str
    """Sound file; "" where there is none."""
    captions: tuple[str, ...]
    """Empty where none is given."""
    settings: Mapping[str, Any]
    """Keyword arguments of what makes it."""
    plot: str | None = None
    """Where a picture goes."""

    @classmethod
    def of(
        cls, caption: str | None, file: str | None, sources: Mapping[str, str | None], options: Mapping[str, Any]
    ) -> "Order":
        """What the options ask for together.

        Args:
            sources: those that name a sound file, of OPTIONS.
            options: all others; None, False and an empty list: not given.
        Raises:
            InputError: options that exclude each other, or none that says what to make.
        """
        asked = {name: value for name, value in options.items() if not (value is None or value is False or value == [])}
        job, source = _job(caption, file, sources, asked)
        for name in asked:
            if name not in OPTIONS[job]:
                raise InputError(f"expected {job} without --{name.replace('_', '-')}, got both. Leave one out.")
        plot = asked.pop("plot", None)
        if regions := asked.pop("inpaint", None):
            asked["regions"] = [read_region(one) for one in regions]
        captions = read_captions(file) if file is not None else [] if caption is None else [checked_unicode(caption)]
        return cls(job=job, source=source, captions=tuple(captions), settings=asked, plot=plot)

    def outputs(self, output: str) -> list[Path]:
        """Where results go: `output`, numbered for variations; with --file, numbered files in the folder `output`.

        Raises:
            InputError: one of them cannot be written.
        """
        if self.job == "--embed":
            return [check_target(output, (".safetensors",))]
        wanted = in_folder(output, len(self.captions)) if self.job == "--file" else [Path(output)]
        found = [name for one in wanted for name in names(one, self.settings.get("variations", 1))]
        check_targets(found, self.plot)
        return found

    def fill(self, sound: Sound, on_step: OnStep) -> list[Take]:
        """Make it."""
        asked: dict[str, Any] = {**self.settings, "on_step": on_step}
        if self.job in ("--file", CAPTION):
            return sound(self.captions, **asked)
        if self.job == "--like":
            return sound(audio=self.source, **asked)
        if self.captions:
            asked["caption"] = self.captions[0]
        if self.job == "--vary":
            return sound.variations(self.source, asked.pop("variations", 1), **asked)
        make = sound.inpaint if self.job == "--input" else sound.extend_bandwidth
        return [make(self.source, **asked)]

    def embed(self, sound: Sound, output: Path) -> dict[str, Any]:
        """Write what the model knows of the source, as the tensor "embedding"; facts about it."""
        vectors = sound.embed(self.source, **self.settings)
        with atomic_write(output) as temporary:
            save_file({"embedding": vectors.contiguous()}, temporary)
        return {"output": str(output), "shape": list(vectors.shape)}


def _job(
    caption: str | None, file: str | None, sources: Mapping[str, str | None], asked: Mapping[str, Any]
) -> tuple[str, str]:
    """What says what is made, of OPTIONS, and the sound file that it is made of."""
    given = {option: source for option, source in {"--file": file, **sources}.items() if source is not None}
    if len(given) > 1:
        raise InputError(f"expected one of --file, {', '.join(sources)}, got {' and '.join(given)}. Leave one out.")
    if "inpaint" in asked and not given:
        raise InputError("expected --inpaint with the sound that it changes, got none. Name it: --input FILE")
    if not given and caption is None:
        raise InputError(f"expected a caption, --file or one of {', '.join(sources)}, got none. {TRY}")
    job, source = next(iter(given.items()), (CAPTION, ""))
    if caption is not None and job in ("--file", "--like", "--embed"):
        raise InputError(f"expected a caption or {job}, got both. Leave one out.")
    if job == "--input" and "inpaint" not in asked:
        raise InputError(f"expected --input with what is made anew in it, got none. For example: --inpaint {EXAMPLE}")
    return job, "" if job == "--file" else source
