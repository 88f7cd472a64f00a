"""One `hornbook ...` in a process of its own: what it says; halting it, looking at it and killing it from outside.

Nothing here reaches into the process: SIGSTOP, SIGCONT and SIGKILL are what any other process could send it.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

BEGINS = re.compile(r"[\d,]+ parameters, ")  # the line that is said when everything is loaded
GOES_ON = re.compile(r"going on after step ([\d,]+)")
KEPT_LINES = 20
POLL_SECONDS = 0.001


class Child:
    """`with Child(["resume", "runs/a"], hear) as child:` runs it; `hear` gets each line that it says. It ends with the block."""

    def __init__(self, arguments: Sequence[str], hear: Callable[[str], None] = lambda line: None) -> None:
        self.started = time.monotonic()
        self.began: float | None = None  # when it began to train
        self.went_on_after: int | None = None
        self.said: deque[str] = deque(maxlen=KEPT_LINES)
        self._hear = hear
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hornbook", *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace",
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._process.poll() is not None

    @property
    def last_words(self) -> str:
        """The last line that it said, without the mark of an error."""
        return self.said[-1].removeprefix("error: ") if self.said else "it said nothing"

    def wait(self) -> int:
        """Its exit code, once it has ended and all that it said was heard."""
        code = self._process.wait()
        self._listener.join()
        return code

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Wait until `condition` holds; False where the process ends first."""
        while not condition():
            if self.ended:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def wait_until(self, moment: float) -> bool:
        """Wait for a moment of `time.monotonic`; False where the process ends first."""
        return self.wait_for(lambda: time.monotonic() >= moment)

    def stop(self) -> bool:
        """Halt it where it stands, until `go` or `kill`; False where it has ended."""
        if self.ended:
            return False
        os.kill(self._process.pid, signal.SIGSTOP)
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return True
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return False

    def go(self) -> None:
        """Let it go on after `stop`."""
        os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait until nothing of it is left."""
        self._process.kill()
        self.wait()
        if self._process.stderr:
            self._process.stderr.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line.rstrip("\n"))
            if found := GOES_ON.match(line):
                self.went_on_after = int(found[1].replace(",", ""))
            if self.began is None and BEGINS.match(line):
                self.began = time.monotonic()
            self._hear(line.rstrip("\n"))
