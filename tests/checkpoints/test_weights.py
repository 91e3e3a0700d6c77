"""Safetensors into modules: whole or not at all, and the message names what differs."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from audiogen.checkpoints import assign_weights, read_safetensors
from audiogen.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_file({"weight": torch.ones(2, 3), "bias": torch.zeros(2)}, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_weights_reach_a_module_on_the_meta_device(path: Path) -> None:
    with torch.device("meta"):
        module = nn.Linear(3, 2)
    assign_weights(module, read_safetensors(path), path)
    assert module(torch.ones(1, 3)).tolist() == [[3, 3]]
    assert module.weight.requires_grad


def test_stored_half_precision_becomes_what_the_module_computes_in(path: Path) -> None:
    save_file({"weight": torch.ones(2, 3).bfloat16(), "bias": torch.zeros(2).half()}, path)
    module = nn.Linear(3, 2)
    assign_weights(module, read_safetensors(path), path)
    assert module.weight.dtype == module.bias.dtype == torch.float32


def test_empty_extra_tensors_are_let_through(path: Path) -> None:
    tensors = {**read_safetensors(path), "embed_tokens.weight": torch.empty(0, 256)}
    assign_weights(nn.Linear(3, 2), tensors, path)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Linear(4, 2), r"1 of another shape \(first: weight \[2, 3\] instead of \[2, 4\]\)"),
        (nn.Linear(3, 2, bias=False), r"1 unknown \(first: bias\)"),
        (nn.Bilinear(3, 3, 2), "of another shape"),
        (nn.BatchNorm1d(2), r"3 missing \(first: num_batches_tracked\)"),
    ],
)
def test_weights_of_another_module_are_refused_whole(path: Path, module: nn.Module, message: str) -> None:
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(InputError, match=message):
        assign_weights(module, read_safetensors(path), path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("length", [0, 7, 40, -1])
def test_truncated_files(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InputError, match="damaged or different file"):
        read_safetensors(path)


def test_a_pickle_under_this_name_is_not_opened(path: Path) -> None:
    torch.save({"weight": torch.ones(1)}, path)
    with pytest.raises(InputError, match="damaged or different file"):
        read_safetensors(path)


def test_missing_files_and_folders(path: Path) -> None:
    with pytest.raises(InputError, match="got no such file"):
        read_safetensors(path.with_name("other.safetensors"))
    with pytest.raises(InputError, match="readable file"):
        read_safetensors(path.parent)
