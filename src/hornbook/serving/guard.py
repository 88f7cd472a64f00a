"""What stands before every request: who may ask, from where, how much, and what a browser may do with the answer.

A page of another site may not use this server through its visitor's browser: Host must be an address or a name that
was allowed (else a name that is bound anew to this machine would do: DNS rebinding), Origin must be this very server.
"""

import asyncio
import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any

from hornbook.serving.metrics import Metrics
from hornbook.serving.problem import Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
OPEN_PATHS = ("/health",)  # without a key
BODY_SECONDS = 30


class Guard:
    """An ASGI application around another."""

    def __init__(
        self, inner: Application, metrics: Metrics, body_bytes: int, api_key: str | None, names: Iterable[str] = ()
    ) -> None:
        self.inner, self.metrics, self.body_bytes, self.api_key = inner, metrics, body_bytes, api_key
        self.names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on with a limited body; add the headers; count."""
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        begun, seen = perf_counter(), {"status": 500}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = int(message["status"])
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        try:
            self._check(scope)
            if scope["method"] not in ("GET", "HEAD"):
                receive = await self._whole_body(receive)
            await self.inner(scope, receive, answer)
        except Problem as problem:
            await refuse(problem, answer)
        finally:
            path = _template(scope)
            self.metrics.requests[path, seen["status"]] += 1
            self.metrics.seconds[path] += perf_counter() - begun

    def _check(self, scope: Scope) -> None:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get(b"host", "")
        if not self._known(host):
            raise Problem(403, f"the host '{host[:100]}' is not this server", code="unknown_host")
        origin = headers.get(b"origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            raise Problem(403, f"the origin '{origin[:100]}' may not use this server", code="foreign_origin")
        if headers.get(b"sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Problem(403, "another site may not use this server", code="foreign_origin")
        self._check_key(scope, headers.get(b"authorization", ""))
        if scope["method"] == "POST":
            self._check_body(headers)

    def _known(self, host: str) -> bool:
        """A bare address can't be bound anew; a name must be one of ours."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        try:
            ipaddress.ip_address(name.strip("[]"))
            return True
        except ValueError:
            return name.lower() in self.names

    def _check_key(self, scope: Scope, authorization: str) -> None:
        if self.api_key is None or scope["path"] in OPEN_PATHS:
            return
        if scope["method"] in ("GET", "HEAD") and not scope["path"].startswith(("/v1/", "/metrics", "/view/")):
            return  # the page itself, which asks for the key
        kind, _, key = authorization.partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(key.encode(), self.api_key.encode()):
            problem = Problem(401, "no or a wrong API key: send Authorization: Bearer KEY", code="invalid_api_key")
            problem.headers = {"WWW-Authenticate": "Bearer"}
            raise problem

    def _check_body(self, headers: dict[bytes, str]) -> None:
        if headers.get(b"content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "the body must be JSON: send Content-Type: application/json", code="not_json")
        length = headers.get(b"content-length", "0")
        if not length.isdigit() or int(length) > self.body_bytes:
            raise self._too_large()

    def _too_large(self) -> Problem:
        return Problem(413, f"the body is larger than {self.body_bytes:,} bytes", code="body_too_large")

    async def _whole_body(self, receive: Receive) -> Receive:
        """Read the body before anything else is done, so that a slow or endless one costs no more than its own memory."""
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while more:
                    message = await receive()
                    body += message.get("body", b"")
                    more = bool(message.get("more_body", False)) and message["type"] == "http.request"
                    if len(body) > self.body_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise Problem(408, f"the body did not come within {BODY_SECONDS} seconds", code="timeout") from None
        waiting = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        return replay


async def refuse(problem: Problem, send: Send) -> None:
    """Answer with a problem."""
    body = json.dumps(problem.body(), ensure_ascii=True).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **problem.headers}
    pairs = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _template(scope: Scope) -> str:
    """The path as it was declared, so that nobody can make the counters grow without end."""
    route = scope.get("route")
    return str(getattr(route, "path", "other"))
