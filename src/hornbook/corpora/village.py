"""The built-in corpus: stories and songs of a small world whose truth is known, as many as are wanted, offline."""

from collections.abc import Iterator
from itertools import count
from typing import Any, Literal

from hornbook.corpora._generated import village_code
from hornbook.corpora.base import Corpus
from hornbook.text.reading import Document

CHARACTERS = 5_000_000
VALIDATION_SHARE = 0.1
STORIES_IN_TEN = (
    5  # of the documents, the others are songs: without them a small model doesn't learn to copy (see docs/log.md)
)


class Village(Corpus):
    """Stories of `hornbook.village`, about `characters` of them for training and a tenth of that for validation.

    The validation stories come from the village's own `val` part, which shares no story with `train`.
    """

    name = "village"
    description = "stories of a small village, made here; their questions have known answers"
    licence = "CC0 1.0"

    def __init__(self, characters: int = CHARACTERS, seed: int = 1) -> None:
        self.characters, self.seed = characters, seed

    def documents(self) -> Iterator[Document]:
        """One document a story with a few of its questions, `source` naming part and number: 'village/train/12'."""
        return self._told("train", self.characters)

    def validation_documents(self) -> Iterator[Document]:
        """The same from the `val` part, a tenth as many characters."""
        return self._told("val", int(self.characters * VALIDATION_SHARE))

    def fingerprint(self) -> dict[str, Any]:
        """The settings and the village's own source code, since that is what writes the text."""
        return {"corpus": self.name, "characters": self.characters, "seed": self.seed, "code": village_code()}

    def _told(self, part: Literal["train", "val", "test"], characters: int) -> Iterator[Document]:
        from hornbook.village.singing import song
        from hornbook.village.stories import document, story

        for number in count():
            if characters <= 0:
                return
            tell = story if number % 10 < STORIES_IN_TEN else song
            text = document(tell(self.seed, part, number))
            yield Document(text, f"village/{part}/{number}", 0, len(text.encode()))
            characters -= len(text)
