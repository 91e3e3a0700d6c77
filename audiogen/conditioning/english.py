"""English text to spoken words and pauses: numbers, money, dates, times, units, abbreviations, acronyms, symbols.

One regular expression cuts the text into pieces, one small function says each kind of piece; so the work is linear in
the text's length. American reading: month before day, no "and" in numbers, z is zee.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from audiogen.conditioning import numbers
from audiogen.conditioning.abbreviations import (
    ABBREVIATIONS,
    AFTER_NUMBER,
    COUNTED,
    MAGNITUDES,
    MONTHS,
    ONLY_BEFORE_NUMBER,
    RULERS,
    SPELLED,
    STARTERS,
    SYMBOLS,
    TITLES,
    UNITS,
)
from audiogen.conditioning.pronounce import is_known

Kind = Literal["word", "letter", "letters", "pause", "left_out"]


@dataclass(frozen=True, slots=True)
class Token:
    """One thing to say, or one that cannot be said."""

    text: str
    kind: Kind = "word"
    """word: lower case, to be looked up; letter: one to be named; letters: one with an s behind it, as in c|s;
    pause: one of , . ? !; left_out: the text as it came."""


LATIN = "A-Za-zÀ-ÖØ-öø-ɏḀ-ỿ"
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)*|\.\d+)"
_MONTH = r"(?:" + "|".join(f"{m.title()}|{m[:3].title()}\\.?" for m in MONTHS) + r"|Sept\.?)(?![A-Za-z])"
_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_SYMBOL = re.escape("".join(SYMBOLS))
_ABBREVIATION = "|".join(re.escape(short) for short in sorted(ABBREVIATIONS, key=len, reverse=True))

_PIECES = {
    "space": r"\s+",
    "email": r"[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+",
    "url": r"(?:https?://|www\.)[^\s<>\"(){}]{1,2000}|(?<![\w.])[A-Za-z0-9-]{1,63}\.(?:com|org|net|edu|gov|io)\b(?:/[^\s<>\"(){}]{0,2000})?",
    "money": rf"(?P<currency>[$£€¥₹])\s?(?P<amount>{_NUMBER})"
    r"(?:\s?(?P<magnitude>thousand|million|billion|trillion|[kKmMbBtT]n?)\b)?",
    "iso_date": r"(?P<iso_year>\d{4})-(?P<iso_month>0[1-9]|1[0-2])-(?P<iso_day>0[1-9]|[12]\d|3[01])(?!\d)",
    "slash_date": r"(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<slash_year>\d{4}|\d\d)(?![\d/])",
    "phone": r"(?:\+?1[ .-]?)?(?:\(\d{3}\)\s?|\d{3}[.-])\d{3}[.-]\d{4}(?!\d)|(?<![\d-])\d{3}-\d{4}(?![\d-])",
    "time": r"(?P<hours>[01]?\d|2[0-3]):(?P<minutes>[0-5]\d)(?::[0-5]\d)?"
    r"(?:\s?(?P<half>[aApP])\.?[mM](?:\.|\b))?(?![\d:])",
    "hour": r"(?P<at_hour>1[0-2]|[1-9])\s?(?P<hour_half>[aApP])(?:\.[mM]\.?|[mM]\b)",
    "month_day": rf"(?P<month>{_MONTH})\s+(?P<day>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?(?![\d\w:]|\.\d)"
    r"(?:,?\s+(?P<md_year>\d{4})\b)?",
    "day_month": rf"(?P<dm_day>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<dm_month>{_MONTH})"
    r"(?:,?\s+(?P<dm_year>\d{4})\b)?",
    "decade": r"'?(?P<tens>\d{1,3}0)'?s\b",
    "ordinal": r"(?P<nth>\d{1,3}(?:,\d{3})+|\d+)(?:st|nd|rd|th)\b",
    "fraction": r"(?:(?P<whole>\d+)\s+)?(?P<above>\d+)[/⁄](?P<below>\d+)(?![\d/])",
    "by": r"(?<=\d)\s?[x×]\s?(?=\d)",
    "to": r"(?<=\d)\s?-\s?(?=\d)",
    "model_number": r"(?<=[A-Za-z])\d+(?:\.\d+)*",
    "number": rf"(?P<sign>(?<![\w)])[-−](?=\.?\d))?(?P<digits>{_NUMBER})(?:\s?(?P<unit>{_UNIT})(?![\w/]))?",
    "hash": r"\#(?=\w)",
    "abbreviation": rf"(?<![\w'.])(?P<short>(?i:{_ABBREVIATION}))\.(?![A-Za-z])",
    "dotted": r"(?<![\w'])[A-Za-z](?:\.[A-Za-z])+(?![A-Za-z])\.?|(?<![\w'.])[A-Z]\.(?=\s?[A-Z])",
    "acronym": rf"(?P<capitals>[A-Z]{{2,}})(?P<ending>'?s)?(?![{LATIN}])",
    "word": rf"'?[{LATIN}]+(?:'[{LATIN}]+)*'?",
    "ellipsis": r"\.{2,}",
    "pause": r"[.,;:!?]",
    "dash": r"\s?-{2,}\s?|(?<=\s)-(?=\s)|\s?[–—]\s?",
    "bracket": r"[()\[\]]",
    "silent": r"[\"'-]",
    "between": r"(?<=[A-Za-z])/(?=[A-Za-z])",
    "symbol": f"[{_SYMBOL}]",
    "other": rf"[^\s.,;:!?\"'()\[\]\d{LATIN}{_SYMBOL}–—-]+",
}
_PIECE = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PIECES.items()))
_NEXT_WORD = re.compile(rf"[^\w.!?]{{0,8}}([{LATIN}']+)")
_LAST_WORD = re.compile(rf"([{LATIN}]+)[^\w.!?]{{1,8}}$")
_ROMAN = re.compile(r"X{0,3}(?:IX|IV|V?I{0,3})")
_CAMEL = re.compile(r"[A-Z]?[^A-Z]+|[A-Z]+(?![^A-Z])")
_SAME = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‐": "-",
     "‑": "-", "−": "-", "‒": "–", "―": "—", "。": ".", "，": ",", "？": "?", "！": "!", "\u00ad": "", "\u200b": "",
     "\ufeff": "", "¿": "", "¡": "", "™": "", "®": "", "©": "", "²": " squared ", "³": " cubed ", "º": "°"}
)  # fmt: skip
_VULGAR = re.compile("[¼½¾⅐-⅞]")


def tokens(text: str) -> Iterator[Token]:
    """What is said for `text`, in order."""
    text = clean(text)
    shouting = not any(char.islower() for char in text)
    for piece in _PIECE.finditer(text):
        kind = piece.lastgroup  # the outermost group closes last
        assert kind is not None
        yield from _acronym(piece, shouting) if kind == "acronym" else _SAY[kind](piece)


def clean(text: str) -> str:
    """One form for each quote, dash and compatibility character; fractions as 1/2."""
    text = _VULGAR.sub(lambda match: " " + unicodedata.normalize("NFKC", match[0]), text.translate(_SAME))
    return unicodedata.normalize("NFKC", text)


def words(text: str) -> list[str]:
    """The lower-case words that are said, letters one by one: what a recogniser is expected to hear."""
    said = (token for token in tokens(text) if token.kind not in ("pause", "left_out"))
    return [
        part for token in said for part in (token.text.lower().split("|") if token.kind == "letters" else [token.text])
    ]


def _said(spoken: str | list[str]) -> list[Token]:
    """Words, and letters where the text has a single capital."""
    parts = spoken.split() if isinstance(spoken, str) else spoken
    return [Token(part.lower(), "letter") if len(part) == 1 and part.isupper() else Token(part) for part in parts]


def _spelled(letters: str) -> list[Token]:
    return [Token(letter.lower(), "letter") for letter in letters if letter.isalpha()]


def _full_stop(piece: re.Match[str]) -> list[Token]:
    """The pause of a dot that ends both an abbreviation and a sentence."""
    rest = piece.string[piece.end() : piece.end() + 3].lstrip("\"')")
    ends = not rest.strip() or (rest[0].isspace() and rest.strip()[0].isupper())
    return [Token(".", "pause")] if piece[0].endswith(".") and ends else []


def _before(piece: re.Match[str]) -> str:
    """The word before, or "" at the start of a sentence."""
    match = _LAST_WORD.search(piece.string[max(0, piece.start() - 40) : piece.start()])
    return match[1] if match else ""


def _after(piece: re.Match[str]) -> str:
    match = _NEXT_WORD.match(piece.string, piece.end())
    return match[1] if match else ""


def _email(piece: re.Match[str]) -> list[Token]:
    return [token for part in re.findall(r"\w+|[@.+-]", piece[0]) for token in _address_part(part)]


def _url(piece: re.Match[str]) -> list[Token]:
    text = piece[0].rstrip(".,;:!?'")
    ended = [Token(char if char in ",.?!" else ",", "pause") for char in piece[0][len(text) :][:1] if char != "'"]
    parts = re.findall(r"[^\W_]+|[@./-]", text.split("://")[-1].rstrip("/"))
    return [token for part in parts for token in _address_part(part)] + ended


def _address_part(part: str) -> list[Token]:
    said = {"@": "at", ".": "dot", "-": "dash", "/": "slash", "+": "plus", "www": "W W W"}.get(part)
    return _said(said) if said else list(tokens(part))


def _money(piece: re.Match[str]) -> list[Token]:
    magnitude = piece["magnitude"] or ""
    return _said(numbers.money(piece["currency"], piece["amount"], MAGNITUDES.get(magnitude.lower(), magnitude)))


def _date(month: str, day: str, year: str | None) -> list[Token]:
    return _said([month, *numbers.ordinal(day.lstrip("0")), *(numbers.year(year) if year else [])])


def _month_name(text: str) -> str:
    return next(month for month in MONTHS if month.startswith(text.lower()[:3]))


def _slash_date(piece: re.Match[str]) -> list[Token]:
    first, second = int(piece["first"]), int(piece["second"])
    month, day = (first, second) if 1 <= first <= 12 else (second, first)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return _said([word for part in piece[0].split("/") for word in [*numbers.cardinal(part), "slash"]][:-1])
    year = piece["slash_year"]
    return _date(MONTHS[month - 1], str(day), year if len(year) == 4 else None) + (
        _said(numbers.year(("20" if int(year) < 50 else "19") + year)) if len(year) == 2 else []
    )


def _day_month(piece: re.Match[str]) -> list[Token]:
    the = [] if _before(piece).lower() == "the" else ["the"]
    year = numbers.year(piece["dm_year"]) if piece["dm_year"] else []
    return _said([*the, *numbers.ordinal(piece["dm_day"].lstrip("0")), "of", _month_name(piece["dm_month"]), *year])


def _phone(piece: re.Match[str]) -> list[Token]:
    groups = re.findall(r"\d+", piece[0])
    said = [token for group in groups for token in [*_said(numbers.spell_digits(group)), Token(",", "pause")]]
    return said[:-1]


def _time(piece: re.Match[str]) -> list[Token]:
    half = (piece["half"] or "").upper()
    return _said(numbers.clock(piece["hours"], piece["minutes"], half + "M" if half else "")) + _full_stop(piece)


def _hour(piece: re.Match[str]) -> list[Token]:
    return _said(numbers.clock(piece["at_hour"], "", piece["hour_half"].upper() + "M")) + _full_stop(piece)


def _decade(piece: re.Match[str]) -> list[Token]:
    return _said(numbers.plural(numbers.year(piece["tens"])))


def _fraction(piece: re.Match[str]) -> list[Token]:
    whole = [*numbers.cardinal(piece["whole"]), "and"] if piece["whole"] else []
    said = numbers.fraction(piece["above"], piece["below"])
    return _said(whole + (["a", *said[1:]] if whole and said[0] == "one" else said))


def _number(piece: re.Match[str]) -> list[Token]:
    text, unit = piece["digits"], piece["unit"]
    sign = ["minus"] if piece["sign"] else []
    if unit:
        one, many = UNITS[unit]
        return _said([*sign, *numbers.number(text), *(one if text == "1" else many).split()])
    if not sign and _reads_as_year(piece, text):
        return _said(numbers.year(text))
    return _said(sign + numbers.number(text))


def _reads_as_year(piece: re.Match[str], digits: str) -> bool:
    """1100 to 2099, unless a plural noun follows: in 1250, but 1250 miles. (1500 people is fine either way.)"""
    if len(digits) != 4 or not digits.isdigit() or not 1100 <= int(digits) <= 2099:
        return False
    after = _after(piece)
    return not (
        after.islower() and after.endswith("s") and after not in ("is", "was", "has", "as", "its", "this", "'s")
    )


def _abbreviation(piece: re.Match[str]) -> list[Token]:
    short = piece["short"].lower()
    before, after = _before(piece), _after(piece)
    next_is_number = bool(re.match(r"\s*\d", piece.string[piece.end() : piece.end() + 4]))
    number_before = bool(re.search(r"\d\s*$", piece.string[max(0, piece.start() - 4) : piece.start()]))
    if short in ONLY_BEFORE_NUMBER and not (next_is_number or (number_before and short in AFTER_NUMBER)):
        return [*_word_tokens(piece["short"], piece), Token(".", "pause")]
    if short in ("dr", "st") and (not after[:1].isupper() or (before[:1].isupper() and before.lower() not in TITLES)):
        said = {"dr": "drive", "st": "street"}[short] if before else ABBREVIATIONS[short]
    else:
        said = ABBREVIATIONS[short]
    return _said(said) + ([] if short in TITLES and after else _full_stop(piece))


def _dotted(piece: re.Match[str]) -> list[Token]:
    """U.S.A., J. R. R.; before a capital a sentence ends only if the next word is one that often begins sentences."""
    after = _after(piece)
    ends = len(piece[0]) > 2 and (not after or after.lower() in STARTERS)
    return _spelled(piece[0]) + (_full_stop(piece) if ends else [])


def _acronym(piece: re.Match[str], shouting: bool) -> list[Token]:
    """BBC is spelled, NASA is a word; in a text without lower case everything known is a word."""
    capitals, ending = piece["capitals"], piece["ending"] or ""
    before = _before(piece).lower()
    if before in COUNTED | RULERS and _ROMAN.fullmatch(capitals):
        value = str(_roman(capitals))
        return _said(numbers.cardinal(value) if before in COUNTED else ["the", *numbers.ordinal(value)])
    spelled = capitals in SPELLED and not shouting
    if not spelled and (is_known(capitals.lower()) or (len(capitals) > 4 and re.search("[AEIOUY]", capitals))):
        return [Token(capitals.lower() + ("'s" if ending else ""))]
    if ending:
        return [*_spelled(capitals[:-1]), Token(f"{capitals[-1].lower()}|s", "letters")]
    return _spelled(capitals)


def _roman(text: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10}[char] for char in text]
    return sum(-value if value < later else value for value, later in zip(values, [*values[1:], 0], strict=True))


def _word(piece: re.Match[str]) -> list[Token]:
    return _word_tokens(piece[0], piece)


def _word_tokens(text: str, piece: re.Match[str]) -> list[Token]:
    bare = text.strip("'")
    lower = bare.lower()
    beside_digit = (
        piece.string[piece.start() - 1 : piece.start()].isdigit()
        or piece.string[piece.end() : piece.end() + 1].isdigit()
    )
    if lower == "n" and text[0] == "'":  # rock 'n' roll
        return [Token("n")]
    if len(bare) == 1 and lower != "i":
        article = lower == "a" and not beside_digit and (bare == "a" or _after(piece).islower())
        return [Token("a")] if article else [Token(lower, "letter")]
    if is_known(text.lower()):
        return [Token(text.lower())]
    if beside_digit and len(bare) <= 3 and not is_known(lower):
        return _spelled(bare)
    parts = _CAMEL.findall(bare)
    if len(parts) > 1 and not is_known(lower) and "'" not in bare:
        return [token for part in parts for token in tokens(part)]
    return [Token(lower)]


def _pause(piece: re.Match[str]) -> list[Token]:
    return [Token(piece[0] if piece[0] in ".?!" else ",", "pause")]


def _ellipsis(piece: re.Match[str]) -> list[Token]:
    return [Token("," if _after(piece)[:1].islower() else ".", "pause")]


def _hash(piece: re.Match[str]) -> list[Token]:
    return [Token("number" if piece.string[piece.end()].isdigit() else "hashtag")]


_SAY: dict[str, Callable[[re.Match[str]], list[Token]]] = {
    "space": lambda piece: [],
    "email": _email,
    "url": _url,
    "money": _money,
    "iso_date": lambda piece: _date(MONTHS[int(piece["iso_month"]) - 1], piece["iso_day"], piece["iso_year"]),
    "slash_date": _slash_date,
    "phone": _phone,
    "time": _time,
    "hour": _hour,
    "month_day": lambda piece: _date(_month_name(piece["month"]), piece["day"], piece["md_year"]),
    "day_month": _day_month,
    "decade": _decade,
    "ordinal": lambda piece: _said(numbers.ordinal(piece["nth"].replace(",", ""))),
    "fraction": _fraction,
    "by": lambda piece: [Token("by")],
    "to": lambda piece: [Token("to")],
    "model_number": lambda piece: _said(numbers.number(piece[0])),
    "number": _number,
    "hash": _hash,
    "abbreviation": _abbreviation,
    "dotted": _dotted,
    "word": _word,
    "ellipsis": _ellipsis,
    "pause": _pause,
    "dash": lambda piece: [Token(",", "pause")],
    "bracket": lambda piece: [Token(",", "pause")],
    "silent": lambda piece: [],
    "between": lambda piece: [],
    "symbol": lambda piece: _said(SYMBOLS[piece[0]]),
    "other": lambda piece: [Token(piece[0], "left_out")],
}
