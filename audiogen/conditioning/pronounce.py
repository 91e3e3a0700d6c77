"""English words to ARPAbet phones with stress: a lexicon of 124,000 words, inflections, and a model for unknown words.

The data are those of gruut (Michael Hansen; MIT, as is its package `gruut_lang_en`): `lexicon.db` has General American
pronunciations in IPA, some per part of speech; `g2p/model.crf` and `pos/model.crf` are conditional random fields. They
are read here directly, because importing `gruut` itself costs 0.3 s and pulls in num2words (LGPL). The folder `espeak/`
of that package, made with the GPL synthesizer, is not used.

Loading takes about a quarter of a second, once per process. Nothing here is specific to a voice or model.
"""

import base64
import importlib.util
import re
import sqlite3
import string
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

CONSONANTS = {
    "b": "B", "d": "D", "d͡ʒ": "JH", "f": "F", "h": "HH", "j": "Y", "k": "K", "l": "L", "m": "M", "n": "N", "p": "P",
    "s": "S", "t": "T", "t͡ʃ": "CH", "v": "V", "w": "W", "z": "Z", "ð": "DH", "ŋ": "NG", "ɡ": "G", "ɹ": "R",
    "ʃ": "SH", "ʒ": "ZH", "θ": "TH",
}  # fmt: skip
VOWELS = {
    "i": "IY", "u": "UW", "æ": "AE", "ɑ": "AA", "ɔ": "AO", "ə": "AH", "ɚ": "ER", "ɛ": "EH", "ɪ": "IH", "ʊ": "UH",
    "ʌ": "AH", "aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "oʊ": "OW", "ɔɪ": "OY",
}  # fmt: skip
"""IPA of the lexicon -> ARPAbet; ə is the unstressed AH."""
LETTERS = dict(
    zip(
        string.ascii_lowercase,
        "EY1|B IY1|S IY1|D IY1|IY1|EH1 F|JH IY1|EY1 CH|AY1|JH EY1|K EY1|EH1 L|EH1 M|EH1 N|OW1|P IY1|K Y UW1|AA1 R|"
        "EH1 S|T IY1|Y UW1|V IY1|D AH1 B AH0 L Y UW0|EH1 K S|W AY1|Z IY1".split("|"),
        strict=True,
    )
)
"""How each letter is spelled out."""
ADDITIONS = {
    "brr": "B ER1", "covid": "K OW1 V IH0 D", "em": "AH0 M", "hm": "HH AH1 M", "hmm": "HH AH1 M", "n": "AH0 N",
    "mm": "AH1 M", "pfft": "F T", "psst": "P S T", "sh": "SH", "shh": "SH", "tis": "T IH1 Z", "twas": "T W AH1 Z",
    "ugh": "AH1 G", "zzz": "Z", "html": "EY1 CH T IY1 EH1 M EH1 L", "tv": "T IY1 V IY1", "til": "T IH1 L",
    "till": "T IH1 L",
}  # fmt: skip
"""Words that the lexicon lacks, or where the other reading is the usual one."""
SUFFIXES = {"'ve": "AH0 V", "'d": "D", "'ll": "AH0 L", "'re": "ER0", "n't": "AH0 N T", "'m": "M"}
VOICELESS, SIBILANTS = {"P", "T", "K", "F", "TH"}, {"S", "Z", "SH", "ZH", "CH", "JH"}
ROLES = {
    "VBZ": "VB",
    "VBP": "VB",
    "VBG": "VB",
    "VBN": "VBD",
    "NNS": "NN",
    "NNP": "NN",
    "NNPS": "NN",
    "JJR": "JJ",
    "JJS": "JJ",
}
"""Part of speech -> the next best one that the lexicon may distinguish."""
LONGEST_WORD = 64
"""Letters; what is longer is no word, and is pronounced in pieces of that length."""

Phones = tuple[str, ...]


def pronounce(words: Sequence[str]) -> list[Phones]:
    """The phones of each word of one sentence; homographs (use, live, record) are told apart by their part of speech.

    Args:
        words: lower case, letters and apostrophes; punctuation marks may stand between them and get no phones.
    """
    lexicon = _lexicon()
    ambiguous = any(len(lexicon.get(word, ())) > 1 for word in words)
    tags = _tags(words) if ambiguous else [""] * len(words)
    phones = [_word(word, tag) for word, tag in zip(words, tags, strict=True)]
    for index in range(len(words) - 1):  # "the" before a vowel
        if words[index] == "the" and phones[index + 1] and phones[index + 1][0][-1].isdigit():
            phones[index] = ("DH", "IY0")
    return phones


def is_known(word: str) -> bool:
    """Whether the lexicon has this lower-case word as it is."""
    return word in ADDITIONS or word in _lexicon()


def spell(letter: str) -> Phones:
    """The name of a letter; accents are ignored."""
    return tuple(LETTERS[_plain(letter.lower())[0]].split())


@lru_cache(maxsize=65_536)
def _word(word: str, tag: str) -> Phones:
    if not any(char.isalpha() for char in word):
        return ()
    if len(word) > LONGEST_WORD:
        pieces = [word[start : start + LONGEST_WORD] for start in range(0, len(word), LONGEST_WORD)]
        return tuple(phone for piece in pieces for phone in _word(piece, ""))
    for form in dict.fromkeys((word, _plain(word), word.strip("'"), _plain(word).strip("'"))):
        if form in ADDITIONS:
            return tuple(ADDITIONS[form].split())
        if form in _lexicon():
            return _choose(_lexicon()[form], tag)
    return _inflected(_plain(word)) or _guess(_plain(word).replace("'", ""))


