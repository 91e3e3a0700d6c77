"""Styles of the generated loops as data: grooves on a grid of sixteenths, rhythms of bass and chords, tempi.

In a rhythm of 16 signs `X` is a loud stroke, `x` a medium one, `o` a soft one and `.` none; a bar has 16 of them.
"""

from dataclasses import dataclass

ACCENTS = {"X": 1.0, "x": 0.75, "o": 0.45}


@dataclass(frozen=True, kw_only=True)
class Style:
    """One way of making a loop."""

    tempo: tuple[float, float]
    """Beats per minute, from and to."""
    swing: tuple[float, float]
    """Share of an eighth by which every second sixteenth comes late, from and to."""
    grooves: tuple[dict[str, str], ...]
    """Drum -> rhythm; one is chosen."""
    bass: tuple[str, ...]
    chords: tuple[str, ...]
    arpeggio: tuple[str, ...] = ("x.x.x.x.x.x.x.x.", "xxxxxxxxxxxxxxxx", "x..x..x.x..x..x.")
    minor: float = 0.6
    """Chance of a minor key."""


STYLES: dict[str, Style] = {
    "house": Style(
        tempo=(116, 130),
        swing=(0.0, 0.12),
        grooves=(
            {"kick": "X...X...X...X...", "clap": "....X.......X...", "hat": "..x...x...x...x."},
            {
                "kick": "X...X...X...X..o",
                "clap": "....X.......X...",
                "open hat": "..x...x...x...x.",
                "hat": "x.oox.oox.oox.oo",
            },
            {
                "kick": "X...X...X...X...",
                "snare": "....X.......X..o",
                "shaker": "x.xxx.xxx.xxx.xx",
                "rim": "...x..x....x..x.",
            },
        ),
        bass=("..X...X...X...X.", "X..x..x.X..x..x.", "..xX..xX..xX..xX"),
        chords=("X..X..X...X..X..", "..X...X...X...X.", "X...............", "X..x...X..x....."),
    ),
    "techno": Style(
        tempo=(124, 142),
        swing=(0.0, 0.03),
        grooves=(
            {"kick": "X...X...X...X...", "hat": "x.X.x.X.x.X.x.X.", "clap": "....X.......X..."},
            {
                "kick": "X...X...X...X...",
                "open hat": "..X...X...X...X.",
                "rim": "..x..x.x..x..x.x",
                "tom": "...x......x.....",
            },
        ),
        bass=("xxXxxxXxxxXxxxXx", "..xx..xx..xx..xx", "X.xX.xX.X.xX.xX."),
        chords=("X.....X.........", "...X.....X......", "X..............."),
        minor=0.9,
    ),
    "hip hop": Style(
        tempo=(78, 100),
        swing=(0.05, 0.3),
        grooves=(
            {"kick": "X......x..X.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
            {
                "kick": "X..x......Xx....",
                "snare": "....X..o....X..o",
                "hat": "x.xox.x.x.xox.xx",
                "open hat": "..............x.",
            },
            {"kick": "X.x.....x.X..x..", "clap": "....X.......X...", "hat": "xxx.xxx.xxx.xxx."},
        ),
        bass=("X......x..X.....", "X..x......X...x.", "X.....x...X....."),
        chords=("X...............", "X.........x.....", "..X...x...X...x."),
    ),
    "trap": Style(
        tempo=(130, 160),
        swing=(0.0, 0.05),
        grooves=(
            {"kick": "X.....x.......x.", "clap": "........X.......", "hat": "x.x.x.x.x.xxx.x."},
            {
                "kick": "X..x......x..x..",
                "snare": "........X.......",
                "hat": "xxxxx.x.x.x.xxxx",
                "open hat": "......x.........",
            },
        ),
        bass=("X.....x.......x.", "X.........X....."),
        chords=("X...............", "X.......X......."),
        minor=0.9,
    ),
    "drum and bass": Style(
        tempo=(160, 170),
        swing=(0.0, 0.08),
        grooves=(
            {"kick": "X.........X.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
            {"kick": "X.x.......X.....", "snare": "....X..o.o..X..o", "hat": "x.xxx.xxx.xxx.xx"},
        ),
        bass=("X.....x...X.....", "X.......x..x....", "X..X..X.....X..."),
        chords=("X...............", "X.....X........."),
        minor=0.8,
    ),
    "rock": Style(
        tempo=(96, 150),
        swing=(0.0, 0.05),
        grooves=(
            {"kick": "X.......X.x.....", "snare": "....X.......X...", "hat": "X.x.X.x.X.x.X.x."},
            {"kick": "X..x....X..x....", "snare": "....X.......X...", "open hat": "X...X...X...X..."},
            {"kick": "X.....x.X.......", "snare": "....X.......X.oo", "tom": "X.x.X.x.X.x.X.x."},
        ),
        bass=("X.x.x.x.X.x.x.x.", "X..x..x.X..x..x.", "X.......X.x....."),
        chords=("X.......X.......", "X.x.x.x.X.x.x.x.", "X..X..X.X..X..X."),
        minor=0.4,
    ),
    "funk": Style(
        tempo=(92, 118),
        swing=(0.03, 0.2),
        grooves=(
            {"kick": "X..x..x...x..x..", "snare": "....X..o.o..X..o", "hat": "x.xxx.xxx.xxx.xx"},
            {
                "kick": "X.x....x..x.....",
                "snare": "....X.o....oX...",
                "hat": "x.x.x.x.x.x.x...",
                "open hat": "..............x.",
            },
        ),
        bass=("X..x..x...xX..x.", "X.xX......X.x.xX", "X..X.x..X.x...x."),
        chords=("..X..x....X..x..", "...X......Xx....", "X..x..x..x..x..."),
    ),
    "reggae": Style(
        tempo=(70, 88),
        swing=(0.05, 0.25),
        grooves=(
            {"kick": "........X.......", "rim": "........X.......", "hat": "x.x.x.x.x.x.x.x."},
            {"kick": "X.......X.......", "snare": "....o...X...o..o", "hat": "x.oxx.oxx.oxx.ox"},
        ),
        bass=("X..x..X.....x.x.", "X.....X.x.X....."),
        chords=("....X.......X...", "....X.x.....X.x."),
        minor=0.5,
    ),
    "latin": Style(
        tempo=(90, 128),
        swing=(0.0, 0.08),
        grooves=(
            {"kick": "X..xX..xX..xX..x", "rim": "X..X..X...X.X...", "shaker": "xoxoxoxoxoxoxoxo"},
            {
                "kick": "X...X...X...X...",
                "snare": "...X..X....X..X.",
                "hat": "x.x.x.x.x.x.x.x.",
                "tom": "......x.......xx",
            },
        ),
        bass=("X..X..X.X..X..X.", "X..x....X..x...."),
        chords=("X..X..X...X.X...", "..X..X....X..X.."),
        minor=0.5,
    ),
    "ambient": Style(
        tempo=(70, 100),
        swing=(0.0, 0.1),
        grooves=(
            {"kick": "X...........x...", "shaker": "..o...o...o...o."},
            {"rim": "x......x...x....", "tom": "X.........x....."},
        ),
        bass=("X...............", "X.......x......."),
        chords=("X...............",),
        arpeggio=("x..x..x.x..x..x.", "x...x...x...x...", "x.....x...x....."),
    ),
}

PROGRESSIONS: dict[str, tuple[tuple[int, ...], ...]] = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 3), (1, 4, 0, 0), (5, 3, 0, 4), (0, 0, 3, 4), (0,), (0, 3)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6), (0, 5, 3, 4), (0, 2, 6, 3), (0, 0, 5, 6), (0,), (0, 5)),
}
"""Mode -> degrees of the scale on which the chords of a loop stand, 0 is the tonic."""

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
"""Semitones above the tonic."""

MIXES: tuple[tuple[str, ...], ...] = (
    ("drums",),
    ("drums", "bass"),
    ("drums", "bass"),
    ("drums", "bass", "chords"),
    ("drums", "bass", "chords"),
    ("drums", "bass", "chords", "lead"),
    ("drums", "bass", "arpeggio"),
    ("drums", "chords"),
    ("drums", "arpeggio"),
    ("drums", "lead"),
    ("bass", "chords"),
    ("chords", "lead"),
    ("bass", "arpeggio"),
    ("chords",),
    ("arpeggio",),
    ("bass",),
)
"""What a loop is made of; one is chosen."""
