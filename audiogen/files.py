"""Writing files so that nobody ever sees half of one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiogen.errors import InputError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds, remove it when it fails.

    The temporary name keeps the suffix, because audio libraries choose the format by it.

    Raises:
        InputError: the folder of `path` does not exist or cannot be written to.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(
            f"expected a writable folder for {path}, got: {error.strerror}. Choose another output path."
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private; outputs get the user's usual permissions
        if path.is_dir():
            raise InputError(f"expected a file name to write to, got the folder {path}. Add a file name to it.")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
