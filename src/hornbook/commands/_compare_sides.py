"""What `hornbook compare` is given: a run, a model folder, or a folder of runs that differ by their seeds."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hornbook.batches.dataset import Dataset, is_dataset
from hornbook.commands._parts import dataset_of_run
from hornbook.config import Layer
from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.training.run_folder import RunFolder
from hornbook.weights.model_folder import SEAL, find_model_folder

LONGEST_NAME = 20  # so that the tables fit into 80 columns
HINT = "name a dataset whose validation text all shall read: --data FOLDER"
Points = list[tuple[int, float]]  # (step, loss in nats per token)


def split_of(info: dict[str, Any]) -> dict[str, Any]:
    """Of a dataset's `info`: the text, its cleaning, and how it was split; whatever the tokenizer."""
    return {name: info["made_from"][name] for name in ("source", "clean", "val_fraction", "seed")}


@dataclass(frozen=True)
class Trained:
    """One finished model: its folder, and its run where there is one."""

    model: Path
    run: RunFolder | None

    @cached_property
    def info(self) -> dict[str, Any]:
        """What the model folder says of itself; {} for another program's."""
        return dict(read_json(self.model / SEAL).get("info", {})) if (self.model / SEAL).is_file() else {}

    @cached_property
    def settings(self) -> Layer:
        """Every setting of the run, {} where nobody knows."""
        return self.run.settings if self.run else dict(self.info.get("run", {}))

    @property
    def split(self) -> dict[str, Any] | None:
        """What decided which text it learned from and which was kept back; None where nobody knows."""
        return split_of(self.info["data"]) if "data" in self.info else None

    @property
    def best_step(self) -> int | None:
        """The step whose weights the model has."""
        step = self.info.get("evaluations", {}).get("step")
        return None if step is None else int(step)

    @cached_property
    def history(self) -> "History | None":
        """How the training went, None for a model without its run."""
        return History.of(self.run) if self.run else None

    def characters_per_token(self, split: str) -> float | None:
        """Of the text that it learned from (train) or was measured on (val); None where nobody knows."""
        counts = self.info.get("data", {}).get("splits", {}).get(split)
        return counts["characters"] / counts["tokens"] if counts and counts["tokens"] else None

    def dataset(self, name: str) -> Dataset:
        """The dataset that it learned from. Errors: `UserError` where it isn't known or isn't there any more."""
        known = self.settings.get("data", {}).get("folder")
        if known is None:
            raise UserError(f"nobody knows which dataset '{name}' learned from", hint=HINT)
        home = self.run.path if self.run else self.model.parent
        if not is_dataset(home / known):
            raise UserError(f"the dataset of '{name}' is not at '{home / known}' any more", hint=HINT)
        return dataset_of_run(home, self.settings)


@dataclass(frozen=True)
class History:
    """A training as metrics.jsonl tells it; `tokens` and `seconds` are those of the training steps alone."""

    train: Points
    validation: Points
    steps: int
    tokens: int
    seconds: float

    @classmethod
    def of(cls, run: RunFolder) -> "History | None":
        """None for a run without a step. A long run records only some of its steps: those between are like them."""
        train: Points = []
        validation: Points = []
        tokens = done = speed = 0
        for record in run.records():
            if record["kind"] == "step":
                train.append((record["step"], record["loss"]))
                tokens += record["tokens"] * (record["step"] - done)
                done, speed = record["step"], record["tokens_per_second"]
            elif record["kind"] == "evaluation":
                validation.append((record["step"], record["validation_loss"]))
        return cls(train, validation, done, tokens, tokens / speed if speed else 0.0) if train else None


@dataclass(frozen=True)
class Side:
    """One of the things compared, under a short name: a single model, or those of one recipe with several seeds."""

    name: str
    path: Path
    trained: list[Trained]

    @property
    def first(self) -> Trained:
        """The model that stands for all where they are alike."""
        return self.trained[0]

    @property
    def settings(self) -> Layer:
        """Its settings; those of several seeds without the seed."""
        settings = {section: dict(keys) for section, keys in self.first.settings.items()}
        if len(self.trained) > 1:
            settings.get("training", {}).pop("seed", None)
        return settings


def open_sides(paths: Sequence[Path]) -> list[Side]:
    """Find what is to be compared. Errors: `UserError` for fewer than two, one named twice, or one without a model."""
    if len(paths) < 2:
        raise UserError(f"{len(paths) or 'no'} run named, but two or more are needed", hint="hornbook compare RUN RUN")
    names = short_names(paths)
    sides = [Side(name, path, _trained(path)) for name, path in zip(names, paths, strict=True)]
    seen: dict[tuple[Path, ...], str] = {}
    for side in sides:
        models = tuple(trained.model.resolve() for trained in side.trained)
        if models in seen:
            raise UserError(f"'{seen[models]}' and '{side.path}' are the same model", hint="name two different ones")
        seen[models] = str(side.path)
    return sides


def _trained(path: Path) -> list[Trained]:
    folders = [folder for folder in sorted(path.glob("seed-*"), key=_seed_of) if (folder / "run.toml").is_file()]
    if folders and not (path / "run.toml").is_file():
        return [_one(folder) for folder in folders]
    return [_one(path)]


def _seed_of(folder: Path) -> tuple[int, str]:
    number = folder.name.removeprefix("seed-")
    return (int(number) if number.isdigit() else -1), number


def _one(path: Path) -> Trained:
    model = find_model_folder(path)
    home = model.parent
    return Trained(model, RunFolder(home) if model.name == "model" and (home / "run.toml").is_file() else None)


def short_names(paths: Sequence[Path]) -> list[str]:
    """What to call each: runs/a and runs/b/model -> 'a', 'b'; the whole path, cut in front, where that isn't unique."""
    homes = [Path(os.path.normpath(path)) for path in paths]
    homes = [home.parent if home.name == "model" and home.parent.name else home for home in homes]
    names = [home.resolve().name for home in homes]
    if len(set(names)) < len(names):
        names = [str(path) for path in homes]
    shown = [name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :] for name in names]
    return shown if len(set(shown)) == len(shown) else [str(path) for path in paths]
