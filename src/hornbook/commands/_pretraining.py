"""Pretraining as a job: a recipe and its dataset, from first weights to a model folder."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

from hornbook.batches.prepare import Dataset
from hornbook.commands._job import Job
from hornbook.commands._parts import build_parts, dataset_of_run, open_data, opening
from hornbook.commands._recipe import Recipe, check_recipe, resolved
from hornbook.commands._recipe_model import settled
from hornbook.config import Layer
from hornbook.models.base import Model
from hornbook.pictures.loss_curves import loss_curves
from hornbook.sharded import is_sharded
from hornbook.training.checkpoint import folder_of, load_weights
from hornbook.training.distributed import World
from hornbook.training.hardware import heap_here
from hornbook.training.loop import Loop
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training
from hornbook.weights.model_folder import save_model_folder


@dataclass(frozen=True)
class Pretraining(Job):
    """A model's first training, on the text of a dataset."""

    recipe: Recipe
    dataset: Dataset
    training: Training
    schedule: Schedule

    @classmethod
    def new(cls, layer: Layer, data: Path | None, out: Path, world: World, bf16_unit: bool = False) -> Self:
        """The first of several processes prepares the dataset, where that has to be done; the others open it."""
        checked = check_recipe(layer)
        recipe = replace(checked, training=checked.training.shared_by(world.size))
        dataset = open_data(recipe, data if world.is_first else data or recipe.folder or out / "data", out)
        recipe = settled(recipe, dataset.tokenizer.vocab_size, bf16_unit)
        return cls(recipe, dataset, recipe.training, recipe.schedule)

    @classmethod
    def of_run(cls, run: Path, settings: Layer) -> Self:
        """With the dataset that the run began with."""
        recipe = check_recipe(settings, run)
        return cls(recipe, dataset_of_run(run, settings), recipe.training, recipe.schedule)

    @staticmethod
    def check(layer: Layer) -> Training:
        """As a recipe."""
        return check_recipe(layer).training

    def settings(self, run: Path) -> Layer:
        """Defaults included, and where the dataset lies."""
        return resolved(self.recipe, self.dataset, run)

    def build(self, device: str, world: World) -> Parts:
        """With weights drawn by the seed."""
        return build_parts(self.recipe, self.dataset, device, world)

    def about(self, parts: Parts) -> str:
        """The sizes of the model and its text."""
        begun = f" of '{self.recipe.base.path}'" if self.recipe.base else ""
        return (
            f"{language_model(parts).num_parameters():,} parameters{begun}, {len(self.dataset.train):,} training tokens"
        )

    def finish(self, loop: Loop) -> tuple[dict[str, Any], list[str]]:
        """The model folder, the curves, and what to do next."""
        folder = finish(self.recipe, self.dataset, loop)
        lines = [f"picture  {loop.folder.pictures / 'loss.png'}", f"next     {generate_command(folder, self.dataset)}"]
        return {}, lines

    def evaluation_steps(self, loop: Loop) -> float:
        """By their tokens."""
        tokens = self.training.batch_size * language_model(loop.parts).config.context_length
        return len(self.dataset.val) * self.training.evaluate_fraction / tokens

    def predicted_peak(self, loop: Loop, process: int) -> int:
        """By the model's shapes alone; it is computed when the run is over, where it holds up nothing."""
        from hornbook.training.plan import Job as Planned
        from hornbook.training.plan import memory_of

        gpu = loop.parts.device.type == "cuda"
        planned = Planned(
            model_class=self.recipe.model_class,
            config=language_model(loop.parts).config,
            optimizer=self.recipe.optimizer,
            training=self.training,
            devices=loop.world.size,
            gpu=gpu,
            heap=1.0 if gpu else heap_here(),
        )
        return memory_of(planned, process).peak


def language_model(parts: Parts) -> Model:
    """The model of a pretraining."""
    return cast(Model, parts.model)


def finish(recipe: Recipe, dataset: Dataset, loop: Loop, baseline: float | None = None) -> Path:
    """Save the best weights as the run's model folder and draw its curves; returns the model folder.

    A model folder of the same run is replaced: resuming a finished run writes the same again.
    `baseline` is another model's validation loss, drawn as a line.
    """
    run, best = loop.folder, loop.best
    assert best is not None
    model = language_model(loop.parts)
    if is_sharded(model):  # the others have gone: this process needs a model of its own, from the checkpoint's parts
        model = recipe.model_class(model.config)
    load_weights(folder_of(run.checkpoints, best.step), model)
    evaluations = {"validation_loss": best.loss, "step": best.step}
    info = {"data": dataset.info, "run": resolved(recipe, dataset, run.path), "evaluations": evaluations}
    save_model_folder(run.model, model, dataset.tokenizer, info, replace=True)
    draw_curves(loop, recipe.training.batch_size * model.config.context_length, baseline)
    return run.model


def draw_curves(loop: Loop, tokens_per_step: int | None = None, baseline: float | None = None) -> None:
    """The picture of a run's losses."""
    run = loop.folder
    train = [(record["step"], record["loss"]) for record in run.records("step")]
    validation = [(record["step"], record["validation_loss"]) for record in run.records("evaluation")]
    loss_curves(
        train, run.pictures / "loss", validation=validation, bigram_loss=baseline, tokens_per_step=tokens_per_step
    )


def generate_command(folder: Path, dataset: Dataset) -> str:
    """A command to try: generate from a few words of the validation text, without what a shell would read."""
    words = re.findall(r"[^\W_]+", opening(dataset, 24))
    return f'hornbook generate {folder} "{" ".join(words[:3])}"'
