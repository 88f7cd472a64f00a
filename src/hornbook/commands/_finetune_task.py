"""What a kind of fine-tuning gives to the one loop: batches, loss, which weights train, and what is made of the result."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from hornbook.config import Layer, Settings
from hornbook.generation.generate import LanguageModel
from hornbook.layers.loss import Batch, LossFunction
from hornbook.models.base import Model
from hornbook.training.update import Training

Findings = tuple[dict[str, Any], list[str]]  # numbers and other JSON values by name; lines for people


@dataclass(frozen=True)
class Task:
    """One fine-tuning, its data read and checked.

    `model` is what trains: the language model itself or a classifier around it, its weights on the CPU, frozen where
    they don't train. `items` and `held_out` count what is learned from and what the validation loss is of. `about` says
    it in words: "1,045 texts to learn from, 149 held out, 2 classes".

    `prepare` is called once before the first step with the model as it starts, on its device: for what depends on the
    base alone. After the last step the best weights are put into `model` and corrections added to their matrices; then
    `report(run folder)` measures, and `save(folder, info)` writes the model folder, replacing one that is there.
    `grown` makes of a base what `model` began with: the base itself, unless its vocabulary was made larger.
    """

    model: nn.Module
    batches: Callable[[int], Sequence[Batch]]
    loss: LossFunction
    validation: Callable[[], Iterator[Batch]]
    items: int
    held_out: int
    about: str
    save: Callable[[Path, dict[str, Any]], object]
    report: Callable[[Path], Findings]
    grown: Callable[[LanguageModel], Model]
    sample: Callable[[int], list[str]] | None = None
    prepare: Callable[[nn.Module], None] | None = None


class Kind(Protocol):
    """A kind of fine-tuning: a file beside this one, `_finetune_<kind>.py`."""

    SETTINGS: type[Settings]  # its own keys of the section [finetune]
    FILES: tuple[str, ...]  # those that name a file, or may; the hash of each stands in run.toml as <key>_hash
    DEFAULTS: Layer  # of optimizer, schedule and training, where they differ from those of a recipe; no steps

    @staticmethod
    def task(settings: Any, base: LanguageModel, data: Path, training: Training) -> Task:
        """Read the data and join what the loop needs. Errors: `UserError` for whatever is wrong with the data."""
