"""Whatever goes wrong is told as JSON in OpenAI's form."""

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hornbook.serving.problem import Problem

log = logging.getLogger("hornbook.serving")


def add_errors(app: FastAPI) -> None:
    """Whatever goes wrong is JSON in OpenAI's form, and never a traceback."""

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return JSONResponse(error.body(), error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            reason = str(first["ctx"]["error"]).lower()
            wrong = Problem(400, f"the body is not JSON: {reason} at character {first['loc'][-1]}", code="invalid_json")
            return JSONResponse(wrong.body(), wrong.status)
        place = ".".join(str(part) for part in first["loc"] if part != "body")
        message = str(first["msg"]).removeprefix("Value error, ")
        wrong = Problem(400, f"{place}: {message}" if place else message, place or None, "invalid_value")
        return JSONResponse(wrong.body(), wrong.status)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        wrong = Problem(
            error.status_code, str(error.detail).lower(), code="not_found" if error.status_code == 404 else None
        )
        return JSONResponse(wrong.body(), wrong.status, error.headers)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        log.error("%s: %s", type(error).__name__, error)
        wrong = Problem(500, "something went wrong in the server; its log says what", code="internal_error")
        return JSONResponse(wrong.body(), wrong.status)
