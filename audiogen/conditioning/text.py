"""English text to phones, and long text to sentences.

`phonemize` says numbers, money, dates, abbreviations and symbols as words (`english`), looks the words up (`pronounce`)
and returns ARPAbet phones with stress plus four pause marks. Offline, without GPL code: the lexicon is gruut's (MIT).

The symbols are fixed: a trained model knows them by their place in `PHONES`, so new ones may only be added at the end.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from audiogen.conditioning import english
from audiogen.conditioning.abbreviations import ABBREVIATIONS, ONLY_BEFORE_NUMBER, STARTERS, TITLES
from audiogen.conditioning.pronounce import CONSONANTS, VOWELS, pronounce, sibilant, spell
from audiogen.errors import InputError

LONGEST_TEXT = 100_000
"""Characters that are spoken at once, about two hours."""
SILENCE = "_"
PAUSES = (",", ".", "!", "?")
"""Weakest first; where several marks meet, the strongest stays."""
PHONES = (
    SILENCE,
    *PAUSES,
    *sorted(CONSONANTS.values()),
    *(vowel + stress for vowel in sorted(set(VOWELS.values())) for stress in "012"),
)
"""All symbols; a symbol's id is its place. 0 is silence and padding. Stress: 0 none, 1 primary, 2 secondary."""
PHONE_IDS = {phone: index for index, phone in enumerate(PHONES)}
ARPABET = {phone: "SIL" if phone in (SILENCE, *PAUSES) else phone.rstrip("012") for phone in PHONES}
"""Symbol -> its phone in acoustic models that do not mark stress (pocketsphinx)."""


@dataclass(frozen=True)
class Phonemes:
    """What will be said."""

    phones: tuple[str, ...]
    """Symbols of `PHONES`; the last is always a . ! or ?"""
    words: tuple[str, ...]
    """The spoken words in lower case; spelled letters are words of one letter."""
    word_of: tuple[int, ...]
    """For each phone the index of its word, -1 for a pause mark."""
    left_out: tuple[str, ...]
    """What cannot be said, as it stood in the text: emoji, other scripts, markup."""

    @property
    def ids(self) -> list[int]:
        """Places of the phones in `PHONES`."""
        return [PHONE_IDS[phone] for phone in self.phones]


def phonemize(text: str) -> Phonemes:
    """The phones of an English text.

    Raises:
        InputError: nothing in the text can be spoken.
    """
    phones: list[str] = []
    words: list[str] = []
    word_of: list[int] = []
    left_out: list[str] = []
    for sentence in _sentences(english.tokens(text)):
        left_out += [token.text for token in sentence if token.kind == "left_out"]
        said = [token for token in sentence if token.kind != "left_out"]
        for token, sounds in zip(said, _sounds(said), strict=True):
            if token.kind == "pause":
                _add_pause(phones, word_of, token.text)
            elif sounds:
                word_of += [len(words)] * len(sounds)
                words.append(token.text.replace("|", ""))
                phones += sounds
            else:
                left_out.append(token.text)
    if not words:
        raise InputError(
            f"expected text with English words or numbers, got {_excerpt(text)}. Nothing in it can be spoken."
        )
    _add_pause(phones, word_of, ".")
    return Phonemes(tuple(phones), tuple(words), tuple(word_of), tuple(left_out))


def check_text(text: str) -> str:
    """The text itself, if it can be spoken at once.

    Raises:
        InputError: it is empty, or longer than `LONGEST_TEXT`.
    """
    if not text.strip():
        raise InputError("expected text with English words or numbers, got an empty text. Nothing in it can be spoken.")
    if len(text) > LONGEST_TEXT:
        raise InputError(
            f"expected at most {LONGEST_TEXT:,} characters of text, got {len(text):,}. Split it, as by chapter."
        )
    return text


def speakable(text: str) -> bool:
    """Whether anything in the text can be said."""
    return any(token.kind in ("word", "letter", "letters") for token in english.tokens(text))


def split_sentences(text: str, max_chars: int = 200) -> list[str]:
    """The text's sentences, each at most `max_chars` long; only white space is lost.

    A sentence that is too long is cut behind punctuation, else between words, else anywhere. Linear in the length.
    """
    assert max_chars > 0
    return [part for sentence in _whole_sentences(text) for part in _cut(sentence, max_chars)]


_END = re.compile(r"[.!?。！？]+[\"'”’)\]]*(?=\s|$)|\n\s*\n")
_WORD_BEFORE = re.compile(r"[\w.]+$")


def _whole_sentences(text: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(text):
        if _ends_sentence(text, end):
            yield " ".join(text[start : end.end()].split())
            start = end.end()
    yield " ".join(text[start:].split())


def _ends_sentence(text: str, end: re.Match[str]) -> bool:
    """Not behind titles, initials and other abbreviations, and not before a lower-case letter."""
    following = text[end.end() : end.end() + 20].lstrip(" \t\n\"'“‘([")
    if end[0][0] != "." or end[0].startswith("..."):
        return not following[:1].islower() or end[0][0].isspace()
    if following[:1].islower():
        return False
    match = _WORD_BEFORE.search(text[max(0, end.start() - 20) : end.start()])
    word = match[0] if match else ""
    short = word.lower()
    if short in TITLES and (short not in ONLY_BEFORE_NUMBER or following[:1].isdigit()):
        return False
    initials = len(word) == 1 and word.isupper() and word != "I"
    if initials or short in ABBREVIATIONS or re.fullmatch(r"(?:[A-Za-z]\.)+[A-Za-z]", word):
        next_word = re.match(r"\w*", following)
        return (
            not following
            or (next_word is not None and next_word[0].lower() in STARTERS)
            or short in ("etc", "p.m", "a.m")
        )
    return True


def _cut(sentence: str, max_chars: int) -> Iterator[str]:
    start = 0
    while len(sentence) - start > max_chars:
        window = sentence[start : start + max_chars + 1]
        at = max(window.rfind(mark) for mark in (", ", "; ", ": ", "— ", "– ", ") ")) + 1
        if at <= max_chars // 3:
            at = window.rfind(" ")
        at = at if at > 0 else max_chars
        yield window[:at].strip()
        start += at
        start += sentence[start : start + 1] == " "
    if rest := sentence[start:].strip():
        yield rest


def _sentences(tokens: Iterable[english.Token]) -> Iterator[list[english.Token]]:
    sentence: list[english.Token] = []
    for token in tokens:
        sentence.append(token)
        if token.kind == "pause" and token.text != ",":
            yield sentence
            sentence = []
    yield sentence


def _sounds(sentence: list[english.Token]) -> list[tuple[str, ...]]:
    """The phones of each token; whole words are looked up together because their neighbours decide between readings."""
    sounds = pronounce([token.text for token in sentence])
    for index, token in enumerate(sentence):
        if token.kind == "letter":
            sounds[index] = spell(token.text)
        elif token.kind == "letters":
            name = spell(token.text[0])
            sounds[index] = name + sibilant(name[-1])
    return sounds


def _add_pause(phones: list[str], word_of: list[int], mark: str) -> None:
    """Add a pause mark, or strengthen the one that is there; none stands at the start."""
    if phones and phones[-1] in PAUSES:
        phones[-1] = max(phones[-1], mark, key=PAUSES.index)
    elif phones:
        phones.append(mark)
        word_of.append(-1)


def _excerpt(text: str) -> str:
    return "an empty text" if not text.strip() else repr(text if len(text) <= 40 else text[:40] + "...")
