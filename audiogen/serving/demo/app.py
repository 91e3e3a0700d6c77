"""`audiogen demo`: the page with all tabs, on this machine only, and the same by `gradio_client`.

    from gradio_client import Client, handle_file

    client = Client("http://127.0.0.1:7860")
    files, seed = client.predict(
        handle_file("loop.wav"),           # wav, flac, ogg, mp3; mono or stereo; 5 minutes at most
        "periodic(7) & levels(4)",         # what is kept; see audiogen.prompts
        12,                                # steps
        1.0,                               # temperature
        0,                                 # seed, 0: a random one
        2,                                 # variations, 1 to 4
        api_name="/vamp",
    )                                      # a WAV and its JSON settings per variation, and the seed that was used
    sound, settings, seed, line = client.predict("a jig", 10, 2.0, 0.5, 0, api_name="/music")
                                           # caption, seconds, hybrid, rescore, seed; a WAV, its JSON settings, ...
    files, seed = client.predict("rain", 10, 16, 3.0, 0, 2, api_name="/sound")
                                           # caption, seconds, steps, guidance, seed, variations
    files, seed = client.predict(handle_file("a.wav"), "1.5:2, 3:4:500:4000", "", 16, 3.0, 0, api_name="/sound_inpaint")
                                           # sound, regions (seconds, or also Hz), caption, steps, guidance, seed
    files, seed = client.predict(handle_file("a.wav"), 0, "", 16, 3.0, 0, api_name="/sound_extend")
                                           # sound, cutoff (Hz; 0: found), caption, steps, guidance, seed
    sound, seed, spoken = client.predict("It speaks.", 1.0, 0, api_name="/speak")
                                           # text, speed, seed; a WAV, the seed that was used, a line about it

A request that cannot be fulfilled raises the same message that the page shows.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from audiogen.errors import InputError, NotBundledError
from audiogen.serving.demo import music_tab, sound_tab, speak_tab, vamp_tab
from audiogen.serving.demo.config import DemoConfig
from audiogen.serving.demo.errors import sentence
from audiogen.serving.demo.inlets import Inlet, Inlets

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("sound.js", "waveform.js", "player.js", "painter.js")
"""In the order in which they need each other."""
MAX_SESSIONS = 64
"""Open pages whose takes are remembered; of more, the one that was longest unused starts anew."""
MAX_WAITING = 64
"""Requests in line; more are refused with a message."""
MAX_UPLOAD = "200mb"


@dataclass(frozen=True)
class Tab:
    """A page of the demo."""

    label: str
    load: Callable[[DemoConfig], Any]
    """Makes the pipeline, once, before the page opens."""
    add: Callable[[Any, DemoConfig, Inlets], Inlet | None]
    """Lays out the page around the pipeline, inside the open `gr.Tab`; what tabs before it take, it can send them.

    Returns how others can send it sounds, if it takes any.
    """


TABS = [
    Tab("Vamp", vamp_tab.load, vamp_tab.add),
    Tab("Music", music_tab.load, music_tab.add),
    Tab("Sound", sound_tab.load, sound_tab.add),
    Tab("Speak", speak_tab.load, speak_tab.add),
]


def build(config: DemoConfig) -> gr.Blocks:
    """The page, ready to launch; loads the models. A tab whose model is not bundled says how to get it.

    Raises:
        InputError: a model's name is unknown, or its files are damaged.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # is read in several places of gradio, not only by Blocks
    os.environ["GRADIO_TEMP_DIR"] = str(config.folder / "gradio")  # uploads, and what the page is given to play
    pipelines = [_loaded(tab, config) for tab in TABS]
    with gr.Blocks(title="audiogen", analytics_enabled=False) as page:
        gr.Markdown("# audiogen\nMasked generation of music, sound and speech, on this machine.", elem_id="title")
        inlets: dict[str, Inlet] = {}
        with gr.Tabs() as tabs:
            for tab, pipeline in zip(TABS, pipelines, strict=True):
                with gr.Tab(tab.label, id=tab.label):
                    if isinstance(pipeline, NotBundledError):
                        gr.Markdown(sentence(pipeline))
                        continue
                    inlet = tab.add(pipeline, config, inlets)
                if inlet is not None:
                    inlets[tab.label] = _shown_after(inlet, tabs, tab.label)
    return page.queue(max_size=MAX_WAITING)


def _loaded(tab: Tab, config: DemoConfig) -> Any:
    """The tab's pipeline, or why there is none."""
    try:
        return tab.load(config)
    except NotBundledError as error:
        logger.warning("The tab %s stays empty: %s", tab.label, error)
        return error


@contextmanager
def serving(config: DemoConfig, host: str, port: int, browser: bool = False) -> Iterator[str]:
    """Serve the page while the block runs; its URL.

    Raises:
        InputError: as `build`; the port is taken, or the address is not one of this machine.
    """
    page = build(config)
    try:
        _, url, _ = page.launch(
            server_name=host, server_port=port, inbrowser=browser, share=False, prevent_thread_lock=True, quiet=True,
            max_file_size=MAX_UPLOAD, state_session_capacity=MAX_SESSIONS, ssr_mode=False, run_history=False,
            footer_links=["api"], theme=_theme(), css_paths=STATIC / "page.css", head=_head(),
        )  # fmt: skip
    except OSError as error:
        raise InputError(
            f"expected a free port on {host}, got {port}, which cannot be used (another program has it, or {host} is "
            f"no address of this machine). Choose another: audiogen demo --port {port + 1}"
        ) from error
    try:
        yield url
    finally:
        page.close(verbose=False)


def serve(
    config_of: Callable[[Path], DemoConfig], host: str, port: int, browser: bool, ready: Callable[[str], None]
) -> None:
    """Serve until the process is interrupted; uploads and takes lie in a temporary folder that is removed then."""
    with (
        tempfile.TemporaryDirectory(prefix="audiogen-demo-") as folder,
        serving(config_of(Path(folder)), host, port, browser) as url,
    ):
        ready(url)
        _wait()


def _wait() -> None:
    import threading

    threading.Event().wait()


def _shown_after(inlet: Inlet, tabs: gr.Tabs, label: str) -> Inlet:
    """The inlet, and then its tab comes to the front."""

    def wire(listen: Callable[..., Any], sent: gr.State) -> Any:
        return inlet(listen, sent).success(
            lambda: gr.Tabs(selected=label), None, tabs, api_visibility="private", show_progress="hidden"
        )

    return wire


def _theme() -> gr.Theme:
    """Fonts of the system, so that nothing is fetched from anywhere; explanations dark enough to read."""
    theme = gr.themes.Soft(
        primary_hue="indigo", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    return theme.set(
        body_background_fill="*neutral_100", block_background_fill="white",
        block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300",
        body_text_color_subdued="*neutral_600", body_text_color_subdued_dark="*neutral_300",
        input_border_color="*neutral_300", input_border_width="1px", checkbox_border_color="*neutral_500",
        checkbox_label_border_color="*neutral_300", checkbox_label_border_width="1px",
        button_primary_background_fill="*primary_600", button_primary_background_fill_hover="*primary_500",
    )  # fmt: skip


def _head() -> str:
    return "\n".join(f"<script>\n{(STATIC / name).read_text(encoding='utf-8')}</script>" for name in SCRIPTS)
