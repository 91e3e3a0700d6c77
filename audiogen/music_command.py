"""The command `audiogen music`; `audiogen.cli` says how commands are run, and what their exit codes mean."""

from typing import Annotated

import typer

from audiogen.console import print_takes, progress
from audiogen.options import AsJson, Device, Dtype


def music(
    caption: Annotated[str | None, typer.Argument(help='What it is to sound like; "" for any music.')] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Sound file to write, its settings beside it; a folder with --file.")
    ] = ...,  # type: ignore[assignment]
    file: Annotated[str | None, typer.Option("--file", "-f", help="Text file, a caption per line; - reads it.")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Length; with --continue, of what is new. 10 if not given.")
    ] = None,
    continued: Annotated[str | None, typer.Option("--continue", help="Sound file that the music goes on from.")] = None,
    inpainted: Annotated[str | None, typer.Option("--inpaint", help="Sound file of which some is made anew.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Seconds to make anew, as 1.5-2; may be repeated.")] = None,
    prompt: Annotated[str | None, typer.Option(help='What to keep, for example "periodic(7) & levels(2)".')] = None,
    keep_original: Annotated[
        bool, typer.Option("--keep-original", help="Keep the very samples where nothing is made anew.")
    ] = False,
    hybrid: Annotated[float, typer.Option(help="First seconds that the autoregressive twin makes.")] = 0.0,
    rescore: Annotated[float, typer.Option(help="How much the twin's opinion counts in every pass: 0 to 1.")] = 0.0,
    rescore_steps: Annotated[int | None, typer.Option(min=0, help="First passes of a level that it counts in.")] = None,
    candidates: Annotated[int, typer.Option(min=1, help="Make so many, keep what the twin finds best.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same music.")] = 0,
    steps: Annotated[str | None, typer.Option(help="Passes of each level, as 20,10,10,10; or of the first.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Above 1 is bolder, below 1 more usual.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from the most probable codes; 1 is off.")] = None,
    top_k: Annotated[int | None, typer.Option(min=0, help="Draw from so many codes; 0 is off.")] = None,
    guidance: Annotated[
        str | None, typer.Option(help="How closely to follow the caption, as 10,1: first, last.")
    ] = None,
    plot: Annotated[str | None, typer.Option(help="PNG: spectrogram, order of decoding.")] = None,
    model: Annotated[str, typer.Option(help="Name or folder; see `audiogen models`.")] = "nano-music",
    twin: Annotated[str | None, typer.Option(help="Autoregressive model, if not the one that comes with it.")] = None,
    rescorer: Annotated[str | None, typer.Option(help="Who rescores, if not the twin.")] = None,
    device: Device = "cpu",
    dtype: Dtype = "float32",
    as_json: AsJson = False,
) -> None:
    """Make music from a caption; go on from a sound; make some of one anew."""
    from audiogen.pipelines import music_files, take_files

    order = music_files.Order.of(
        caption, file, seconds=seconds, continued=continued, inpainted=inpainted, regions=region or [], prompt=prompt,
        keep_original=keep_original,
    )  # fmt: skip
    settings = {
        "hybrid": hybrid, "rescore": rescore, "rescore_steps": rescore_steps, "candidates": candidates, "seed": seed,
        "steps": music_files.numbers(steps, int, "--steps"), "temperature": temperature, "top_p": top_p, "top_k": top_k,
        "guidance": music_files.numbers(guidance, float, "--guidance"),
    }  # fmt: skip
    outputs = order.outputs(output)
    take_files.check_targets(outputs, plot)
    from audiogen.pipelines.music import Music

    with progress() as report:
        takes = order.fill(
            Music(model, twin, rescorer, device, dtype),
            {**settings, "on_step": lambda done, planned: report("composing", done / planned)},
        )
    print_takes(take_files.write(takes, outputs, plot), as_json)
