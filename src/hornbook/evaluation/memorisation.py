"""What a model knows by heart: passages of its training text that it writes on word for word.

Carlini et al. 2023, "Quantifying memorization across neural language models": text is extractable with K tokens of
context where greedy writing after the K tokens before it gives exactly this text.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from hornbook.batches.dataset import Dataset
from hornbook.batches.text_index import index_of
from hornbook.errors import UserError
from hornbook.evaluation._intervals import wilson
from hornbook.evaluation._passages import Passages, Sizes, agreeing
from hornbook.evaluation._resampling import resampled_mean
from hornbook.evaluation.base import Evaluation, Findings
from hornbook.generation.generate import LanguageModel
from hornbook.tokenizers.base import Tokenizer, tokenizer_hash

PARTS = {"train": "training text", "held_out": "held-out text"}
SHOWN = 3


@dataclass(frozen=True)
class Memorisation(Evaluation):
    """The share of `count` passages whose second half the model writes greedily after the first, word for word.

    Beside it the same share of held-out text, which no model can know by heart: what of the agreement is only that
    the text is easy to guess. Held-out passages that stand in the training text too are left out. A passage has 50
    tokens and 50 more, fewer where the context or the documents are shorter.
    """

    description: ClassVar[str] = "passages of the training text that it writes on word for word"
    count: int = 200
    sizes: Sizes = field(default_factory=Sizes)

    def reason_to_skip(self, language_model: LanguageModel, dataset: Dataset | None) -> str | None:
        """There is no dataset, or nothing that fits into the context."""
        if dataset is None:
            return "no dataset; name the one that it was trained on with --data"
        try:
            self.draw(language_model, dataset)
        except UserError as error:
            return str(error)
        return None

    def draw(self, language_model: LanguageModel, dataset: Dataset) -> Passages:
        """The passages. Errors: `UserError` where the dataset was made with another tokenizer, or all is too short."""
        if tokenizer_hash(language_model.tokenizer) != tokenizer_hash(dataset.tokenizer):
            raise UserError(
                f"the dataset '{dataset.folder}' was made with another tokenizer than the model's",
                hint="name the dataset that the model was trained on",
            )
        return Passages.draw(language_model, dataset, self.count, self.sizes)

    def run(self, language_model: LanguageModel, dataset: Dataset | None) -> Findings:
        """The shares with Wilson's intervals, and passages that the model knows. Errors: `UserError`, see `draw`."""
        assert dataset, "memorisation needs a dataset"
        passages = self.draw(language_model, dataset).without_known(index_of(dataset))
        prefix = passages.sizes.prefix
        agreed = {part: agreeing(language_model, getattr(passages, part), prefix) for part in PARTS}
        return findings_of(passages, agreed, language_model.tokenizer)


def findings_of(passages: Passages, agreed: dict[str, np.ndarray], tokenizer: Tokenizer) -> Findings:
    """The numbers, from how many tokens of each passage agreed (N,), for 'train' and 'held_out'."""
    sizes, numbers, intervals = passages.sizes, dict[str, float](), dict[str, tuple[float, float]]()
    for part, name in PARTS.items():
        if len(agreed[part]) == 0:
            continue
        share = wilson(int((agreed[part] == sizes.length).sum()), len(agreed[part]))
        numbers[f"word for word, {name} (share)"] = share.value
        intervals[f"word for word, {name} (share)"] = share.low, share.high
    for part, name in PARTS.items():
        if len(agreed[part]) == 0:
            continue
        counts = agreed[part].astype(float)
        numbers[f"tokens before it departs, {name} (mean)"] = float(counts.mean())
        if interval := resampled_mean(counts, np.ones(len(counts)), independent=True):
            intervals[f"tokens before it departs, {name} (mean)"] = interval.low, interval.high
    numbers |= {f"passages, {name}": len(agreed[part]) for part, name in PARTS.items()}
    known = passages.train[agreed["train"] == sizes.length][:SHOWN]
    examples = [
        {"prompt": tokenizer.decode(row[: sizes.prefix]), "written on": tokenizer.decode(row[sizes.prefix :])}
        for row in known.tolist()
    ]
    return Findings(numbers, examples, intervals, _notes(passages))


def _notes(passages: Passages) -> list[str]:
    notes = [f"after {passages.sizes.prefix} tokens of a passage, the {passages.sizes.length} that follow, greedily"]
    if passages.left_out:
        notes.append(f"held-out passages left out, as they stand in the training text too: {passages.left_out}")
    if len(passages.held_out) == 0:
        notes.append("no held-out passages to compare with, so easy text can't be told from text known by heart")
    return notes
