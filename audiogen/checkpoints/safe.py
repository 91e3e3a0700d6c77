"""Reading official torch checkpoints without trusting them.

`torch.save` writes a zip archive: the raw bytes of every tensor, and a pickle that says how they fit together. A pickle
is a program; running one from the internet can do anything. This file runs a small part of that language, in which a
program can build tensors and plain containers and do nothing else: there is no import, no call of anything but the four
names of `SYMBOLS`, and no allocation that is much larger than the file itself.
"""

import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from audiogen.errors import InputError

SUFFIXES = (".pt", ".pth", ".th", ".bin", ".ckpt")
MAX_PROGRAM_BYTES = 8 << 20
"""Size of the pickle without the tensors' bytes; official ones stay below 1 MiB."""

STORAGES = {
    f"torch {name}Storage": dtype
    for name, dtype in {
        "Double": torch.float64,
        "Float": torch.float32,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
        "ComplexFloat": torch.complex64,
        "ComplexDouble": torch.complex128,
    }.items()
}
DTYPES = {f"torch {str(dtype).removeprefix('torch.')}": dtype for dtype in STORAGES.values()}


class Refused(Exception):
    """The file asks for something that no official checkpoint needs; the message says what."""


@dataclass(frozen=True)
class Symbol:
    """A name that the program may mention, and what calling it does."""

    name: str
    call: Callable[..., Any]


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_unused: object) -> Tensor:
    """A view of `storage` [N]; what follows (requires_grad, hooks) concerns training only."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, Tensor) or storage.dim() != 1 or len(size) != len(stride):
        raise Refused("a tensor without a storage")
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise Refused("a tensor of impossible shape")
    # written without torch or math.prod on purpose: plain integers cannot overflow
    count, last = 1, offset
    for length, step in zip(size, stride, strict=True):
        count *= length
        last += (length - 1) * step
    if count and (last >= len(storage) or count > len(storage)):
        raise Refused(f"a tensor of shape {list(size)} over {len(storage)} stored numbers")
    return storage.as_strided(size, stride, offset) if count else storage.new_empty(size)


def _parameter(tensor: Tensor, *_unused: object) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise Refused("a parameter that is no tensor")
    return tensor


def _ordered_dict(*arguments: object) -> OrderedDict[object, object]:
    if arguments:
        raise Refused("an OrderedDict with arguments")
    return OrderedDict()


def _size(numbers: tuple[int, ...] = ()) -> tuple[int, ...]:
    return tuple(numbers)


SYMBOLS = {
    symbol.name: symbol
    for symbol in (
        Symbol("collections OrderedDict", _ordered_dict),
        Symbol("torch._utils _rebuild_tensor_v2", _tensor),
        Symbol("torch._utils _rebuild_parameter", _parameter),
        Symbol("torch Size", _size),
    )
}

MARK = object()
"""Lies on the stack where a list of arguments begins."""
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
}  # fmt: skip
EMPTY: dict[str, Callable[[], object]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
TUPLE_SIZES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass
class Machine:
    """The part of the pickle language that checkpoints use."""

    storage: Callable[[tuple[object, ...]], Tensor]
    """What a persistent id stands for."""
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, program: bytes) -> object:
        """The object that `program` describes.

        Raises:
            Refused: an instruction or a name that is not allowed.
            ValueError, IndexError, KeyError, TypeError: not a well-formed program.
        """
        for opcode, argument, _ in _instructions(program):
            if opcode == "STOP":
                return self.stack.pop()
            if opcode in CONSTANTS:
                self.stack.append(CONSTANTS[opcode])
            elif opcode in LITERALS:
                self.stack.append(argument)
            elif opcode in EMPTY:
                self.stack.append(EMPTY[opcode]())
            elif opcode in TUPLE_SIZES:
                self._tuple(self._pop(TUPLE_SIZES[opcode]))
            else:
                self._other(opcode, argument)
        raise ValueError("no end")

    def _other(self, opcode: str, argument: Any) -> None:
        match opcode:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self.stack.append(MARK)
            case "TUPLE":
                self._tuple(self._pop_to_mark())
            case "APPEND":
                self._append(self._pop(1))
            case "APPENDS":
                self._append(self._pop_to_mark())
            case "SETITEM":
                self._set(self._pop(2))
            case "SETITEMS":
                self._set(self._pop_to_mark())
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = self.stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            case "BINGET" | "LONG_BINGET":
                self.stack.append(self.memo[argument])
            case "GLOBAL":
                self.stack.append(_named(argument))
            case "STACK_GLOBAL":
                self.stack.append(_named(" ".join(self._pop(2))))
            case "BINPERSID":
                self.stack.append(self.storage(self.stack.pop()))
            case "REDUCE":
                self._call()
            case "BUILD":
                self._ignore_state()
            case _:
                raise Refused(f"the instruction {opcode}")

    def _pop(self, count: int) -> list[Any]:
        items = self.stack[-count:]
        if len(items) < count or any(item is MARK for item in items):
            raise ValueError("stack too short")
        del self.stack[-count:]
        return items

    def _pop_to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not MARK:
            items.append(item)
        return items[::-1]

    def _tuple(self, items: list[Any]) -> None:
        self.stack.append(tuple(items))

    def _append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise Refused("appending to what is no list")
        self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict):
            raise Refused("setting an item of what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int, float, bool, type(None)):
                raise Refused(f"a dictionary key of type {type(key).__name__}")
            target[key] = value

    def _call(self) -> None:
        symbol, arguments = self._pop(2)
        if not isinstance(symbol, Symbol) or type(arguments) is not tuple:
            raise Refused("a call of something it made itself")
        self.stack.append(symbol.call(*arguments))

    def _ignore_state(self) -> None:
        """Attributes of an object: only a state_dict has some (its modules' versions), and nothing here reads them."""
        target, _state = self._pop(2)
        if type(target) is not OrderedDict:
            raise Refused(f"setting the attributes of an object of type {type(target).__name__}")
        self.stack.append(target)


def _instructions(program: bytes) -> Iterator[tuple[str, Any, int | None]]:
    for opcode, argument, position in pickletools.genops(BytesIO(program)):
        yield opcode.name, argument, position


def _named(name: str) -> object:
    if name in SYMBOLS:
        return SYMBOLS[name]
    if name in STORAGES:
        return STORAGES[name]
    if name in DTYPES:
        return DTYPES[name]
    raise Refused(f"the name {name.replace(' ', '.')!r}")


class Archive:
    """The zip archive around a checkpoint: its program and the bytes of its tensors."""

    def __init__(self, archive: zipfile.ZipFile, file_size: int):
        self.archive = archive
        self.storages: dict[str, Tensor] = {}
        entries = archive.infolist()
        # torch stores its entries as they are; whatever is compressed, overlapping or larger than the file is a trap
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise Refused(f"the compressed entry {entry.filename}")
        if sum(entry.file_size for entry in entries) > file_size:
            raise Refused("entries that are larger than the file")
        programs = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
        if len(programs) != 1:
            raise Refused(f"an archive with {len(programs)} files data.pkl instead of one")
        if programs[0].file_size > MAX_PROGRAM_BYTES:
            raise Refused(f"a pickle of {programs[0].file_size} bytes, more than {MAX_PROGRAM_BYTES}")
        self.root = programs[0].filename.removesuffix("data.pkl")
        if f"{self.root}byteorder" in archive.namelist() and self._read("byteorder") != b"little":
            raise Refused("big-endian tensors")

    def _read(self, name: str) -> bytes:
        return self.archive.read(self.root + name)

    def load(self) -> object:
        return Machine(self._storage).run(self._read("data.pkl"))

    def _storage(self, identifier: object) -> Tensor:
        """The persistent id ('storage', type, key, device, count) -> all its numbers, [count]."""
        match identifier:
            case ("storage", torch.dtype() as dtype, str(key), str(), int(count)):
                pass
            case _:
                raise Refused("a storage of unknown kind")
        if key not in self.storages:
            content = self._read(f"data/{key}")
            numbers = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else torch.empty(0).byte()
            if len(content) != count * dtype.itemsize:
                raise Refused(f"a storage of {count} numbers in {len(content)} bytes")
            self.storages[key] = numbers.view(dtype)
        if self.storages[key].dtype != dtype:
            raise Refused("a storage of two types")
        return self.storages[key]


def restricted_load(path: str | Path) -> Any:
    """Tensors and plain containers of an official torch checkpoint, on the CPU.

    Args:
        path: a file that `torch.save` wrote in its zip format (.pt, .pth, .th, .bin, .ckpt).
    Returns:
        dicts, lists, tuples, strings, numbers, tensors.
    Raises:
        InputError: no such file, no such format, damaged, or it asks for anything but data.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"expected a torch checkpoint ({', '.join(SUFFIXES)}) or a .safetensors file, got {path}. "
            "Other pickles are never opened: convert the file to safetensors where it comes from."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            return Archive(archive, path.stat().st_size).load()
    except FileNotFoundError as error:
        raise InputError(f"expected a checkpoint at {path}, got no such file. Check the path.") from error
    except Refused as error:
        raise InputError(
            f"expected only tensors and plain containers in {path}, got {error}. "
            "It may be harmful and was not opened: ask its author for a .safetensors file."
        ) from error
    except zipfile.BadZipFile as error:
        _damaged(path, str(error), error)
    except OSError as error:
        raise InputError(f"expected a readable file at {path}, got: {error.strerror}. Check the path.") from error
    except (ValueError, LookupError, TypeError, ArithmeticError, RuntimeError, EOFError) as error:
        _damaged(path, f"{type(error).__name__}: {error}", error)


def _damaged(path: Path, detail: str, error: Exception) -> NoReturn:
    raise InputError(
        f"expected a whole torch checkpoint (zip format) at {path}, got a damaged or different file ({detail}). "
        "Fetch it again, or convert it to safetensors."
    ) from error
