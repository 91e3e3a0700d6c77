"""Weights as 8-bit integers with a scale per row: a quarter of float32, half of what half precision needs.

A row of a matrix, or all that makes one output of a convolution, is stored as round(row / scale) with scale = its
largest magnitude / 127: rounding changes a number by half a scale at most. Vectors, and rows too short to be worth a
scale, stay as they are. Models compute with the numbers that come out, in the type they are built in.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from audiogen.errors import InputError

SCALE = ".scale"
"""Ends the name of a tensor of scales [N], beside that of its integers [N, ...]."""
SHORTEST = 16
"""Numbers of a row."""


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Named weights -> the same, with the matrices as integers and their scales."""
    packed = {}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.ndim > 1 and tensor[0].numel() >= SHORTEST:
            rows = tensor.detach().float().flatten(1)
            scale = rows.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / 127
            packed[name] = (rows / scale[:, None]).round().to(torch.int8).view(tensor.shape)
            packed[name + SCALE] = scale
        else:
            packed[name] = tensor.detach()
    return packed


def unpack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `pack` made, as float32; weights that are not packed come back as they are.

    Raises:
        InputError: integers without their scales, or with others.
    """
    scales = {name: tensor for name, tensor in tensors.items() if name.endswith(SCALE)}
    whole = {name: tensor for name, tensor in tensors.items() if name not in scales}
    for scale_name, scale in scales.items():
        name = scale_name.removesuffix(SCALE)
        integers = whole.get(name)
        if integers is None or integers.dtype != torch.int8 or scale.shape != integers.shape[:1]:
            got = "none" if integers is None else f"{list(integers.shape)} {integers.dtype}"
            raise InputError(f"expected 8-bit rows of {name} for {len(scale)} scales, got {got}. Fetch the file again.")
        whole[name] = integers.float() * scale.view(-1, *[1] * (integers.ndim - 1))
    if bare := [name for name, tensor in whole.items() if tensor.dtype == torch.int8]:
        raise InputError(f"expected a scale for each row of {bare[0]}, got none. Fetch the file again.")
    return whole
