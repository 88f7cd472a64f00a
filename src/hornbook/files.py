"""Files that are either whole or absent: write beside, fsync, rename. A crash at any instruction leaves the old state.

A kill leaves hidden names beside the place, which `sweep` clears away (see leftovers.py).
"""

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.leftovers import REMOVED, REPLACED, UNFINISHED, held, removed_name, sweep_beside
from hornbook.leftovers import sweep as sweep

READ_BYTES = 1 << 20

MENDS = {
    errno.ENOSPC: ("no space left on the disk that holds", "free some space or choose another folder"),
    errno.EDQUOT: ("the disk quota is used up for", "free some space or choose another folder"),
    errno.EACCES: ("no permission for", "choose a folder that you own, or change its permissions"),
    errno.EPERM: ("no permission for", "choose a folder that you own, or change its permissions"),
    errno.EROFS: ("read-only file system at", "choose another folder"),
    errno.EEXIST: ("a file stands where a folder is needed, at", "choose another folder"),
    errno.ENOTDIR: ("a file stands where a folder is needed, at", "choose another folder"),
    errno.EISDIR: ("a folder stands where a file is needed, at", "name a file"),
    errno.ENAMETOOLONG: ("the name is too long for the file system:", "choose a shorter name"),
}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what a disk can refuse (full, read-only, forbidden) into a one-line `UserError` that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in MENDS:
            raise
        message, hint = MENDS[error.errno]
        raise UserError(f"{message} '{error.filename or path}'", hint=hint) from error


def system_error(text: str, path: Path) -> OSError | None:
    """The error of the system in a library's words: 'I/O error: No space left on device (os error 28)' -> OSError 28."""
    found = re.search(r"\(os error (\d+)\)", text)
    return OSError(int(found[1]), os.strerror(int(found[1])), str(path)) if found else None


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write `data` to `path` so that a reader sees the old content or the new, never a part. Folders are made."""
    with new_file(path) as beside:
        beside.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """An empty file to be filled, which appears whole at `path` when the block ends, and not at all when it raises.

    Folders are made. Errors: `UserError` where the disk refuses.
    """
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(UNFINISHED, f".{path.name}.", path.parent)
        os.close(handle)
        beside = Path(name)
        try:
            with held(beside):
                yield beside
                _sync_file(beside)
            os.chmod(beside, 0o644)  # mkstemp makes files that only their owner reads
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented UTF-8 JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file. Errors: `UserError` where it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"no such file '{path}'") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"'{path}' is not valid JSON: {error}") from None


def sha256_of(path: Path) -> str:
    """The sha256 of a file of any size, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with disk_errors(path), open(path, "rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """A folder that appears whole at `path` when the block ends, and not at all when it raises.

    Errors: `UserError` where `path` is already a folder with something in it (unless `replace`), or the disk refuses.
    """
    path = Path(path)
    sweep_beside(path)
    if not replace and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"'{path}' already exists", hint="choose another folder or remove it")
    made = [folder for folder in path.parents if not folder.exists()]  # nearest first: to be removed where this fails
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(UNFINISHED, f".{path.name}.", path.parent))
        try:
            os.chmod(beside, 0o755)
            with held(beside):
                yield beside
                for file in [*beside.rglob("*"), beside]:
                    sync_folder(file) if file.is_dir() else _sync_file(file)
                _put_in_place(beside, path)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            with suppress(OSError):  # somebody else's file may be in them by now
                for folder in made:
                    folder.rmdir()
            raise
        for folder in made:
            sync_folder(folder.parent)


def remove_folder(path: Path) -> None:
    """Delete a folder: a kill on the way leaves it whole, or a leftover that `sweep` removes, never a part of it."""
    path = Path(path)
    with disk_errors(path):
        gone = removed_name(path)
        os.replace(path, gone)
        shutil.rmtree(gone, ignore_errors=True)


def require_space(folder: Path, num_bytes: int) -> None:
    """Raise `UserError` where the disk that will hold `folder` has less than `num_bytes` free; writes nothing."""
    existing = next(place for place in [Path(folder).absolute(), *Path(folder).absolute().parents] if place.exists())
    free = shutil.disk_usage(existing).free
    if free < num_bytes:
        need = f"{num_bytes / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB free"
        raise UserError(
            f"no space left on the disk that holds '{folder}': {need}", hint="free some space or choose another folder"
        )


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut (a no-op on Windows, which can't open folders)."""
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_file(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _put_in_place(beside: Path, path: Path) -> None:
    """Rename `beside` to `path`; an older folder there steps aside first and is deleted last.

    Between the two renames nothing lies at `path`: a kill there leaves the older one to `sweep`, which puts it back.
    """
    old = beside.with_suffix(REPLACED)
    try:
        if path.exists():
            os.replace(path, old)
        os.replace(beside, path)
    except BaseException:
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise
    sync_folder(path.parent)  # the new one is there for good before the older one goes
    if old.exists():
        gone = old.with_suffix(REMOVED)  # no longer anything to put back
        os.replace(old, gone)
        shutil.rmtree(gone, ignore_errors=True)
