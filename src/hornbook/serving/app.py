"""The API as an ASGI application: OpenAI's paths, JSON errors in their form, and nothing that names a file.

guard (who, from where, how much) -> path -> desk (the model's thread) -> answer
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from hornbook.errors import UserError
from hornbook.generation.generate import LanguageModel
from hornbook.serving import completions
from hornbook.serving.desk import Desk
from hornbook.serving.embeddings import embedding, encoded
from hornbook.serving.guard import Guard
from hornbook.serving.leaving import unless_gone
from hornbook.serving.limits import Limits
from hornbook.serving.origins import add_origins
from hornbook.serving.page import add_page
from hornbook.serving.problem import Problem
from hornbook.serving.refusals import add_errors
from hornbook.serving.run_views import add_runs
from hornbook.serving.runs import Runs
from hornbook.serving.schema import ChatRequest, ClassifyRequest, CompletionRequest, Drawing, EmbeddingRequest
from hornbook.serving.served import Served, Subject
from hornbook.serving.views import add_views
from hornbook.version import __version__

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning}
    for status, meaning in {
        400: "what is wrong with the request",
        401: "no or a wrong API key",
        403: "asked from elsewhere",
        404: "no such path or model",
        408: "not written in time",
        413: "too large",
        415: "no JSON",
        429: "too many requests wait",
    }.items()
}


def create_app(
    subject: Subject,
    limits: Limits | None = None,
    api_key: str | None = None,
    names: Sequence[str] = (),
    runs: Runs | None = None,
) -> Guard:
    """The application; `names` are host names, beside localhost and bare addresses, under which it may be called.

    `runs` are those that the page may look at.
    """
    limits = limits or Limits()
    served = Served(subject, limits)
    app = FastAPI(title="Hornbook", version=__version__, lifespan=served.lifespan, docs_url=None, redoc_url=None)
    app.state.served = served
    add_errors(app)
    _add_status(app, served)
    _add_writing(app, served)
    _add_reading(app, served)
    add_views(app, served, runs)
    add_origins(app, served)
    add_runs(app, runs, limits.seconds)
    add_page(app)
    return Guard(app, served.metrics, limits.body_bytes, api_key, names)


def _add_status(app: FastAPI, served: Served) -> None:
    subject = served.subject
    card = {"id": subject.name, "object": "model", "created": subject.created, "owned_by": "hornbook"}

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        engine = served.desk.engine if subject.language_model else None
        return served.metrics.text(engine.running if engine else 0, engine.waiting if engine else 0)

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": [card]}

    @app.get("/v1/models/{name:path}", responses=ERRORS)
    async def model(name: str) -> dict[str, Any]:
        served.check_name(name)
        return card


def _add_writing(app: FastAPI, served: Served) -> None:
    @app.post("/v1/completions", responses=ERRORS, response_model=None)
    async def completion(asked: CompletionRequest, request: Request) -> Response | dict[str, Any]:
        served.check_name(asked.model)
        job = await completions.completion(asked, served.desk, served.subject.name)
        return await _written(job, asked, served.desk, request)

    @app.post("/v1/chat/completions", responses=ERRORS, response_model=None)
    async def chat(asked: ChatRequest, request: Request) -> Response | dict[str, Any]:
        served.check_name(asked.model)
        job = await completions.chat(asked, served.desk, served.subject.name)
        return await _written(job, asked, served.desk, request)


async def _written(job: completions.Job, asked: Drawing, desk: Desk, request: Request) -> Response | dict[str, Any]:
    if not asked.stream:
        return await unless_gone(completions.whole(job, desk), request)
    pieces = desk.write(job.orders)  # a full queue is told by the status, before anything is sent
    events = completions.stream(job, desk, asked, pieces)
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _add_reading(app: FastAPI, served: Served) -> None:
    @app.post("/v1/embeddings", responses=ERRORS)
    async def embeddings(asked: EmbeddingRequest, request: Request) -> dict[str, Any]:
        served.check_name(asked.model)
        desk, data, count = served.desk, list[dict[str, Any]](), 0
        for number, item in enumerate(asked.inputs()):
            ids = await asyncio.to_thread(_ids, item, desk.language_model)
            vector = await unless_gone(desk.ask(_question(desk.language_model, ids)), request)
            data.append({"object": "embedding", "index": number, "embedding": encoded(vector, asked.encoding_format)})
            count += len(ids)
        usage = {"prompt_tokens": count, "total_tokens": count}
        return {"object": "list", "data": data, "model": served.subject.name, "usage": usage}

    @app.post("/v1/classify", responses=ERRORS)
    async def classify(asked: ClassifyRequest) -> dict[str, Any]:
        served.check_name(asked.model)
        found_by = served.subject.classify
        if found_by is None:
            raise Problem(400, "this server has a language model, not a classifier", code="no_classifier")
        texts = [asked.input] if isinstance(asked.input, str) else list(asked.input)
        try:
            rows = await asyncio.to_thread(found_by, texts)
        except UserError as error:
            raise Problem(400, str(error), "input") from None
        data = [
            {"index": number, "label": max(row, key=row.__getitem__), "probabilities": row}
            for number, row in enumerate(rows)
        ]
        return {"object": "list", "data": data, "model": served.subject.name}


def _question(language_model: LanguageModel, ids: list[int]) -> Callable[[], Any]:
    return lambda: embedding(language_model.model, ids)


def _ids(item: str | list[int], language_model: LanguageModel) -> list[int]:
    if isinstance(item, list):
        if max(item) >= language_model.tokenizer.vocab_size:
            raise Problem(400, f"token {max(item)} is outside the vocabulary", "input")
        return item
    if not item:
        raise Problem(400, "the input is empty", "input")
    try:
        return language_model.prompt_ids(item)
    except UserError as error:
        raise Problem(400, str(error), "input") from None
