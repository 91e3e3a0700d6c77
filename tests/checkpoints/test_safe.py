"""The restricted loader reads what torch.save writes, and refuses everything else without running it."""

import builtins
import functools
import io
import os
import pickle
import random
import struct
import subprocess
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from audiogen.checkpoints import restricted_load
from audiogen.errors import InputError

STATISTICS = Path(__file__).parents[1] / "fixtures" / "maskgct" / "tiny" / "wav2vec2bert_stats.pt"


class Calls:
    """Pickles to a call of `function` with `arguments`, the classic pickle bomb."""

    def __init__(self, function: Callable[..., object], *arguments: object):
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.function, self.arguments


def archive(path: Path, program: bytes, compression: int = zipfile.ZIP_STORED, **records: bytes) -> Path:
    """A checkpoint with this pickle and these tensor bytes."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", program)
        for name, content in records.items():
            file.writestr(f"archive/data/{name}", content)
    return path


def tensor_program(offset: int, size: tuple[int, ...], stride: tuple[int, ...], count: int, key: str = "key") -> bytes:
    """A pickle of one tensor over the storage `key` of `count` floats."""

    storage = object()

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> object:
            return ("storage", torch.FloatStorage, key, "cpu", count) if obj is storage else None

    buffer = io.BytesIO()
    rebuild = Calls(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, OrderedDict())
    Pickler(buffer, protocol=2).dump(rebuild)
    return buffer.getvalue()


def refused(path: Path, message: str = "") -> None:
    with pytest.raises(InputError, match=message):
        restricted_load(path)


def test_the_official_statistics() -> None:
    ours, theirs = restricted_load(STATISTICS), torch.load(STATISTICS, weights_only=True)
    assert ours.keys() == theirs.keys() == {"mean", "var"}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_state_dict_comes_back(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv1d(3, 4, 5), nn.BatchNorm1d(4), nn.utils.weight_norm(nn.Linear(4, 2)))
    torch.save({"model": module.state_dict(), "step": 12, "rate": 1e-3}, tmp_path / "a.pth")
    loaded = restricted_load(tmp_path / "a.pth")
    assert loaded["step"] == 12
    assert loaded["rate"] == 1e-3
    assert loaded["model"].keys() == module.state_dict().keys()
    assert all(torch.equal(loaded["model"][name], tensor) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_kind_of_plain_value_comes_back(tmp_path: Path, protocol: int) -> None:
    content: dict[str, Any] = {
        "numbers": [0, 1, 255, 256, 65536, -1, 2**40, -(2**70), 1.5, float("inf"), True, False, None],
        "texts": ("", "ä", "x" * 300, b"raw" if protocol > 2 else "raw"),
        "nested": [{"a": ({}, [], ()), 1: (1,), 2.5: (1, 2), None: (1, 2, 3), False: (1, 2, 3, 4)}],
        "ordered": OrderedDict(b=1, a=2),
        "size": torch.Size([2, 3]),
    }
    torch.save(content, tmp_path / "a.pt", pickle_protocol=protocol)
    assert restricted_load(tmp_path / "a.pt") == {**content, "size": (2, 3)}


def test_tensors_of_every_type_and_layout(tmp_path: Path) -> None:
    base = torch.arange(24.0)
    tensors = {
        str(dtype): torch.ones(3).to(dtype)
        for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
                      torch.uint8, torch.bool, torch.complex64, torch.complex128)
    }  # fmt: skip
    tensors |= {
        "empty": torch.empty(0, 7),
        "scalar": torch.tensor(3.5),
        "transposed": base.view(4, 6).T,
        "part": base[5:17:3],
        "parameter": nn.Parameter(base[:2].clone()),
    }
    torch.save({**tensors, "types": [torch.float32, torch.bfloat16]}, tmp_path / "a.bin")
    loaded = restricted_load(tmp_path / "a.bin")
    assert loaded.pop("types") == [torch.float32, torch.bfloat16]
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor), name


BOMBS: dict[str, object] = {
    "os.system": Calls(os.system, "touch bombfile"),
    "subprocess": Calls(subprocess.call, ["touch", "bombfile"]),
    "builtins.eval": Calls(builtins.eval, "open('bombfile', 'w')"),
    "builtins.exec": Calls(builtins.exec, "open('bombfile', 'w')"),
    "builtins.open": Calls(builtins.open, "bombfile", "w"),
    "builtins.getattr": Calls(getattr, "x", "upper"),
    "functools.partial": Calls(functools.partial, os.system, "touch bombfile"),
    "inside a dictionary": {"state_dict": {"weight": [Calls(os.system, "touch bombfile")]}},
    "as a key": {Calls(os.system, "touch bombfile"): 1},
    "torch.load": Calls(torch.load, "bombfile"),
    "torch.serialization.add_safe_globals": Calls(torch.serialization.add_safe_globals, [os.system]),
    "rebuild with a function": Calls(torch._utils._rebuild_tensor_v2, os.system, 0, (1,), (1,), False, {}),
    "a parameter that is none": Calls(torch._utils._rebuild_parameter, "text", True, OrderedDict()),
    "OrderedDict of pairs": Calls(OrderedDict, [("a", 1)]),
    "a module": nn.Linear(1, 1),
    "a class": Path,
    "a set": {1, 2},
    "bytearray": bytearray(4),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_and_do_not_go_off(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    program = pickle.dumps(BOMBS[name], protocol=2)
    refused(archive(tmp_path / "bomb.pt", program), "expected only tensors and plain containers in .*bomb.pt, got")
    assert [path.name for path in tmp_path.iterdir()] == ["bomb.pt"]


def test_the_bombs_above_are_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(BOMBS["os.system"]))
    assert (tmp_path / "bombfile").exists()


def test_what_torch_was_told_to_trust_is_still_refused(tmp_path: Path) -> None:
    torch.save({"path": Path("x")}, tmp_path / "a.pt")
    with torch.serialization.safe_globals([Path, type(Path())]):
        refused(tmp_path / "a.pt", "the name 'pathlib")


HAND_WRITTEN = {
    "INST": b"(S'true'\niposix\nsystem\n.",
    "OBJ": b"(cposix\nsystem\nS'true'\no.",
    "NEWOBJ": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
    "extension registry": b"\x80\x02\x82\x01)R.",
    "call of a type": b"\x80\x02ctorch\nFloatStorage\n)R.",
    "attributes of a list": b"\x80\x02]}b.",
    "attributes of a symbol": b"\x80\x02ccollections\nOrderedDict\n}b.",
    "append to a dictionary": b"\x80\x02}K\x01a.",
    "items of a list": b"\x80\x02]K\x01K\x01s.",
    "tuples as keys": b"\x80\x02}K\x01\x85K\x01s.",
    "persistent text": b"Pstorage\n.",
    "bytearray of 1 TB": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
}
MALFORMED = {
    "empty": b"",
    "no end": b"\x80\x02}",
    "nothing on the stack": b"\x80\x02.",
    "no mark": b"\x80\x02K\x01e.",
    "mark as an item": b"\x80\x02](\x85a.",
    "unknown memo": b"\x80\x02h\x05.",
    "odd items": b"\x80\x02}(K\x01u.",
    "bytes of 1 TB": b"\x80\x05\x8e" + struct.pack("<Q", 1 << 40) + b".",
    "text of 4 GB": b"\x80\x02X\xff\xff\xff\xff.",
    "names that are no text": b"\x80\x04K\x01K\x02\x93.",
    "unknown opcode": b"\x80\x02\xff.",
}


@pytest.mark.parametrize("name", HAND_WRITTEN)
def test_instructions_that_data_do_not_need(name: str, tmp_path: Path) -> None:
    refused(archive(tmp_path / "a.pt", HAND_WRITTEN[name]), "expected")


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_programs(name: str, tmp_path: Path) -> None:
    refused(archive(tmp_path / "a.pt", MALFORMED[name]), "damaged")


def test_a_huge_memo_index_costs_nothing(tmp_path: Path) -> None:
    # the C unpickler of Python would allocate 64 GB here
    program = b"\x80\x02K\x07r\xff\xff\xff\xff."
    assert restricted_load(archive(tmp_path / "a.pt", program)) == 7


@pytest.mark.parametrize(
    ("offset", "size", "stride", "count"),
    [
        (0, (5,), (1,), 4),  # more numbers than stored
        (3, (2,), (1,), 4),  # beyond the end
        (0, (2, 2), (3, 1), 4),
        (0, (1 << 62, 1 << 62), (1, 1), 4),  # overflows 64 bits
        (0, (1 << 40,), (0,), 4),  # a terabyte out of one number
        (-1, (1,), (1,), 4),
        (0, (-1,), (1,), 4),
        (0, (2,), (-1,), 4),
        (0, (4,), (1,), 5),  # storage shorter than it says
        (0, (4,), (1,), 1 << 60),
        (0, (4,), (1, 1), 4),
    ],
)
def test_impossible_tensors(
    offset: int, size: tuple[int, ...], stride: tuple[int, ...], count: int, tmp_path: Path
) -> None:
    path = archive(tmp_path / "a.pt", tensor_program(offset, size, stride, count), key=bytes(16))
    refused(path, "expected only tensors")


def test_a_possible_tensor_made_the_same_way(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.pt", tensor_program(1, (3,), (1,), 4), key=struct.pack("<4f", 1, 2, 3, 4))
    assert restricted_load(path).tolist() == [2, 3, 4]


def test_missing_storage(tmp_path: Path) -> None:
    refused(archive(tmp_path / "a.pt", tensor_program(0, (1,), (1,), 1, key="other"), key=bytes(4)), "damaged")
    refused(archive(tmp_path / "b.pt", tensor_program(0, (1,), (1,), 1, key="../../x"), key=bytes(4)), "damaged")


def test_zip_bombs(tmp_path: Path) -> None:
    zeros = bytes(16 << 20)
    path = archive(tmp_path / "a.pt", tensor_program(0, (1,), (1,), 4 << 20), zipfile.ZIP_DEFLATED, key=zeros)
    refused(path, "the compressed entry")
    refused(archive(tmp_path / "b.pt", b"\x80\x02K\x01." + zeros), "a pickle of 16777221 bytes")


def test_entries_that_share_their_bytes(tmp_path: Path) -> None:
    """Two entries of the directory point to the same bytes: the sum is larger than the file."""
    path = archive(tmp_path / "a.pt", b"\x80\x02K\x01.", **{f"{index:04}": bytes(4096) for index in range(8)})
    content = path.read_bytes()
    directory = content.index(b"PK\x01\x02")
    first = content.index(b"PK\x01\x02", directory + 4)
    second = content.index(b"PK\x01\x02", first + 4)
    entry, end = content[first:second], content.rindex(b"PK\x05\x06")
    entries = content[directory:first] + entry * 4000
    tail = bytearray(content[end:])
    struct.pack_into("<HHII", tail, 8, 4001, 4001, len(entries), directory)
    path.write_bytes(content[:directory] + entries + tail)
    refused(path, "larger than the file")


def test_truncated_files(tmp_path: Path) -> None:
    content = STATISTICS.read_bytes()
    path = tmp_path / "a.pt"
    for length in [0, 1, 30, len(content) // 2, len(content) - 1]:
        path.write_bytes(content[:length])
        refused(path, "damaged or different file")


def test_random_damage_never_gives_anything_but_an_input_error(tmp_path: Path) -> None:
    content, dice, path, refusals = STATISTICS.read_bytes(), random.Random(0), tmp_path / "a.pt", 0
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(dice.randint(1, 8)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        path.write_bytes(damaged)
        try:
            restricted_load(path)
        except InputError:
            refusals += 1
    assert refusals > 150


def test_files_that_are_no_checkpoints(tmp_path: Path) -> None:
    refused(tmp_path / "missing.pt", "got no such file")
    (tmp_path / "folder.pt").mkdir()
    refused(tmp_path / "folder.pt", "readable file")
    (tmp_path / "text.pt").write_text("hello")
    refused(tmp_path / "text.pt", "damaged or different file")
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"a": 1}))
    refused(tmp_path / "plain.pkl", "Other pickles are never opened")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"a": 1}))
    refused(tmp_path / "plain.pt", "damaged or different file")
    torch.save({"a": 1}, tmp_path / "legacy.pt", _use_new_zipfile_serialization=False)
    refused(tmp_path / "legacy.pt", "damaged or different file")
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as file:
        file.writestr("readme.txt", "hello")
    refused(tmp_path / "other.pt", "0 files data.pkl")
