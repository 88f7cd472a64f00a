"""Downloads that can be trusted: resumed where they broke off, tried at every mirror, and checked by sha256.

What has arrived lies beside the target as `<name>.partial`; the target itself appears whole and checked, or not at all.
"""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hornbook.errors import UserError
from hornbook.files import READ_BYTES, disk_errors, write_atomic

ATTEMPTS = 3  # at one address, counted anew whenever more of the file has arrived than ever before
TIMEOUT_SECONDS = 30
ARCHIVE_EXTRA_BYTES = 1 << 20  # how much larger than the file inside an archive may be (its readme and directory)


@dataclass(frozen=True)
class Download:
    """A file somewhere else: where it is published, and what it must be. Files of this kind are a few megabytes.

    `addresses` are tried in order. `member` names the one file to take where the address holds a zip archive;
    `sha256` and `num_bytes` are always those of the file that is wanted, not of the archive.
    """

    addresses: tuple[str, ...]
    sha256: str
    num_bytes: int
    member: str | None = None


class _Failed(Exception):
    """Why an address did not give the file; `final` where trying it again is no use."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


def _silent(_: str) -> None: ...


def fetch(
    download: Download,
    target: Path,
    *,
    from_file: Path | None = None,
    notify: Callable[[str], None] = _silent,
    wait_seconds: float = 1.0,
) -> Path:
    """Put the file at `target`, from `from_file` or from the first address that gives it; returns `target`.

    A `target` that is already right is left alone and no address is asked.
    Errors: `UserError` where no address gave the right file (each with its reason), or `from_file` is not it.
    """
    if from_file is None and target.is_file() and hashlib.sha256(target.read_bytes()).hexdigest() == download.sha256:
        return target
    if from_file is not None:
        return _take_file(download, from_file, target)
    partial = target.with_name(target.name + ".partial")
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        reasons = []
        for address in download.addresses:
            notify(f"downloading {address}")
            reason = _try_address(download, address, partial, target, wait_seconds)
            if reason is None:
                partial.unlink(missing_ok=True)
                return target
            reasons.append(f"{address}: {reason}")
            notify(reasons[-1])
    raise UserError(
        f"could not download '{target.name}': {'; '.join(reasons)}",
        hint="run it again to go on where it broke off, or give a copy with --from FILE",
    )


def _try_address(download: Download, address: str, partial: Path, target: Path, wait_seconds: float) -> str | None:
    """None where `target` is in place, else the reason why this address did not give it."""
    furthest, failures = 0, 0
    while True:
        resumed = partial.exists() and partial.stat().st_size > 0
        try:
            _receive(address, partial, download.num_bytes + (ARCHIVE_EXTRA_BYTES if download.member else 0))
            _install(download, partial, target)
            return None
        except _Failed as error:
            reason = str(error)
            final = error.final and not resumed  # a resumed file may be two halves of different files
        size = partial.stat().st_size if partial.exists() else 0
        failures = 0 if size > furthest else failures + 1
        furthest = max(furthest, size)
        if final or failures == ATTEMPTS:
            return reason
        time.sleep(wait_seconds * failures)


def _receive(address: str, partial: Path, limit: int) -> None:
    """Append to `partial` what is missing of the file at `address`. Errors: `_Failed`; what arrived stays."""
    have = partial.stat().st_size if partial.exists() else 0
    headers = {"User-Agent": "hornbook", "Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        request = urllib.request.Request(address, headers=headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            _append(answer, partial, have if goes_on else 0, limit)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing lies behind what is here: it is whole already, or it is not this file
            return
        raise _Failed(f"answered {error.code} {error.reason}", final=error.code < 500 and error.code != 429) from None
    except urllib.error.URLError as error:
        raise _Failed(str(error.reason)) from None
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Failed(f"broke off ({error or type(error).__name__})") from None


def _append(answer: http.client.HTTPResponse, partial: Path, have: int, limit: int) -> None:
    promised = answer.length  # None where the server does not say
    received = 0
    with open(partial, "ab") as file:
        file.truncate(have)
        while block := answer.read(READ_BYTES):
            file.write(block)
            received += len(block)
            if have + received > limit:
                file.truncate(0)
                raise _Failed(f"sent more than the {limit:,} bytes expected", final=True)
    if promised is not None and received < promised:
        raise _Failed(f"broke off after {have + received:,} of {have + promised:,} bytes")


def _install(download: Download, partial: Path, target: Path) -> None:
    """Check what has arrived and put it in place. Errors: `_Failed`, and the wrong file is deleted."""
    try:
        write_atomic(target, _checked(download, partial))
    except _Failed:
        partial.unlink(missing_ok=True)
        raise


def _take_file(download: Download, file: Path, target: Path) -> Path:
    if not file.is_file():
        raise UserError(f"no such file '{file}'" if not file.exists() else f"'{file}' is not a file")
    try:
        with disk_errors(file):
            data = _checked(download, file)
    except _Failed as error:
        hint = f"get it from {download.addresses[0]}"
        raise UserError(f"'{file}' is not the file wanted: {error}", hint=hint) from None
    write_atomic(target, data)
    return target


def _checked(download: Download, file: Path) -> bytes:
    """The content wanted, from the file itself or, where it is a zip archive, from its member. Errors: `_Failed`."""
    size = download.num_bytes + 1  # one more than it may have: enough to see that it is another file
    try:
        if download.member and zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive, archive.open(download.member) as stream:
                data = stream.read(size)
        else:
            with open(file, "rb") as stream:
                data = stream.read(size)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError) as error:
        raise _Failed(f"the archive can't be read: {error}", final=True) from None
    if len(data) == size:
        raise _Failed(f"it is larger than the {download.num_bytes:,} bytes expected", final=True)
    found = hashlib.sha256(data).hexdigest()
    if found != download.sha256:
        raise _Failed(f"its sha256 begins {found[:12]}, not {download.sha256[:12]}", final=True)
    return data
