"""The check of many processes: two of them train the same weights as one, to the last bit."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import torch

from hornbook.commands._doctor_check import Finding, left_out, no_faults
from hornbook.commands._doctor_subject import Subject
from hornbook.config import PLAIN_VARIABLES, PREFIX, Layer, to_toml
from hornbook.discovery import PACKAGE
from hornbook.files import sha256_of
from hornbook.weights.own import kind_of

SECONDS = 300  # after which a training of a few steps hangs
TEXT = " ".join(map(str, range(2000)))
TRAINING = {"steps": 3, "batch_size": 4, "microbatch_size": 1, "evaluate_every": 3, "reduce": "auto"}
LAYERS, CONTEXT = 2, 32
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def two_processes(subject: Subject) -> Finding:
    """Train a small model of this kind for three steps by one process, and by two under torchrun; on the CPU."""
    if not torch.distributed.is_available():
        return left_out("this torch is built without torch.distributed")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "numbers.txt").write_text(TEXT, encoding="utf-8")
        (folder / "recipe.toml").write_text(to_toml(_recipe(subject, folder)), encoding="utf-8")
        for name, launcher in {"one": (), "two": TWO}.items():
            if said := _train(folder, name, launcher):
                return Finding("failed", f"training by {name} broke off", said)
        one, two = (sha256_of(folder / name / "model" / "model.safetensors") for name in ("one", "two"))
        return no_faults(
            [] if one == two else [f"{one[:16]} of one process and {two[:16]} of two"], fault="different sum"
        )


def _recipe(subject: Subject, folder: Path) -> Layer:
    """The subject's model and optimizer, made small, on a little text."""
    config = subject.model.config.model_dump(exclude={"vocab_size"})
    small = {"num_layers": LAYERS, "context_length": CONTEXT}
    small = {key: min(most, config[key]) for key, most in small.items() if key in config}
    optimizer_kind = type(subject.optimizer).__module__.rpartition(".")[2]
    return {
        "data": {"source": str(folder / "numbers.txt"), "tokenizer": "character"},
        "model": {"kind": kind_of(subject.model), **config, **small},
        "optimizer": {"kind": optimizer_kind, **subject.optimizer.model_dump()},
        "training": TRAINING,
        "generation": {"max_new_tokens": 1},
    }


def _train(folder: Path, name: str, launcher: tuple[str, ...]) -> str:
    """Run `hornbook train` in a process group of its own; returns what it said last where it failed, or ""."""
    command = [sys.executable, *launcher, "-m", "hornbook", "train", "recipe.toml", "--out", name, "--device", "cpu"]
    with open(folder / f"{name}.log", "w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(), stdout=log, stderr=log, start_new_session=True
        )
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            return f"it was not done after {SECONDS} seconds"
        finally:
            _end(process)
        log.seek(0)
        said = [line for line in log.read().splitlines() if line.strip()]
    errors = [line for line in said if line.startswith("error: ")] or said or [f"exit code {code}"]
    return "" if code == 0 else errors[-1]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End what may be left of a group: the launcher's own children too."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _environment() -> dict[str, str]:
    """This process's, with one thread for each and this package first; without settings of runs, and of torchrun."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX) or name in PLAIN_VARIABLES}
    kept.pop("WORLD_SIZE", None)
    paths = [str(PACKAGE.parent), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
