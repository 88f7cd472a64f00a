"""A chat with a model behind an OpenAI-compatible address: one POST, one answer, every failure in plain words.

The address is the user's own choice; nothing is sent anywhere else, so redirects are refused.
"""

import http.client
import ipaddress
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from typing import IO, Any

from hornbook.errors import UserError

LONGEST_REPLY = 1 << 20  # bytes; an answer of a few words comes in less than a thousandth of it
LONGEST_WAIT = 30.0  # seconds that a server's Retry-After is obeyed for
READ_BYTES = 1 << 16
AGAIN = (408, 425, 429, 500, 502, 503, 504, 529)  # what may go better in a moment


class Unanswered(Exception):
    """Why there is no answer; `again`: another try may bring one, after `wait_seconds` where the server says so."""

    def __init__(self, reason: str, *, again: bool = False, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.again, self.wait_seconds = again, wait_seconds


@dataclass(frozen=True)
class ChatAddress:
    """Where to ask: `url` up to and without /chat/completions, the model's name there, and a key that is never shown.

    Errors: `UserError` for an address that is none, or one to which the key would travel in the open.
    """

    url: str
    model: str
    key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 60.0
    attempts: int = 3
    wait_seconds: float = 1.0

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"'{self.url}' is not an address", hint="it looks like http://localhost:8080/v1")
        if self.key and parts.scheme == "http" and not _is_here(parts.hostname):
            raise UserError(f"the key would travel unencrypted to '{parts.hostname}'", hint="use an https address")
        if self.key and not (self.key.isascii() and self.key.isprintable()):
            raise UserError("the key holds signs that no key has, a line end perhaps")

    def ask(self, messages: list[dict[str, str]], *, max_tokens: int) -> str:
        """What the model there says, at temperature 0. Errors: `Unanswered` after `attempts` tries."""
        body = {"model": self.model, "messages": messages, "temperature": 0, "max_tokens": max_tokens, "stream": False}
        for attempt in range(1, self.attempts + 1):
            try:
                return _content(self._post(json.dumps(body).encode()))
            except Unanswered as failure:
                if not failure.again or attempt == self.attempts:
                    raise
                time.sleep(self.wait_seconds * attempt if failure.wait_seconds is None else failure.wait_seconds)
        raise AssertionError("no attempt was made")

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "hornbook"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(self.url.rstrip("/") + "/chat/completions", body, headers)
        opener = urllib.request.build_opener(_NoRedirect)
        until = time.monotonic() + self.timeout_seconds
        try:
            with opener.open(request, timeout=self.timeout_seconds) as answer:
                return _read(answer, until)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from None
        except TimeoutError:
            raise Unanswered(f"no answer within {self.timeout_seconds:g} s", again=True) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise Unanswered(f"no answer within {self.timeout_seconds:g} s", again=True) from None
            raise Unanswered(f"can't be reached ({error.reason})", again=True) from None
        except (http.client.HTTPException, OSError) as error:
            raise Unanswered(f"broke off ({str(error) or type(error).__name__})", again=True) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The text of a question and a key are for the address that was named, not for another that it names."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Never follows. Errors: `Unanswered` with the new address."""
        fp.close()
        raise Unanswered(f"redirects to '{newurl:.200}', which is not followed: name that address if you trust it")


def _is_here(host: str) -> bool:
    """Whether a host is this machine: 'localhost', '127.0.0.1', '::1' -> True."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _read(answer: http.client.HTTPResponse, until: float) -> bytes:
    """The whole body, of a bounded length and within a bounded time, however slowly it drips."""
    parts, length = [], 0
    while part := answer.read1(READ_BYTES):
        parts.append(part)
        length += len(part)
        if length > LONGEST_REPLY:
            raise Unanswered(f"sent more than {LONGEST_REPLY:,} bytes")
        if time.monotonic() > until:
            raise TimeoutError
    return b"".join(parts)


def _refusal(error: urllib.error.HTTPError) -> Unanswered:
    """An HTTP status as a reason: "answered 401 Unauthorized: no such key"."""
    try:
        said = json.loads(error.read(READ_BYTES))["error"]
        text = str(said["message"] if isinstance(said, dict) else said)
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException, RecursionError):
        text = ""
    wait = error.headers.get("Retry-After", "")
    seconds = min(float(wait), LONGEST_WAIT) if wait.isdecimal() else None
    reason = f"answered {error.code} {error.reason}" + (f": {' '.join(text.split()):.200}" if text else "")
    return Unanswered(reason, again=error.code in AGAIN, wait_seconds=seconds)


def _content(body: bytes) -> str:
    """The text in a chat completion. Errors: `Unanswered` for anything else."""
    try:
        found: Any = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        found = None
    if not isinstance(found, str):
        shown = " ".join(body[:80].decode(errors="replace").split())
        raise Unanswered(f"sent something that is no chat completion: '{shown}'")
    return found
