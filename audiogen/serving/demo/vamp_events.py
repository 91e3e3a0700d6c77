"""What happens on the tab Vamp: one method for each thing that a user does, from values of the page to values of it."""

import tempfile
import time
from pathlib import Path
from typing import Any

import gradio as gr

from audiogen.errors import InputError
from audiogen.prompts.presets import PRESETS
from audiogen.serving.demo import seeds
from audiogen.serving.demo import studio as pictures
from audiogen.serving.demo.controls import CONTROLS, DEFAULTS, Value, format_regions, prompt_of
from audiogen.serving.demo.errors import sentence, shown
from audiogen.serving.demo.inlets import Sent
from audiogen.serving.demo.presets import BUILT_IN, FIRST, Presets
from audiogen.serving.demo.request import SETTINGS, VARIATIONS, Request
from audiogen.serving.demo.session import Session, Version
from audiogen.serving.demo.studio import Studio

_MEANINGS = {preset.title: preset.meaning for preset in PRESETS.values()}


class Events:
    """The handlers of the tab."""

    def __init__(self, studio: Studio, presets: Presets, folder: Path):
        self.studio = studio
        self.presets = presets
        self.folder = folder

    # ------------------------------------------------------------------------------------------------ input and takes

    def load(self, session: Session, path: str | None) -> tuple[Session, Any, Any]:
        """A sound was uploaded, recorded or chosen; taken away again, everything stays as it is."""
        if path is None:
            return session, gr.skip(), gr.skip()
        new = self.studio.load(session, path)
        return session, pictures.player_value(session), f"Loaded {new.name}. Press Vamp."

    def receive(self, session: Session, sent: Sent | None) -> tuple[Session, Any, str]:
        """Another tab sent a take."""
        if sent is None:
            raise InputError("expected a sound to send, got none. Make one first.")
        new = self.studio.receive(session, sent)
        return session, pictures.player_value(session), f"{new.name} is the input. Press Vamp."

    def make(self, session: Session, progress: gr.Progress = gr.Progress(), *values: Any) -> tuple[Any, ...]:  # noqa: B008
        """The button was pressed: takes, the mask of the first one, and a line about them."""
        *asked, seed, variations = values
        request, used = _request(asked), seeds.drawn(seed)
        started = time.perf_counter()
        versions = self.studio.make(
            session, request, used, int(VARIATIONS.check(variations)),
            on_step=lambda done, planned: progress((done, planned), desc="Vamping", unit="passes"),
        )  # fmt: skip
        line = f"{_names(versions)} in {time.perf_counter() - started:.1f} s"
        return pictures.player_value(session, versions[0].id), pictures.made_value(versions[0]), line

    def use(self, session: Session, event: gr.EventData) -> tuple[Any, str]:
        """A take becomes the input."""
        new = self.studio.use(session, event.id)
        return pictures.player_value(session), f"{new.name} is the input now; its codes are kept."

    def undo(self, session: Session) -> tuple[Any, str]:
        """Back to the input before."""
        old = session.undo()
        return pictures.player_value(session), f"Back to {old.name}."

    # --------------------------------------------------------------------------------------------------------- endless

    def more(self, session: Session, event: gr.EventData, *values: Any) -> dict[str, Any]:
        """The next pass; what goes wrong is told to the player, which stops."""
        *asked, seed = values
        start = None if event.id == "source" else event.id
        try:
            number, take = self.studio.more(session, start, _request(asked), seeds.drawn(seed))
        except InputError as error:
            session.endless = None
            gr.Warning(shown(sentence(error)), title="Endless stopped")
            return {"error": sentence(error), "time": time.time()}
        return pictures.pass_value(session, number, take)

    def halt(self, session: Session) -> None:
        """Endless mode was stopped."""
        session.endless = None

    def keep(self, session: Session, prompt: str, event: gr.EventData) -> tuple[Any, str]:
        """A pass that is heard becomes a take."""
        passes = dict(session.endless.passes) if session.endless else {}
        number = event._data.get("pass")
        if number not in passes:
            raise InputError("expected a pass that was heard just now, got one that is gone. Press earlier next time.")
        version = session.keep(passes[number], prompt, f"Pass {number}")
        return pictures.player_value(session, version.id), f"Kept {version.name}."

    # -------------------------------------------------------------------------------------------------------- pictures

    def preview(self, session: Session, prompt: str, regions: str, unit: str, seed: float | None) -> dict[str, Any]:
        """What the prompt will keep."""
        return pictures.mask_value(session, prompt, regions, unit, int(seed or 0))

    def pick(
        self, session: Session, prompt: str, regions: str, unit: str, seed: float | None, event: gr.EventData
    ) -> dict[str, Any]:
        """Another version is looked at: what was kept in it, or what the prompt will keep of the input."""
        if event.id == "source":
            return self.preview(session, prompt, regions, unit, seed)
        return pictures.made_value(session.version(event.id))

    def draw(self, session: Session, event: gr.EventData) -> str | None:
        """The picture of the version that is looked at."""
        return _picture(session, None if event.id == "source" else event.id)

    def draw_input(self, session: Session) -> str | None:
        """The picture of the input."""
        return _picture(session, None)

    def draw_last(self, session: Session) -> str | None:
        """The picture of the newest take."""
        return _picture(session, session.versions[-1].id if session.versions else None)

    # ------------------------------------------------------------------------------------------------ prompt, presets

    def write_prompt(self, *values: Value) -> tuple[str, None, str]:
        """A control was moved: the prompt follows, and no preset is chosen any more."""
        return str(prompt_of(_named(values))), None, ""

    def regions(self, event: gr.EventData, *values: Value) -> tuple[str, str, str, None, str]:
        """Regions were drawn, in seconds."""
        text = format_regions((float(start), float(end)) for start, end in event.regions)
        named = {**_named(values), "regions": text, "unit": DEFAULTS["unit"]}
        return text, str(DEFAULTS["unit"]), str(prompt_of(named)), None, ""

    def reuse_seed(self, event: gr.EventData) -> int:
        """The seed of a take is to be used again."""
        return int(event.seed)

    def choose_preset(self, name: str) -> list[Any]:
        """All controls, the prompt and the meaning of a preset."""
        values = self.presets.get(name)
        return [*values.values(), str(prompt_of(values)), self.meaning(name)]

    def save_preset(self, name: str, *values: Value) -> tuple[Any, str, str]:
        """Keep the controls under a name."""
        kept = self.presets.save(name, _named(values))
        gr.Info(shown(f"Saved {kept}."))
        return gr.Radio(self.presets.names(), value=kept), self.meaning(kept), ""

    def delete_preset(self, name: str | None) -> tuple[Any, str]:
        """Forget one of the user's."""
        self.presets.delete(name)
        return gr.Radio(self.presets.names(), value=None), ""

    def list_presets(self) -> Any:
        """Those that are there when a page is opened."""
        return gr.Radio(self.presets.names(), value=FIRST)

    def meaning(self, name: str) -> str:
        """What a preset does."""
        return _MEANINGS[name] if name in BUILT_IN else "Your own."

    # -------------------------------------------------------------------------------------------------------- programs

    def answer(
        self, audio: str | None, prompt: str, steps: float, temperature: float, seed: float, variations: float
    ) -> tuple[list[str], int]:
        """Vamp a sound file: files of the takes, each followed by its settings as JSON, and the seed of the first."""
        if audio is None:
            raise InputError("expected a sound file, got none. Upload one: handle_file('loop.wav').")
        request, used = Request(prompt, steps=int(steps), temperature=temperature), seeds.drawn(seed)
        pictures.read_sound(audio)  # not too long, and a message without the place where the server keeps it
        takes = self.studio.takes(Path(audio), request, used, int(VARIATIONS.check(variations)))
        folder = Path(tempfile.mkdtemp(prefix="answer-", dir=self.folder))
        files = [take.save(folder / f"take-{number}.wav", bpm_in_name=True) for number, take in enumerate(takes, 1)]
        return [str(path) for file in files for path in (file, Path(f"{file}.json"))], used


def _request(values: list[Any]) -> Request:
    """Of the prompt's text, the settings in their order, and whether original samples are kept."""
    prompt, *numbers, keep_original = values
    settings = {one.name: one.check(value) for one, value in zip(SETTINGS, numbers, strict=True)}
    return Request(prompt, keep_original=keep_original, **settings)  # type: ignore[arg-type]  # sliders of 1 give int


def _named(values: tuple[Value, ...]) -> dict[str, Value]:
    return {control.name: value for control, value in zip(CONTROLS, values, strict=True)}


def _names(versions: list[Version]) -> str:
    seeds_used = ", ".join(str(version.take.seed) for version in versions)
    notes = {note for version in versions for note in version.take.notes}
    return ". ".join([f"{', '.join(version.name for version in versions)} (seed {seeds_used})", *sorted(notes)])


def _picture(session: Session, number: int | None) -> str | None:
    path = pictures.draw(session, number)
    return None if path is None else str(path)
