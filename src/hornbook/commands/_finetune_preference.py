"""`hornbook finetune preference`: a model that answers already learns which answers are better."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hornbook.commands._preference_settings import PreferenceSettings, TooLong
from hornbook.config import Layer

if TYPE_CHECKING:
    from hornbook.commands._finetune_task import Task
    from hornbook.generation.generate import LanguageModel
    from hornbook.training.update import Training

SETTINGS = PreferenceSettings
FILES = ("template",)
DEFAULTS: Layer = {
    "finetune": {"epochs": 1.0},
    "optimizer": {"learning_rate": 5e-5, "weight_decay": 0.0},
    "schedule": {"warmup_steps": 10},
    "training": {"batch_size": 8},
}


def task(settings: PreferenceSettings, base: "LanguageModel", data: Path, training: "Training") -> "Task":
    """What the loop needs. Errors: `UserError` for whatever is wrong with the data or the template."""
    from hornbook.commands._preference_task import preference_task

    return preference_task(settings, base, data, training)


def preference(
    model: str,
    /,
    *settings: Annotated[str, Parameter(allow_leading_hyphen=True)],
    data: str,
    beta: float | None = None,
    label_smoothing: float | None = None,
    template: str | None = None,
    max_length: int | None = None,
    too_long: TooLong | None = None,
    epochs: float | None = None,
    out: Path | None = None,
    minutes: float | None = None,
    watch: bool = False,
    open: bool = False,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Show a model which answers are better (DPO): hornbook finetune preference runs/chat-tales --data pairs.jsonl

    The data are pairs of answers to one prompt: {"instruction", "input", "chosen", "rejected"}, {"prompt", "chosen",
    "rejected"}, or lists of messages as "chosen" and "rejected"; the first entry says which. Pairs that can teach nothing
    are left out, and said. A part is held out to choose the best weights by, and another is measured before and after.

    Parameters
    ----------
    model
        A model folder, a run folder with a finished model, or a hub's model: best one that hornbook finetune chat made.
    settings
        --section.key value, with the sections finetune, lora, optimizer, schedule, training.
    data
        A .json list or a .jsonl file, or the name of a fetched corpus (preferences).
    beta
        What leaving the base costs: larger stays nearer to it (default: 0.1).
    label_smoothing
        The share of pairs that are taken to be labelled the wrong way round (default: 0).
    template
        How a conversation is written: auto (the model's own, else alpaca), alpaca, chatml, phi3, plain, or a file of Jinja.
    max_length
        The most tokens of a prompt with an answer (default: the context).
    too_long
        What is done with longer ones: cut leaves out the oldest turns, drop the whole pair, refuse is an error.
    epochs
        How often each pair is learned from (default: 1).
    out
        The run folder to make (default: runs/preference-MODEL).
    minutes
        Be done in so many minutes.
    watch
        Serve a page for this machine with the curves of the run while it trains.
    open
        Open that page in a browser.
    device
        auto, cpu, cuda or mps.
    json
        Print the result as one JSON object.
    """
    from hornbook.commands._finetune import finetune_run

    keys = {
        "model": model,
        "data": data,
        "beta": beta,
        "label_smoothing": label_smoothing,
        "template": str(Path(template).absolute()) if template and Path(template).is_file() else template,
        "max_length": max_length,
        "too_long": too_long,
        "epochs": epochs,
    }
    finetune_run("preference", keys, settings, out, minutes=minutes, watch=watch, opened=open, device=device, json=json)
