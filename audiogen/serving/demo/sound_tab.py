"""The tab Sound: a caption in, a sound out; a sound in, parts of it painted and made anew, or its upper band added.

Layout and wiring: `sound_events` does what is asked for, `painting` and `static/painter.js` what is painted on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from audiogen.pipelines.sound import Sound
from audiogen.serving.demo import seeds
from audiogen.serving.demo.config import DemoConfig
from audiogen.serving.demo.errors import readable
from audiogen.serving.demo.inlets import Inlets
from audiogen.serving.demo.sound_events import LONGEST, MOST_CHARACTERS, MOST_RESULTS, Events

SAMPLE = "rain falls on a roof"
PAINT = "Paint over what is to be made anew, low sounds at the bottom; all else stays as it is. Or say it in numbers:"
_PAINTER = "audiogen.mountPainter(element.firstElementChild, trigger, props, watch); /* 'painted' */"
_MODEL: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "sound"}
"""One request at a time uses the model; others wait in line."""
_SHOWN: dict[str, Any] = {"api_visibility": "private"}
_QUIET: dict[str, Any] = {**_SHOWN, "show_progress": "hidden"}


@dataclass(frozen=True)
class _Results:
    """Where results are shown."""

    choices: Any
    player: Any
    settings: Any
    used: Any
    facts: Any
    all: Any
    """State: all of the last request."""
    sent: Any
    """State: the chosen one."""

    @property
    def outputs(self) -> list[Any]:
        """In the order of `Shown`."""
        return [self.choices, self.player, self.settings, self.used, self.facts, self.all, self.sent]


def load(config: DemoConfig) -> Sound:
    """The model."""
    return Sound(config.sound, config.device)


def add(sound: Sound, config: DemoConfig, inlets: Inlets) -> None:
    """Lay out the tab; the endpoints are `/sound`, `/sound_inpaint` and `/sound_extend`."""
    events = Events(sound, config.folder)
    with gr.Row():
        with gr.Column(scale=3):
            caption = gr.Textbox(
                SAMPLE, label="Caption", lines=2, max_length=MOST_CHARACTERS, elem_id="sound-caption",
                info="What it is to sound like. Nothing: any sound, or one like the rest of what is mended.",
            )  # fmt: skip
            steps, guidance, seed, variations = _sampling(sound)
            seconds = gr.Slider(1, LONGEST, 10, step=1, label="Seconds", elem_id="sound-seconds")
            button = gr.Button("Make", variant="primary", elem_id="sound-button")
        with gr.Column(scale=2):
            results = _results(inlets)
    given = gr.Audio(
        label="Sound to mend", type="filepath", sources=["upload", "microphone"], elem_id="sound-given", buttons=[]
    )
    use = gr.Button("Use the result", size="sm", elem_id="sound-use")
    painter = gr.HTML(html_template="<div></div>", js_on_load=_PAINTER, elem_id="sound-painter")
    cells = gr.State(None)
    gr.Markdown(PAINT)
    with gr.Row(elem_classes="ag-controls"):
        bounds = [
            gr.Number(None, label=label, minimum=0, elem_id=f"sound-{name}")
            for label, name in (
                ("From (seconds)", "from"), ("To (seconds)", "to"), ("From (Hz)", "low"), ("To (Hz)", "high"),
            )
        ]  # fmt: skip
    inpaint = gr.Button("Make these parts anew", variant="primary", elem_id="sound-inpaint")
    with gr.Row():
        with gr.Column(min_width=200):
            cutoff = gr.Number(
                0, label="Cutoff (Hz)", minimum=0, elem_id="sound-cutoff",
                info="Up to where the sound has anything. 0: found.",
            )  # fmt: skip
            extend = gr.Button("Extend the bandwidth", elem_id="sound-extend")
        with gr.Column(min_width=200):
            strength = gr.Slider(
                0.05, 1, 0.5, step=0.05, label="Strength", elem_id="sound-strength", info="Share of it that is new."
            )
            vary = gr.Button("Make variations", elem_id="sound-vary")

    def asks(button: gr.Button, handler: Callable[..., Any], inputs: list[Any]) -> None:
        button.click(readable(handler), inputs, results.outputs, show_progress_on=[results.facts], **_MODEL, **_SHOWN)

    drawn, source = [caption, steps, guidance, seed], [given, results.all]
    asks(button, events.make, [caption, seconds, variations, steps, guidance, seed])
    asks(inpaint, events.inpaint, [*source, cells, *drawn, *bounds])
    asks(extend, events.extend, [*source, cutoff, *drawn])
    asks(vary, events.vary, [*source, strength, variations, *drawn])
    given.change(readable(events.draw), given, [painter, cells], **_QUIET)
    listen: Callable[..., Any] = painter.painted  # its own JavaScript triggers it
    listen(readable(events.paint), None, cells, trigger_mode="always_last", **_QUIET)
    use.click(readable(events.use), results.sent, given, **_QUIET)
    results.choices.input(
        readable(events.choose), [results.all, results.choices], [results.player, results.settings, results.sent],
        **_QUIET,
    )  # fmt: skip
    _endpoints(events, sound)


def _sampling(sound: Sound) -> list[Any]:
    """Steps, guidance, seed, variations."""
    decoding = sound.system.decoding
    with gr.Row(elem_classes="ag-controls"):
        return [
            gr.Slider(1, 64, decoding.steps, step=1, label="Steps", elem_id="sound-steps", info="More is slower."),
            gr.Slider(
                1, 10, decoding.guidance, step=0.5, label="Guidance", elem_id="sound-guidance",
                info="How closely the caption is followed; 1 is off.",
            ),
            gr.Number(0, precision=0, minimum=0, label="Seed", info=seeds.MEANING, elem_id="sound-seed"),
            gr.Slider(1, MOST_RESULTS, 1, step=1, label="Variations", elem_id="sound-variations"),
        ]  # fmt: skip


def _results(inlets: Inlets) -> _Results:
    """The player and what belongs to it, and where else its sound can go."""
    choices = gr.Radio(choices=[], label="Result", visible=False, elem_id="sound-choices")
    player = gr.Audio(label="Sound", type="filepath", interactive=False, buttons=["download"], elem_id="sound-player")
    used = gr.Number(label="Seed that was used", interactive=False, precision=0, elem_id="sound-used")
    facts = gr.Markdown("Say what it is to sound like and press Make, or mend a sound.", elem_id="sound-facts")
    settings = gr.File(label="Settings, for audiogen replay", interactive=False, height=110, elem_id="sound-settings")
    found = _Results(choices, player, settings, used, facts, gr.State(None), gr.State(None))
    for name, inlet in inlets.items():
        inlet(gr.Button(f"Send to {name}", elem_id=f"sound-to-{name.lower()}").click, found.sent)
    return found


def _endpoints(events: Events, sound: Sound) -> None:
    """For programs: no page, and uploads only."""
    decoding = sound.system.decoding
    with gr.Row(visible=False):

        def drawn() -> list[Any]:
            return [
                gr.Number(decoding.steps, label="steps", precision=0),
                gr.Number(decoding.guidance, label="guidance"),
                gr.Number(0, label="seed", precision=0),
            ]

        def endpoint(handler: Callable[..., Any], inputs: list[Any], name: str) -> None:
            outputs = [
                gr.File(label="sounds and settings", file_count="multiple"),
                gr.Number(label="seed", precision=0),
            ]
            gr.Button().click(readable(handler), inputs, outputs, api_name=name, **_MODEL)

        new = [gr.Textbox(label="caption"), gr.Number(10, label="seconds"), *drawn()]
        endpoint(events.answer, [*new, gr.Number(1, label="variations", precision=0)], "sound")
        audio, regions = gr.Audio(label="audio", type="filepath"), gr.Textbox(label="regions")
        endpoint(events.answer_inpaint, [audio, regions, gr.Textbox("", label="caption"), *drawn()], "sound_inpaint")
        audio, cutoff = gr.Audio(label="audio", type="filepath"), gr.Number(0, label="cutoff")
        endpoint(events.answer_extend, [audio, cutoff, gr.Textbox("", label="caption"), *drawn()], "sound_extend")
