"""`--watch` of train, resume, finetune and quickstart: the page of a run beside its training, in a process that only reads files.

training -- a pipe that ends with it --> the page's process: however the training ends, the page does
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from hornbook.commands._browser import open_in_browser
from hornbook.commands._listening import address_of, listen_from
from hornbook.commands.base import talk
from hornbook.errors import UserError

PORT = 8000
CAN_WATCH = os.name != "nt"  # a pipe and a socket are handed over, which Windows does otherwise
ENDING_SECONDS = 5.0


def watching(run: Path, watch: bool, opened: bool, *, several: bool = False) -> AbstractContextManager[object]:
    """`watched` where it is wanted, in the first of several processes.

    Errors: `UserError` for --open without --watch, and on Windows; before there is anything to watch.
    """
    if opened and not watch:
        raise UserError("--open opens the page of --watch", hint="say --watch --open")
    if watch and not CAN_WATCH:
        name = "RUN" if several else run
        raise UserError(
            "--watch is not there on Windows", hint=f"when it trains, in another window: hornbook serve {name}"
        )
    first = os.environ.get("RANK", "0") == "0"
    return watched(run, opened, several=several) if watch and first else nullcontext()


@contextmanager
def watched(run: Path, opened: bool = False, *, several: bool = False) -> Iterator[str]:
    """Serve the training view of `run` while the block runs, at the address that it gets.

    `several`: of the runs that come to lie in that folder. A page costs the training nothing but a glance at its files
    now and then; what it asks to be written again is computed behind the training. Errors: `UserError` where a hundred
    ports are taken.
    """
    with listen_from(PORT) as listening:
        address = address_of(listening)
        place = f"port {PORT} is taken; " if listening.getsockname()[1] != PORT else ""
        process = _start(run, listening.fileno(), several)
    talk(f"{place}watch it at {address}/#training")
    if opened:
        open_in_browser(f"{address}/#training")
    try:
        yield address
    finally:
        _end(process)
    talk(f"the page is closed; to look at it again: hornbook serve {'RUN' if several else run}")


def _start(run: Path, listening: int, several: bool) -> "subprocess.Popen[bytes]":
    """In a process group of its own, so that Ctrl-C at the terminal asks the training alone."""
    home, name = (run.absolute(), "") if several else (run.absolute().parent, run.name)
    command = [sys.executable, "-m", "hornbook.commands._watch_page", str(home), name, str(listening)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[listening], process_group=0
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Let it go; one that doesn't go is ended."""
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
