"""`Prompt`: a set of cells to keep, its algebra and its text; `mask` turns one into what a decoder is given.

Shapes: K levels, T frames.
"""

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import ClassVar

import torch
from torch import Generator, Tensor

from audiogen.errors import InputError
from audiogen.prompts.grid import Grid

LARGEST = 1e9
"""No number in a prompt is larger: longer than any sound in seconds, frames or bars, and exact as a float."""


class Prompt(ABC):
    """The cells of a grid that are kept; all others are to be generated.

    `a & b` keeps what both keep, `a | b` what either keeps, `~a` what `a` does not. Prompts are values: frozen,
    hashable, equal when they say the same, and `audiogen.prompts.parse(str(prompt))` is equal to the prompt.

    What is random in a prompt depends on the seed and on the prompt's own text alone, not on what stands around it:
    equal prompts keep equal cells everywhere in an expression (`a & ~a` keeps nothing), different ones are independent.
    """

    example: ClassVar[str]
    """Its text with typical values."""
    binds: ClassVar[int] = 3
    """How tightly its text holds together: 0 `|`, 1 `&`, 2 `~`, 3 a name with its parentheses."""

    @abstractmethod
    def cells(self, grid: Grid, seed: int) -> Tensor:
        """[K, T] bool, True = kept. The same for the same grid and seed.

        Raises:
            InputError: the prompt asks for what the grid does not have: a region outside of it, or a beat.
        """

    def keep(self, grid: Grid, generator: Generator) -> Tensor:
        """[K, T] bool, True = kept; draws one number from `generator`, whatever the prompt is."""
        return self.cells(grid, int(torch.randint(2**63 - 1, (), generator=generator)))

    @property
    def circular(self) -> bool:
        """Whether the end of the sound is to flow into its start."""
        return False

    def __and__(self, other: "Prompt") -> "Prompt":
        return And(self, other) if isinstance(other, Prompt) else NotImplemented

    def __or__(self, other: "Prompt") -> "Prompt":
        return Or(self, other) if isinstance(other, Prompt) else NotImplemented

    def __invert__(self) -> "Prompt":
        return Not(self)

    def __str__(self) -> str:
        arguments = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]  # every prompt is a dataclass
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING:
                arguments.append(_text(value))
            elif value != field.default:
                arguments.append(f"{field.name}={_text(value)}")
        return f"{self.name()}({', '.join(arguments)})"

    @classmethod
    def name(cls) -> str:
        """Of this kind of prompt, in text."""
        return cls.__name__.lower()

    def _generator(self, seed: int) -> Generator:
        """This prompt's own random numbers."""
        digest = hashlib.sha256(f"{seed} {self}".encode()).digest()
        return Generator().manual_seed(int.from_bytes(digest[:7], "little"))

    def _check_number(self, field: str, least: float = 0, most: float = LARGEST, whole: bool = False) -> None:
        """Refuse a field that is no number in `least`..`most`; make it a float, or an int where `whole`."""
        value = getattr(self, field)
        fits = isinstance(value, Real) and bool(least <= value <= most)  # type: ignore[operator]
        if not fits or (whole and value != int(value)):
            number = "a whole number" if whole else "a number"
            limits = f"of {least:g} or more" if most == LARGEST else f"from {least:g} to {most:g}"
            raise self._wrong(f"{field} to be {number} {limits}", repr(value))
        object.__setattr__(self, field, int(value) if whole else float(value) + 0.0)  # + 0.0: no minus zero

    def _wrong(self, expected: str, got: str) -> InputError:
        return InputError(f"{self.name()}: expected {expected}, got {got}. An example: {self.example}")


@dataclass(frozen=True)
class And(Prompt):
    """Keeps what both keep."""

    left: Prompt
    right: Prompt
    binds: ClassVar[int] = 1

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        return self.left.cells(grid, seed) & self.right.cells(grid, seed)

    @property
    def circular(self) -> bool:
        """As in `Prompt`."""
        return self.left.circular or self.right.circular

    def __str__(self) -> str:
        return f"{_operand(self.left, self.binds)} & {_operand(self.right, self.binds + 1)}"


@dataclass(frozen=True)
class Or(Prompt):
    """Keeps what either keeps."""

    left: Prompt
    right: Prompt
    binds: ClassVar[int] = 0

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        return self.left.cells(grid, seed) | self.right.cells(grid, seed)

    @property
    def circular(self) -> bool:
        """As in `Prompt`."""
        return self.left.circular or self.right.circular

    def __str__(self) -> str:
        return f"{_operand(self.left, self.binds)} | {_operand(self.right, self.binds + 1)}"


@dataclass(frozen=True)
class Not(Prompt):
    """Keeps what the other does not."""

    prompt: Prompt
    binds: ClassVar[int] = 2

    def cells(self, grid: Grid, seed: int) -> Tensor:
        """As in `Prompt`."""
        return ~self.prompt.cells(grid, seed)

    @property
    def circular(self) -> bool:
        """As in `Prompt`; what is not kept of a loop is still a loop's."""
        return self.prompt.circular

    def __str__(self) -> str:
        return f"~{_operand(self.prompt, self.binds)}"


def mask(prompt: Prompt, grid: Grid, seed: int = 0) -> Tensor:
    """[1, K, T] bool, True = to be generated: what `audiogen.decoding.decode` takes.

    Raises:
        InputError: the prompt asks for what the grid does not have.
    """
    return ~prompt.keep(grid, Generator().manual_seed(seed))[None]


def _operand(prompt: Prompt, least: int) -> str:
    return str(prompt) if prompt.binds >= least else f"({prompt})"


def _text(value: object) -> str:
    """An argument as `parse` reads it: numbers without exponent, regions as start-end, names as they are."""
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():f}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join("-".join(_text(bound) for bound in region) for region in value)
    return str(value)
