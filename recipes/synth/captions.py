"""What a piece of music is like, and how people say it: attributes, and captions that name all of them or some.

Every word of a caption follows from the attributes, so that a caption is always true of its clip.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from audiogen.errors import InputError
from recipes.synth.score import PITCH_NAMES
from recipes.synth.voice import pick

MODES = ("major", "minor")
KEYS = tuple(f"{tonic} {mode}" for mode in MODES for tonic in PITCH_NAMES)
SPELLINGS = {"C#": "C sharp", "F#": "F sharp", "Eb": "E flat", "Ab": "A flat", "Bb": "B flat"}
TEMPO_WORDS = ((85, ("slow", "unhurried")), (110, ("moderate", "walking")), (135, ("quick", "brisk")))
"""Beats per minute up to which the words are true."""
FAST = ("fast", "rapid")
"""Above all of these."""
GENRES = {"2/4": ("polka", "march"), "3/4": ("waltz",), "4/4": ("reel", "hornpipe"), "6/8": ("jig",)}
"""Metre -> dances that have it."""
LIVELY = 100
"""Beats per minute above which a mood is a lively one."""
MOODS = {
    ("major", False): ("calm", "gentle", "peaceful"),
    ("major", True): ("cheerful", "happy", "lively"),
    ("minor", False): ("sad", "wistful", "mournful"),
    ("minor", True): ("restless", "dark", "driving"),
}
"""Mode, and whether the tempo is lively -> words for it."""
NAMES = ("mood", "genre", "key", "metre", "tempo", "lead", "backing")
"""What a caption may name."""
FULL = 0.4
"""Share of the captions in training that name everything."""
KEPT = 0.5
"""Chance of each name in the others."""


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What is known about a clip."""

    tempo: int
    """Beats per minute; the beat of 6/8 is the dotted quarter."""
    metre: str
    """One of GENRES."""
    key: str
    """One of KEYS."""
    lead: str
    """Instrument of the melody."""
    backing: str
    """Instrument of the chords and the bass."""

    def __post_init__(self) -> None:
        if self.metre not in GENRES or self.key not in KEYS:
            raise InputError(
                f"Attributes: expected a metre of {', '.join(GENRES)} and a key such as {KEYS[0]}, "
                f"got {self.metre!r} and {self.key!r}. Leave the tune out."
            )


Words = Mapping[str, str]
"""Some of NAMES -> how they are said."""


def draw_captions(rng: np.random.Generator, attributes: Attributes, count: int) -> tuple[str, ...]:
    """`count` captions in one of STYLES each; the first names everything, and others name some of it."""
    return tuple(caption(rng, attributes, full=not number or rng.random() < FULL) for number in range(count))


def caption(rng: np.random.Generator, attributes: Attributes, full: bool) -> str:
    """A caption that names everything exactly if it is `full`, else some of it."""
    tempo = tempo_number if full or rng.random() < 0.6 else tempo_word
    tonic, mode = attributes.key.split()
    words = {
        "mood": pick(rng, MOODS[mode, attributes.tempo > LIVELY]),
        "genre": pick(rng, GENRES[attributes.metre]),
        "key": f"{pick(rng, (tonic, SPELLINGS.get(tonic, tonic)))} {mode}",
        "metre": attributes.metre,
        "tempo": tempo(rng, attributes.tempo),
        "lead": attributes.lead,
        "backing": attributes.backing,
    }
    if not full:
        kept = [name for name in NAMES if rng.random() < KEPT] or [pick(rng, NAMES)]
        words = {name: words[name] for name in kept}
    return pick(rng, STYLES)(words)


def tempo_number(rng: np.random.Generator, tempo: int) -> str:
    """As in "120 BPM"."""
    return f"{tempo} {pick(rng, ('BPM', 'beats per minute'))}"


def tempo_word(rng: np.random.Generator, tempo: int) -> str:
    """As in "a quick tempo"."""
    words = next((words for limit, words in TEMPO_WORDS if tempo <= limit), FAST)
    return f"{with_article(pick(rng, words))} tempo"


def with_article(noun: str) -> str:
    """A noun, and what stands before it, with "a" or "an"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def sentence(words: Words) -> str:
    """As in "A sad waltz in D minor, in 3/4 time, at 90 BPM, played on the flute with guitar."."""
    start = with_article(_kind(words)) + (f" in {words['key']}" if "key" in words else "")
    phrases = {"metre": "in {} time", "tempo": "at {}", "lead": "played on the {}"}
    parts = [start, *(phrase.format(words[name]) for name, phrase in phrases.items() if name in words)]
    text = ", ".join(parts) + (f" with {words['backing']}" if "backing" in words else "")
    return text[0].upper() + text[1:] + "."


def players(words: Words) -> str:
    """As in "Flute and guitar play a sad waltz, 3/4, D minor, 90 BPM"."""
    band = [words[name] for name in ("lead", "backing") if name in words] or ["somebody"]
    verb = "play" if len(band) > 1 else "plays"
    facts = [words[name] for name in ("metre", "key", "tempo") if name in words]
    text = ", ".join([f"{' and '.join(band)} {verb} {with_article(_kind(words))}", *facts])
    return text[0].upper() + text[1:]


def tags(words: Words) -> str:
    """As in "waltz, D minor, 90 BPM, flute, sad, 3/4, guitar"."""
    order = ("genre", "key", "tempo", "lead", "mood", "metre", "backing")
    return ", ".join(words[name] for name in order if name in words)


STYLES: Sequence[Callable[[Words], str]] = (sentence, players, tags)
"""Ways to put the words together."""


def _kind(words: Words) -> str:
    """As in "sad waltz", "sad tune"."""
    return f"{words.get('mood', '')} {words.get('genre', 'tune')}".strip()
