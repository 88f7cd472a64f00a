"""A server for a run that has no finished model: the same page and guard, the view of the training alone.

It imports no torch, so it costs a training beside it little memory.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from hornbook.serving.guard import Guard
from hornbook.serving.limits import Limits
from hornbook.serving.metrics import Metrics
from hornbook.serving.page import add_page
from hornbook.serving.problem import Problem
from hornbook.serving.refusals import add_errors
from hornbook.serving.run_views import add_runs
from hornbook.serving.runs import Runs
from hornbook.version import __version__


def create_training_app(
    runs: Runs,
    name: str,
    limits: Limits | None = None,
    api_key: str | None = None,
    names: Sequence[str] = (),
) -> Guard:
    """The application for the run `name`; see `create_app`."""
    limits, metrics = limits or Limits(), Metrics()
    waiting = f"The run “{name}” has no finished model yet; once it has: hornbook serve RUN"

    app = FastAPI(title="Hornbook", version=__version__, docs_url=None, redoc_url=None)
    add_errors(app)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse)
    async def counted() -> str:
        return metrics.text(0, 0)

    @app.get("/view/model")
    async def card() -> dict[str, Any]:
        return {"name": name, "kind": "in training", "waiting": waiting}

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"object": "list", "data": []}

    @app.post("/v1/{path:path}", include_in_schema=False)
    async def no_model(path: str) -> None:
        raise Problem(404, f"the run '{name}' has no finished model yet", "model", "model_not_found")

    add_runs(app, runs, limits.seconds)
    add_page(app)
    return Guard(app, metrics, limits.body_bytes, api_key, names)
