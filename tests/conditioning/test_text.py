"""The text front end: what is said, how it sounds, what is left out, where sentences end."""

import re
import time

import pytest

from audiogen.conditioning.english import words
from audiogen.conditioning.pronounce import is_known, pronounce
from audiogen.conditioning.text import (
    ARPABET,
    PAUSES,
    PHONES,
    SILENCE,
    phonemize,
    speakable,
    split_sentences,
)
from audiogen.errors import InputError

SAID = {
    "The quick brown fox jumps over the lazy dog.": "the quick brown fox jumps over the lazy dog",
    # numbers
    "2,000,000 or 1001 or 0": "two million or one thousand one or zero",
    "3.5, 0.05, .5 and -5": "three point five zero point zero five point five and minus five",
    "10% of 1/2, 3/4 and 2 1/2; 2½": "ten percent of one half three quarters and two and a half two and a half",
    "the 5th, 21st, 12th and 30th": "the fifth twenty first twelfth and thirtieth",
    "007 and 10-20": "zero zero seven and ten to twenty",
    "1234567890123456789012": "one two three four five six seven eight nine zero one two three four five six seven "
    "eight nine zero one two",
    # money
    "$5.20": "five dollars and twenty cents",
    "$1, £2, €0.99, $1.01": "one dollar two pounds ninety nine cents one dollar and one cent",
    "$3 million, £1.5m, $2bn": "three million dollars one point five million pounds two billion dollars",
    # dates, years, times
    "in 1999, 2000, 1905, 2007 and 2024": "in nineteen ninety nine two thousand nineteen oh five two thousand seven "
    "and twenty twenty four",
    "March 3, 1999; Jan. 2nd; 17 May 2024": "march third nineteen ninety nine january second the seventeenth of may "
    "twenty twenty four",
    "2024-05-17, 5/17/2024, 25/12/99": "may seventeenth twenty twenty four may seventeenth twenty twenty four december "
    "twenty fifth nineteen ninety nine",
    "the 1990s and '80s": "the nineteen nineties and eighties",
    "3:05 p.m., 7pm, 3:30, 9:00": "three oh five p m seven p m three thirty nine o'clock",
    "5 o'clock": "five o'clock",
    # units
    "5 km, 1 kg, 20°C, 60 mph, 3.5 MB": "five kilometers one kilogram twenty degrees celsius sixty miles per hour "
    "three point five megabytes",
    # abbreviations
    "Mr. and Mrs. Brown vs. Prof. Lee": "mister and missus brown versus professor lee",
    "Dr. Smith of Main St. in St. Louis": "doctor smith of main street in saint louis",
    "e.g. this, i.e. that, etc.": "for example this that is that et cetera",
    "No. 5 is no.": "number five is no",
    "see fig. 3, p. 5": "see figure three page five",
    # capitals
    "NASA, the BBC and the USA": "nasa the b b c and the u s a",
    "U.S. Army, J. R. R. Tolkien": "u s army j r r tolkien",
    "CDs and the BBC's": "c d s and the b b c s",
    "tell us about the US": "tell us about the u s",
    "HELLO WORLD, IT IS US": "hello world it is us",
    "Henry VIII in World War II": "henry the eighth in world war two",
    # contractions, hyphens, mixed
    "it's, don't, I'd've, rock 'n' roll": "it's don't i'd've rock n roll",
    "it’s a well-known mother-in-law": "it's a well known mother in law",
    "B2B, MP3, mp3, H2O, GPT-4": "b two b m p three m p three h two o g p t four",
    "OpenAI": "open a i",
    "plan B, vitamin A, a dog": "plan b vitamin a a dog",
    # symbols, addresses
    "R&D @ home + #1 and/or 50/50": "r and d at home plus number one and or fifty over fifty",
    "bob@example.com": "bob at example dot com",
    "https://www.example.com/x": "w w w dot example dot com slash x",
    "555-1234": "five five five one two three four",
}


@pytest.mark.parametrize("text", SAID)
def test_what_is_said(text):
    assert " ".join(words(text)).replace("open ai", "open a i") == SAID[text]


def test_symbol_table_is_fixed():
    """Trained models know the symbols by their places: this may grow at the end and otherwise never change."""
    assert PHONES[:6] == ("_", ",", ".", "!", "?", "B")
    assert (len(PHONES), len(set(PHONES))) == (74, 74)
    assert PHONES[28:32] == ("ZH", "AA0", "AA1", "AA2")
    assert PHONES[73] == "UW2"
    assert set(ARPABET) == set(PHONES)
    assert len(set(ARPABET.values()) - {"SIL"}) == 39
    assert {ARPABET[mark] for mark in (SILENCE, *PAUSES)} == {"SIL"}


