"""`hornbook train --watch`: a page beside a training that ends with it, however it ends, and takes nothing from it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from hornbook.commands import _watch
from hornbook.commands._listening import address_of, listen_from
from hornbook.commands._watch import watched

Refused = Callable[..., str]
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}
posix = pytest.mark.skipif(os.name == "nt", reason="needs a pipe and a socket that are handed over")


def gone(address: str, seconds: float = 15) -> bool:
    """Whether nobody listens there, now or soon."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            httpx.get(f"{address}/health", timeout=5)
        except httpx.ConnectError:
            return True
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    return False


def begin(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hornbook", *map(str, words), "--watch", "--device", "cpu"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=ENV)


def address_in(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    said = ""
    while not (found := re.search(r"watch it at (http://\S+)/#training", said)):
        line = process.stderr.readline()
        assert line, said
        said += line
    return found[1]


@posix
def test_a_page_while_the_block_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "runs" / "tale"
    run.mkdir(parents=True)
    (run / "run.toml").write_text("[training]\nsteps = 9\n")
    with watched(run):
        found = re.search(
            r"(port 8000 is taken; )?watch it at (http://127\.0\.0\.1:(\d+))/#training", capsys.readouterr().err
        )
        assert found
        assert (found[1] is None) == (found[3] == "8000")
        address = found[2]
        assert httpx.get(f"{address}/view/runs", timeout=60).json() == {"shown": "tale", "runs": ["tale"]}
        (run / "metrics.jsonl").write_text('{"kind": "evaluation", "step": 3, "validation_loss": 2.5}\n')
        records = httpx.get(f"{address}/view/runs/tale/records", timeout=60).json()["records"]
        assert records == [{"kind": "evaluation", "step": 3, "validation_loss": 2.5}]
    assert gone(address, 1)
    assert f"hornbook serve {run}" in capsys.readouterr().err


def test_the_next_free_port() -> None:
    with listen_from(18_500) as first, listen_from(18_500) as second:
        assert address_of(first) != address_of(second)
        assert int(address_of(second).rpartition(":")[2]) > int(address_of(first).rpartition(":")[2])


def test_where_it_is_not_there_nothing_is_begun(
    recipe: str, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watch, "CAN_WATCH", False)
    out = tmp_path / "out"
    words = ("--data", "data", "--out", out, "--watch")
    line = f"--watch is not there on Windows; hint: when it trains, in another window: hornbook serve {out}"
    assert line in refused("train", recipe, "--out", out, "--watch")
    for kind in ("chat", "classifier", "preference"):
        assert line in refused("finetune", kind, tmp_path, *words)
    assert "--watch is not there on Windows" in refused("quickstart", "--out", out, "--watch")
    assert not out.exists()


def test_a_page_that_is_not_there_cannot_be_opened(recipe: str, tmp_path: Path, refused: Refused) -> None:
    assert "--open opens the page of --watch" in refused("train", recipe, "--out", tmp_path / "out", "--open")
    assert "--open opens the page of --watch" in refused("quickstart", "--out", tmp_path / "out", "--open")
    assert not (tmp_path / "out").exists()


@posix
@pytest.mark.slow
def test_a_training_is_the_same_with_its_page(recipe: str, trained: Path, tmp_path: Path) -> None:
    process = begin("train", recipe, "--out", tmp_path / "out", "--training.steps", "12")
    address = address_in(process)
    steps: set[int] = set()
    try:
        while process.poll() is None:
            try:
                found = httpx.get(f"{address}/view/runs/out/records", timeout=30).json()
            except httpx.TransportError:
                break
            steps |= {record["step"] for record in found["records"] if record["kind"] == "step"}
            time.sleep(0.2)
    finally:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"to look at it again: hornbook serve {tmp_path / 'out'}" in err
    assert max(steps, default=0) == 12  # an open page gets the last records
    assert gone(address, 1)
    weights = [(run / "model" / "model.safetensors").read_bytes() for run in (trained, tmp_path / "out")]
    assert weights[0] == weights[1]


@posix
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_page_ends_with_the_training(recipe: str, tmp_path: Path, number: signal.Signals) -> None:
    process = begin(
        "train", recipe, "--out", tmp_path / "out", "--training.steps", "100000", "--training.evaluate_every", "50000"
    )
    address = address_in(process)
    assert httpx.get(f"{address}/health", timeout=60).status_code == 200
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number)
    assert "Traceback" not in err
    assert gone(address)


@posix
@pytest.mark.slow
def test_several_processes_have_one_page(recipe: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "hornbook", "train", recipe, "--out", str(tmp_path / "out"), "--watch", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=ENV, check=True)
    assert done.stderr.count("watch it at") == 1


@posix
@pytest.mark.slow
def test_a_fine_tuning_has_its_page(trained: Path, tmp_path: Path) -> None:
    rows = [f"{word} {number},{word}" for number in range(30) for word in ("calm", "merry")]
    (tmp_path / "moods.csv").write_text("\n".join(["text,label", *rows]))
    words = ["--data", tmp_path / "moods.csv", "--out", tmp_path / "out", "--training.steps", "40"]
    process = begin("finetune", "classifier", trained, *words)
    address = address_in(process)
    assert httpx.get(f"{address}/view/runs", timeout=60).json()["shown"] == "out"
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert gone(address, 1)


@posix
@pytest.mark.slow
def test_a_quickstart_shows_its_models_as_they_come(tale: Path, tmp_path: Path) -> None:
    process = begin("quickstart", tale, "--minutes", "0.05", "--out", tmp_path / "out")
    address, seen = address_in(process), []
    while process.poll() is None:
        try:
            seen.append(httpx.get(f"{address}/view/runs", timeout=60).json())
        except httpx.TransportError:
            break
        time.sleep(0.1)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert {"shown": "bigram", "runs": ["bigram"]} in seen
    assert seen[-1]["shown"] == "gpt"
    assert f"hornbook serve {tmp_path / 'out' / 'gpt' / 'model'} --open" in out
