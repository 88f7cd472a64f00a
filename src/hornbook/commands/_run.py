"""Carrying a run to its end: train, keep the best weights as a model folder, draw the curves, say what came out."""

import re
from pathlib import Path

from hornbook.batches.prepare import Dataset
from hornbook.commands._parts import opening
from hornbook.commands._progress import run_progress
from hornbook.commands._recipe import Recipe, resolved
from hornbook.commands.base import print_json, talk
from hornbook.pictures.loss_curves import loss_curves
from hornbook.training.checkpoint import folder_of, load_weights
from hornbook.training.loop import Loop
from hornbook.weights.model_folder import save_model_folder


def go_on(recipe: Recipe, dataset: Dataset, loop: Loop, json: bool) -> None:
    """Train from where the loop stands to the end, save the model folder, and say what came out."""
    model = loop.parts.model
    talk(
        f"{model.num_parameters():,} parameters, {len(dataset.train):,} training tokens, {loop.training.steps:,} steps"
    )
    with run_progress(loop.training.steps, loop.done) as progress:
        best = loop.run(progress.report)
    folder = finish(recipe, dataset, loop)
    result = {"run": str(loop.folder.path), "model": str(folder), "step": best.step, "validation_loss": best.loss,
              "tokens_per_second": round(loop.speed.tokens_per_second)}  # fmt: skip
    if json:
        print_json(result)
        return
    print(f"validation loss {best.loss:.4f} at step {best.step}, {result['tokens_per_second']:,} tokens/s")
    print(f"model    {folder}")
    print(f"picture  {loop.folder.pictures / 'loss.png'}")
    print(f"next     {generate_command(folder, dataset)}")


def finish(recipe: Recipe, dataset: Dataset, loop: Loop, baseline: float | None = None) -> Path:
    """Save the best weights as the run's model folder and draw its curves; returns the model folder.

    A model folder of the same run is replaced: resuming a finished run writes the same again.
    `baseline` is another model's validation loss, drawn as a line.
    """
    run, best = loop.folder, loop.best
    assert best is not None
    load_weights(folder_of(run.checkpoints, best.step), loop.parts.model)
    evaluations = {"validation_loss": best.loss, "step": best.step}
    info = {"data": dataset.info, "run": resolved(recipe, dataset, run.path), "evaluations": evaluations}
    save_model_folder(run.model, loop.parts.model, dataset.tokenizer, info, replace=True)
    train = [(record["step"], record["loss"]) for record in run.records("step")]
    validation = [(record["step"], record["validation_loss"]) for record in run.records("evaluation")]
    tokens = recipe.training.batch_size * loop.parts.model.config.context_length
    loss_curves(train, run.pictures / "loss", validation=validation, bigram_loss=baseline, tokens_per_step=tokens)
    return run.model


def generate_command(folder: Path, dataset: Dataset) -> str:
    """A command to try: generate from a few words of the validation text, without what a shell would read."""
    words = re.findall(r"[^\W_]+", opening(dataset, 24))
    return f'hornbook generate {folder} "{" ".join(words[:3])}"'
