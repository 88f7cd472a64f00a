"""Fine-tuning as a job: a model folder, a file of examples and the kind that joins them.

settings -> base model, data -> Task (of the kind) -> corrections of low rank, if any -> the one loop -> model folder
"""

import math
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Self, cast

from pydantic import Field, model_validator
from torch import nn

from hornbook.commands._base import Base
from hornbook.commands._finetune_data import find_data
from hornbook.commands._finetune_files import placed, same_file, with_files
from hornbook.commands._finetune_task import Kind, Task
from hornbook.commands._job import Job
from hornbook.commands._merge import keep_adapter
from hornbook.commands._pretraining import draw_curves
from hornbook.commands._recipe import place_of
from hornbook.commands._sections import build_both
from hornbook.config import Layer, Settings, build, merge
from hornbook.device import WeightPrecision, choose_device
from hornbook.discovery import find
from hornbook.errors import UserError, unknown
from hornbook.finetuning.classification import Classifier
from hornbook.finetuning.lora import add_lora, corrections, merge_lora, put_back
from hornbook.finetuning.trainable import parameter_table
from hornbook.generation.generate import LanguageModel
from hornbook.models._precision import narrow_base
from hornbook.models.base import Model
from hornbook.optimizers.base import OptimizerRecipe
from hornbook.randomness import torch_generator
from hornbook.tokenizers.base import Tokenizer
from hornbook.training.checkpoint import folder_of, load_weights
from hornbook.training.distributed import World
from hornbook.training.loop import Loop
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training

KINDS = ("classifier", "chat", "preference")
LOOKS = 8  # evaluations of a run, where nothing else was said


class Common(Settings):
    """What every fine-tuning is told; `model_hash` and `data_hash` are written into run.toml, `epochs` makes the steps."""

    kind: str
    model: str
    data: str
    model_hash: str | None = None
    data_hash: str | None = None
    epochs: float = Field(default=3.0, gt=0)


class Corrections(Settings):
    """Corrections of low rank; rank 0: none, the weights themselves train. `base`: the bits of what is corrected."""

    rank: int = Field(default=0, ge=0)
    alpha: float = Field(default=16.0, gt=0)
    layers: tuple[str, ...] = ("attention.qkv", "attention.output")
    base: WeightPrecision = "fp32"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.base != "fp32" and not self.rank:
            raise ValueError(f"base = '{self.base}' has too few bits to be trained itself: give lora.rank, too")
        return self


@dataclass(frozen=True)
class Checked:
    """All settings, typed."""

    kind: Kind
    common: Common
    own: Settings
    lora: Corrections
    optimizer: OptimizerRecipe
    schedule: Schedule
    training: Training
    steps_given: bool


