"""`hornbook finetune chat`: a finished model learns to answer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hornbook.commands._chat_settings import ChatSettings, TooLong
from hornbook.config import Layer

if TYPE_CHECKING:
    from hornbook.commands._finetune_task import Task
    from hornbook.generation.generate import LanguageModel
    from hornbook.training.update import Training

SETTINGS = ChatSettings
FILES = ("template",)
DEFAULTS: Layer = {
    "optimizer": {"learning_rate": 3e-4},
    "schedule": {"warmup_steps": 10},
    "training": {"batch_size": 16},
}


def task(settings: ChatSettings, base: "LanguageModel", data: Path, training: "Training") -> "Task":
    """What the loop needs. Errors: `UserError` for whatever is wrong with the data or the template."""
    from hornbook.commands._chat_task import chat_task

    return chat_task(settings, base, data, training)


def chat(
    model: str,
    /,
    *settings: Annotated[str, Parameter(allow_leading_hyphen=True)],
    data: str,
    template: str | None = None,
    new_tokens: bool | None = None,
    max_length: int | None = None,
    too_long: TooLong | None = None,
    train_prompt: bool | None = None,
    epochs: float | None = None,
    out: Path | None = None,
    minutes: float | None = None,
    watch: bool = False,
    open: bool = False,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Teach a model to answer: hornbook finetune chat runs/tales --data questions.jsonl, then hornbook chat RUN

    The data are conversations: {"instruction", "input", "output"}, {"messages": [{"role", "content"}, ...]} or
    {"conversations": [{"from", "value"}, ...]}; the first entry says which. Only answers and their ends are learned.
    hornbook show examples DATA --model MODEL shows what is. A part is held out to choose the best weights by, and
    another to be asked at the end.

    Parameters
    ----------
    model
        A model folder, a run folder with a finished model, or a hub's model (owner/name).
    settings
        --section.key value, with the sections finetune, lora, optimizer, schedule, training; --finetune.packing false
        pads each example to the longest of its batch instead of putting several in one row.
    data
        A .json list or a .jsonl file, or the name of a fetched corpus (instructions).
    template
        How a conversation is written: auto (the model's own, else alpaca), alpaca, chatml, phi3, plain, or a file of Jinja.
    new_tokens
        Add the template's marks to the vocabulary; without this they are ordinary text where they aren't in it.
    max_length
        The most tokens of an example (default: the context).
    too_long
        What is done with longer ones: cut leaves out the oldest turns, drop the whole example, refuse is an error.
    train_prompt
        Learn the questions too.
    epochs
        How often each example is learned from (default: 3).
    out
        The run folder to make (default: runs/chat-MODEL).
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
        "template": str(Path(template).absolute()) if template and Path(template).is_file() else template,
        "new_tokens": new_tokens,
        "max_length": max_length,
        "too_long": too_long,
        "train_prompt": train_prompt,
        "epochs": epochs,
    }
    finetune_run("chat", keys, settings, out, minutes=minutes, watch=watch, opened=open, device=device, json=json)
