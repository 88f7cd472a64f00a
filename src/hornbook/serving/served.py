"""What all paths of a server share: the model that is served, its desk, its counters."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import time

from fastapi import FastAPI

from hornbook.evaluation._origins import Origins
from hornbook.generation.generate import LanguageModel
from hornbook.serving.desk import Desk
from hornbook.serving.limits import Limits
from hornbook.serving.metrics import Metrics
from hornbook.serving.problem import Problem
from hornbook.serving.tracing import Tracing

Classify = Callable[[Sequence[str]], list[dict[str, float]]]  # texts -> probability by class


@dataclass(frozen=True)
class Subject:
    """What is served: a language model, or a classifier as a function; and the text that it was trained on, if known."""

    name: str
    language_model: LanguageModel | None = None
    classify: Classify | None = None
    origins: Origins | None = None
    created: int = field(default_factory=lambda: int(time()))


class Served:
    """What the paths share while the server runs."""

    def __init__(self, subject: Subject, limits: Limits) -> None:
        self.subject, self.limits, self.metrics = subject, limits, Metrics()
        self.tracing = Tracing(subject.origins)
        self._desk: Desk | None = None

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """The model's thread lives as long as the server."""
        model = self.subject.language_model
        self._desk = Desk(model, self.limits, self.metrics) if model else None
        yield
        await asyncio.to_thread(self.tracing.close)
        if self._desk:
            await self._desk.close()

    @property
    def desk(self) -> Desk:
        """Errors: `Problem` where a classifier is served."""
        if self._desk is None:
            raise no_language_model()
        return self._desk

    def check_name(self, name: str | None) -> None:
        """Errors: `Problem` for the name of another model."""
        if name is not None and name != self.subject.name:
            message = f"no model '{name[:100]}' here; there is '{self.subject.name}'"
            raise Problem(404, message, "model", "model_not_found")


def no_language_model() -> Problem:
    """A classifier is served."""
    return Problem(400, "this server has a classifier: ask /v1/classify", code="no_language_model")