@dataclass(frozen=True)
class Finetuning(Job):
    """A training that begins with a model folder."""

    checked: Checked
    begun_with: Base
    data: Path
    data_hash: str
    tokenizer: Tokenizer  # of the base
    base_info: dict[str, Any]  # and not the base itself, whose matrices would stay where fewer bits take their place
    task: Task
    size: int  # parameters, before corrections come to them
    training: Training
    schedule: Schedule

    @classmethod
    def new(cls, layer: Layer, data: Path | None, out: Path, world: World, bf16_unit: bool = False) -> Self:
        """Paths in the settings are those of the folder that the command is given in."""
        if data is not None:
            layer = merge(layer, {"finetune": {"data": str(data)}})
        return cls._of(check(layer), Path(), world, bf16_unit)

    @classmethod
    def of_run(cls, run: Path, settings: Layer) -> Self:
        """With the model and the data that the run began with."""
        return cls._of(check(settings), run, None)

    @classmethod
    def _of(cls, checked: Checked, home: Path, world: World | None, bf16_unit: bool = False) -> Self:
        common, training = checked.common, checked.training
        if training.sharded:
            raise UserError("training.sharded is for pretraining: a fine-tuning keeps its whole model in each process")
        begun_with, data = Base(home / common.model, common.model_hash), find_data(_at(home, common.data))
        data_hash = same_file(data, common.data_hash, "data")
        checked = replace(checked, own=with_files(checked.own, checked.kind.FILES, home))
        _ = begun_with.found  # the model that the run began with, before it is opened
        base = _open(begun_with.folder)
        training = training.settled(base.model.num_parameters(), bf16_unit)
        task = checked.kind.task(checked.own, base, data, training)
        if not checked.steps_given:
            training = training.model_copy(update=_lengths(checked, task))
        if world:
            training = training.shared_by(world.size)
        size = sum(parameter.numel() for parameter in task.model.parameters())
        schedule = checked.schedule
        return cls(checked, begun_with, data, data_hash, base.tokenizer, base.info, task, size, training, schedule)

    @staticmethod
    def check(layer: Layer) -> Training:
        """All sections."""
        return check(layer).training

    def settings(self, run: Path) -> Layer:
        """Defaults included; where model and data lie, and their hashes: a run never goes on from others."""
        checked = self.checked
        common = checked.common.model_copy(
            update={
                "model": place_of(self.begun_with.folder, run),
                "model_hash": self.begun_with.found,
                "data": place_of(self.data, run),
                "data_hash": self.data_hash,
            }
        )
        optimizer = type(checked.optimizer).__module__.rpartition(".")[2]
        return {
            "finetune": common.model_dump() | placed(checked.own, checked.kind.FILES, run),
            "lora": checked.lora.model_dump(),
            "optimizer": {"kind": optimizer, **checked.optimizer.model_dump()},
            "schedule": self.schedule.model_dump(),
            "training": self.training.model_dump(),
        }

    def build(self, device: str, world: World) -> Parts:
        """The base's weights, with corrections that do nothing yet where these are asked for."""
        task, lora = self.task, self.checked.lora
        model = task.model.to(choose_device(device))
        if lora.rank:
            body = _body(model)
            narrow_base(body, lora.base)
            add_lora(body, lora.layers, lora.rank, lora.alpha, torch_generator(self.training.seed, "lora"))
        if task.prepare:
            task.prepare(model)
        optimizer = self.checked.optimizer.build(model.named_parameters())
        return Parts(model, optimizer, task.batches, task.loss, task.validation, task.sample)

    def about(self, parts: Parts) -> str:
        """How much there is of the model, how much of it trains, and of the data."""
        learning = sum(parameter.numel() for parameter in parts.model.parameters() if parameter.requires_grad)
        size = self.size + sum(down.numel() + up.numel() for down, up, _ in corrections(parts.model).values())
        trained = "all of them" if learning == size else f"{learning:,} of them ({learning / size:.1%})"
        return f"{size:,} parameters, {trained} to be trained, {self.task.about}"

    def trained(self, parts: Parts) -> list[str]:
        """A line for each part that trains, blocks together, where some of the model doesn't."""
        *rows, whole = parameter_table(parts.model)
        some = [row for row in rows if row.trained] if whole.trained < whole.all else []
        width = max((len(row.part) for row in some), default=0)
        return [f"  {row.part:<{width}}  {row.trained:>{len(f'{whole.trained:,}')},}" for row in some]

    def finish(self, loop: Loop) -> tuple[dict[str, Any], list[str]]:
        """The model folder with the best weights, the curves, and what the kind measures of it."""
        run, best, task = loop.folder, loop.best, self.task
        assert best is not None
        load_weights(folder_of(run.checkpoints, best.step), task.model)
        learned = corrections(task.model)
        if self.checked.lora.base != "fp32":
            self.begun_with.look_again()
            put_back(_body(task.model), task.grown(_open(self.begun_with.folder)))
        merge_lora(task.model)
        results, lines = task.report(run.path)
        evaluations = {"validation_loss": best.loss, "step": best.step, **results}
        info = {**self.base_info, "finetuned": self.settings(run.path), "evaluations": evaluations}
        task.save(run.model, info)
        if learned:
            lines += keep_adapter(run.path / "adapter", task.model, learned, self.begun_with.folder, run.model, info)
        draw_curves(loop)
        return results, [f"picture  {run.pictures / 'loss.png'}", *lines]

    def evaluation_steps(self, loop: Loop) -> float:
        """By their examples."""
        return self.task.held_out / self.training.batch_size


def check(layer: Layer) -> Checked:
    """Type and check all sections. Errors: `UserError` for the first setting that is unknown or not allowed."""
    name = layer["finetune"].get("kind")
    if name not in KINDS:
        raise unknown("kind of fine-tuning", str(name), KINDS)
    kind = cast(Kind, import_module(f"hornbook.commands._finetune_{name}"))
    layer = merge(kind.DEFAULTS, layer)
    common, own = build_both(Common, kind.SETTINGS, layer, "finetune")
    section = dict(layer.get("optimizer", {}))
    recipe: type[OptimizerRecipe] = find("optimizers", str(section.pop("kind", "adamw")))
    return Checked(
        kind=kind,
        common=common,
        own=own,
        lora=build(Corrections, layer.get("lora", {}), "lora"),
        optimizer=build(recipe, section, "optimizer"),
        schedule=build(Schedule, layer.get("schedule", {}), "schedule"),
        training=build(Training, layer.get("training", {}), "training"),
        steps_given="steps" in layer.get("training", {}),
    )


def _lengths(checked: Checked, task: Task) -> dict[str, int]:
    """How many steps the epochs are, and how often to look, where that wasn't said."""
    steps = max(1, math.ceil(checked.common.epochs * task.items / checked.training.batch_size))
    every = {} if "evaluate_every" in checked.training.model_fields_set else {"evaluate_every": -(-steps // LOOKS)}
    return {"steps": steps, **every}


def _body(model: nn.Module) -> Model:
    """What corrections are for: of a classifier the language model, since a head trains as a whole."""
    return cast(Model, model.model if isinstance(model, Classifier) else model)


def _open(folder: Path) -> LanguageModel:
    import hornbook

    return hornbook.load(folder)


def _at(home: Path, data: str) -> str:
    """A path in a run's settings counts from the run's folder; a corpus is called by its name."""
    return str(home / data) if (home / data).is_file() else data
