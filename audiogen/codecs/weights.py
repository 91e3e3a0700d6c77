"""Official codec weights: found in a file, a folder or the Hugging Face cache, and fitted to weight-normalised layers.

Safetensors are read as they are; pickles only by the restricted loader, which builds tensors and plain containers.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import remove_weight_norm

from audiogen.errors import InputError

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".th", ".pth", ".pt")


@contextmanager
def old_weight_norm() -> Iterator[None]:
    """For layers of packages that use torch's old weight_norm, without its FutureWarning on a user's screen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def liven(module: nn.Module, gain: float) -> None:
    """Make a random weight-normalised network react to its input: no biases, and layers louder by `gain`."""
    for key, parameter in module.named_parameters():
        if key.endswith("weight_g"):
            parameter.data.mul_(gain)
        elif key.endswith("bias"):
            parameter.data.zero_()


def hub_snapshot(repository: str, fetch: str = "") -> Path:
    """The newest snapshot of a Hugging Face repository in the local cache; never downloads.

    `fetch` is the command that brings all that is needed, where this is not the whole repository.

    Raises:
        InputError: the cache does not have it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except LocalEntryNotFoundError as error:
        if some := getattr(error, "snapshot_path", None):
            return Path(some)  # not all files of the repository: whether they are enough, their reader says
        raise InputError(
            f"expected the weights of {repository} in the Hugging Face cache, got none. "
            f"Run `{fetch or f'hf download {repository}'}` "
            "(without network: copy that cache from a machine that has it), or name a local weights file or folder."
        ) from error


def local_repository(names: Sequence[str], files: Sequence[str], folder: Path) -> Path:
    """A part that is published on its own: the folder of its name in `folder`, or a snapshot in the Hugging Face cache.

    Args:
        names: of the repository; all but the first are old ones.
        files: what it has to hold.
        folder: that of the model which it is a part of.
    Raises:
        InputError: neither is there with all files; the message says what to fetch and where to put it.
    """
    from huggingface_hub import try_to_load_from_cache

    beside = folder / names[0].rpartition("/")[2]
    cached = [try_to_load_from_cache(name, files[0]) for name in names]
    for place in (beside, *(Path(found).parent for found in cached if isinstance(found, str))):
        if all((place / file).is_file() for file in files):
            return place
    command = f"hf download {names[0]} {' '.join(files)}"
    raise InputError(
        f"expected {names[0]} ({', '.join(files)}) in the Hugging Face cache or in {beside}, got neither. "
        f"Run `{command}` (without network: on another machine, and copy the files into that folder)."
    )


def check_sizes(config: Any) -> None:
    """Raise InputError unless every field of a dataclass that is an int, or a tuple of ints, is above 0."""
    for field in fields(config):
        value = getattr(config, field.name)
        if field.type is int:
            numbers = [value]
        elif field.type == tuple[int, ...]:
            numbers = [*value] if isinstance(value, tuple) else []
        else:
            continue
        if not numbers or not all(type(number) is int and number > 0 for number in numbers):
            raise InputError(
                f"{type(config).__name__}: expected whole numbers above 0 for {field.name}, got {value!r}. "
                "Use the original configuration."
            )


def check_sample_rate(source: Path, sample_rate: int, named: int) -> None:
    """Raise InputError where a file describes another model of the family than the one it was named as."""
    if sample_rate != named:
        raise InputError(
            f"{source}: expected weights of a codec at {named} Hz, got some at {sample_rate} Hz. Name their own codec."
        )


def find_weights(source: Path) -> Path:
    """`source` itself, or the weights file in that folder (safetensors first).

    Raises:
        InputError: there is none, or several of the same kind.
    """
    if not source.is_dir():
        return source
    for suffix in WEIGHT_SUFFIXES:
        files = sorted(source.glob(f"*{suffix}"))
        if len(files) > 1:
            names = ", ".join(file.name for file in files)
            raise InputError(f"{source}: expected one weights file, got {names}. Name the file itself.")
        if files:
            return files[0]
    raise InputError(
        f"{source}: expected a weights file ({', '.join(WEIGHT_SUFFIXES)}), got none. Download the weights there."
    )


def read_weights(path: Path) -> Mapping[str, Any]:
    """What a weights file holds: tensors by name, or an official package with tensors inside."""
    from audiogen.checkpoints import read_safetensors, restricted_load

    if path.suffix == ".safetensors":
        return read_safetensors(path)
    package = restricted_load(path)
    if not isinstance(package, Mapping):
        raise InputError(f"{path}: expected a dictionary of tensors, got {type(package).__name__}. Name another file.")
    return package


def named_tensors(state: Any, path: Path) -> dict[str, Tensor]:
    """The tensors in the part of a file that should hold parameters."""
    if not isinstance(state, Mapping):
        raise InputError(f"{path}: expected parameters by name, got {type(state).__name__}. Name another file.")
    return {str(key): value for key, value in state.items() if isinstance(value, Tensor)}


def as_tuple(value: Any) -> Any:
    """JSON and YAML have lists where configurations have tuples."""
    return tuple(value) if isinstance(value, list) else value


def read_config(source: Path) -> dict[str, Any] | None:
    """The config.json in that folder, or beside that file; None where there is none."""
    path = (source if source.is_dir() else source.parent) / "config.json"
    if not path.is_file():
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, got: {error}. Download the file again.") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: expected a JSON object, got {type(config).__name__}. Download the file again.")
    return config


def assign_normed(
    module: nn.Module, state: Mapping[str, Tensor], source: Path, their_name: Callable[[str], str]
) -> None:
    """`checkpoints.assign_weights` for weight-normalised modules, from files with either of two sets of names.

    The weights are for inference: their norm is folded in afterwards.

    Args:
        module: what gets the weights, in float32; it may be on the meta device.
        state: parameters, named as in `module` or as `their_name` calls them.
        source: where they are from, for error messages.
        their_name: a parameter's name in `module` -> its name in the other published layout.
    Raises:
        InputError: names or shapes differ.
    """
    from audiogen.checkpoints import assign_weights

    expected = list(module.state_dict())
    tensors = {_plain(key): tensor.float() for key, tensor in state.items()}
    assign_weights(module, _split_folded(_rename(tensors, expected, their_name), expected), source)
    for layer in module.modules():
        if hasattr(layer, "weight_g"):
            remove_weight_norm(layer)  # or every call, even of one frame, would multiply all weights out again


def _plain(key: str) -> str:
    """Of weight = g * v / |v| (the norm over all axes but the first) torch has two pairs of names for g and v."""
    original = "parametrizations.weight.original"
    return key.replace(f"{original}0", "weight_g").replace(f"{original}1", "weight_v")


def _rename(
    state: Mapping[str, Tensor], expected: Iterable[str], their_name: Callable[[str], str]
) -> dict[str, Tensor]:
    """By the layer, not the parameter: files may have `weight` where the module has `weight_g` and `weight_v`."""
    layers = {their_name(key).rpartition(".")[0]: key.rpartition(".")[0] for key in expected}
    split = ((key.rpartition("."), tensor) for key, tensor in state.items())
    return {f"{layers.get(layer, layer)}.{parameter}": tensor for (layer, _, parameter), tensor in split}


def _split_folded(state: dict[str, Tensor], expected: Iterable[str]) -> dict[str, Tensor]:
    """Where a file has the product `weight`: v is that weight, and g its norm."""
    for key in expected:
        folded = key.removesuffix("_v")
        if key.endswith(".weight_v") and folded in state:
            weight = state[key] = state.pop(folded)
            state[f"{folded}_g"] = weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.dim() - 1))
    return state
