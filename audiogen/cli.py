"""The command `audiogen`: parse, call a pipeline, print. Everything is imported when a command needs it.

Exit codes: 0 fine, 1 failed while running, 2 wrong input (one line on standard error that says what was expected).
"""

import logging
import os
import sys
from typing import Annotated, Any, NoReturn

import typer

from audiogen import __version__
from audiogen.console import print_facts, print_json, print_table, print_takes, progress
from audiogen.errors import InputError
from audiogen.music_command import music
from audiogen.options import AsJson, Device, Dtype
from audiogen.sound_command import sound

app = typer.Typer(
    help="Speech, music and sound by masked generation.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
codec_app = typer.Typer(help="Audio to codes and back.", no_args_is_help=True, rich_markup_mode=None)
eval_app = typer.Typer(help="Measure models.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(codec_app, name="codec")
app.add_typer(eval_app, name="eval")
finetune_app = typer.Typer(help="Teach a model your own sounds.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(finetune_app, name="finetune")

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130

CodecName = Annotated[str, typer.Option(help="Name or folder of a codec; see `audiogen models`.")]
Weights = Annotated[str | None, typer.Option(help="File or folder with a codec's official weights.")]
Levels = Annotated[int | None, typer.Option(min=1, help="Use only the first levels: a lower bitrate.")]


def main() -> NoReturn:
    """Run the command line; errors become one line and an exit code."""
    logging.basicConfig(level=os.environ.get("AUDIOGEN_LOG", "WARNING"), format="audiogen: %(message)s")
    try:
        code = app(standalone_mode=False, prog_name="audiogen") or 0
        if code == INTERRUPTED:  # what newer versions of typer make of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(code)
    except InputError as error:
        _fail(str(error), WRONG_INPUT)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has gone
        _drop_output()
        sys.exit(FAILED)
    except OSError as error:  # a name that is too long, a full disk
        _drop_output()
        where = "" if error.filename is None else f"{error.filename}: "
        _fail(f"{where}expected a file that can be read or written, got: {error.strerror or error}.", WRONG_INPUT)
    except Exception as error:
        if hasattr(error, "format_message"):  # a usage error of the command line parser
            if type(error).__name__ == "NoArgsIsHelpError":
                typer.echo(error.format_message(), err=True)
                sys.exit(WRONG_INPUT)
            _fail(f"{error.format_message()} See: {_command(error)} --help", WRONG_INPUT)
        if os.environ.get("AUDIOGEN_LOG", "").upper() == "DEBUG":
            raise
        _fail(f"failed: {type(error).__name__}: {error} (AUDIOGEN_LOG=DEBUG shows where)", FAILED)


def _drop_output() -> None:
    """What standard output could not take is not tried again at exit, where it would print a traceback."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"audiogen: {' '.join(message.split())}", err=True)
    sys.exit(code)


def _command(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "audiogen"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"audiogen {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Speech, music and sound by masked generation."""


@app.command()
def tts(
    text: Annotated[str | None, typer.Argument(help="What to say; - reads standard input.")] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Sound file to write; - is WAV to standard output.")
    ] = ...,  # type: ignore[assignment]
    file: Annotated[str | None, typer.Option("--file", "-f", help="Text file (UTF-8) to say.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same sound.")] = 0,
    speed: Annotated[float, typer.Option(help="Pace: 2 is twice as fast.")] = 1.0,
    seconds: Annotated[float | None, typer.Option(help="Length of the speech, instead of a pace.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Decoder passes: more is slower and clearer.")] = None,
    voice: Annotated[str | None, typer.Option(help="Voice file to speak with, instead of the built-in voice.")] = None,
    model: Annotated[str, typer.Option(help="Name or folder; see `audiogen models`.")] = "nano-tts",
    device: Device = "cpu",
    as_json: AsJson = False,
    plot: Annotated[str | None, typer.Option(help="PNG: waveform, mel spectrogram, order of decoding.")] = None,
) -> None:
    """Say a text."""
    from audiogen.pipelines import speak

    content = speak.read_text(text, file)
    speak.check_targets(output, plot, as_json)
    from audiogen.pipelines.tts import TTS

    with progress() as report:
        speech = TTS(model, device=device).speak(
            content, seed=seed, speed=speed, seconds=seconds, steps=steps, voice=voice,
            on_progress=lambda share: report("speaking", share),
        )  # fmt: skip
    speak.write(speech.audio, output)
    if plot:
        speech.save_plot(plot)
    if as_json:
        print_json(speak.describe(speech, model=model, seed=seed, speed=speed, steps=steps, output=output))
    elif speech.left_out:
        typer.echo(f"audiogen: left out, cannot be spoken: {' '.join(speech.left_out)}", err=True)


@app.command()
def vamp(
    source: Annotated[str, typer.Argument(help="Sound file.")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="Sound file to write; its settings go beside it.")
    ] = ...,  # type: ignore[assignment]
    prompt: Annotated[str | None, typer.Option(help='What to keep, for example "periodic(7) & levels(3)".')] = None,
    preset: Annotated[str | None, typer.Option(help="A prompt by name: small, medium, large, timbre, ...")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Seconds to make anew, as 1.5-2; may be repeated.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Let the end flow into the start.")] = False,
    variations: Annotated[int, typer.Option(min=1, help="How many: out-1.wav, out-2.wav, ...")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same sound.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Decoder passes: more is slower.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Above 1 is bolder, below 1 more usual.")] = None,
    keep_original: Annotated[
        bool, typer.Option("--keep-original", help="Keep the very samples where nothing is made anew.")
    ] = False,
    bars: Annotated[int | None, typer.Option(min=1, help="Use only the first bars of the input.")] = None,
    feedback: Annotated[int, typer.Option(min=1, help="Rounds, each on the result of the last.")] = 1,
    pitch: Annotated[float, typer.Option(help="Shift the input by semitones first.")] = 0.0,
    stretch: Annotated[int, typer.Option(min=1, help="Times as long.")] = 1,
    top_p: Annotated[float | None, typer.Option(help="Draw from the most probable codes; 1 is off.")] = None,
    typical_mass: Annotated[float | None, typer.Option(help="Draw from the most typical codes; 1 is off.")] = None,
    typical_min_tokens: Annotated[int | None, typer.Option(min=1, help="Codes that this leaves at least.")] = None,
    confidence_temperature: Annotated[
        float | None, typer.Option(help="Randomness of the order in which codes are fixed.")
    ] = None,
    greedy_steps: Annotated[int | None, typer.Option(min=0, help="Last passes that draw nothing at random.")] = None,
    bpm_in_name: Annotated[bool, typer.Option("--bpm-in-name", help="Write out-97bpm.wav.")] = False,
    plot: Annotated[str | None, typer.Option(help="PNG: spectrogram, mask, order of decoding.")] = None,
    style: Annotated[str | None, typer.Option(help="Style file of `audiogen finetune vamp`.")] = None,
    model: Annotated[str, typer.Option(help="Name or folder; see `audiogen models`.")] = "nano-vamp",
    device: Device = "cpu",
    dtype: Dtype = "float32",
    as_json: AsJson = False,
) -> None:
    """Make variations of a loop or a song; fill a region; close a loop."""
    from audiogen.pipelines import take_files

    wanted = take_files.prompt_of(prompt, preset, region or [], loop)
    outputs = take_files.names(output, variations)
    take_files.check_targets(outputs, plot, bpm_in_name)
    from audiogen.pipelines.vamp import Vamp

    with progress() as report:
        takes = Vamp(model, device, style, dtype)(
            source, wanted, steps=steps, temperature=temperature, seed=seed, variations=variations,
            keep_original=keep_original, bars=bars, feedback=feedback, pitch=pitch, stretch=stretch, top_p=top_p,
            typical_mass=typical_mass, typical_min_tokens=typical_min_tokens,
            confidence_temperature=confidence_temperature, greedy_steps=greedy_steps,
            on_step=lambda done, planned: report("vamping", done / planned),
        )  # fmt: skip
    print_takes(take_files.write(takes, outputs, plot, bpm_in_name), as_json)


app.command()(music)
app.command()(sound)


@app.command()
def replay(
    source: Annotated[str, typer.Argument(help="File that `audiogen vamp`, `music` or `sound` wrote, or its .json.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Sound file to write.")] = ...,  # type: ignore[assignment]
    input_file: Annotated[str | None, typer.Option("--input", help="The input, if it lies elsewhere now.")] = None,
    model: Annotated[str | None, typer.Option(help="The model, if it lies elsewhere now.")] = None,
    style: Annotated[str | None, typer.Option(help="The style, if it lies elsewhere now.")] = None,
    twin: Annotated[str | None, typer.Option(help="The twin, if it lies elsewhere now.")] = None,
    rescorer: Annotated[str | None, typer.Option(help="The rescorer, if it lies elsewhere now.")] = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Make a sound again from the settings beside it: on the same machine the same file, bit for bit."""
    from audiogen.pipelines import take_files

    outputs = take_files.names(output, 1)
    take_files.check_targets(outputs)
    from audiogen.pipelines.replay import replay

    take = replay(source, audio=input_file, model=model, style=style, twin=twin, rescorer=rescorer, device=device)
    print_takes(take_files.write([take], outputs), as_json)


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the page is: http://127.0.0.1:PORT")] = 7860,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets in the whole network.")] = "127.0.0.1",
    model: Annotated[str, typer.Option(help="Model that vamps: name or folder; see `audiogen models`.")] = "nano-vamp",
    style: Annotated[str | None, typer.Option(help="Style file of `audiogen finetune vamp`.")] = None,
    music: Annotated[
        str, typer.Option(help="Model that composes: name or folder; see `audiogen models`.")
    ] = "nano-music",
    twin: Annotated[
        str | None, typer.Option(help="Its autoregressive twin, if not the one that comes with it.")
    ] = None,
    sound_model: Annotated[
        str, typer.Option("--sound", help="Model that makes sounds: name or folder; see `audiogen models`.")
    ] = "nano-sound",
    voice: Annotated[str, typer.Option(help="Voice that speaks: name or folder; see `audiogen models`.")] = "nano-tts",
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    device: Device = "cpu",
) -> None:
    """Open a page in the browser: vamp loops, make music and sounds from captions, mend sounds, and speak."""
    from audiogen.extras import need

    need("gradio", "demo")
    from audiogen.serving.demo.app import serve
    from audiogen.serving.demo.config import DemoConfig

    def ready(url: str) -> None:
        typer.echo(f"audiogen: the demo is at {url} (Ctrl-C ends it)", err=True)

    serve(
        lambda folder: DemoConfig(
            folder=folder, model=model, style=style, music=music, twin=twin, sound=sound_model, voice=voice,
            device=device,
        ),
        host=host, port=port, browser=browser, ready=ready,
    )  # fmt: skip


@app.command()
def models(as_json: AsJson = False) -> None:
    """List what can be loaded by name."""
    from dataclasses import asdict

    from audiogen.checkpoints.catalogue import list_models

    found = list_models()
    if as_json:
        print_json([asdict(model) for model in found])
        return
    rows = [(one.name, one.kind, one.source, "yes" if one.here else "no", one.summary) for one in found]
    print_table(("name", "kind", "weights", "here", ""), rows)


@eval_app.command("tts")
def eval_tts(
    sets: Annotated[
        list[str] | None,
        typer.Argument(help="Data dirs, or text files with one sentence per line.", show_default=False),
    ] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Folder for sounds and scores.")] = None,
    model: Annotated[str, typer.Option(help="Name or folder; see `audiogen models`.")] = "nano-tts",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first sentences of each set.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every sentence.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that recognise.")] = 1,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Speak test sentences and let an offline recogniser hear them; recordings are scored beside them."""
    from audiogen.pipelines.evaluate import SENTENCES, evaluate_tts, read_test_set, table

    test_sets = [read_test_set(path, limit) for path in sets or [str(SENTENCES)]]
    from audiogen.pipelines.tts import TTS

    with progress() as report:
        results = evaluate_tts(
            TTS(model, device=device), test_sets, name=model, output=output, seed=seed, jobs=jobs, on_progress=report
        )
    if as_json:
        print_json([result.to_json() for result in results])
        return
    print_table(*table(results))


@finetune_app.callback()
def _finetune() -> None:
    """Teach a model your own sounds."""


@finetune_app.command("vamp")
def finetune_vamp(
    folder: Annotated[str, typer.Argument(help="Folder with sound files, of any rate and length.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Style to write (.safetensors).")] = ...,  # type: ignore[assignment]
    model: Annotated[str, typer.Option(help="Name or folder; see `audiogen models`.")] = "nano-vamp",
    steps: Annotated[int, typer.Option(min=1, help="Updates: more is slower and closer to the sounds.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same style.")] = 0,
    rank: Annotated[int, typer.Option(min=1, help="Size of the style: larger ones learn more.")] = 8,
    as_json: AsJson = False,
) -> None:
    """Make a style for `audiogen vamp` from a folder of sounds. A run that was killed goes on where it was."""
    from audiogen.checkpoints.weights import read_metadata
    from audiogen.pipelines.finetune import finetune

    with progress() as report:
        style = finetune(folder, output, model=model, steps=steps, seed=seed, rank=rank, on_progress=report)
    print_facts({"style": str(style), **read_metadata(style)}, as_json)


@codec_app.command("encode")
def codec_encode(
    source: Annotated[str, typer.Argument(help="Sound file.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Codes file to write (.safetensors).")] = ...,  # type: ignore[assignment]
    codec: CodecName = "nano-codec-speech",
    levels: Levels = None,
    weights: Weights = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Write the codes of a sound."""
    from audiogen.pipelines.codec import encode_file

    print_facts(encode_file(source, output, codec, device, weights, levels).to_json(), as_json)


@codec_app.command("decode")
def codec_decode(
    source: Annotated[str, typer.Argument(help="Codes file (.safetensors).")],
    output: Annotated[str, typer.Option("--output", "-o", help="Sound file to write.")] = ...,  # type: ignore[assignment]
    codec: Annotated[str | None, typer.Option(help="Folder of the codec, if the file does not name one.")] = None,
    weights: Weights = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Write the sound of a codes file."""
    from audiogen.pipelines.codec import decode_file

    audio = decode_file(source, output, codec, device, weights)
    print_facts({"output": output, "seconds": round(audio.duration, 4), "sample_rate": audio.sample_rate}, as_json)


@codec_app.command("info")
def codec_info(
    name: Annotated[str, typer.Argument(help="Name or folder of a codec, or a codes file.")],
    weights: Weights = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Facts about a codec or a codes file."""
    from audiogen.pipelines.codec import info

    print_facts(info(name, device, weights).to_json(), as_json)


@codec_app.command("compare")
def codec_compare(
    source: Annotated[str, typer.Argument(help="Sound file.")],
    codec: CodecName = "nano-codec-speech",
    levels: Levels = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Sound file for the decoded sound.")] = None,
    plot: Annotated[str | None, typer.Option(help="PNG with both spectrograms.")] = None,
    weights: Weights = None,
    device: Device = "cpu",
    as_json: AsJson = False,
) -> None:
    """Measure a round trip: mel distance, SI-SDR, STOI, PESQ, bitrate, real-time factors."""
    from audiogen.pipelines.codec import compare_file

    print_facts(compare_file(source, codec, device, weights, levels, plot, output).to_json(), as_json)
