"""The command `audiogen sound`; `audiogen.cli` says how commands are run, and what their exit codes mean."""

from typing import Annotated

import typer

from audiogen.console import print_facts, print_takes, progress
from audiogen.options import AsJson, Device, Dtype


def sound(
    caption: Annotated[str | None, typer.Argument(help='What it is to sound like; "" for any sound.')] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", help="Sound file to write, its settings beside it; a folder with --file.")
    ] = ...,  # type: ignore[assignment]
    file: Annotated[str | None, typer.Option("--file", "-f", help="Text file, a caption per line; - reads it.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of a new sound; 10 if not given.")] = None,
    like: Annotated[str | None, typer.Option(help="Sound file to be like, instead of a caption.")] = None,
    input_file: Annotated[str | None, typer.Option("--input", help="Sound file that --inpaint changes.")] = None,
    inpaint: Annotated[
        list[str] | None,
        typer.Option(help="Seconds to make anew, as 1.5:2, or with Hz, as 1.5:2:500:4000; may be repeated."),
    ] = None,
    extend: Annotated[str | None, typer.Option(help="Sound file that lacks its upper frequencies.")] = None,
    cutoff: Annotated[float | None, typer.Option(help="Hz up to which it has any; found if not given.")] = None,
    zero_shot: Annotated[bool, typer.Option("--zero-shot", help="Extend by the model of codes alone.")] = False,
    vary: Annotated[str | None, typer.Option(help="Sound file to make variations of.")] = None,
    strength: Annotated[float | None, typer.Option(help="Share of it that is new, 0.5 if not given.")] = None,
    embed: Annotated[
        str | None, typer.Option(help="Sound file to write the model's vectors of (.safetensors).")
    ] = None,
    pooled: Annotated[bool, typer.Option("--pooled", help="With --embed: one vector for all of it.")] = False,
    layer: Annotated[int | None, typer.Option(min=0, help="With --embed: of that many blocks, not of all.")] = None,
    variations: Annotated[int | None, typer.Option(min=1, help="How many: out-1.wav, out-2.wav, ...")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed gives the same sound; 0 if not given.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Passes: more is slower.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Above 1 is bolder, below 1 more usual.")] = None,
    confidence_temperature: Annotated[
        float | None, typer.Option(help="Randomness of the order in which codes are fixed.")
    ] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the caption; 1 is off.")] = None,
    top_k: Annotated[int | None, typer.Option(min=0, help="Draw from so many codes; 0 is off.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw from the most probable codes; 1 is off.")] = None,
    plot: Annotated[str | None, typer.Option(help="PNG: spectrogram, order of decoding.")] = None,
    model: Annotated[str, typer.Option(help="Name or folder; see `audiogen models`.")] = "nano-sound",
    device: Device = "cpu",
    dtype: Dtype = "float32",
    as_json: AsJson = False,
) -> None:
    """Make a sound from a caption; mend, extend or vary one."""
    from audiogen.pipelines import sound_files, take_files

    order = sound_files.Order.of(
        caption, file,
        {"--like": like, "--input": input_file, "--extend": extend, "--vary": vary, "--embed": embed},
        {
            "seconds": seconds, "inpaint": inpaint, "cutoff": cutoff, "zero_shot": zero_shot, "strength": strength,
            "pooled": pooled, "layer": layer, "variations": variations, "seed": seed, "steps": steps,
            "temperature": temperature, "confidence_temperature": confidence_temperature, "guidance": guidance,
            "top_k": top_k, "top_p": top_p, "plot": plot,
        },
    )  # fmt: skip
    outputs = order.outputs(output)
    from audiogen.pipelines.sound import Sound

    maker = Sound(model, device, dtype)
    if embed is not None:
        print_facts(order.embed(maker, outputs[0]), as_json)
        return
    with progress() as report:
        takes = order.fill(maker, lambda done, planned: report("making", done / planned))
    print_takes(take_files.write(takes, outputs, plot), as_json)