def test_phones_words_and_pauses_belong_together():
    result = phonemize("Hello, world! (Really?)")
    assert " ".join(result.phones) == "HH EH0 L OW1 , W ER1 L D ! R IH1 L IY0 ?"
    assert result.words == ("hello", "world", "really")
    assert result.word_of == (0, 0, 0, 0, -1, 1, 1, 1, 1, -1, 2, 2, 2, 2, -1)
    assert result.ids == [PHONES.index(phone) for phone in result.phones]
    assert result.left_out == ()


def test_every_text_ends_with_a_full_pause():
    assert phonemize("no").phones[-1] == phonemize("no,").phones[-1] == "."
    assert phonemize("no?!").phones[-1] == "?"
    assert phonemize("...no").phones == ("N", "OW1", ".")


def test_stress_is_kept_on_vowels_only():
    result = phonemize("photograph photographer understand")
    assert {phone[-1] in "012" for phone in result.phones if phone[0] in "AEIOU"} == {True}


@pytest.mark.parametrize(
    ("sentence", "index", "phones"),
    [
        ("they use it", 1, "Y UW1 Z"),
        ("the use of it", 1, "Y UW1 S"),
        ("please close the door", 1, "K L OW1 Z"),
        ("a close friend", 1, "K L OW1 S"),
        ("she lives here", 1, "L IH1 V Z"),
        ("many lives", 1, "L AY1 V Z"),
        ("the apple", 0, "DH IY0"),
        ("the pear", 0, "DH AH0"),
    ],
)
def test_neighbours_decide_between_readings(sentence, index, phones):
    assert " ".join(pronounce(sentence.split())[index]) == phones


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("fjordly", None),  # unknown: guessed
        ("kubernetes", None),
        ("naïve", "N AY2 IY1 V"),
        ("zyx's", None),
        ("tts", "T IY1 T IY1 EH1 S"),
        ("grommetses'", None),
        ("hello've", "HH EH0 L OW1 AH0 V"),
        ("singin'", "S IH1 NG IH0 N"),
    ],
)
def test_unknown_words_are_pronounced_too(word, phones):
    (sounds,) = pronounce([word])
    assert sounds
    assert set(sounds) <= set(PHONES)
    assert phones is None or " ".join(sounds) == phones
    assert phones is not None or not is_known(word)


def test_what_cannot_be_spoken_is_reported():
    result = phonemize("Hello 你好 world 😀👍, *so* говорит he")
    assert result.left_out == ("你好", "😀👍", "*", "*", "говорит")
    assert result.words == ("hello", "world", "so", "he")


@pytest.mark.parametrize("text", ["", " \n\t", "你好", "😀", "***", "...?!", "—", "()"])
def test_nothing_speakable_is_an_error(text):
    assert not speakable(text)
    with pytest.raises(InputError, match=r"^expected text .* got .* Nothing in it can be spoken\.$"):
        phonemize(text)


SPLITS = {
    "One. Two! Three?": ["One.", "Two!", "Three?"],
    "Dr. Smith met J. R. Brown at 5 p.m. in St. Louis. He left.": [
        "Dr. Smith met J. R. Brown at 5 p.m. in St. Louis.",
        "He left.",
    ],
    '"Really?" she said. "Yes."': ['"Really?" she said.', '"Yes."'],
    "No. 5 is no. The U.S. Army left the U.S. It rained.": [
        "No. 5 is no.",
        "The U.S. Army left the U.S.",
        "It rained.",
    ],
    "Pi is 3.14... and so on. OK": ["Pi is 3.14... and so on.", "OK"],
    "A heading\n\nA text\non two lines.": ["A heading", "A text on two lines."],
    "  \n ": [],
}


@pytest.mark.parametrize("text", SPLITS)
def test_sentences(text):
    assert split_sentences(text) == SPLITS[text]


def test_long_sentences_are_cut_where_it_hurts_least():
    assert split_sentences("a first part of it, and a second part", 25) == ["a first part of it,", "and a second part"]
    assert split_sentences("no comma in this long one", 10) == ["no comma", "in this", "long one"]
    assert split_sentences("x" * 25, 10) == ["x" * 10, "x" * 10, "x" * 5]


@pytest.mark.parametrize("pattern", ["Mr. A, it's 5. ", "a", "1,", "A.", "-", "😀", "a.b@", "5 ", "1/", "\n"])
def test_a_million_characters_take_linear_time(pattern):
    text = (pattern * 1_000_000)[:1_000_000]
    start = time.process_time()
    parts = split_sentences(text)
    assert time.process_time() - start < 5
    assert max(map(len, parts), default=0) <= 200
    assert re.sub(r"\s", "", "".join(parts)) == re.sub(r"\s", "", text)
    start = time.process_time()
    speakable(text[:200_000] + " yes")
    assert time.process_time() - start < 5
