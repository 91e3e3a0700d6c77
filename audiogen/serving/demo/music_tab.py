"""The tab Music: a caption in, music out, which can be vamped on."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from audiogen.errors import InputError
from audiogen.pipelines.loops import sidecar_of
from audiogen.pipelines.music import Music
from audiogen.pipelines.take import Take
from audiogen.serving.demo import seeds
from audiogen.serving.demo.config import DemoConfig
from audiogen.serving.demo.errors import readable
from audiogen.serving.demo.inlets import Inlets, Sent

LONGEST = 120
"""Seconds of a piece; the command line has no such limit."""
MOST_HYBRID = 10
"""Seconds by the twin, which takes long."""
MOST_CHARACTERS = 500
SAMPLE = "a cheerful jig in D major, played on a fiddle"


def load(config: DemoConfig) -> Music:
    """The model and its twin."""
    return Music(config.music, config.twin, device=config.device)


@dataclass(frozen=True)
class Events:
    """The handlers of the tab."""

    music: Music
    folder: Path

    def make(
        self,
        caption: str,
        seconds: float,
        hybrid: float,
        rescore: float,
        seed: float | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, str, int, str, Sent]:
        """Music for a caption: a sound file, its settings, the seed that was used, a line about it, the take itself."""
        if len(caption) > MOST_CHARACTERS:
            raise InputError(f"expected a caption of at most {MOST_CHARACTERS} characters, got {len(caption)}. Cut it.")
        used, started = seeds.drawn(seed), time.perf_counter()
        take = self.music(
            caption.strip(), seconds=seconds, hybrid=hybrid, rescore=rescore, seed=used,
            on_step=lambda done, planned: progress((done, planned), desc="Composing", unit="passes"),
        )  # fmt: skip
        path = take.save(Path(tempfile.mkdtemp(dir=self.folder)) / f"music-{used}.wav")
        return str(path), str(sidecar_of(path)), used, _about(take, time.perf_counter() - started), Sent(take, path)


def add(music: Music, config: DemoConfig, inlets: Inlets) -> None:
    """Lay out the tab; the endpoint is `/music`."""
    events = Events(music, config.folder)
    has_twin = music.ensemble.twin is not None
    sent = gr.State(None)
    with gr.Row():
        with gr.Column(scale=3):
            caption = gr.Textbox(
                SAMPLE, label="Caption", lines=2, max_length=MOST_CHARACTERS, elem_id="music-caption",
                info="What it is to sound like. Nothing: any music.",
            )  # fmt: skip
            seconds = gr.Slider(1, LONGEST, 10, step=1, label="Seconds", elem_id="music-seconds")
            with gr.Row(visible=has_twin):
                hybrid = gr.Slider(
                    0, MOST_HYBRID, 0, step=0.5, label="Hybrid", elem_id="music-hybrid",
                    info="First seconds that the twin makes, frame by frame.",
                )  # fmt: skip
                rescore = gr.Slider(
                    0, 1, 0, step=0.05, label="Rescore", elem_id="music-rescore",
                    info="How much the twin's opinion counts in what is kept.",
                )  # fmt: skip
            seed = gr.Number(0, precision=0, minimum=0, label="Seed", info=seeds.MEANING, elem_id="music-seed")
            button = gr.Button("Compose", variant="primary", elem_id="music-button")
        with gr.Column(scale=2):
            sound = gr.Audio(
                label="Music", type="filepath", interactive=False, buttons=["download"], elem_id="music-sound"
            )
            used = gr.Number(label="Seed that was used", interactive=False, precision=0, elem_id="music-used")
            facts = gr.Markdown(elem_id="music-facts")
            settings = gr.File(
                label="Settings, for audiogen replay", interactive=False, height=110, elem_id="music-settings"
            )
            buttons = [
                (gr.Button(f"Send to {name}", elem_id=f"music-to-{name.lower()}"), inlet)
                for name, inlet in inlets.items()
            ]
    button.click(
        readable(events.make), [caption, seconds, hybrid, rescore, seed], [sound, settings, used, facts, sent],
        api_name="music", concurrency_limit=1, concurrency_id="music", show_progress_on=[sound],
    )  # fmt: skip
    for send, inlet in buttons:
        inlet(send.click, sent)


def _about(take: Take, seconds: float) -> str:
    return f"{take.duration:.1f} s of music, made in {seconds:.1f} s, seed {take.seed}"
