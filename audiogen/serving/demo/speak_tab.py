"""The tab Speak: text in, speech out."""

import tempfile
from pathlib import Path

import gradio as gr

from audiogen.pipelines.script import MAX_SPEED, MIN_SPEED
from audiogen.pipelines.tts import TTS
from audiogen.serving.demo import seeds
from audiogen.serving.demo.config import DemoConfig
from audiogen.serving.demo.errors import readable
from audiogen.serving.demo.inlets import Inlets

MOST_CHARACTERS = 5_000
"""Of a text: about six minutes of speech."""
SAMPLE = "The loop comes back changed, but in time."


def load(config: DemoConfig) -> TTS:
    """The voice."""
    return TTS(config.voice, device=config.device)


def add(tts: TTS, config: DemoConfig, inlets: Inlets) -> None:
    """Lay out the tab; the endpoint is `/speak`."""

    def speak(
        text: str,
        speed: float,
        seed: float | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, int, str]:
        """Say an English text: a sound file, the seed that was used, and a line about it."""
        used = seeds.drawn(seed)
        speech = tts.speak(text, seed=used, speed=speed, on_progress=lambda share: progress(share, desc="Speaking"))
        if speech.left_out:
            gr.Warning(f"Left out, cannot be spoken: {' '.join(speech.left_out)}")
        path = speech.audio.save(Path(tempfile.mkdtemp(dir=config.folder)) / f"speech-{used}.wav")
        facts = f"{speech.audio.duration:.1f} s of speech, made in {speech.seconds_taken:.1f} s, seed {used}"
        return str(path), used, facts

    with gr.Row():
        with gr.Column(scale=3):
            text = gr.Textbox(
                SAMPLE, label="Text", lines=5, max_length=MOST_CHARACTERS, elem_id="speak-text",
                info="English. Long texts are spoken sentence by sentence.",
            )  # fmt: skip
            with gr.Row():
                speed = gr.Slider(
                    MIN_SPEED,
                    MAX_SPEED,
                    1.0,
                    step=0.05,
                    label="Speed",
                    info="1 is the voice's own pace, 2 twice as fast.",
                )
                seed = gr.Number(0, precision=0, minimum=0, label="Seed", info=seeds.MEANING, elem_id="speak-seed")
            button = gr.Button("Speak", variant="primary", elem_id="speak-button")
        with gr.Column(scale=2):
            sound = gr.Audio(
                label="Speech", type="filepath", interactive=False, buttons=["download"], elem_id="speak-sound"
            )
            used = gr.Number(label="Seed that was used", interactive=False, precision=0, elem_id="speak-used")
            facts = gr.Markdown(elem_id="speak-facts")
    button.click(
        readable(speak), [text, speed, seed], [sound, used, facts],
        api_name="speak", concurrency_limit=1, concurrency_id="speak", show_progress_on=[sound],
    )  # fmt: skip