def _choose(readings: Sequence[tuple[str, str]], tag: str) -> Phones:
    by_role = dict(reversed(readings))  # of equal roles the first stays
    roles = (tag, ROLES.get(tag, ""), "VB" if tag.startswith("VB") else "")
    ipa = next((by_role[role] for role in roles if role in by_role), readings[0][1])
    return _arpabet(ipa.split())


def _inflected(word: str) -> Phones:
    """Contractions, possessives and -in' of words that the lexicon has only without them; else empty."""
    if word.endswith("in'") and (base := word[:-1] + "g") in _lexicon():
        return (*_word(base, "")[:-1], "N")
    if word.endswith("'s") and len(word) > 2:
        base_phones = _word(word[:-2], "")
        return base_phones + sibilant(base_phones[-1]) if base_phones else ()
    for suffix, phones in SUFFIXES.items():
        if word.endswith(suffix) and len(word) > len(suffix):
            return _word(word[: -len(suffix)], "") + tuple(phones.split())
    return ()


def sibilant(last: str) -> Phones:
    """The plural or possessive ending after the phone `last`: S, Z or IH0 Z."""
    if last in SIBILANTS:
        return ("IH0", "Z")
    return ("S",) if last in VOICELESS else ("Z",)


def _plain(word: str) -> str:
    """Without accents: naïve -> naive."""
    word = (
        word.replace("ß", "ss")
        .replace("ø", "o")
        .replace("æ", "ae")
        .replace("œ", "oe")
        .replace("ł", "l")
        .replace("đ", "d")
    )
    return "".join(char for char in unicodedata.normalize("NFD", word) if not unicodedata.combining(char))


def _guess(word: str) -> Phones:
    """Phones of an unknown word, by the grapheme-to-phoneme model; without a vowel it is spelled out."""
    letters = "".join(char for char in word if char in LETTERS)
    if letters and not re.search("[aeiouy]", letters):
        return tuple(phone for letter in letters for phone in spell(letter))
    coded = _model("g2p").tag([_letter_features(letters, at) for at in range(len(letters))]) if letters else []
    symbols = "|".join(base64.b64decode(code).decode() for code in coded).split("|")
    return _arpabet([symbol for symbol in symbols if symbol not in ("_", "")])


def _letter_features(word: str, at: int) -> dict[str, Any]:
    """What gruut's grapheme-to-phoneme model was trained on: the letter, three before and after, the word's ends."""
    features: dict[str, Any] = {"bias": 1.0, "grapheme": _coded(word[at])}
    features.update({f"grapheme-{back}": _coded(word[at - back]) for back in range(1, min(3, at) + 1)})
    features.update(
        {f"grapheme+{ahead}": _coded(word[at + ahead]) for ahead in range(1, min(3, len(word) - 1 - at) + 1)}
    )
    features.update({name: True for name, here in (("begin", at == 0), ("end", at == len(word) - 1)) if here})
    return features


def _tags(words: Sequence[str]) -> list[str]:
    """Penn Treebank parts of speech."""
    views = [_word_features(word) for word in words]
    sentence = []
    for at in range(len(words)):
        features = dict(views[at])
        features.update({name: True for name, here in (("BOS", at == 0), ("EOS", at == len(words) - 1)) if here})
        for offset in (-1, -2, 1, 2):
            if 0 <= at + offset < len(words):
                features.update({f"{offset:+d}:{name}": value for name, value in views[at + offset].items()})
        sentence.append(features)
    tags: list[str] = _model("pos").tag(sentence)
    return tags


@lru_cache(maxsize=65_536)
def _word_features(word: str) -> dict[str, Any]:
    """What gruut's part-of-speech model was trained on: the word, its length, its kind, its first and last letters."""
    return {
        "bias": 1.0,
        "word": _coded(word),
        "len(word)": len(word),
        "word.ispunctuation": word in string.punctuation,
        "word.isdigit()": word.isdigit(),
        **{f"word[:{count}]": word[:count] for count in (2, 3)},
        **{f"word[-{count}:]": word[-count:] for count in (2, 3)},
    }


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _arpabet(symbols: Sequence[str]) -> Phones:
    phones = []
    for symbol in symbols:
        stress = {"ˈ": "1", "ˌ": "2"}.get(symbol[0], "0")
        bare = symbol.lstrip("ˈˌ")
        phones.append(CONSONANTS.get(bare) or VOWELS[bare] + stress)
    return tuple(phones)


def _data() -> Path:
    spec = importlib.util.find_spec("gruut_lang_en")
    assert spec is not None, "audiogen is installed without its dependency gruut_lang_en"
    assert spec.origin is not None
    return Path(spec.origin).parent


@lru_cache(maxsize=1)
def _lexicon() -> dict[str, list[tuple[str, str]]]:
    """Word -> (part of speech or "", IPA) of each reading; the first is the usual one."""
    database = sqlite3.connect(f"{(_data() / 'lexicon.db').as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        rows = database.execute("SELECT word, phonemes, role FROM word_phonemes ORDER BY id").fetchall()
    finally:
        database.close()
    lexicon: dict[str, list[tuple[str, str]]] = {}
    for word, ipa, role in rows:
        if role != "gruut:letter":
            lexicon.setdefault(word, []).append((role.removeprefix("gruut:"), ipa))
    return lexicon


@lru_cache(maxsize=2)
def _model(name: str) -> Any:
    import pycrfsuite

    tagger = pycrfsuite.Tagger()
    tagger.open(str(_data() / name / "model.crf"))
    return tagger
