"""Names of parametrised tests."""

import re


def plain(value: object) -> str:
    """`str(value)` without addresses in memory, which differ from one worker to the next."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))
