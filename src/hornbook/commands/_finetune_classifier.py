"""`hornbook finetune classifier`: a head on a finished model learns to tell classes of texts apart."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hornbook.commands._classifier_settings import Balance, ClassifierSettings, Pooling, Trained
from hornbook.config import Layer

if TYPE_CHECKING:
    from hornbook.commands._finetune_task import Task
    from hornbook.generation.generate import LanguageModel
    from hornbook.training.update import Training

SETTINGS = ClassifierSettings
FILES = ("validation", "test")
DEFAULTS: Layer = {
    "finetune": {"epochs": 8.0},
    "optimizer": {"learning_rate": 5e-4},
    "schedule": {"warmup_steps": 20},
    "training": {"batch_size": 16},
}


def task(settings: ClassifierSettings, base: "LanguageModel", data: Path, training: "Training") -> "Task":
    """What the loop needs. Errors: `UserError` for whatever is wrong with the data."""
    from hornbook.commands._classifier_task import classifier_task

    return classifier_task(settings, base, data, training)


def classifier(
    model: str,
    /,
    *settings: Annotated[str, Parameter(allow_leading_hyphen=True)],
    data: str,
    text: str | None = None,
    label: str | None = None,
    test: Path | None = None,
    balance: Balance | None = None,
    pooling: Pooling | None = None,
    trained: Trained | None = None,
    epochs: float | None = None,
    out: Path | None = None,
    minutes: float | None = None,
    watch: bool = False,
    open: bool = False,
    device: str = "auto",
    json: bool = False,
) -> None:
    """Make a classifier of a model: hornbook finetune classifier runs/tales --data letters.csv --text body --label kind

    The file is split by the seed into 70 % to learn from, 10 % to choose the best weights by and 20 % to test, the
    classes in each in their proportions, copies of a text in one part. The result is measured on the test part, beside
    the commonest class and a logistic regression on hand-made features. Then: hornbook classify RUN --text "..."

    Parameters
    ----------
    model
        A model folder, a run folder with a finished model, or a hub's model (owner/name).
    settings
        --section.key value, with the sections finetune, lora, optimizer, schedule, training.
    data
        A .csv, .tsv, .jsonl or .json file, or the name of a fetched corpus (sms-spam).
    text
        The column of the texts (default: text). By number, from 1, where the table has no header.
    label
        The column of the classes (default: label).
    test
        A file of its own to test with; its texts that are learned from too are counted and said.
    balance
        none; downsample: as many texts of each class as the rarest has; weights: each class counts alike.
    pooling
        What the head reads: last, the last token's vector (opens in transformers), or the mean of all vectors.
    trained
        head, last_block (and the final norm), or all. With --lora.rank 8: corrections of low rank, and the head.
    epochs
        How often each text is learned from (default: 8).
    out
        The run folder to make (default: runs/classifier-MODEL).
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

    keys = {"model": model, "data": data, "text": text, "label": label, "balance": balance, "pooling": pooling,
            "test": str(test.absolute()) if test else None, "trained": trained, "epochs": epochs}  # fmt: skip
    finetune_run("classifier", keys, settings, out, minutes=minutes, watch=watch, opened=open, device=device, json=json)
