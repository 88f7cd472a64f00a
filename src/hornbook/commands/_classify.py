"""Texts or a file through a classifier. A file is read, classified and written in portions, and appears whole or not."""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from json import dumps
from pathlib import Path
from typing import TypeVar

from hornbook.commands.base import print_json, talk
from hornbook.errors import UserError
from hornbook.files import new_file
from hornbook.finetuning.text_classifier import Found, TextClassifier
from hornbook.text.encoding import detect_encoding
from hornbook.text.entries import JSONL, Entry
from hornbook.text.records import json_object, lines
from hornbook.text.tables import ENDINGS, open_table

PORTION = 256  # rows in memory at a time
ADDED = ("predicted_label", "predicted_probability")
SHOWN = 50  # characters of a text

Item = TypeVar("Item")


def classify_texts(classifier: TextClassifier, texts: Sequence[str], json: bool) -> None:
    """Print a line for each text: class, probability, text; or all probabilities as JSON."""
    probabilities = classifier.probabilities(texts)
    found = classifier.likeliest(probabilities)
    if json:
        rows = [
            {"text": text, "label": one.label, "probability": one.probability,
             "probabilities": dict(zip(classifier.classes, row, strict=True))}
            for text, one, row in zip(texts, found, probabilities.tolist(), strict=True)
        ]  # fmt: skip
        print_json({"texts": rows})
        return
    width = max(len(one.label) for one in found)
    for text, one in zip(texts, found, strict=True):
        line = " ".join(text.split())
        shown = line[: SHOWN - 3] + "..." if len(line) > SHOWN else line
        print(f"{one.label:{width}}  {one.probability:6.1%}  {shown}")


def check_files(source: Path, out: Path) -> None:
    """Errors: `UserError` for a file that isn't there or is of another kind, and where something stands at `out`."""
    kinds = (*ENDINGS, *JSONL)
    if not source.is_file():
        raise UserError(f"no such file '{source}'")
    if source.suffix.lower() not in kinds:
        raise UserError(f"can't classify the rows of '{source}'", choices=kinds)
    if out.suffix.lower() != source.suffix.lower():
        raise UserError(f"'{out}' is written as '{source}' is", hint=f"let its name end in {source.suffix}")
    if out.exists():
        raise UserError(f"'{out}' already exists", hint="choose another --out")


def classify_file(classifier: TextClassifier, source: Path, column: str, out: Path, json: bool) -> None:
    """Write the rows of `source` with two more columns to `out`, in UTF-8.

    Errors: `UserError` with the line for an empty text or a malformed row; nothing is written then.
    """
    begun, counts = time.perf_counter(), Counter[str]()
    is_table = source.suffix.lower() in ENDINGS
    pieces = _table(classifier, source, column, counts) if is_table else _objects(classifier, source, column, counts)
    with new_file(out) as beside, open(beside, "w", encoding="utf-8", newline="") as file:
        for piece in pieces:
            file.write(piece)
    seconds, texts = time.perf_counter() - begun, counts.total()
    if json:
        print_json({"out": str(out), "texts": texts, "counts": dict(counts), "seconds": round(seconds, 3)})
        return
    print(f"{texts:,} texts: " + ", ".join(f"{label} {count:,}" for label, count in counts.most_common()))
    talk(f"{texts / seconds:,.0f} texts/s, written to {out}")


def _table(classifier: TextClassifier, source: Path, column: str, counts: Counter[str]) -> Iterator[str]:
    """The lines of a table with two more columns."""
    table = open_table(source, [column])
    place = table.place(column)
    if table.header is not None:
        _require_free(source, table.header)
        yield table.line([*table.header, *ADDED])
    for portion in _portions(table.rows()):
        texts = [Entry(f"'{source}' line {line}", {column: fields[place]}).filled(column) for line, fields in portion]
        for (_, fields), one in zip(portion, _ask(classifier, texts, counts), strict=True):
            yield table.line([*fields, one.label, _number(one)])


def _objects(classifier: TextClassifier, source: Path, column: str, counts: Counter[str]) -> Iterator[str]:
    """The lines of a jsonl file; what stood there stays as it was written, to the letter."""
    numbered = enumerate((line for line, _, _ in lines(source, detect_encoding(source))), 1)
    filled = ((number, line.strip()) for number, line in numbered if line.strip())
    for portion in _portions(filled):
        entries = [Entry(f"'{source}' line {number}", json_object(line, source, number)) for number, line in portion]
        for entry in entries:
            _require_free(source, entry.fields)
        texts = [entry.filled(column) for entry in entries]
        for (_, line), one in zip(portion, _ask(classifier, texts, counts), strict=True):
            yield f'{line[:-1].rstrip()}, "{ADDED[0]}": {dumps(one.label)}, "{ADDED[1]}": {_number(one)}}}\n'


def _portions(items: Iterable[Item]) -> Iterator[list[Item]]:
    """[PORTION items], [PORTION items], ..."""
    waiting = iter(items)
    while portion := list(islice(waiting, PORTION)):
        yield portion


def _require_free(source: Path, columns: Collection[str]) -> None:
    taken = next((name for name in ADDED if name in columns), None)
    if taken:
        raise UserError(f"'{source}' has a column '{taken}' already", hint="rename it")


def _ask(classifier: TextClassifier, texts: Sequence[str], counts: Counter[str]) -> list[Found]:
    found = classifier.classify(texts)
    counts.update(one.label for one in found)
    return found


def _number(found: Found) -> str:
    return f"{found.probability:.6f}"
