"""Tensors from safetensors files into modules, with errors that name the file and the tensor."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor, nn

from audiogen.checkpoints.eight_bit import unpack
from audiogen.errors import InputError

logger = logging.getLogger(__name__)


def read_safetensors(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, on the CPU.

    Raises:
        InputError: no such file, truncated, or another format under this name (a pickle, for instance).
    """
    from safetensors.torch import load_file

    with _readable(path):
        return load_file(path)


def read_metadata(path: str | Path) -> dict[str, str]:
    """The texts that a safetensors file holds beside its tensors; raises what `read_safetensors` raises."""
    from safetensors import safe_open

    with _readable(path), safe_open(path, "pt") as file:
        return dict(file.metadata() or {})


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """What can be wrong with a file, as InputError."""
    from safetensors import SafetensorError

    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"expected a safetensors file at {path}, got no such file. Check the path.") from error
    except OSError as error:
        raise InputError(f"expected a readable file at {path}, got: {error}. Check the path.") from error
    except SafetensorError as error:
        raise InputError(
            f"expected a whole safetensors file at {path}, got a damaged or different file ({error}). Fetch it again."
        ) from error


def assign_weights(module: nn.Module, tensors: Mapping[str, Tensor], source: str | Path) -> None:
    """Make `tensors` the weights of `module`, which may be on the meta device: no missing names, no extra ones.

    Weights in 8 bits are unpacked; numbers are converted to the type that the module has. Extra tensors without a
    single number are left out: the official S2A files hold one.

    Raises:
        InputError: names or shapes differ, or scales of 8-bit weights are missing.
    """
    expected = module.state_dict()
    tensors = {name: tensor for name, tensor in unpack(tensors).items() if name in expected or tensor.numel()}
    missing, extra = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    shapes = [
        f"{name} {list(tensors[name].shape)} instead of {list(expected[name].shape)}"
        for name in sorted(expected.keys() & tensors.keys())
        if tensors[name].shape != expected[name].shape
    ]
    problems = {"missing": missing, "unknown": extra, "of another shape": shapes}
    found = [f"{len(names)} {kind} (first: {names[0]})" for kind, names in problems.items() if names]
    if found:
        raise InputError(
            f"expected the tensors of {type(module).__name__} in {source}, got {'; '.join(found)}. "
            "Use the file and the configuration that belong together."
        )
    module.load_state_dict({name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}, assign=True)
    logger.info("%s: %d tensors from %s", type(module).__name__, len(tensors), source)
