"""What a killed process leaves beside its files: the hidden names of writes, whose they are, and clearing them away.

    .model.k3x9w0ab.unfinished   a file or folder that is being written beside its place
    .model.k3x9w0ab.replaced     the older folder that stepped aside for it, for a moment
    .model.k3x9w0ab.removed      a folder that is being deleted

A writer holds the lock of what it writes, and the system lets go of it when the process dies, however it dies.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED, REPLACED, REMOVED = ".unfinished", ".replaced", ".removed"
LEFTOVER = re.compile(r"\.(?P<place>.+)\.[a-z0-9_]{8}(?P<state>\.unfinished|\.replaced|\.removed)")


def is_leftover(path: Path) -> bool:
    """Whether a path has the hidden name of something that is being written, or was when its writer was killed."""
    return LEFTOVER.fullmatch(path.name) is not None


def sweep(folder: Path) -> list[Path]:
    """Clear away what killed writes left in `folder` and below it; a folder that was being replaced is put back.

    Only the hidden names above are touched, and none that a living process still writes (where the file system has
    locks). Out: the leftovers that were found dead.
    """
    found = [Path(place, name) for place, folders, files in os.walk(folder) for name in [*folders, *files]]
    return [path for path in sorted(found) if _clear(path)]


def sweep_beside(path: Path) -> None:
    """`sweep` for the leftovers of one path only, which lie beside it."""
    if path.parent.is_dir():
        for other in sorted(path.parent.iterdir()):
            if (leftover := LEFTOVER.fullmatch(other.name)) and leftover["place"] == path.name:
                _clear(other)


def _clear(path: Path) -> bool:
    """Put back or remove one leftover; False where it is none, where its writer lives, or where it is gone already."""
    leftover = LEFTOVER.fullmatch(path.name)
    if leftover is None or not path.exists() or _is_held(path.with_suffix(UNFINISHED)):
        return False
    place = path.with_name(leftover["place"])
    if (
        leftover["state"] == REPLACED and not place.exists()
    ):  # killed after the old one stepped aside, before the new one came
        os.replace(path, place)
    elif path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return True


def removed_name(path: Path) -> Path:
    """A free name beside `path` for what is being deleted."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{REMOVED}")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder that is being written, as long as the block runs and the process lives."""
    if os.name == "nt":  # folders can't be opened there
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _is_held(path: Path) -> bool:
    """Whether a living process holds the lock of `path`."""
    if os.name == "nt" or not path.exists():
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        return not _lock(handle)
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Lock what is open until it is closed; False where another process has locked it."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
