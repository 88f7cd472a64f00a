"""A run as it looks from outside while it is under way: how far it is, what it is writing, what it is doing."""

import json
import re
from pathlib import Path
from typing import Any

from hornbook.leftovers import is_leftover

TAIL_BYTES = 1 << 16  # holds the last records of metrics.jsonl, long samples among them
CHECKPOINT = re.compile(r"\.step-(\d+)\.[^.]*\.unfinished")


class Sight:
    """Looks at the run folder `run` of a training of so many steps, evaluated every so many."""

    def __init__(self, run: Path, steps: int, evaluate_every: int) -> None:
        self.run, self.steps, self.evaluate_every = run, steps, evaluate_every
        self._old: set[Path] = set()
        self._old = set(self._hidden())  # what an earlier kill left is not being written
        self._size = -1
        self._last: dict[str, Any] = {"kind": "none", "step": 0}

    @property
    def last(self) -> dict[str, Any]:
        """The last whole record of metrics.jsonl."""
        path = self.run / "metrics.jsonl"
        size = path.stat().st_size if path.exists() else 0
        if size != self._size:
            self._size, self._last = size, last_record(path) or self._last
        return self._last

    @property
    def step(self) -> int:
        """The last step that metrics.jsonl tells of, 0 before the first."""
        return int(self.last["step"])

    @property
    def checkpoint(self) -> Path | None:
        """The hidden folder of the checkpoint that is being written at this moment."""
        return next((path for path in self._hidden() if CHECKPOINT.fullmatch(path.name)), None)

    def doing(self) -> str:
        """What the training is doing, in a few words."""
        if beside := self.checkpoint:
            step, count = int(beside.name.split(".")[1].removeprefix("step-")), len(_names(beside))
            return f"writing checkpoint {step} ({count} {'file' if count == 1 else 'files'} of it)"
        for path in self._hidden():
            name, _, state = path.name[1:].rsplit(".", 2)
            return f"{'removing' if state == 'removed' else 'writing'} {name}"
        step, kind = self.step, self.last["kind"]
        looked_at = step and (step % self.evaluate_every == 0 or step == self.steps)
        if kind == "step" and looked_at and (self.run / "checkpoints" / f"step-{step:08d}").exists():
            return f"evaluating step {step}"
        if kind == "evaluation":
            return f"writing samples of step {step}"
        return "finishing" if step == self.steps else f"training step {step + 1}"

    def _hidden(self) -> list[Path]:
        """What is being written in the run folder and among its checkpoints, the checkpoints first."""
        found = [Path(folder, name) for folder in (self.run / "checkpoints", self.run) for name in _names(folder)]
        return [path for path in found if is_leftover(path) and path not in self._old]


def last_record(path: Path) -> dict[str, Any] | None:
    """The last whole record of a metrics.jsonl, also while it is being written."""
    if not path.exists():
        return None
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = file.read().split(b"\n")
    for line in reversed(lines[:-1]):
        try:
            return dict(json.loads(line))
        except ValueError:  # the end of a record that is longer than the tail
            continue
    return None


def _names(folder: Path) -> list[str]:
    """What lies in a folder; nothing where it is gone by now."""
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:
        return []
