"""The one thread in which the model computes: texts that are being written, and questions to the model between two tokens."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from hornbook.generation.continuous import Continuous, Request, Written

Answer = TypeVar("Answer")
Hear = Callable[[list[Written]], None]  # what one step wrote; called in the engine's thread


class Full(Exception):
    """As many texts wait as may wait."""


class Engine:
    """Writes what is submitted, from any thread. `hear` gets the news of each step; `close` ends it."""

    def __init__(self, batch: Continuous, hear: Hear, queue: int = 256) -> None:
        self.batch, self.hear, self.queue = batch, hear, queue
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._new: deque[tuple[int, Request]] = deque()
        self._gone: deque[int] = deque()
        self._asked: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="hornbook-engine", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many texts have no seat yet."""
        return len(self._new) + len(self.batch.waiting)

    @property
    def running(self) -> int:
        """How many texts are being written."""
        return len(self.batch.texts)

    def submit(self, requests: Sequence[Request]) -> list[int]:
        """Let texts be written; their numbers. Errors: `Full` where not all of them may wait."""
        with self._lock:
            if self.waiting + len(requests) > self.queue:
                raise Full
            items = [(next(self._numbers), request) for request in requests]
            self._new.extend(items)
        self._changed.set()
        return [number for number, _ in items]

    def cancel(self, numbers: Sequence[int]) -> None:
        """Forget texts; nothing where they have ended."""
        self._gone.extend(numbers)
        self._changed.set()

    def ask(self, question: Callable[[], Answer]) -> "Future[Answer]":
        """Compute something with the model between two tokens: its result, or what it raised."""
        future: Future[Answer] = Future()
        self._asked.append((question, future))
        self._changed.set()
        return future

    def close(self) -> None:
        """Stop after the present step and wait for that."""
        self._ended = True
        self._changed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended:
            self._changed.wait()
            self._changed.clear()
            while not self._ended and (self._new or self._gone or self._asked or self.batch.busy):
                self._turn()
        while self._asked:
            self._asked.popleft()[1].cancel()

    def _turn(self) -> None:
        """Take in what came from outside, then one step."""
        while self._new:
            self.batch.add(*self._new.popleft())
        while self._gone:
            self.batch.remove(self._gone.popleft())
        if self._asked:
            question, future = self._asked.popleft()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(question())
                except BaseException as error:
                    future.set_exception(error)
        if news := self.batch.step():
            self.hear(news)
