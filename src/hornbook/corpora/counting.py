"""The smallest text with something to learn: rows of numbers in which two counts take turns."""

from collections.abc import Iterator
from typing import Any

from hornbook.corpora.base import Corpus
from hornbook.text.reading import Document

ROWS = 200


def row(start: int) -> list[int]:
    """Four numbers from `start`, each followed by the one four higher, and the next: 1 -> [1, 5, 2, 6, 3, 7, 4, 8, 9]."""
    pairs = [number for first in range(start, start + 4) for number in (first, first + 4)]
    return [*pairs, start + 8]


class Counting(Corpus):
    """One document a row. What follows is certain from the second number on, so a model's loss falls nearly to 0 there.

    The notebook's demonstration pair is the first row: input 1 5 2 6 3 7 4 8, target 5 2 6 3 7 4 8 9.
    """

    name = "counting"
    description = "rows of numbers in which two counts take turns, made here; for a first look"
    licence = "CC0 1.0"

    def documents(self) -> Iterator[Document]:
        """'1 5 2 6 3 7 4 8 9', '2 6 3 7 4 8 5 9 10', ..."""
        for start in range(1, ROWS + 1):
            text = " ".join(map(str, row(start)))
            yield Document(text, f"counting/{start}", 0, len(text))

    def fingerprint(self) -> dict[str, Any]:
        """The rows follow from their number."""
        return {"corpus": self.name, "rows": ROWS, "first": row(1)}
