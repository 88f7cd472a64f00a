"""Texts of any size to measure with: the speeches of tiny-shakespeare in ever new orders."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from side_by_side import Absent

SPEECHES = 8  # in a document: about a thousand characters


def speeches() -> list[str]:
    """The speeches of tiny-shakespeare. Errors: `Absent` where it wasn't fetched."""
    from hornbook.corpora.base import open_corpus
    from hornbook.errors import UserError

    try:
        documents = open_corpus("tiny-shakespeare").documents()
        return "".join(document.text for document in documents).split("\n\n")
    except UserError as error:
        raise Absent(str(error)) from None


def texts(megabytes: float, seed: int = 0) -> Iterator[str]:
    """Texts of about a megabyte: all speeches, in another order each time."""
    draw, parts = random.Random(seed), speeches()
    size = 0
    while size < megabytes * 1e6:
        draw.shuffle(parts)
        text = "\n\n".join(parts) + "\n\n"
        yield text[: int(megabytes * 1e6) - size]
        size += len(text)


def documents(megabytes: float, seed: int = 0) -> Iterator[str]:
    """The same in documents of SPEECHES speeches."""
    for text in texts(megabytes, seed):
        parts = text.split("\n\n")
        yield from ("\n\n".join(parts[start : start + SPEECHES]) for start in range(0, len(parts), SPEECHES))


def write(path: Path, megabytes: float, form: str) -> None:
    """A file of one long text (txt), or of a document a line (jsonl)."""
    with open(path, "w", encoding="utf-8") as file:
        if form == "txt":
            file.writelines(texts(megabytes))
        else:
            file.writelines(json.dumps({"text": text}) + "\n" for text in documents(megabytes))
