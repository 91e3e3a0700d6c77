"""Writing files so that nobody ever sees half of one, and seeing before long work that they can be written."""

import os
import tempfile
from collections.abc import Collection, Iterator
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
    temporary = _temporary(path)
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


def _temporary(path: Path) -> Path:
    """A new empty file beside `path`, under a hidden name."""
    try:
        handle, name = tempfile.mkstemp(prefix=".audiogen.", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(
            f"expected a writable folder for {path}, got: {error.strerror}. Choose another output path."
        ) from error
    os.close(handle)
    return Path(name)


def check_target(path: str | Path, suffixes: Collection[str] = ()) -> Path:
    """See before the work that a file can be written to `path`: a trial file is made beside it, and removed.

    Args:
        suffixes: those that the name may have, as ".wav"; none given: any.
    Raises:
        InputError: another suffix, a folder, no such folder, or no way to write into it.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        got = repr(path.suffix) if path.suffix else "no suffix"
        raise InputError(f"{path}: expected a name that ends in {', '.join(suffixes)}, got {got}. Rename it.")
    try:
        path.stat()  # a name that is too long, or contains what names cannot contain
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"expected a file that can be written, got {path}: {reason}. Choose another name.") from error
    if path.is_dir() or not path.parent.is_dir():
        got = "a folder" if path.is_dir() else "a folder that does not exist"
        raise InputError(f"{path}: expected a file in a folder that exists, got {got}. Choose another name.")
    _temporary(path).unlink()
    return path


def make_folder(path: str | Path) -> Path:
    """Make a folder for outputs, with those above it, and see that it can be written into.

    Raises:
        InputError: it cannot.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: expected a folder to write to, got: {error.strerror}. Choose another one."
        ) from error
    _temporary(path / "trial").unlink()
    return path
