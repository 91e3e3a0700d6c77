"""`parse`: the text form of prompts, as it stands on a command line and in JSON.

    prompt   = both ("|" both)*              either keeps it
    both     = single ("&" single)*          both keep it
    single   = "~" single | "(" prompt ")" | name ["(" [argument ("," argument)*] ")"]
    argument = [name "="] (number | number "-" number | word)

A name alone is that prompt with its defaults; regions (start-end) may be several. Nothing is evaluated.
"""

import dataclasses
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from audiogen.errors import InputError, nearest
from audiogen.prompts.base import Prompt
from audiogen.prompts.patterns import Beats, Dropout, Onsets, Periodic, Random
from audiogen.prompts.regions import Everything, Inpaint, Levels, Loop, Nothing, Prefix, Suffix

PROMPTS: dict[str, type[Prompt]] = {
    prompt.name(): prompt
    for prompt in (
        *(Prefix, Suffix, Inpaint, Loop, Levels),
        *(Periodic, Random, Dropout, Beats, Onsets),
        *(Everything, Nothing),
    )
}
"""Name in text -> prompt."""
MOST_OPERATORS = 200
"""In one text, parentheses around prompts included: nobody writes more, and many more would exhaust the stack."""
LONGEST_QUOTE = 200
"""Characters of the text that an error repeats."""

Value = float | str | tuple[float, float]
_TOKEN = re.compile(r"(?P<number>\d+\.?\d*|\.\d+)|(?P<word>[A-Za-z_]\w*)|(?P<symbol>\S)")


@dataclass(frozen=True)
class _Token:
    kind: str  # "number", "word", "symbol" or "end"
    text: str
    place: int  # in the whole text, from 1


def parse(text: str) -> Prompt:
    """The prompt that `text` describes, for example `periodic(7) & levels(3) | beats(after=0.05) & ~dropout(0.2)`.

    Raises:
        InputError: it describes none: says at which character, what was expected there and what stands there.
    """
    return _Parser(text).parse()


class _Parser:
    """Recursive descent; one method per line of the grammar."""

    def __init__(self, text: str):
        self.text = text
        self.tokens = self._split()
        self.position = 0

    def parse(self) -> Prompt:
        prompt = self._prompt()
        if self._next.kind != "end":
            raise self._wrong("&, | or the end of the text")
        return prompt

    def _prompt(self) -> Prompt:
        prompt = self._both()
        while self._take("|"):
            prompt = prompt | self._both()
        return prompt

    def _both(self) -> Prompt:
        prompt = self._single()
        while self._take("&"):
            prompt = prompt & self._single()
        return prompt

    def _single(self) -> Prompt:
        if self._take("~"):
            return ~self._single()
        if self._take("("):
            prompt = self._prompt()
            self._expect(")", "&, | or )")
            return prompt
        name = self._next
        if name.kind != "word":
            raise self._wrong("the name of a prompt, ~ or (")
        if name.text not in PROMPTS:
            raise self._wrong("the name of a prompt", f" The nearest: {nearest(name.text, PROMPTS)}.")
        self.position += 1
        arguments = self._arguments(PROMPTS[name.text]) if self._take("(") else {}
        try:
            return _build(PROMPTS[name.text], arguments)
        except InputError as error:
            raise InputError(f"{self._where(name)} {error}") from error

    def _arguments(self, prompt: type[Prompt]) -> dict[str, Any]:
        """What stands between parentheses, by the name of its field: the field named, or the next one not yet given.

        The field `regions` takes any number of regions; a single number is the region from it to itself.
        """
        fields = [field.name for field in dataclasses.fields(prompt)]  # type: ignore[arg-type]  # all are dataclasses
        arguments: dict[str, Any] = {}
        while not self._take(")"):
            if arguments:
                self._expect(",", ", or )")
            place = self.position
            named = self._argument_name(fields)
            value = self._value()
            region = "regions" in fields and not isinstance(value, str)
            name = named or ("regions" if region else next((each for each in fields if each not in arguments), None))
            if name == "regions" and region:
                arguments.setdefault("regions", []).append(value if isinstance(value, tuple) else (value, value))
            elif name is None or name in arguments:
                self.position = place
                known = f"{', '.join(fields)}, each once" if fields else "no argument"
                raise self._wrong(f"{known} in {prompt.name()}()")
            else:
                arguments[name] = value
        return arguments

    def _argument_name(self, fields: list[str]) -> str | None:
        """The name before "=", if there is one."""
        if self._next.kind != "word" or self.tokens[self.position + 1].text != "=":
            return None
        name = self._next.text
        if name not in fields:
            raise self._wrong(f"the name of an argument ({', '.join(fields) or 'there is none'})")
        self.position += 2
        return name

    def _value(self) -> Value:
        token = self._next
        if token.kind not in ("number", "word"):
            raise self._wrong("a number, a region (start-end) or a word")
        self.position += 1
        if token.kind == "word":
            return token.text
        if not self._take("-"):
            return float(token.text)
        end = self._next
        if end.kind != "number":
            raise self._wrong("the end of the region, a number")
        self.position += 1
        return float(token.text), float(end.text)

    @property
    def _next(self) -> _Token:
        return self.tokens[self.position]

    def _take(self, symbol: str) -> bool:
        taken = self._next.kind == "symbol" and self._next.text == symbol
        self.position += taken
        return taken

    def _expect(self, symbol: str, expected: str) -> None:
        if not self._take(symbol):
            raise self._wrong(expected)

    def _split(self) -> list[_Token]:
        tokens = [
            _Token(str(found.lastgroup), found[0], found.start() + 1)
            for found in _TOKEN.finditer(self.text)  # skips spaces: nothing matches them
        ]
        tokens.append(_Token("end", "the end of the text", len(self.text) + 1))
        operators = sum(
            token.text in ("&", "|", "~") or (token.text == "(" and before.kind != "word")
            for before, token in pairwise([tokens[-1], *tokens])
        )
        if operators > MOST_OPERATORS:
            raise InputError(
                f"prompt: expected at most {MOST_OPERATORS} operators and parentheses, got {operators}. "
                "Write a simpler one."
            )
        return tokens

    def _wrong(self, expected: str, hint: str = "") -> InputError:
        got = self._next.text if self._next.kind == "end" else repr(self._next.text)
        return InputError(f"{self._where(self._next)} expected {expected}, got {got}.{hint}")

    def _where(self, token: _Token) -> str:
        text = self.text if len(self.text) <= LONGEST_QUOTE else f"{self.text[:LONGEST_QUOTE]}…"
        return f"prompt {text!r}, character {token.place}:"


def _build(prompt: type[Prompt], arguments: dict[str, Any]) -> Prompt:
    for field in dataclasses.fields(prompt):  # type: ignore[arg-type]  # every prompt is a dataclass
        if field.default is dataclasses.MISSING and field.name not in arguments:
            raise InputError(
                f"{prompt.name()}: expected {field.name}, got no such argument. An example: {prompt.example}"
            )
    return prompt(**arguments)
