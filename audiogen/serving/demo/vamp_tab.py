"""The tab Vamp: a loop in, variations of it out, and one that plays on for ever.

Layout and wiring: `studio` does what is asked for, `static/` plays and draws it in the browser.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from audiogen.pipelines.vamp import Vamp
from audiogen.prompts.presets import PRESETS
from audiogen.serving.demo import seeds
from audiogen.serving.demo.config import DemoConfig
from audiogen.serving.demo.controls import CONTROLS, HINTS, PLACES, Choice, Control, Slider, Text, prompt_of
from audiogen.serving.demo.errors import readable
from audiogen.serving.demo.examples import write_examples
from audiogen.serving.demo.inlets import Inlet, Inlets
from audiogen.serving.demo.presets import FIRST, Presets
from audiogen.serving.demo.request import KEPT, VARIATIONS, settings_of
from audiogen.serving.demo.session import Session
from audiogen.serving.demo.studio import LONGEST, Studio
from audiogen.serving.demo.vamp_events import Events

HELP = "The prompt says what is **kept**; all else is made new. The picture under the waveform shows it cell by cell."
_PLAYER = "audiogen.mountPlayer(element, trigger, props, watch); /* 'regions' 'use' 'undo' 'pick' 'seed' 'keep' */"
_MASK = "audiogen.mountMask(element.firstElementChild, props, watch);"
_FEED = "audiogen.mountFeed(element, trigger, props, watch); /* 'more' 'halt' */"

_MODEL: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "vamp"}
"""One request at a time uses the model; others wait in line."""
_SHOWN: dict[str, Any] = {"api_visibility": "private"}
_QUIET: dict[str, Any] = {**_SHOWN, "show_progress": "hidden"}
_EACH: dict[str, Any] = {**_QUIET, "trigger_mode": "multiple"}
"""One after the other, where the second comes before the first is answered."""


def load(config: DemoConfig) -> Studio:
    """The model."""
    return Studio(Vamp(config.model, config.device, config.style))


def add(studio: Studio, config: DemoConfig, inlets: Inlets) -> Inlet:
    """Lay out the tab; the endpoint is `/vamp`. What other tabs send becomes the input."""
    presets = Presets(config.settings)
    events = Events(studio, presets, config.folder)
    session = gr.State(Session(config.folder), delete_callback=Session.close)
    source = _source_row(config)
    player = gr.HTML(html_template="<div></div>", js_on_load=_PLAYER, elem_id="player")
    feed = gr.HTML(html_template="<div></div>", js_on_load=_FEED, elem_id="feed")
    preset = gr.Radio(presets.names(), value=FIRST, label="Preset", elem_id="preset")
    meaning = gr.Markdown(events.meaning(FIRST), elem_id="preset-meaning")
    with gr.Row(equal_height=True):
        button = gr.Button("Vamp", variant="primary", elem_id="vamp-button", scale=2, min_width=140)
        variations = _component(VARIATIONS)
        seed = gr.Number(0, precision=0, minimum=0, label="Seed", info=seeds.MEANING, elem_id="vamp-seed")
    status = gr.Markdown("Load a sound, choose a preset, press Vamp.", elem_id="vamp-status")
    with gr.Accordion("Prompt: what is kept"):
        gr.Markdown(HELP)
        prompt = gr.Textbox(
            str(prompt_of({})), label="Prompt", elem_id="prompt",
            info="The controls write it; it can also be typed. Only what stands here counts.",
        )  # fmt: skip
        mask = gr.HTML(html_template="<div class='ag-problem'></div>", js_on_load=_MASK, elem_id="mask")
        hints = _grid_of(HINTS)
        places = _grid_of(PLACES)
    with gr.Accordion("Sampling", open=False):
        sliders = settings_of(studio.vamp.system.decoding)
        settings = [*_grid_of(sliders), gr.Checkbox(False, label=KEPT[0], info=KEPT[1], elem_id="keep_original")]
    controls = [*hints, *places]
    _preset_editor(events, preset, meaning, prompt, controls)
    with gr.Accordion("Spectrogram and mask", open=False):
        picture = gr.Image(
            type="filepath", interactive=False, show_label=False, elem_id="picture", buttons=["download"]
        )

    regions, unit = controls[CONTROLS.index(PLACES[0])], controls[CONTROLS.index(PLACES[1])]
    previewed = [session, prompt, regions, unit, seed]
    request = [prompt, *settings]

    def preview(after: Any) -> Any:
        return after(readable(events.preview), previewed, mask, trigger_mode="always_last", **_QUIET)

    def take_in(listen: Callable[..., Any], handler: Callable[..., Any], given: Any) -> Any:
        loaded = listen(readable(handler), [session, given], [session, player, status], **_SHOWN)
        return preview(loaded.success).then(readable(events.draw_input), session, picture, **_QUIET)

    take_in(source.change, events.load, source)
    preview(prompt.change)
    for control in controls:
        control.input(
            readable(events.write_prompt), controls, [prompt, preset, meaning], trigger_mode="always_last", **_QUIET
        )
    _on(player, "regions", readable(events.regions), controls, [regions, unit, prompt, preset, meaning], **_EACH)
    preview(_on(player, "use", readable(events.use), session, [player, status], **_QUIET).success)
    preview(_on(player, "undo", readable(events.undo), session, [player, status], **_QUIET).success)
    _on(player, "pick", readable(events.pick), previewed, mask, **_EACH)
    _on(player, "pick", readable(events.draw), session, picture, **_EACH)
    _on(player, "seed", readable(events.reuse_seed), None, seed, **_QUIET)
    _on(player, "keep", readable(events.keep), [session, prompt], [player, status], **_QUIET)
    made = button.click(
        readable(events.make), [session, *request, seed, variations], [player, mask, status],
        show_progress_on=[status], **_MODEL, **_SHOWN,
    )  # fmt: skip
    made.success(readable(events.draw_last), session, picture, **_QUIET)
    _on(feed, "more", readable(events.more), [session, *request, seed], feed, **_MODEL, **_QUIET)
    _on(feed, "halt", readable(events.halt), session, None, **_QUIET)
    _endpoint(events)
    return lambda listen, sent: take_in(listen, events.receive, sent)


def _source_row(config: DemoConfig) -> gr.Audio:
    """Upload, record, or choose an example, which puts it where an upload would be."""
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            source = gr.Audio(
                label="Input", type="filepath",
                sources=["upload", "microphone"], elem_id="source", buttons=[],
            )  # fmt: skip
        with gr.Column(scale=1, min_width=200):
            gr.Markdown(
                f"Drop, upload or record a loop (wav, flac, ogg, mp3; {LONGEST / 60:g} minutes at most), or try one:"
            )
            for name, path in write_examples(config.folder / "examples").items():
                button = gr.Button(name, size="sm", elem_classes="example")
                button.click(partial(str, path), None, source, **_QUIET)
    return source


def _preset_editor(
    events: Events, preset: gr.Radio, meaning: gr.Markdown, prompt: gr.Textbox, controls: list[Any]
) -> None:
    """Choosing, saving and deleting presets; those that were saved elsewhere are there when the page is loaded."""
    with gr.Accordion("My presets", open=False), gr.Row(equal_height=True):
        name = gr.Textbox(
            label="Name", elem_id="preset-name", scale=2, info="Keeps all controls of the prompt under this name."
        )
        save = gr.Button("Save", elem_id="preset-save", min_width=90)
        delete = gr.Button("Delete the chosen preset", elem_id="preset-delete", min_width=120)
    preset.input(readable(events.choose_preset), preset, [*controls, prompt, meaning], **_QUIET)
    save.click(readable(events.save_preset), [name, *controls], [preset, meaning, name], **_QUIET)
    delete.click(readable(events.delete_preset), preset, [preset, meaning], **_QUIET)
    gr.on(None, readable(events.list_presets), None, preset, **_QUIET)  # when the page is opened


def _endpoint(events: Events) -> None:
    """`/vamp`, for programs: no session, and uploads only."""
    with gr.Row(visible=False):
        inputs = [
            gr.Audio(label="audio", type="filepath"),
            gr.Textbox(PRESETS["medium"].prompt, label="prompt"),
            gr.Number(36, label="steps", precision=0),
            gr.Number(events.studio.vamp.system.decoding.temperature, label="temperature"),
            gr.Number(0, label="seed", precision=0),
            gr.Number(1, label="variations", precision=0),
        ]
        outputs = [gr.File(label="takes and settings", file_count="multiple"), gr.Number(label="seed", precision=0)]
        gr.Button().click(readable(events.answer), inputs, outputs, api_name="vamp", **_MODEL)


def _grid_of(controls: tuple[Control, ...]) -> list[Any]:
    """Components of `controls`, as many beside each other as there is room for."""
    with gr.Row(elem_classes="ag-controls"):
        return [_component(control) for control in controls]


def _component(control: Control) -> Any:
    shared: dict[str, Any] = {"label": control.label, "info": control.meaning, "elem_id": control.name}
    match control:
        case Slider():
            return gr.Slider(control.least, control.most, control.default, step=control.step, **shared)
        case Choice():
            return gr.Radio(list(control.choices), value=control.default, **shared)
        case Text():
            return gr.Textbox(control.default, **shared)


def _on(component: gr.HTML, event: str, *wiring: Any, **options: Any) -> Any:
    """Wire an event that the component's own JavaScript triggers."""
    listen: Callable[..., Any] = getattr(component, event)
    return listen(*wiring, **options)
