"""Seeds as they stand in the page: 0 or nothing is a random one."""

import secrets

from audiogen.errors import InputError

LARGEST = 2**31 - 1

MEANING = "0 or empty: a random one. The same seed and settings give the same sound."


def drawn(seed: float | None) -> int:
    """`seed`, or a random one for 0 or None.

    Raises:
        InputError: no whole number of 0 to LARGEST.
    """
    if not seed:
        return secrets.randbelow(LARGEST) + 1
    if seed != int(seed) or not 0 < seed <= LARGEST:
        raise InputError(f"expected a seed from 0 to {LARGEST}, got {seed:g}. Leave it at 0 for a random one.")
    return int(seed)
