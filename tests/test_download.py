"""Downloads against a server on this machine that breaks off, lies, redirects and refuses."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hornbook.download import Download, fetch
from hornbook.errors import UserError

TEXT = b"".join(b"%d bottles\n" % number for number in range(9000))  # about 100 kB
HALF = len(TEXT) // 2


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, TEXT)
        archive.writestr("readme", "about")
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Every path is one way to behave; what was asked is kept in `server.asked`."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))
        count = sum(path == self.path for path, _ in self.server.asked)
        match self.path:
            case "/good":
                self.send(TEXT)
            case "/breaks-off":  # half of what is left, each time
                self.send(TEXT, share=0.5)
            case "/always-breaks-off":  # no ranges, and never further than the half
                self.send(TEXT, ranges=False, share=0.5)
            case "/no-ranges":
                self.send(TEXT, ranges=False)
            case "/wrong-range":
                self.send(TEXT, wrong_range=True)
            case "/lies":
                self.send(TEXT[::-1])
            case "/endless":
                self.send(TEXT * 50)
            case "/tired":  # fails twice, then works
                self.send_error(503) if count <= 2 else self.send(TEXT)
            case "/zip":
                self.send(zipped("inside.txt"))
            case "/broken-zip":
                self.send(zipped("inside.txt")[:200] + bytes(400))
            case "/to-good":
                self.redirect("/good")
            case "/loop":
                self.redirect("/loop")
            case "/to-file":
                self.redirect("file:///etc/hostname")
            case _:
                self.send_error(404)

    def send(self, body: bytes, *, ranges: bool = True, share: float = 1.0, wrong_range: bool = False) -> None:
        asked = self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and ranges else 0
        if start >= len(body):
            self.send_error(416)
            return
        if wrong_range and asked:
            body, start = body[1:], start - 1  # from another place than was asked
        rest = body[start:]
        self.send_response(206 if asked and ranges else 200)
        if asked and ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: max(1, int(len(rest) * share))])

    def redirect(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    """The server, with every (path, Range) that it was asked for."""

    asked: list[tuple[str, str | None]]

    def handle_error(self, *_: object) -> None: ...  # a client that hangs up early is part of the test


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    server = Server(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def download(server: Server, *paths: str, member: str | None = None) -> Download:
    addresses = tuple(f"http://127.0.0.1:{server.server_port}{path}" for path in paths)
    return Download(addresses, hashlib.sha256(TEXT).hexdigest(), len(TEXT), member)


def partial(target: Path) -> Path:
    return target.with_name(target.name + ".partial")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nowhere", "answered 404"),
        ("/lies", "sha256"),
        ("/loop", "answered 302"),
        ("/to-file", "answered 302"),
        ("/endless", "more than"),
        ("/always-breaks-off", "broke off"),
    ],
)
def test_a_bad_address_is_refused_with_its_reason(server: Server, tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        fetch(download(server, path), tmp_path / "text.txt", wait_seconds=0)
    assert not (tmp_path / "text.txt").exists()
    assert len(server.asked) < 20


def test_a_host_that_does_not_answer(server: Server, tmp_path: Path) -> None:
    wanted = download(server, "/good")
    dead = Download(("http://127.0.0.1:9/text",), wanted.sha256, wanted.num_bytes)
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9.*hint: run it again.*--from FILE"):
        fetch(dead, tmp_path / "text.txt", wait_seconds=0)


def test_a_wrong_archive_is_refused(server: Server, tmp_path: Path) -> None:
    for path, member in (("/broken-zip", "inside.txt"), ("/zip", "other.txt")):
        with pytest.raises(UserError, match=r"archive can't be read|sha256|larger"):
            fetch(download(server, path, member=member), tmp_path / "text.txt", wait_seconds=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"something else", TEXT[:-1], TEXT + b"!"])
def test_a_wrong_file_given_by_hand_is_refused(server: Server, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "given").write_bytes(content)
    with pytest.raises(UserError, match="is not the file wanted"):
        fetch(download(server, "/good"), tmp_path / "text.txt", from_file=tmp_path / "given")
    assert not (tmp_path / "text.txt").exists()
    assert server.asked == []


def test_a_missing_file_given_by_hand(server: Server, tmp_path: Path) -> None:
    for name in ("absent", "."):
        with pytest.raises(UserError, match=r"no such file|is not a file"):
            fetch(download(server, "/good"), tmp_path / "text.txt", from_file=tmp_path / name)


@pytest.mark.parametrize("path", ["/good", "/no-ranges", "/to-good", "/breaks-off", "/tired"])
def test_the_file_arrives(server: Server, tmp_path: Path, path: str) -> None:
    target = fetch(download(server, path), tmp_path / "new" / "text.txt", wait_seconds=0)
    assert target.read_bytes() == TEXT
    assert [file.name for file in target.parent.iterdir()] == ["text.txt"]


def test_what_broke_off_is_resumed_from_where_it_stopped(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "text.txt"
    with pytest.raises(UserError, match="broke off"):
        fetch(download(server, "/always-breaks-off"), target, wait_seconds=0)
    assert partial(target).stat().st_size == HALF
    server.asked.clear()
    fetch(download(server, "/good"), target, wait_seconds=0)
    assert server.asked == [("/good", f"bytes={HALF}-")]
    assert target.read_bytes() == TEXT


@pytest.mark.parametrize("path", ["/good", "/wrong-range", "/no-ranges"])
@pytest.mark.parametrize("left", [b"another text's beginning", TEXT + b"more", TEXT, TEXT[:10]])
def test_whatever_an_earlier_download_left_the_right_file_arrives(
    server: Server, tmp_path: Path, path: str, left: bytes
) -> None:
    target = tmp_path / "text.txt"
    partial(target).write_bytes(left)
    assert fetch(download(server, path), target, wait_seconds=0).read_bytes() == TEXT


def test_mirrors_are_tried_in_order(server: Server, tmp_path: Path) -> None:
    heard: list[str] = []
    fetch(download(server, "/nowhere", "/lies", "/good", "/zip"), tmp_path / "t", notify=heard.append, wait_seconds=0)
    assert [path for path, _ in server.asked] == ["/nowhere", "/lies", "/good"]
    assert any("404" in line for line in heard)


def test_a_file_that_is_already_there_is_left_alone_and_a_changed_one_replaced(server: Server, tmp_path: Path) -> None:
    target = fetch(download(server, "/good"), tmp_path / "text.txt")
    fetch(download(server, "/good"), target)
    assert len(server.asked) == 1
    target.write_bytes(TEXT + b"changed")
    assert fetch(download(server, "/good"), target).read_bytes() == TEXT


def test_one_member_of_an_archive(server: Server, tmp_path: Path) -> None:
    wanted = download(server, "/zip", member="inside.txt")
    assert fetch(wanted, tmp_path / "a.txt", wait_seconds=0).read_bytes() == TEXT
    (tmp_path / "given.zip").write_bytes(zipped("inside.txt"))
    (tmp_path / "given.txt").write_bytes(TEXT)  # the archive unpacked already
    for given in ("given.zip", "given.txt"):
        assert fetch(wanted, tmp_path / f"from-{given}", from_file=tmp_path / given).read_bytes() == TEXT
