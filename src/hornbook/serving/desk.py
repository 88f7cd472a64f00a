"""Between the event loop of the server and the thread of the engine: texts come back piece by piece.

Engine's thread -> news of a step, handed over at once -> the queue of each request -> whole characters, up to a stop
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import TypeVar

from hornbook.generation.continuous import Continuous, Request, Written
from hornbook.generation.generate import LanguageModel
from hornbook.generation.text_stream import StopStrings, TextStream
from hornbook.serving.engine import Engine, Full
from hornbook.serving.limits import Limits
from hornbook.serving.metrics import Metrics
from hornbook.serving.problem import Problem, too_busy

Answer = TypeVar("Answer")
FINISHED = {"end of text": "stop", "length": "length"}


@dataclass(frozen=True)
class Order:
    """Texts of one prompt: `request` says how, `choices` how many, `stops` where to stop.

    They go on from the prompt's last word (`continues`), or begin anew, as an answer does.
    """

    request: Request
    choices: int
    stops: tuple[str, ...]
    continues: bool = True


@dataclass(frozen=True)
class Piece:
    """Something new of text number `choice`: certain text, the tokens since the last piece, and why it ended, if it did."""

    choice: int
    text: str
    tokens: tuple[Written, ...]
    finish: str | None = None


class Desk:
    """Takes orders of the server's event loop, in which alone its methods are called."""

    def __init__(self, language_model: LanguageModel, limits: Limits, metrics: Metrics) -> None:
        self.language_model, self.limits, self.metrics = language_model, limits, metrics
        self._loop = asyncio.get_running_loop()
        self._queues: dict[int, asyncio.Queue[Written]] = {}
        batch = Continuous(language_model.model, limits.seats, language_model.tokenizer.vocab_size)
        self.engine = Engine(batch, self._hear, limits.queue)

    def write(self, orders: Sequence[Order]) -> AsyncIterator[Piece]:
        """The texts of some orders, numbered through. Errors: `Problem` at once where too many texts wait already."""
        requests = [
            (replace(order.request, choice=choice), order) for order in orders for choice in range(order.choices)
        ]
        try:
            numbers = self.engine.submit([request for request, _ in requests])
        except Full:
            raise too_busy(self.limits.retry_after) from None
        queue: asyncio.Queue[Written] = asyncio.Queue()
        self._queues |= dict.fromkeys(numbers, queue)
        self.metrics.prompt_tokens += sum(len(order.request.prompt) for order in orders)
        texts = {
            number: _Text(place, request, order, self.language_model)
            for place, (number, (request, order)) in enumerate(zip(numbers, requests, strict=True))
        }
        return self._pieces(queue, texts)

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        """Compute something with the model, between two tokens of the texts that are being written."""
        future: Future[Answer] = self.engine.ask(question)
        async with asyncio.timeout(self.limits.seconds):
            return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """End the engine's thread."""
        await asyncio.to_thread(self.engine.close)

    async def _pieces(self, queue: "asyncio.Queue[Written]", texts: "dict[int, _Text]") -> AsyncIterator[Piece]:
        open_texts, deadline = dict(texts), monotonic() + self.limits.seconds
        try:
            while open_texts:
                try:
                    async with asyncio.timeout(max(0.0, deadline - monotonic())):
                        written = await queue.get()
                except TimeoutError:
                    raise Problem(408, f"not written within {self.limits.seconds:g} seconds", code="timeout") from None
                text = open_texts.get(written.number)
                if text is None:  # it ended at a stop string, and the engine was a token ahead
                    continue
                piece = text.push(written)
                if piece.finish:
                    del open_texts[written.number]
                    if written.token is not None:  # a stop string: the engine would go on
                        self.engine.cancel([written.number])
                if piece.text or piece.finish:
                    yield piece
        finally:
            for number in texts:
                self._queues.pop(number, None)
            if open_texts:
                self.engine.cancel(list(open_texts))

    def _hear(self, news: list[Written]) -> None:
        """In the engine's thread: one wake-up of the loop for all texts of a step."""
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._spread, news)

    def _spread(self, news: list[Written]) -> None:
        self.metrics.steps += 1
        for written in news:
            self.metrics.tokens += written.token is not None
            if queue := self._queues.get(written.number):
                queue.put_nowait(written)
            if written.token is None:  # here too: a client may have left before anyone began to read its queue
                self._queues.pop(written.number, None)


class _Text:
    """One text as it comes."""

    def __init__(self, place: int, request: Request, order: Order, language_model: LanguageModel) -> None:
        self.place = place
        before = request.prompt if order.continues else ()
        self.stream, self.stops = TextStream(language_model.tokenizer, before), StopStrings(order.stops)
        self.held: list[Written] = []

    def push(self, written: Written) -> Piece:
        if written.ending == "no numbers":
            raise Problem(500, "the model gives no numbers (nan or infinite logits)", code="no_numbers")
        if written.token is None:
            text = self.stops.push(self.stream.finish())
            finish = "stop" if self.stops.stopped else FINISHED[str(written.ending)]
            return Piece(self.place, text + self.stops.finish(), self._tokens(), finish)
        self.held.append(written)
        text = self.stops.push(self.stream.push(written.token))
        finished = "stop" if self.stops.stopped else None
        return Piece(self.place, text, self._tokens() if text or finished else (), finished)

    def _tokens(self) -> tuple[Written, ...]:
        tokens, self.held = tuple(self.held), []
        return tokens
