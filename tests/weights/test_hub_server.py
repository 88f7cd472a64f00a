"""A model fetched from a hub on this machine: what the network may do to it, and what is said. It speaks as the hub does.

Each question is asked in a process of its own, since huggingface_hub reads where the hub is when it is imported.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from hornbook.models.llama import Llama, LlamaConfig
from hornbook.tokenizers.base import Tokenizer
from hornbook.weights.model_folder import save_model_folder

pytest.importorskip("huggingface_hub")
pytestmark = pytest.mark.slow
WEIGHTS, COMMIT = "model.safetensors", "0f3a" * 10
NAME = "owner/tales"
CHUNK = 10 << 20  # what huggingface_hub writes down at once
FETCH = "import sys; from hornbook.weights.hub import fetch; print(fetch(sys.argv[1]))"
Ask = Callable[..., subprocess.CompletedProcess[str]]


class Hub(ThreadingHTTPServer):
    """The files of one model. `cut_at` breaks the first sending of the weights off there; `refuses` is a status for all."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.stated = dict(files)  # whose hashes and sizes it states
        self.cut_at: int | None = None
        self.refuses: tuple[int, str] | None = None
        self.ranges: list[str] = []
        self.asked = 0

    def etag(self, name: str) -> str:
        """sha256 of weights, git's hash of all else."""
        data = self.stated[name]
        if name == WEIGHTS:
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers of the hub: the model's commit, its files' list, each file; weights lie behind another address."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""

    def do_HEAD(self) -> None:
        """Only headers."""
        self.do_GET()

    def do_GET(self) -> None:
        """By the path."""
        self.server.asked += 1
        place = self.path.partition("?")[0]
        if self.server.refuses:
            status, code = self.server.refuses
            return self._send(status, b"{}", {"X-Error-Code": code, "X-Error-Message": f"no right: {code}"})
        if place.startswith("/api/"):
            return self._send(200, json.dumps(self._told(place)).encode(), {"Content-Type": "application/json"})
        name = place.rpartition("/")[2]
        if name not in self.server.files:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        etag, size = self.server.etag(name), len(self.server.stated[name])
        if name == WEIGHTS and not place.startswith("/cdn/"):
            linked = {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(size), "X-Repo-Commit": COMMIT}
            return self._send(302, b"", {"Location": f"/cdn/{name}", **linked})
        return self._file(name, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def _told(self, place: str) -> Any:
        names = [*self.server.files]
        if "/tree/" not in place:
            return {"id": NAME, "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
        sizes = {name: len(self.server.stated[name]) for name in names}
        files = [{"type": "file", "path": name, "size": sizes[name], "oid": self.server.etag(name)} for name in names]
        lfs = {"oid": self.server.etag(WEIGHTS), "size": sizes[WEIGHTS], "pointerSize": 134}
        return [file | ({"lfs": lfs, "oid": "1" * 40} if file["path"] == WEIGHTS else {}) for file in files]

    def _file(self, name: str, headers: dict[str, str]) -> None:
        data, wanted = self.server.files[name], self.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        if wanted:
            self.server.ranges.append(wanted)
            headers |= {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        cut, body = self.server.cut_at, data[start:]
        if name == WEIGHTS and cut is not None and self.command == "GET":
            self.server.cut_at = None
            self._send(206 if wanted else 200, body, headers, upto=cut)
            self.close_connection = True
            return
        self._send(206 if wanted else 200, body, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str], upto: int | None = None) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:upto])


@contextmanager
def running(files: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub(files)
    Thread(target=hub.serve_forever, args=(0.02,), daemon=True).start()
    yield hub
    hub.shutdown()
    hub.server_close()


@pytest.fixture
def files(tmp_path: Path, tokenizer: Tokenizer) -> dict[str, bytes]:
    """A small model, a pickle and a picture beside it."""
    config = LlamaConfig(vocab_size=tokenizer.vocab_size, context_length=8, num_layers=1, num_heads=1, embed_dim=8)
    folder = save_model_folder(tmp_path / "model", Llama(config, torch.Generator().manual_seed(1)), tokenizer)
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "hornbook.json"}
    return found | {"pytorch_model.bin": b"never", "picture.png": b"no more"}


@pytest.fixture
def hub(files: dict[str, bytes]) -> Iterator[Hub]:
    with running(files) as served:
        yield served


@pytest.fixture
def ask(hub: Hub, tmp_path: Path) -> Ask:
    """`ask(name=NAME, **environment)` -> the process that fetched it into a cache of this test's own."""

    def fetch(name: str = NAME, **environment: str) -> subprocess.CompletedProcess[str]:
        places = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(tmp_path / "cache")}
        told = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
        return subprocess.run(
            [sys.executable, "-c", FETCH, name], env={**inherited, **places, **told, **environment},
            capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip

    return fetch


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """What the error says, which is one line and the user's, not the program's."""
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("hornbook.errors.UserError: "), done.stderr
    return last


def test_a_model_is_fetched_once_its_broken_download_goes_on_and_offline_it_is_there(
    hub: Hub, ask: Ask, files: dict[str, bytes]
) -> None:
    assert "can't fetch 'owner/tales' from the hub" in refusal(ask(HF_HUB_OFFLINE="1"))
    assert hub.asked == 0
    files[WEIGHTS] = hub.files[WEIGHTS] = hub.stated[WEIGHTS] = bytes(range(251)) * 50_000
    hub.cut_at = CHUNK + 1000
    done = ask()
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == {name: data for name, data in files.items() if name not in ("pytorch_model.bin", "picture.png")}
    assert hub.ranges == [f"bytes={CHUNK}-"]
    hub.refuses = (500, "")
    asked = hub.asked
    assert ask(HF_HUB_OFFLINE="1").stdout == done.stdout
    assert hub.asked == asked


@pytest.mark.parametrize(("name", "other"), [(WEIGHTS, b" "), (WEIGHTS, b""), ("config.json", b" ")])
def test_other_bytes_than_the_hub_states_are_refused_and_fetched_anew(
    hub: Hub, ask: Ask, files: dict[str, bytes], name: str, other: bytes
) -> None:
    hub.files = files | {name: files[name][:-1] + other}
    said = refusal(ask())
    assert f"'{name}' of 'owner/tales' is not what the hub has: its hash is " in said
    hub.files = files
    assert ask().returncode == 0


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(401, "RepoNotFound", "401"), (404, "RepoNotFound", "404"), (403, "GatedRepo", "403"), (401, "GatedRepo", "401")],
)
def test_what_the_hub_refuses_is_one_line(hub: Hub, ask: Ask, status: int, code: str, message: str) -> None:
    hub.refuses = (status, code)
    said = refusal(ask())
    assert "can't fetch 'owner/tales' from the hub: " in said
    assert message in said


def test_a_hub_that_is_away_leaves_what_was_fetched_before(ask: Ask) -> None:
    folder = ask().stdout
    away = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    assert ask(**away).stdout == folder
    assert "can't fetch 'owner/other' from the hub" in refusal(ask("owner/other", **away))
