"""What every evaluation is: one measurement of a finished model, as numbers and a few examples to look at."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from hornbook.batches.dataset import Dataset
from hornbook.generation.generate import LanguageModel


@dataclass(frozen=True)
class Findings:
    """What an evaluation found: `numbers`, name (and unit) -> value, and `examples`, rows of column -> text."""

    numbers: dict[str, float]
    examples: list[dict[str, str]] = field(default_factory=list)


class Evaluation(ABC):
    """A measurement on the shelf, made with its defaults: `Perplexity().run(language_model, dataset)`."""

    SHELF = True
    description: ClassVar[str]

    def reason_to_skip(self, language_model: LanguageModel, dataset: Dataset | None) -> str | None:
        """Why this model can't be measured so, or None where it can."""
        return None

    @abstractmethod
    def run(self, language_model: LanguageModel, dataset: Dataset | None) -> Findings:
        """Measure. Deterministic: the same model and data give the same numbers. The model is left as it was."""
