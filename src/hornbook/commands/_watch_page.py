"""The process behind `hornbook train --watch`: python -m hornbook.commands._watch_page HOME NAME SOCKET.

It ends when its standard input does, which is the training's end of a pipe; a page that is open may look once more.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn

    from hornbook.serving.guard import Application, Receive, Scope, Send
    from hornbook.serving.runs import Wanted

POLITE, PATIENT = (
    5,
    10,
)  # niceness: of what is read, little and soon; of what is computed, much and whenever there is time
LAST_LOOK = 2.0  # seconds that an open page has to ask for the last records; it asks each second


class Seen:
    """Around the application: when somebody last looked."""

    def __init__(self, inner: "Application") -> None:
        self.inner, self.at = inner, -LAST_LOOK

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """As the application."""
        self.at = time.monotonic()
        await self.inner(scope, receive, send)


def write_text(run: Path, wanted: "Wanted") -> Iterator[str]:
    """With one thread, and behind the training, which has the others: Linux knows the niceness of a thread."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id() if sys.platform == "linux" else 0, PATIENT)

    import torch

    from hornbook.commands._checkpoint_text import write_text as write

    torch.set_num_threads(1)
    yield from write(run, wanted)


def main(home: str, name: str, handle: str) -> None:
    """Serve on the socket that was handed over until standard input ends."""
    os.nice(POLITE)  # before anything is imported: that takes time too

    import uvicorn

    from hornbook.commands._bigram_line import bigram_line
    from hornbook.serving.runs import Runs
    from hornbook.serving.training_app import create_training_app

    runs = Runs(Path(home), name or None, write_text, bigram_line)
    key = os.environ.get("HORNBOOK_API_KEY")
    seen = Seen(create_training_app(runs, name or Path(home).name, api_key=key))
    config = uvicorn.Config(seen, log_level="error", access_log=False, timeout_graceful_shutdown=1, lifespan="off")
    server = uvicorn.Server(config)
    threading.Thread(target=_end_with_input, args=(server, seen), daemon=True).start()
    server.run(sockets=[socket.socket(fileno=int(handle))])


def _end_with_input(server: "uvicorn.Server", seen: Seen) -> None:
    while os.read(0, 1024):
        pass
    ended = time.monotonic()
    if ended - seen.at < LAST_LOOK:  # a page is open: it shall have the last records
        while seen.at < ended and time.monotonic() - ended < LAST_LOOK:
            time.sleep(0.05)
        time.sleep(0.1)
    server.should_exit = True
    time.sleep(LAST_LOOK)
    os._exit(0)  # something is still being written: nobody will read it


if __name__ == "__main__":
    main(*sys.argv[1:])
