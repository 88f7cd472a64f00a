"""Carrying a run to its end: train, keep the best weights as a model folder, draw the curves, say what came out."""

import re
from pathlib import Path

from hornbook.batches.prepare import Dataset
from hornbook.commands._parts import opening
from hornbook.commands._progress import run_progress
from hornbook.commands._recipe import Recipe, resolved
from hornbook.commands._report import RunReport
from hornbook.commands.base import print_json, talk
from hornbook.pictures.loss_curves import loss_curves
from hornbook.sharded import is_sharded
from hornbook.training.checkpoint import folder_of, load_weights
from hornbook.training.loop import Loop
from hornbook.weights.model_folder import save_model_folder


def go_on(recipe: Recipe, dataset: Dataset, loop: Loop, json: bool) -> None:
    """Train from where the loop stands to the end, save the model folder, and say what came out; one process does that."""
    model, begun, steps = loop.parts.model, loop.done, loop.steps
    talk(f"{model.num_parameters():,} parameters, {len(dataset.train):,} training tokens, {steps:,} steps")
    report = RunReport(loop)
    with run_progress(steps, begun, silent=not loop.world.is_first) as progress:
        best = loop.run(report.watching(progress.report))
    if not loop.world.is_first:
        return
    folder = finish(recipe, dataset, loop)
    report.write(recipe, len(dataset.val))
    speed = round(loop.speed.tokens_per_second) if loop.done > begun else None
    if json:
        print_json({"run": str(loop.folder.path), "model": str(folder), "step": best.step, "validation_loss": best.loss,
                    "last_step": loop.done, "last_validation_loss": last_loss(loop), "tokens_per_second": speed})  # fmt: skip
        return
    print(f"finished already: {outcome(loop)}" if speed is None else f"{outcome(loop)}, {speed:,} tokens/s")
    print(f"model    {folder}")
    print(f"picture  {loop.folder.pictures / 'loss.png'}")
    print(f"next     {generate_command(folder, dataset)}")


def outcome(loop: Loop) -> str:
    """The best validation loss of a finished run and its step; the last one's too where another was the best."""
    assert loop.best is not None
    best, done, steps = loop.best, loop.done, loop.steps
    line = f"validation loss {best.loss:.4f} at step {best.step:,}"
    if best.step == done:
        return line
    last = f"step {done:,}" if done == steps else f"step {done:,} of {steps:,}"
    why = "" if done == steps else ": it stopped for want of progress"
    return f"{line} (the last, {last}, had {last_loss(loop):.4f}{why})"


def last_loss(loop: Loop) -> float:
    """The validation loss after the last step, which is always evaluated."""
    *_, record = loop.folder.records("evaluation")
    return float(record["validation_loss"])


def finish(recipe: Recipe, dataset: Dataset, loop: Loop, baseline: float | None = None) -> Path:
    """Save the best weights as the run's model folder and draw its curves; returns the model folder.

    A model folder of the same run is replaced: resuming a finished run writes the same again.
    `baseline` is another model's validation loss, drawn as a line.
    """
    run, best = loop.folder, loop.best
    assert best is not None
    model = loop.parts.model
    if is_sharded(model):  # the others have gone: this process needs a model of its own, from the checkpoint's parts
        model = recipe.model_class(model.config)
    load_weights(folder_of(run.checkpoints, best.step), model)
    evaluations = {"validation_loss": best.loss, "step": best.step}
    info = {"data": dataset.info, "run": resolved(recipe, dataset, run.path), "evaluations": evaluations}
    save_model_folder(run.model, model, dataset.tokenizer, info, replace=True)
    train = [(record["step"], record["loss"]) for record in run.records("step")]
    validation = [(record["step"], record["validation_loss"]) for record in run.records("evaluation")]
    tokens = recipe.training.batch_size * model.config.context_length
    loss_curves(train, run.pictures / "loss", validation=validation, bigram_loss=baseline, tokens_per_step=tokens)
    return run.model


def generate_command(folder: Path, dataset: Dataset) -> str:
    """A command to try: generate from a few words of the validation text, without what a shell would read."""
    words = re.findall(r"[^\W_]+", opening(dataset, 24))
    return f'hornbook generate {folder} "{" ".join(words[:3])}"'
