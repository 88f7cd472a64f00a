"""Where a text comes from: what of it stands in the training text, where, and what the model knows by heart."""

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field

from hornbook.errors import UserError
from hornbook.evaluation._passages import Passages, agreeing
from hornbook.evaluation.memorisation import PARTS, Memorisation, findings_of
from hornbook.serving.desk import Desk
from hornbook.serving.leaving import unless_gone
from hornbook.serving.problem import Problem
from hornbook.serving.schema import Text
from hornbook.serving.served import Served
from hornbook.serving.tracing import LEAST, Tracing

LONGEST = 8192  # tokens of a text
SAMPLE = 40  # passages of each part
AT_ONCE = 8  # passages between two tokens of the texts that are being written


class Traced(BaseModel):
    """A text whose origins are asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: Text


class Part(Traced):
    """Tokens start .. stop - 1 of a text."""

    start: Annotated[int, Field(ge=0, le=LONGEST)]
    stop: Annotated[int, Field(ge=1, le=LONGEST)]


def add_origins(app: FastAPI, served: Served) -> None:
    """Put the paths into the application."""
    tracing = served.tracing

    @app.get("/view/origins")
    async def card() -> dict[str, Any]:
        return tracing.card()

    @app.post("/view/origins/index")
    async def index() -> dict[str, Any]:
        tracing.start()
        return tracing.card()

    @app.post("/view/origins/find")
    async def find(asked: Traced) -> dict[str, Any]:
        return await asyncio.to_thread(lambda: tracing.ready.find(_ids(tracing, asked.text), LEAST))

    @app.post("/view/origins/places")
    async def places(asked: Part) -> dict[str, Any]:
        return await asyncio.to_thread(_places, tracing, asked)

    @app.post("/view/origins/memorised")
    async def memorised(request: Request) -> dict[str, Any]:
        if tracing.memorised is None:
            tracing.memorised = await unless_gone(_measured(tracing, served.desk), request)
        return tracing.memorised


def _ids(tracing: Tracing, text: str) -> list[int]:
    try:
        ids = tracing.ready.ids(text)
    except UserError as error:
        raise Problem(400, str(error), "text") from None
    if len(ids) > LONGEST:
        raise Problem(400, f"the text's {len(ids):,} tokens are more than {LONGEST:,}", "text", "text_too_long")
    return ids


def _places(tracing: Tracing, asked: Part) -> dict[str, Any]:
    ids = _ids(tracing, asked.text)
    if not asked.start < asked.stop <= len(ids):
        raise Problem(400, f"the text has no tokens {asked.start} to {asked.stop}", "stop")
    return tracing.ready.places(ids[asked.start : asked.stop])


async def _measured(tracing: Tracing, desk: Desk) -> dict[str, Any]:
    """The memorisation of a small sample: numbers, intervals, notes and the tokens of a passage. Errors: `Problem`."""
    async with tracing.measuring:
        if tracing.memorised is not None:  # another page asked first
            return tracing.memorised
        try:
            passages = await asyncio.to_thread(_passages, tracing, desk)
            agreed = {part: await _agreed(passages, part, desk) for part in PARTS}
        except UserError as error:
            raise Problem(400, str(error)) from None
        return vars(findings_of(passages, agreed, desk.language_model.tokenizer)) | vars(passages.sizes)


def _passages(tracing: Tracing, desk: Desk) -> Passages:
    origins = tracing.ready
    assert origins.index
    return Memorisation(SAMPLE).draw(desk.language_model, origins.dataset).without_known(origins.index)


async def _agreed(passages: Passages, part: str, desk: Desk) -> np.ndarray:
    """As `agreeing`, some passages at a time, so that whoever is served meanwhile waits little."""
    rows, found = getattr(passages, part), [np.empty(0, np.int64)]
    for start in range(0, len(rows), AT_ONCE):
        found.append(await desk.ask(_question(desk, rows[start : start + AT_ONCE], passages.sizes.prefix)))
    return np.concatenate(found)


def _question(desk: Desk, rows: np.ndarray, prefix: int) -> Any:
    return lambda: agreeing(desk.language_model, rows, prefix)
