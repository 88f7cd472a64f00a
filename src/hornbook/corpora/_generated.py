"""Corpora of examples that are made here: as many lines of JSON as are wanted, the same ones on every machine."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from hornbook.corpora.base import Corpus, cache_folder
from hornbook.errors import UserError
from hornbook.files import write_atomic
from hornbook.text.reading import Document

VALIDATION_SHARE = 0.1


class GeneratedCorpus(Corpus):
    """Examples of the village. Line `index` of a part is a pure function of (seed, part, index)."""

    licence = "CC0 1.0"
    usual_count: ClassVar[int]

    def __init__(self, count: int | None = None, seed: int = 1) -> None:
        self.count, self.seed = self.usual_count if count is None else count, seed

    @abstractmethod
    def example(self, part: str, index: int) -> Mapping[str, Any]:
        """Line `index` of a part ('train', 'val' or 'test')."""

    @abstractmethod
    def text_of(self, example: Mapping[str, Any]) -> str:
        """The words of an example, where a corpus of plain text is wanted."""

    def lines(self, part: str = "train") -> Iterator[str]:
        """The JSON of each example, in order."""
        return (json.dumps(self.example(part, index), ensure_ascii=False) + "\n" for index in range(self.count))

    def write(self, path: Path, part: str = "train") -> Path:
        """Write the examples of a part, one a line. Errors: `UserError` for a number of them below 1."""
        if self.count < 1:
            raise UserError(f"count must be at least 1, not '{self.count}'")
        write_atomic(path, "".join(self.lines(part)))
        return path

    def cached(self) -> Path:
        """The file of the usual examples in the cache folder; made where it isn't there."""
        made_from = json.dumps(self.fingerprint(), sort_keys=True)
        path = cache_folder() / f"{self.name}-{hashlib.sha256(made_from.encode()).hexdigest()[:8]}.jsonl"
        return path if path.is_file() else self.write(path)

    def documents(self) -> Iterator[Document]:
        """One document an example."""
        return self._told("train", self.count)

    def validation_documents(self) -> Iterator[Document]:
        """A tenth as many from the `val` part."""
        return self._told("val", int(self.count * VALIDATION_SHARE))

    def fingerprint(self) -> dict[str, Any]:
        """The settings and the village's own source code, since that is what writes the examples."""
        return {"corpus": self.name, "count": self.count, "seed": self.seed, "code": village_code()}

    def _told(self, part: str, count: int) -> Iterator[Document]:
        for index in range(count):
            text = self.text_of(self.example(part, index))
            yield Document(text, f"{self.name}/{part}/{index}", 0, len(text.encode()))


class ConversationCorpus(GeneratedCorpus):
    """Its examples are `{"messages": [...]}`."""

    def text_of(self, example: Mapping[str, Any]) -> str:
        """What was said, one message after the other."""
        return "\n".join(message["content"] for message in example["messages"])


def village_code() -> str:
    """A fingerprint of the source code that tells stories."""
    import hornbook.village

    digest = hashlib.sha256()
    for file in sorted(Path(hornbook.village.__path__[0]).glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
