"""/view/runs/...: how runs go, for the page. Their names come from a list; no request can name a file."""

import asyncio
import json
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hornbook.config import read_toml
from hornbook.errors import UserError
from hornbook.serving.following import news
from hornbook.serving.leaving import unless_gone
from hornbook.serving.problem import Problem, too_busy
from hornbook.serving.runs import Runs, Wanted, facts, places, quiet_seconds, stamp

KEPT_TEXTS, WAITING = 200, 8


class Rewritten(BaseModel):
    """A prompt that one of a run's checkpoints shall go on from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: Annotated[str, StringConstraints(max_length=20)]
    prompt: Annotated[str, StringConstraints(max_length=20_000)] = ""
    seed: int = Field(default=0, ge=0, lt=2**63)
    temperature: float = Field(default=0.0, ge=0, le=10)
    max_tokens: int = Field(default=60, ge=1, le=300)


def add_runs(app: FastAPI, runs: Runs | None, seconds: float) -> None:
    """Put the paths into the application; a text takes `seconds` at most."""
    runs = runs or Runs()
    writing = Rewriting(runs, seconds)

    @app.get("/view/runs")
    async def listed() -> Response:
        return _json(await asyncio.to_thread(runs.listed))

    @app.get("/view/runs/{name}")
    async def run(name: str) -> Response:
        return _json(await asyncio.to_thread(_facts, runs, name))

    @app.get("/view/runs/{name}/records")
    async def records(
        name: str,
        offset: Annotated[int, Query(ge=0, lt=2**60)] = 0,
        mark: Annotated[str, Query(max_length=60)] = "",
    ) -> Response:
        return _json(await asyncio.to_thread(_records, runs, name, offset, mark))

    @app.get("/view/runs/{name}/bigram")
    async def bigram(name: str) -> Response:
        return _json(await asyncio.to_thread(_bigram, runs, name))

    @app.post("/view/runs/{name}/text")
    async def text(name: str, asked: Rewritten, request: Request) -> Response:
        run = await asyncio.to_thread(_find, runs, name)
        return _json({"text": await unless_gone(writing.text(run, Wanted(**asked.model_dump())), request)})


class Rewriting:
    """Texts of checkpoints: one at a time, each opened for its text alone; a text that was written is kept."""

    def __init__(self, runs: Runs, seconds: float) -> None:
        self.runs, self.seconds = runs, seconds
        self._texts: OrderedDict[Any, str] = OrderedDict()
        self._turn, self._waiting = asyncio.Lock(), 0
        self._thread = ThreadPoolExecutor(1, "hornbook-texts")  # its own, so that its priority may be another

    async def text(self, run: Path, wanted: Wanted) -> str:
        """What these weights write. Errors: `Problem` for weights that aren't there, a full queue, too long a wait."""
        await asyncio.to_thread(_check_place, run, wanted.place)
        key = (run, wanted, await asyncio.to_thread(stamp, run, wanted.place))
        if key not in self._texts:
            self._texts[key] = await self._in_turn(run, wanted)
            while len(self._texts) > KEPT_TEXTS:
                self._texts.popitem(last=False)
        return self._texts[key]

    async def _in_turn(self, run: Path, wanted: Wanted) -> str:
        if self._waiting >= WAITING:
            raise too_busy(2)
        self._waiting += 1
        try:
            async with self._turn:
                return await self._write(run, wanted)
        finally:
            self._waiting -= 1

    async def _write(self, run: Path, wanted: Wanted) -> str:
        """In a thread, which sees before each piece whether anybody still waits for it; it ends before the next begins."""
        gone = threading.Event()
        task = asyncio.get_running_loop().run_in_executor(self._thread, self._compute, run, wanted, gone)
        try:
            async with asyncio.timeout(self.seconds):
                return await asyncio.shield(task)
        except TimeoutError:
            raise Problem(408, f"not written within {self.seconds:g} seconds", code="timeout") from None
        finally:
            gone.set()
            await asyncio.wait([task])
            task.exception()  # seen, where nobody waits for it any more

    def _compute(self, run: Path, wanted: Wanted, gone: threading.Event) -> str:
        assert self.runs.write is not None, "places are named only where texts can be written"
        text = ""
        try:
            for piece in self.runs.write(run, wanted):
                text += piece
                if gone.is_set():
                    break
        except UserError as error:
            raise Problem(400, str(error)) from None
        except FileNotFoundError:
            raise Problem(404, "these weights are gone: the run keeps only some of its checkpoints") from None
        return text


def _find(runs: Runs, name: str) -> Path:
    run = runs.find(name)
    if run is None:
        raise Problem(404, f"no run '{name[:100]}' here", "name", "run_not_found")
    return run


def _facts(runs: Runs, name: str) -> dict[str, Any]:
    try:
        found = facts(_find(runs, name))
    except UserError as error:
        raise Problem(404, str(error)) from None
    return found if runs.write else found | {"places": []}


def _records(runs: Runs, name: str, offset: int, mark: str) -> dict[str, Any]:
    run = _find(runs, name)
    return vars(news(run, offset, mark)) | {"quiet_seconds": quiet_seconds(run)}


def _bigram(runs: Runs, name: str) -> dict[str, Any] | None:
    run = _find(runs, name)
    return runs.baseline(run) if runs.baseline else None


def _check_place(run: Path, place: str) -> None:
    try:
        known = [one["place"] for one in places(run, read_toml(run / "run.toml"))]
    except UserError as error:
        raise Problem(404, str(error)) from None
    if place not in known:
        raise Problem(404, f"no checkpoint '{place}'; there is {', '.join(known) or 'none'}", "place")


def _json(content: object) -> Response:
    """As JSON of plain letters: half a surrogate pair in a sample must not break it."""
    body = json.dumps(content, ensure_ascii=True, allow_nan=False)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
