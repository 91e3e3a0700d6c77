"""What models compute in, by the names that users give."""

import torch

from audiogen.errors import InputError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def dtype_of(name: str) -> torch.dtype:
    """The number type called `name`.

    Raises:
        InputError: none of DTYPES.
    """
    if name not in DTYPES:
        raise InputError(f"expected a dtype of {', '.join(DTYPES)}, got {name!r}. Choose one of these.")
    return DTYPES[name]
