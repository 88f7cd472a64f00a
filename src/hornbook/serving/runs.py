"""Runs as their folders tell of them: what was set, what has happened so far, what can be written again.

Nothing here writes, and no name becomes a path: a run is found by its name among the folders that lie beside each other.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hornbook.config import Layer, read_toml

Record = dict[str, Any]
LISTED = 200  # runs beside each other
CHECKPOINT = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True)
class Wanted:
    """A text to be written again: from which weights ("100" a step, "model" the finished one), and how."""

    place: str
    prompt: str
    seed: int
    temperature: float
    max_tokens: int


Writer = Callable[[Path, Wanted], Iterator[str]]  # a run's folder, what is wanted -> the text in pieces
Baseline = Callable[[Path], Record | None]  # a run's folder -> {"loss", "from"} of a bigram on the same text


@dataclass(frozen=True)
class Runs:
    """The runs in `home`, none where it is None; `shown` is the one to look at first, None: the newest.

    `write` and `baseline` are what takes more than reading this folder; None: not here.
    """

    home: Path | None = None
    shown: str | None = None
    write: Writer | None = None
    baseline: Baseline | None = None

    def folders(self) -> dict[str, Path]:
        """Name -> folder, those that were written to last first."""
        if self.home is None:
            return {}
        try:
            found = [path for path in self.home.iterdir() if (path / "run.toml").is_file()]
        except OSError:
            return {}
        return {path.name: path for path in sorted(found, key=_touched, reverse=True)[:LISTED]}

    def find(self, name: str) -> Path | None:
        """The folder of the run that is called so, None where there is none."""
        return self.folders().get(name)

    def listed(self) -> Record:
        """The names, and which to look at first."""
        names = list(self.folders())
        return {"shown": self.shown or (names[0] if names else None), "runs": names}


def facts(run: Path) -> Record:
    """A run's settings as the page needs them, and which weights are there.

    Errors: `UserError` where run.toml is gone or can't be read.
    """
    settings = read_toml(run / "run.toml")
    training, generation = settings.get("training", {}), settings.get("generation", {})
    return {
        "name": run.name,
        "kind": settings.get("finetune", settings.get("model", {})).get("kind", "?"),
        "pretraining": "finetune" not in settings,
        "steps": training.get("steps"),
        "seed": training.get("seed", 0),
        "prompts": [str(prompt) for prompt in generation.get("prompts", ())],
        "temperature": generation.get("temperature", 0.8),
        "done": settings.get("report", {}).get("last_step"),
        "finished": (run / "model" / "config.json").is_file(),
        "places": places(run, settings),
    }


def quiet_seconds(run: Path) -> float | None:
    """How long ago the metrics were written to; None where there are none yet."""
    try:
        return round(max(0.0, time.time() - (run / "metrics.jsonl").stat().st_mtime), 1)
    except FileNotFoundError:
        return None


def places(run: Path, settings: Layer) -> list[Record]:
    """The weights of a run that can write a text: [{"place": "0", "step": 0}, ..., {"place": "model", "step": best}].

    A pretraining's first weights are drawn again from its seed; of a fine-tuning only the finished model writes, of a
    classifier nothing.
    """
    found: list[Record] = []
    if "finetune" not in settings:
        found = [{"place": str(step), "step": step} for step in [0, *checkpoints(run)]]
    elif settings["finetune"].get("kind") == "classifier":
        return []
    if (run / "model" / "config.json").is_file():
        found.append({"place": "model", "step": _best_step(run / "model")})
    return found


def checkpoints(run: Path) -> list[int]:
    """The steps whose checkpoints are whole."""
    names = [CHECKPOINT.fullmatch(path.parent.name) for path in run.glob("checkpoints/step-*/state.json")]
    return sorted(int(name[1]) for name in names if name)


def stamp(run: Path, place: str) -> int:
    """A number that changes when other weights take this place."""
    seal = (
        run / "model" / "hornbook.json"
        if place == "model"
        else run / "checkpoints" / f"step-{int(place):08d}" / "state.json"
    )
    try:
        return seal.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _best_step(model: Path) -> int | None:
    try:
        step = json.loads((model / "hornbook.json").read_bytes())["info"]["evaluations"]["step"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return int(step) if isinstance(step, int) else None


def _touched(run: Path) -> float:
    for name in ("metrics.jsonl", "run.toml"):
        try:
            return (run / name).stat().st_mtime
        except OSError:
            continue
    return 0.0


def run_of(path: Path) -> Path | None:
    """The run that a path names: a run folder, or the model folder in one."""
    path = path.absolute()
    inside = path.parent if path.name == "model" else None
    return next((run for run in (path, inside) if run and (run / "run.toml").is_file()), None)
