"""From cleaned documents to pieces that can be encoded one by one: set aside on disk, split, and cut where it is safe.

A large document arrives in pieces of about a megabyte (`Document.continues`), so that no text has to fit into memory.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hornbook.randomness import key
from hornbook.text.reading import Document
from hornbook.tokenizers.base import SAFE_CUT

TO_JSON = json.JSONEncoder().encode


@dataclass(frozen=True, slots=True)
class Piece:
    """A document, or a part of one, of one split ('train' or 'val'); `ends`: the document is over behind it."""

    split: str
    document: Document
    ends: bool = False


class Spool:
    """Cleaned documents, set aside on disk so that they can be read several times without cleaning them again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.num_documents = 0
        self.num_characters = 0

    def fill(self, documents: Iterable[Document]) -> None:
        """Write the documents down, each as a line of JSON (length and origin) and its text, and count them."""
        last = None
        with open(self.path, "wb") as file:
            for document in documents:
                self.num_documents += not goes_on(last, document)
                self.num_characters += len(document.text)
                data = document.text.encode("utf-8", "surrogatepass")
                head = [len(data), document.source, document.start, document.end, document.continues]
                file.write(TO_JSON(head).encode() + b"\n" + data)
                last = document

    def __iter__(self) -> Iterator[Document]:
        with open(self.path, "rb") as file:
            for line in file:
                num_bytes, source, start, end, continues = json.loads(line.decode())
                text = file.read(num_bytes).decode("utf-8", "surrogatepass")
                yield Document(text, source, start, end, continues)


class SplitText:
    """The whole text set aside, and which of it is for validation.

    The corpus' own split where it has one (`validation` is filled); else by position where there is one document,
    at int(characters * (1 - val_fraction)); else by document. `split_by` says which.
    """

    def __init__(self, documents: Spool, validation: Spool | None, val_fraction: float, seed: int) -> None:
        self.documents, self.validation, self.val_fraction, self.seed = documents, validation, val_fraction, seed
        self.num_documents = documents.num_documents + (validation.num_documents if validation else 0)
        self.num_characters = documents.num_characters + (validation.num_characters if validation else 0)
        self.split_by = "corpus" if validation else "position" if documents.num_documents == 1 else "document"

    def pieces(self) -> Iterator[Piece]:
        """All pieces with their split, in the order of the text; may be called again and again."""
        if self.validation is not None:
            both = (("train", self.documents), ("val", self.validation))
            return (Piece(split, document) for split, documents in both for document in documents)
        if self.split_by == "position":
            return split_by_position(self.documents, int(self.num_characters * (1 - self.val_fraction)))
        return split_by_document(self.documents, choose_validation(self.num_documents, self.val_fraction, self.seed))

    def remove(self) -> None:
        """Delete the files set aside."""
        for spool in (self.documents, self.validation):
            if spool is not None:
                spool.path.unlink()


def goes_on(before: Document | None, document: Document) -> bool:
    """Whether `document` is a further piece of the document that `before` belongs to."""
    return document.continues and before is not None and before.source == document.source


def split_by_position(documents: Iterable[Document], at: int) -> Iterator[Piece]:
    """The first `at` characters are for training, the rest for validation: 'abcd', 3 -> train 'abc', val 'd'."""
    for document in documents:
        left, right = cut(document, min(max(at, 0), len(document.text)))
        at -= len(document.text)
        yield from (Piece(name, part) for name, part in (("train", left), ("val", right)) if part.text)


def split_by_document(documents: Iterable[Document], chosen: np.ndarray) -> Iterator[Piece]:
    """Document i, with all its pieces, is for validation where `chosen[i]`."""
    index, last = -1, None
    for document in documents:
        index += not goes_on(last, document)
        last = document
        yield Piece("val" if chosen[index] else "train", document)


def choose_validation(num_documents: int, val_fraction: float, seed: int) -> np.ndarray:
    """Which of the documents are for validation, as booleans (num_documents,): about `val_fraction` of them.

    Where the fraction isn't 0, each split gets at least one (of two documents or more).
    """
    lots = np.fromiter((key(seed, "split", i) / 2.0**64 for i in range(num_documents)), float, num_documents)
    chosen = lots < val_fraction
    if val_fraction > 0 and not chosen.any():
        chosen[lots.argmin()] = True
    if chosen.all():
        chosen[lots.argmax()] = False
    return chosen


def rejoin(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same text, with every border inside a document moved back to a safe cut, and document ends marked.

    So each piece encodes alone to the very ids it has within the whole text. (Where a megabyte has no single space,
    as in Chinese, the border stays at the line end where it was.)
    """
    held: Piece | None = None
    for piece in pieces:
        if held is None:
            held = piece
        elif piece.split == held.split and goes_on(held.document, piece.document):
            whole, tail = cut(held.document, _last_safe_cut(held.document.text))
            yield Piece(held.split, whole)
            held = Piece(held.split, _join(tail, piece.document))
        else:
            yield Piece(held.split, held.document, ends=True)
            held = piece
    if held is not None:
        yield Piece(held.split, held.document, ends=True)


def cut(document: Document, at: int) -> tuple[Document, Document]:
    """Both parts of a document, cut before character `at`, each with its byte range.

    The ranges are exact where cleaning left the text as long as it was; else each part keeps the whole range.
    """
    left, right = document.text[:at], document.text[at:]
    left_bytes, right_bytes = (len(part.encode("utf-8", "surrogatepass")) for part in (left, right))
    middle_start = middle_end = document.start + left_bytes
    if left_bytes + right_bytes != document.end - document.start:
        middle_start, middle_end = document.start, document.end
    first = replace(document, text=left, end=middle_end)
    return first, replace(document, text=right, start=middle_start, continues=True)


def _join(tail: Document, piece: Document) -> Document:
    return replace(tail, text=tail.text + piece.text, end=piece.end) if tail.text else piece


def _last_safe_cut(text: str) -> int:
    """The place of the last safe cut, looked for from the end in growing steps; the length where there is none."""
    reach = 1 << 10
    while True:
        begin = max(0, len(text) - reach)
        found = [match.start() for match in SAFE_CUT.finditer(text, begin)]
        if found or begin == 0:
            return found[-1] if found else len(text)
        reach *= 16
