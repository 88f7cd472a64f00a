"""`hornbook serve` as a process: it listens, refuses what isn't safe, and finishes what runs when it is asked to stop."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from hornbook.commands._serve import open_subject

Refused = Callable[..., str]


@contextmanager
def serving(model: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its address."""
    command = [sys.executable, "-m", "hornbook", "serve", str(model), "--port", "0", "--device", "cpu", *flags]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8")
    assert process.stderr is not None
    try:
        said = ""
        while not (found := re.search(r"at (http://\S+);", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        address = found[1]
        for _ in range(100):
            try:
                httpx.get(f"{address}/health")
                break
            except httpx.ConnectError:
                threading.Event().wait(0.1)
        yield process, address
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.mark.slow
def test_it_serves_and_finishes_what_runs(trained: Path) -> None:
    with serving(trained) as (process, address):
        assert httpx.get(f"{address}/v1/models").json()["data"][0]["id"] == trained.name
        asked = {"prompt": "Nora", "max_tokens": 400, "stream": True, "seed": 1}
        with httpx.stream("POST", f"{address}/v1/completions", json=asked, timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            process.send_signal(signal.SIGINT)
            rest = [line for line in lines if line]
        assert rest[-1] == "data: [DONE]"
        assert process.wait(timeout=30) in (0, 130)


@pytest.mark.slow
def test_a_chat_template_can_be_named(trained: Path) -> None:
    """The small model's context has no room for the template's words: that it was taken is seen by that."""
    asked = {"messages": [{"role": "user", "content": "Nora"}], "max_tokens": 3}
    for flags, words in ((["--template", "alpaca"], "tokens, the context holds 16"), ([], "no chat template")):
        with serving(trained, *flags) as (_, address):
            found = httpx.post(f"{address}/v1/chat/completions", json=asked, timeout=60)
            assert words in found.json()["error"]["message"]


def test_other_machines_need_a_key(trained: Path, refused: Refused) -> None:
    assert "'0.0.0.0' can be reached from other machines, and there is no API key" in refused(
        "serve", trained, "--host", "0.0.0.0"
    )
    assert "8 or more" in refused("serve", trained, "--api-key", "short")


def test_what_cannot_be_served_is_one_line(trained: Path, tmp_path: Path, refused: Refused) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"can't listen on 127.0.0.1 port {port}" in refused("serve", trained, "--port", port)
    beside = refused("serve", trained.parent, "--port", "0")
    assert f"is neither a model folder nor a run folder; hint: did you mean '{trained}'?" in beside
    assert "port 99999 is not between" in refused("serve", trained, "--port", "99999")
    assert "neither a model folder nor a run folder" in refused("serve", tmp_path, "--port", "0")
    assert "can't listen on" in refused("serve", trained, "--host", "192.0.2.1", "--api-key", "long enough")


@pytest.mark.parametrize("template", ["unknown"])
def test_an_unknown_template(trained: Path, template: str, refused: Refused) -> None:
    assert "unknown" in refused("serve", trained, "--port", "0", "--template", template)


def test_the_training_text_is_found_or_named(trained: Path, tmp_path: Path, refused: Refused) -> None:
    found = open_subject(str(trained), "cpu", None).origins
    assert found is not None
    moved = shutil.copytree(trained / "model", tmp_path / "moved")
    assert open_subject(str(moved), "cpu", None).origins is None
    named = open_subject(str(moved), "cpu", None, found.dataset.folder).origins
    assert named is not None
    assert named.dataset.info == found.dataset.info
    assert "is not a dataset folder" in refused("serve", trained, "--port", "0", "--data", tmp_path, talk=True)
