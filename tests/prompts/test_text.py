"""The text form of prompts: what is written is what is read, and errors say where."""

import random

import pytest

import audiogen.prompts as package
from audiogen.errors import InputError
from audiogen.prompts import (
    PROMPTS,
    And,
    Beats,
    Dropout,
    Everything,
    Inpaint,
    Levels,
    Loop,
    Not,
    Nothing,
    Onsets,
    Or,
    Periodic,
    Prefix,
    Prompt,
    Random,
    Suffix,
    parse,
)  # fmt: skip

WRITTEN = "periodic(7, width=3) & levels(3) | beats(after=0.08) & ~dropout(0.2)"


def any_leaf(rng: random.Random) -> Prompt:
    seconds = rng.choice([rng.uniform(0, 9), rng.random() * 10.0 ** -rng.randint(0, 12), float(rng.randint(0, 900))])
    regions = [(start, start + rng.random() + 1e-9) for start in (rng.uniform(0, 50) for _ in range(rng.randint(1, 3)))]
    bars = [(bar, bar + rng.randint(0, 3)) for bar in (rng.randint(1, 20) for _ in range(rng.randint(1, 3)))]
    return rng.choice(
        [
            Prefix(seconds), Suffix(seconds), Loop(seconds), Inpaint(regions), Levels(rng.randint(0, 20)),
            Inpaint(bars, rng.choice(["bars", "beats"])), Random(rng.random()), Dropout(rng.random()),
            Periodic(rng.randint(0, 99), rng.randint(1, 3), rng.choice([None, rng.randint(0, 9)])),
            Beats(seconds, rng.choice([0.05, seconds]), rng.randint(1, 4)), Onsets(rng.randint(0, 9)),
            Everything(), Nothing(),
        ]
    )  # fmt: skip


def any_prompt(rng: random.Random, depth: int) -> Prompt:
    if depth == 0 or rng.random() < 0.2:
        return any_leaf(rng)
    kind = rng.choice([And, Or, Not])
    return kind(*(any_prompt(rng, depth - 1) for _ in range(1 if kind is Not else 2)))


@pytest.mark.parametrize("seed", range(300))
def test_what_is_written_is_read(seed):
    prompt = any_prompt(random.Random(seed), depth=4)
    assert parse(str(prompt)) == prompt
    assert str(parse(str(prompt))) == str(prompt)
    assert str(parse(str(prompt).replace(" ", ""))) == str(prompt)


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        (WRITTEN, Periodic(7, width=3) & Levels(3) | Beats(after=0.08) & ~Dropout(0.2)),
        ("random(.5) | loop & prefix(1.)", Random(0.5) | (Loop() & Prefix(1))),
        ("(random(.5) | loop) & prefix(1.)", (Random(0.5) | Loop()) & Prefix(1)),
        ("~loop & levels(1)", (~Loop()) & Levels(1)),
        ("~(loop & levels(1))", ~(Loop() & Levels(1))),
        ("loop | levels(1) | beats", (Loop() | Levels(1)) | Beats()),
        ("loop | (levels(1) | beats)", Loop() | (Levels(1) | Beats())),
        ("inpaint(1.5-2.0, 3-4.25)", Inpaint([(1.5, 2), (3, 4.25)])),
        ("inpaint( 2 - 3 , unit = bars )", Inpaint([(2, 3)], "bars")),
        ("inpaint(2, 4-5, bars)", Inpaint([(2, 2), (4, 5)], "bars")),
        ("periodic(width=2, period=9)", Periodic(9, 2)),
        ("beats(0.1, 0.2, 2)", Beats(0.1, 0.2, 2)),
        ("everything", Everything()),
        ("\tnothing ( )\n", Nothing()),
    ],
)
def test_forms(text, prompt):
    assert parse(text) == prompt


def test_written_form():
    assert str(parse(WRITTEN)) == WRITTEN
    assert str(Inpaint([(2, 3), (5, 5)], "bars")) == "inpaint(2-3, 5-5, unit=bars)"
    assert str(Periodic(7, offset=0)) == "periodic(7, offset=0)"
    assert str(Loop()) == "loop()"
    assert str(Prefix(1e-5)) == "prefix(0.00001)"
    assert str((Loop() | Beats()) & ~(Loop() & Beats())) == "(loop() | beats()) & ~(loop() & beats())"


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", 1, "expected the name of a prompt, ~ or (, got the end of the text"),
        ("periodic(7) &", 14, "expected the name of a prompt, ~ or (, got the end of the text"),
        ("periodic(7) & levls(3)", 15, "expected the name of a prompt, got 'levls'. The nearest: levels"),
        ("periodic(7) levels(3)", 13, "expected &, | or the end of the text, got 'levels'"),
        ("periodic(7", 11, "expected , or ), got the end of the text"),
        ("(loop", 6, "expected &, | or ), got the end of the text"),
        ("loop)", 5, "expected &, | or the end of the text, got ')'"),
        ("periodic(7, 1, 2, 3)", 19, "expected period, width, offset, each once in periodic(), got '3'"),
        ("periodic(7, period=3)", 13, "expected period, width, offset, each once in periodic(), got 'period'"),
        ("loop & everything(3)", 19, "expected no argument in everything(), got '3'"),
        ("periodic(x=3)", 10, "expected the name of an argument (period, width, offset), got 'x'"),
        ("periodic(-3)", 10, "expected a number, a region (start-end) or a word, got '-'"),
        ("inpaint(1-)", 11, "expected the end of the region, a number, got ')'"),
        ("loop & inpaint()", 8, "inpaint: expected regions, got no such argument. An example: inpaint(1.5-2"),
        ("inpaint(3)", 1, "inpaint: expected regions that end after they start, got 3-3"),
        ("inpaint(1-2, unit=bar)", 1, "inpaint: expected unit to be seconds, bars, beats, got 'bar'"),
        ("loop | random(2)", 8, "random: expected share to be a number from 0 to 1, got 2.0"),
        ("levels(2.5)", 1, "levels: expected count to be a whole number of 0 or more, got 2.5"),
        ("levels(1-2)", 1, "levels: expected count to be a whole number"),
        ("levels(true)", 1, "levels: expected count to be a whole number"),
        ("__import__('os')", 1, "expected the name of a prompt, got '__import__'"),
        ("loop; loop", 5, "expected &, | or the end of the text, got ';'"),
    ],
)
def test_errors_say_where_and_what_was_expected(text, place, message):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value).startswith(f"prompt {text!r}, character {place}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("text", ["(" * 5000, "~" * 5000 + "loop", "loop|" * 5000 + "loop"])
def test_endless_texts_are_refused(text):
    with pytest.raises(InputError, match="at most 200 operators"):
        parse(text)


@pytest.mark.parametrize("text", ["(" * 200 + "loop" + ")" * 200, "~" * 200 + "loop", "loop|" * 200 + "loop"])
def test_the_longest_texts_are_read(text):
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize("other", [None, "levels(3)", 3])
def test_prompts_combine_with_prompts_only(other):
    with pytest.raises(TypeError):
        Loop() & other
    with pytest.raises(TypeError):
        Loop() | other


def test_the_page_lists_every_prompt_with_a_valid_example():
    lines = [line.strip() for line in package.__doc__.splitlines() if line.startswith("    ")]
    examples = [parse(line.split("  ")[0]) for line in lines if not line.startswith("mask(")]
    used = " ".join(map(str, examples))
    assert len(examples) > len(PROMPTS)
    for name, prompt in PROMPTS.items():
        assert f"{name}(" in used
        assert prompt.__doc__
        assert parse(prompt.example)
        assert name in prompt.example
