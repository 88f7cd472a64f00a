"""The judge against a server on this machine that answers, stumbles, drips, lies, redirects and never ends."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hornbook.errors import UserError
from hornbook.evaluation import _chat_address
from hornbook.evaluation._chat_address import ChatAddress, Unanswered
from hornbook.evaluation._judge import grading, judge, parse_score

ASKED = [("Who has the kite?", ["Nora"], "Nora"), ("Where?", ["the mill", "a mill"], "the pond"), ("Why?", ["x"], "y")]
Act = Callable[[BaseHTTPRequestHandler], None]


def completion(content: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


def sends(body: bytes, status: int = 200, **headers: str) -> Act:
    """An act: answer with this."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


def says(content: Any) -> Act:
    return sends(completion(content))


def waits(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(0.6)


def drips(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(40):
        time.sleep(0.02)
        handler.wfile.write(b" ")


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


@dataclass
class Server:
    """What it does with one request after the other (the last again and again), and what it was asked."""

    acts: list[Act]
    asked: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def address(self, **options: Any) -> ChatAddress:
        return ChatAddress(self.url, "grader", **{"timeout_seconds": 5.0, "wait_seconds": 0.0, **options})


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on 127.0.0.1 that misbehaves as told."""
    state = Server([says("50")])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append((self.path, json.loads(body), dict(self.headers)))
            with suppress(BrokenPipeError, ConnectionResetError):
                state.acts[min(len(state.asked), len(state.acts)) - 1](self)

        def log_message(self, *_: Any) -> None: ...

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    state.url = f"http://127.0.0.1:{running.server_address[1]}/v1"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("85", 85), (" 0\n", 0), ("100", 100), ("007", 7),
        ("101", None), ("-5", None), ("85/100", None), ("85.0", None), ("Score: 85", None), ("eighty", None), ("", None),
        ("8 5", None), ("٨٥", None), ("1000", None), ("I'd say 85", None),
    ],
)  # fmt: skip
def test_only_a_whole_number_from_0_to_100_is_a_score(reply: str, score: int | None) -> None:
    assert parse_score(reply) == score


def test_scores_come_back_and_the_question_is_what_is_sent(server: Server) -> None:
    server.acts = [says("100"), says(" 15\n"), says("It is quite good.")]
    found = judge(server.address(key="sk-1"), ASKED)
    assert [verdict.score for verdict in found] == [100, 15, None]
    assert found[2].said == "It is quite good."
    path, body, headers = server.asked[1]
    assert path == "/v1/chat/completions"
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("grader", 0, 16)
    assert body["messages"] == grading(*ASKED[1])
    assert "<right>\nthe mill\nor: a mill\n</right>" in body["messages"][1]["content"]
    assert headers["Authorization"] == "Bearer sk-1"


@pytest.mark.parametrize("stumble", [sends(b"{}", 500), sends(b"", 429, Retry_After="0"), sends(b"", 503), hangs_up])
def test_what_may_go_better_is_tried_again(server: Server, stumble: Act) -> None:
    server.acts = [stumble, stumble, says("70")]
    assert server.address().ask([], max_tokens=1) == "70"
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("act", "reason", "tries"),
    [
        (sends(b"oops", 500), "answered 500 Internal Server Error", 3),
        (sends(b'{"error": {"message": "no such\\n key"}}', 401), "answered 401 Unauthorized: no such key", 1),
        (sends(b'{"error": "no model"}', 404), "answered 404 Not Found: no model", 1),
        (sends(b"<html>hello</html>"), "sent something that is no chat completion: '<html>hello</html>'", 1),
        (sends(b'{"choices": []}'), "sent something that is no chat completion", 1),
        (says(None), "sent something that is no chat completion", 1),
        (sends(b"[" * 90_000), "sent something that is no chat completion", 1),
        (sends(b"\xff" * (2 << 20)), "sent more than 1,048,576 bytes", 1),
        (hangs_up, "broke off", 3),
        (sends(b"", 307, Location="http://127.0.0.1:9/v1"), "redirects to 'http://127.0.0.1:9/v1', which is not", 1),
        (sends(b"", 302, Location="/other"), "redirects to", 1),
    ],
)
def test_every_failure_has_its_reason(server: Server, act: Act, reason: str, tries: int) -> None:
    server.acts = [act]
    with pytest.raises(Unanswered) as failure:
        server.address(key="sk-1").ask([], max_tokens=1)
    assert reason in str(failure.value)
    assert "sk-1" not in str(failure.value)
    assert len(server.asked) == tries


@pytest.mark.parametrize("slow", [waits, drips])
def test_a_slow_server_is_not_waited_for(server: Server, slow: Act) -> None:
    server.acts = [slow]
    start = time.monotonic()
    with pytest.raises(Unanswered, match="no answer within 0.2 s"):
        server.address(timeout_seconds=0.2, attempts=2).ask([], max_tokens=1)
    assert time.monotonic() - start < 2
    assert len(server.asked) == 2


def test_retry_after_is_obeyed_within_reason(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(_chat_address.time, "sleep", waited.append)
    server.acts = [sends(b"", 429, Retry_After="7"), sends(b"", 429, Retry_After="9999"), says("1")]
    assert server.address().ask([], max_tokens=1) == "1"
    assert [seconds for seconds in waited if seconds >= 1] == [7, 30]  # others are those of the server's own thread


def test_a_judge_that_leaves_is_not_asked_for_ever(server: Server) -> None:
    server.acts = [says("80"), sends(b"", 400)]
    told: list[str] = []
    found = judge(server.address(), ASKED * 4, told.append)
    assert found[0].score == 80
    assert not any(verdict.answered for verdict in found[1:])
    assert len(found) == 12
    assert len(server.asked) == 4
    assert told[-1] == "the judge is silent: 8 more answers are not sent"


def test_a_judge_that_says_nothing_at_all_is_an_error(server: Server) -> None:
    server.acts = [sends(b"", 401)]
    with pytest.raises(UserError, match="the judge at 'http://127.0.0.1:.*' gave no answer: answered 401"):
        judge(server.address(), ASKED)


def test_an_address_where_nobody_listens() -> None:
    address = ChatAddress("http://127.0.0.1:9/v1", "m", attempts=1)
    with pytest.raises(UserError, match="gave no answer: can't be reached"):
        judge(address, ASKED)


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("localhost:8080", None, "is not an address"),
        ("ftp://host/v1", None, "is not an address"),
        ("file:///etc/passwd", None, "is not an address"),
        (
            "http://example.org/v1",
            "sk",
            "the key would travel unencrypted to 'example.org'; hint: use an https address",
        ),
        ("https://example.org/v1", "s\nk", "the key holds signs that no key has"),
    ],
)
def test_an_address_that_is_none_or_not_safe_for_a_key(url: str, key: str | None, message: str) -> None:
    with pytest.raises(UserError) as error:
        ChatAddress(url, "m", key)
    assert message in str(error.value)


def test_the_key_is_never_shown() -> None:
    assert "sk-1" not in repr(ChatAddress("https://example.org", "m", "sk-1"))
    assert ChatAddress("http://localhost:1", "m", "sk-1").key == "sk-1"
