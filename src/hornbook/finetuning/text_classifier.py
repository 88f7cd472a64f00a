"""A finished classifier with its tokenizer and the names of its classes: texts in, classes out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from hornbook.errors import UserError
from hornbook.finetuning.classification import Classifier, probabilities
from hornbook.finetuning.rows import padding_id
from hornbook.tokenizers.base import Tokenizer


class Found(NamedTuple):
    """The class of a text and its probability."""

    label: str
    probability: float


class TextClassifier:
    """What `hornbook.load_classifier(folder)` returns. `before` are ids that the model wants before every text.

    >>> classifier = hornbook.load_classifier("runs/spam/model")
    >>> classifier.classify(["Win a prize now"])
    [Found(label='spam', probability=0.98)]
    """

    def __init__(
        self,
        classifier: Classifier,
        tokenizer: Tokenizer,
        classes: Sequence[str],
        max_length: int,
        info: dict[str, Any] | None = None,
        before: Sequence[int] = (),
    ) -> None:
        self.classifier, self.tokenizer, self.before = classifier, tokenizer, list(before)
        self.classes, self.max_length, self.info = tuple(classes), max_length, info or {}

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """What is read of each text, at full length."""
        return [self.before + ids for ids in self.tokenizer.encode_batch(texts)]

    def probabilities(self, texts: Sequence[str]) -> Tensor:
        """The probability of every class, in the order of `classes`: N texts -> (N, K).

        Of a longer text the first `max_length` tokens are read. Errors: `UserError` for a text without letters or signs.
        """
        if not all(text.strip() for text in texts):
            raise UserError("an empty text can't be classified")
        pad_id = padding_id(self.tokenizer)
        return probabilities(self.classifier, self.tokens(texts), pad_id, self.max_length)

    def classify(self, texts: Sequence[str]) -> list[Found]:
        """The likeliest class of each text. Errors: as `probabilities`."""
        return self.likeliest(self.probabilities(texts))

    def likeliest(self, probabilities: Tensor) -> list[Found]:
        """The likeliest class of each row of (N, K)."""
        best = probabilities.max(dim=-1)
        return [
            Found(self.classes[number], probability)
            for number, probability in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ]
