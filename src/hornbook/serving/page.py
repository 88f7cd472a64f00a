"""The page: a handful of files beside this one, read once; no request can name another."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import Response

WEB = Path(__file__).parent / "web"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def add_page(app: FastAPI) -> None:
    """`/` is index.html, every other file stands under its own name."""
    for path in sorted(WEB.iterdir()):
        if path.suffix in KINDS:
            place = "/" if path.name == "index.html" else f"/{path.name}"
            app.get(place, include_in_schema=False)(_sender(path.read_bytes(), KINDS[path.suffix]))


def _sender(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
    async def send() -> Response:
        return Response(content, media_type=f"{kind}; charset=utf-8", headers={"Cache-Control": "no-cache"})

    return send
