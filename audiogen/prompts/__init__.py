"""Which cells of the grid to keep: prompts for every model that fills the rest.

    mask(periodic(7) & levels(3), grid, seed)     in Python: Periodic(7) & Levels(3)

A prompt says what is KEPT. `a & b` keeps what both keep, `a | b` what either keeps, `~a` what `a` does not; `~` binds
more tightly than `&`, and `&` than `|`. The same text stands on the command line and in JSON (`parse`, `str`).

Places
    prefix(1.5)                      the first 1.5 seconds: the rest continues them
    suffix(1.5)                      the last 1.5 seconds: the rest leads to them
    inpaint(1.5-2, 3-4.25)           all but these regions, in seconds
    inpaint(2-3, unit=bars)          all but bars 2 and 3, counted from 1 (unit=beats: the same for beats)
    loop(seconds=0.5)                all but half a second around the seam; the end flows into the start
    levels(3)                        the three coarsest levels: the sound in outline, its details made anew
    everything()                     all
    nothing()                        none: a new sound of the same length
Patterns
    periodic(7)                      every 7th frame, from an offset that the seed draws: the smaller, the closer
    periodic(12, width=3, offset=0)  three frames of every twelve, from the first
    random(0.1)                      a tenth of all cells
    periodic(3) & ~dropout(0.2)      every third frame, less a fifth of the frames at random
    beats(after=0.08)                80 ms from every beat: new sounds in the old rhythm
    beats(before=0.02, every=4)      around the first beat of every bar
    onsets(width=2)                  two frames before and two from every note or hit
Together
    periodic(7) & levels(3) | beats(after=0.05) & ~dropout(0.2)
    loop(seconds=1) & periodic(5)
"""

from audiogen.prompts.base import And, Not, Or, Prompt, mask
from audiogen.prompts.grid import Grid
from audiogen.prompts.patterns import Beats, Dropout, Onsets, Periodic, Random
from audiogen.prompts.regions import Everything, Inpaint, Levels, Loop, Nothing, Prefix, Suffix
from audiogen.prompts.text import PROMPTS, parse

__all__ = [
    "PROMPTS",
    "And",
    "Beats",
    "Dropout",
    "Everything",
    "Grid",
    "Inpaint",
    "Levels",
    "Loop",
    "Not",
    "Nothing",
    "Onsets",
    "Or",
    "Periodic",
    "Prefix",
    "Prompt",
    "Random",
    "Suffix",
    "mask",
    "parse",
]
