"""Several processes, started by torchrun: the same weights from any number of them, parts of a model, lost and hung ones."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hornbook.files import sha256_of
from hornbook.training.checkpoint import newest_intact

pytestmark = pytest.mark.slow
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(recipe: str, trained: Path, tmp_path: Path) -> Start:
    """`start("name", 2, *flags)` -> the running torchrun of so many processes (0: one, without torchrun)."""

    def begin(name: str, processes: int, *flags: str, verb: str = "train", restarts: int = 0, **more: str) -> Any:
        out = str(tmp_path / name)
        launch = [*TORCHRUN, "--nproc-per-node", str(processes), "--max-restarts", str(restarts), "-m", "hornbook"]
        task = ["train", recipe, "--out", out, "--data", str(trained / "data")] if verb == "train" else ["resume", out]
        command = [*(launch if processes else [sys.executable, "-m", "hornbook"]), *task, *flags, "--device", "cpu"]
        # the number of threads must be the same, alone or not: another one adds in another order
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **more}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return begin


def ended(process: "subprocess.Popen[str]", code: int = 0) -> str:
    """What a process said until its end."""
    output, _ = process.communicate(timeout=120)
    assert process.returncode == code, output
    return output


def results(run: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """The hashes of a run's weights and optimizer, and its records without clock readings."""
    checkpoint, messages = newest_intact(run / "checkpoints")
    assert checkpoint is not None
    assert not messages
    files = [*sorted(checkpoint.glob("*.safetensors")), run / "model" / "model.safetensors"]
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    timeless = [{name: value for name, value in record.items() if name != "tokens_per_second"} for record in records]
    return [sha256_of(path) for path in files], timeless


@pytest.mark.parametrize(("rows", "optimizer"), [(1, "muon"), (3, "adamw")], ids=["four portions", "two uneven ones"])
def test_1_2_and_4_processes_give_the_same_bits(start: Start, tmp_path: Path, rows: int, optimizer: str) -> None:
    flags = ["--training.microbatch_size", str(rows), "--optimizer.kind", optimizer]
    names = {"one": 0, "two": 2, "four": 4}
    for name, processes in names.items():
        ended(start(name, processes, *flags))
    one, two, four = (results(tmp_path / name) for name in names)
    assert one == two == four


def test_a_run_goes_on_with_another_number_of_processes(start: Start, tmp_path: Path) -> None:
    flags = ["--training.microbatch_size", "1"]
    ended(start("straight", 0, *flags))
    running = start("stopped", 2, *flags, "--training.steps", "12")
    ended(running)
    stopped = tmp_path / "stopped"
    for folder in ("checkpoints/step-00000012", "model", "pictures"):
        subprocess.run(["rm", "-r", str(stopped / folder)], check=True)
    assert "going on after step" in ended(start("stopped", 0, verb="resume"))
    assert results(stopped) == results(tmp_path / "straight")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_model_in_parts_learns_as_a_whole_one_does(start: Start, tmp_path: Path, optimizer: str) -> None:
    """FSDP2 on two processes; its checkpoints are read by one process, and by four."""
    flags = ["--training.microbatch_size", "2", "--optimizer.kind", optimizer]
    ended(start("whole", 0, *flags))
    ended(start("parted", 2, *flags, "--training.sharded", "true"))
    parted = tmp_path / "parted"
    last, _ = newest_intact(parted / "checkpoints")
    assert last is not None
    assert len(list(last.glob("weights-*.safetensors"))) == 2
    whole = load_file(tmp_path / "whole" / "model" / "model.safetensors")
    for name, tensor in load_file(parted / "model" / "model.safetensors").items():
        torch.testing.assert_close(tensor, whole[name], rtol=0, atol=1e-6)
    for processes in (0, 4):
        for folder in ("checkpoints/step-00000012", "model", "pictures"):
            subprocess.run(["rm", "-rf", str(parted / folder)], check=True)
        assert "going on after step 9 of 12" in ended(start("parted", processes, verb="resume"))
        for name, tensor in load_file(parted / "model" / "model.safetensors").items():
            torch.testing.assert_close(tensor, whole[name], rtol=0, atol=1e-6)


def worker(run: Path, rank: int) -> int:
    """The number of the process of this rank, once the run has made some steps."""
    metrics = run / "metrics.jsonl"
    for _ in range(600):
        if metrics.exists() and metrics.read_text().count("\n") > 20:
            break
        time.sleep(0.1)
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = path.read_bytes().split(b"\0")
            command = (path.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if f"RANK={rank}".encode() in variables and str(run).encode() in command and b"hornbook" in command:
            return int(path.parent.name)
    raise AssertionError("no such process")


LONG = ("--training.steps", "100000", "--training.evaluate_every", "100000", "--training.checkpoint_every", "10")


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found in /proc")
def test_a_lost_process_is_named(start: Start, tmp_path: Path) -> None:
    running = start("lost", 2, *LONG)
    lost = worker(tmp_path / "lost", 1)
    os.kill(lost, signal.SIGKILL)
    output = ended(running, 1)
    assert f"error: rank 1 (process {lost} on " in output
    assert "is gone, at step" in output
    checkpoint, _ = newest_intact(tmp_path / "lost" / "checkpoints")
    assert checkpoint is not None


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found in /proc")
def test_a_hung_process_is_named_in_time(start: Start, tmp_path: Path) -> None:
    running = start("hung", 2, *LONG, HORNBOOK_HANG_SECONDS="4")
    hung = worker(tmp_path / "hung", 1)
    os.kill(hung, signal.SIGSTOP)
    assert running.stdout is not None
    begun = time.monotonic()
    line = next(line for line in running.stdout if "error: " in line)
    os.kill(hung, signal.SIGKILL)
    ended(running, 1)
    assert f"rank 1 (process {hung} on " in line
    assert "kept the others waiting for 4 seconds" in line
    assert time.monotonic() - begun < 30


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are found in /proc")
def test_torchrun_starts_a_lost_run_again_and_nothing_differs(start: Start, tmp_path: Path) -> None:
    flags = ["--training.steps", "300", "--training.evaluate_every", "150", "--training.checkpoint_every", "10"]
    running = start("again", 2, *flags, restarts=2)
    os.kill(worker(tmp_path / "again", 1), signal.SIGKILL)
    assert "going on after step" in ended(running)
    ended(start("straight", 2, *flags))
    assert results(tmp_path / "again") == results(tmp_path / "straight")


def test_a_mistake_is_said_once(start: Start) -> None:
    output = ended(start("wrong", 2, "--training.stepz", "3"), 1)
    assert output.count("error: unknown setting 'training.stepz'") == 1
