"""Numbers as American English says them: cardinals, ordinals, years, decimals, digits, clock times, money.

Every function takes plain integers or strings of digits and returns a list of lower-case words.
"""

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
THOUSANDS = ("", "thousand", "million", "billion", "trillion", "quadrillion")
ORDINAL = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
LONGEST_CARDINAL = 3 * len(THOUSANDS)
"""Digits; longer numbers are read digit by digit."""


def cardinal(digits: str) -> list[str]:
    """'2000017' -> two million seventeen. Numbers that start with 0 or are very long are read digit by digit."""
    if len(digits) > LONGEST_CARDINAL or (len(digits) > 1 and digits[0] == "0"):
        return spell_digits(digits)
    value, words = int(digits), []
    for power in reversed(range(len(THOUSANDS))):
        part = value // 1000**power % 1000
        if part:
            words += _below_thousand(part) + ([THOUSANDS[power]] if power else [])
    return words or ["zero"]


def _below_thousand(value: int) -> list[str]:
    hundreds, rest = divmod(value, 100)
    words = [ONES[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        return words + [TENS[rest // 10]] + ([ONES[rest % 10]] if rest % 10 else [])
    return words + ([ONES[rest]] if rest else [])


def spell_digits(digits: str) -> list[str]:
    """'007' -> zero zero seven."""
    return [ONES[int(digit)] for digit in digits]


def ordinal(digits: str) -> list[str]:
    """'21' -> twenty first."""
    *head, last = cardinal(digits)
    if last in ORDINAL:
        return [*head, ORDINAL[last]]
    return [*head, last[:-1] + "ieth" if last.endswith("y") else last + "th"]


def plural(words: list[str]) -> list[str]:
    """The last word in the plural: nineteen ninety -> nineteen nineties."""
    *head, last = words
    if last.endswith("y"):
        return [*head, last[:-1] + "ies"]
    return [*head, last + ("es" if last.endswith(("x", "s", "ch")) else "s")]


def year(digits: str) -> list[str]:
    """'1999' -> nineteen ninety nine, '1905' -> nineteen oh five, '2007' -> two thousand seven, '2024' -> twenty twenty
    four.
    """
    if len(digits) != 4 or digits[1:3] == "00" or digits[0] == "0":
        return cardinal(digits)
    century, rest = cardinal(digits[:2]), digits[2:]
    if rest == "00":
        return [*century, "hundred"]
    return [*century, "oh", ONES[int(rest)]] if rest[0] == "0" else century + cardinal(rest)


def number(text: str) -> list[str]:
    """'1,250.5' -> one thousand two hundred fifty point five; '1.2.3' -> one point two point three."""
    whole, *fractions = text.replace(",", "").split(".")
    words = cardinal(whole) if whole else []
    for fraction in fractions:
        words += ["point", *spell_digits(fraction)] if len(fractions) == 1 else ["point", *cardinal(fraction)]
    return words


def fraction(above: str, below: str) -> list[str]:
    """'3', '4' -> three quarters; what is not a common fraction is read as 'over'."""
    if (above, below) == ("24", "7"):
        return ["twenty", "four", "seven"]
    top, bottom = int(above[:9]), int(below[:9])
    if (
        len(above) > 2
        or len(below) > 3
        or not 0 < top < bottom
        or not (bottom <= 20 or bottom in (25, 32, 50, 64, 100))
    ):
        return [*cardinal(above), "over", *cardinal(below)]
    name = {2: ["half"], 4: ["quarter"]}.get(bottom) or ordinal(below)
    if top == 1:
        return ["one", *name]
    return cardinal(above) + (["halves"] if bottom == 2 else plural(name))


def clock(hours: str, minutes: str, half: str = "") -> list[str]:
    """'3', '05', 'pm' -> three oh five p m; the letters of am and pm come as single words."""
    words = cardinal(hours.lstrip("0") or "0")
    if minutes and int(minutes):
        words += ["oh", ONES[int(minutes)]] if minutes[0] == "0" else cardinal(minutes)
    elif not half:
        words += ["o'clock"] if int(hours) <= 12 else ["hundred"]
    return words + list(half)


CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}


def money(symbol: str, amount: str, magnitude: str = "") -> list[str]:
    """'$', '5.20' -> five dollars and twenty cents; '£', '1.5', 'million' -> one point five million pounds."""
    one, many, cent, cents = CURRENCIES[symbol]
    amount = amount.replace(",", "")
    whole, _, small = amount.partition(".")
    if magnitude:
        return [*number(amount), magnitude, many]
    if len(small) != 2:
        return [*number(amount), one if amount == "1" else many]
    words = [] if not whole.strip("0") and small.strip("0") else [*cardinal(whole), one if whole == "1" else many]
    if small.strip("0"):
        words += [*(["and"] if words else []), *cardinal(small.lstrip("0")), cent if small == "01" else cents]
    return words
