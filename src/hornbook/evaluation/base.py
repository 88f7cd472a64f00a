"""What every evaluation is: one measurement of a finished model, as numbers with intervals, and examples to look at."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hornbook.batches.dataset import Dataset
from hornbook.generation.generate import LanguageModel


@dataclass(frozen=True)
class Findings:
    """What an evaluation found: `numbers`, name (and unit) -> value, and `examples`, rows of column -> text.

    `intervals`, name -> (low, high), hold the truth 95 times of 100; a number without one is exact or can't have one.
    `notes` are sentences on the data that a reader should know, `items` every question with what became of it.
    """

    numbers: dict[str, float]
    examples: list[dict[str, str]] = field(default_factory=list)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)


class Evaluation(ABC):
    """A measurement on the shelf, made with its defaults: `Perplexity().run(language_model, dataset)`.

    What it asks are its fields: `MultipleChoice(questions).run(language_model, None)`.
    """

    SHELF = True
    description: ClassVar[str]

    def reason_to_skip(self, language_model: LanguageModel, dataset: Dataset | None) -> str | None:
        """Why this model can't be measured so, or None where it can."""
        return None

    @abstractmethod
    def run(self, language_model: LanguageModel, dataset: Dataset | None) -> Findings:
        """Measure. Deterministic: the same model and data give the same numbers. The model is left as it was."""
