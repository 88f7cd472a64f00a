"""Texts with a label: read, counted, balanced, and split into parts that have the classes in the same proportions."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np

from hornbook.errors import UserError, unknown
from hornbook.randomness import key, permute
from hornbook.text.entries import JSONL, Entry, read_entries
from hornbook.text.tables import ENDINGS, open_table

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and the class that a person gave it, and where it stands: Labelled("Ok lar...", "ham", "'a.csv' line 2")."""

    text: str
    label: str
    place: str = field(default="", compare=False)


def read_labelled(path: Path, text_field: str = "text", label_field: str = "label") -> list[Labelled]:
    """The labelled texts of a .csv or .tsv file, a .jsonl file or a .json list, in file order.

    Columns of a table without a header are named by number, from 1. Numbers and true/false as JSON labels are taken as
    they are written. Errors: `UserError` with the line for a missing field, an empty text or label, a malformed
    record; and for a file in which there are not two classes.
    """
    found = read_more_labelled(path, text_field, label_field)
    if len({item.label for item in found}) < 2:
        only = f"only '{found[0].label}'" if found else "none"
        raise UserError(f"a classifier needs two classes or more; the column '{label_field}' of '{path}' has {only}")
    return found


def read_more_labelled(
    path: Path, text_field: str, label_field: str, classes: Sequence[str] | None = None
) -> list[Labelled]:
    """As `read_labelled`, of any number of classes; where `classes` are given, all labels are among them.

    Errors: `UserError`, with the line for a label that is not.
    """
    path = Path(path)
    if path.suffix.lower() not in (*ENDINGS, *JSONL, ".json"):
        raise UserError(f"can't read labelled texts from '{path}'", choices=[*ENDINGS, *JSONL, ".json"])
    is_table = path.suffix.lower() in ENDINGS
    entries = _table_entries(path, text_field, label_field) if is_table else read_entries(path)
    found = [Labelled(entry.filled(text_field), _label(entry, label_field), entry.place) for entry in entries]
    for item in found:
        if classes is not None and item.label not in classes:
            raise unknown(f"label at {item.place}:", item.label, classes)
    return found


def class_names(labels: Sequence[str]) -> list[str]:
    """The classes in their order, which gives each its number: ["spam", "ham", "ham"] -> ["ham", "spam"]."""
    return sorted(set(labels))


def class_numbers(labels: Sequence[str], classes: Sequence[str]) -> list[int]:
    """The place of each label in `classes`. Errors: `UserError` for a label that training has not seen."""
    places = {name: place for place, name in enumerate(classes)}
    for label in labels:
        if label not in places:
            raise unknown("label", label, classes)
    return [places[label] for label in labels]


def balanced(labels: Sequence[str], seed: int) -> list[int]:
    """Places, ascending, of as many of every class as the rarest has, drawn by `seed`.

    Without it a classifier that always says "ham" is right on 87 of 100 messages and learns nothing else for long.
    """
    shuffled = _shuffled_classes(labels, seed, "balance")
    fewest = min(map(len, shuffled))
    return sorted(place for places in shuffled for place in places[:fewest])


def stratified_order(labels: Sequence[str], seed: int) -> list[int]:
    """All places in an order drawn by `seed` in which every stretch has the classes in their proportions.

    Each class is shuffled and then spread evenly over the whole; so `split` of this order is stratified.
    """
    spread = [
        ((rank + 0.5) / len(places), number, place)
        for number, places in enumerate(_shuffled_classes(labels, seed, "split"))
        for rank, place in enumerate(places)
    ]
    return [place for _, _, place in sorted(spread)]


def split(items: Sequence[Item], fractions: Sequence[float]) -> list[list[Item]]:
    """Cut in order: the first int(fraction * n) each, then the rest: 1,494 items, (0.7, 0.1) -> 1,045, 149 and 300.

    Errors: `UserError` for fractions outside 0..1 or a part that stays empty.
    """
    if not all(0 < fraction < 1 for fraction in fractions) or sum(fractions) >= 1:
        raise UserError(f"the fractions {tuple(fractions)} must be above 0 and leave a rest")
    sizes = [int(fraction * len(items)) for fraction in fractions]
    borders = [0, *np.cumsum(sizes).tolist(), len(items)]
    parts = [list(items[start:end]) for start, end in pairwise(borders)]
    if not all(parts):
        raise UserError(f"{len(items)} examples are too few to split: parts of {[len(part) for part in parts]}")
    return parts


def split_together(items: Sequence[Labelled], fractions: Sequence[float], seed: int) -> list[list[int]]:
    """The places of each part, as `split` of a `stratified_order` has them, but copies of a text share one part.

    A copy in the test part would be asked after it was learned. Copies are found as `copies` finds them; where a group
    of them no longer fits into a part, the next ones go before it. Errors: as `split`.
    """
    groups = copies([item.text for item in items])
    order = stratified_order([items[group[0]].label for group in groups], seed)
    waiting = [groups[number] for number in order]
    parts = []
    for size in map(len, split(range(len(items)), fractions)):
        part: list[int] = []
        left = []
        for group in waiting:
            part.extend(group) if len(part) + len(group) <= size else left.append(group)
        parts.append(part)
        waiting = left
    parts[-1].extend(place for group in waiting for place in group)
    return parts


def copies(texts: Sequence[str]) -> list[list[int]]:
    """The places of each text and of its copies: letters of either case, and any blanks, are alike.

    ["Hi  you", "no", "hi you"] -> [[0, 2], [1]].
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        groups[" ".join(text.casefold().split())].append(place)
    return list(groups.values())


def _shuffled_classes(labels: Sequence[str], seed: int, purpose: str) -> list[list[int]]:
    """For each class, in the order of `class_names`, its places in an order drawn by `seed`."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        places[label].append(place)
    shuffled = []
    for number, name in enumerate(class_names(labels)):
        own = np.array(places[name])
        shuffled.append(own[permute(np.arange(len(own)), len(own), key(seed, purpose, number))].tolist())
    return shuffled


def _label(entry: Entry, name: str) -> str:
    value = entry.value(name)
    if isinstance(value, bool | int):
        return str(value)
    return entry.filled(name)


def _table_entries(path: Path, text_field: str, label_field: str) -> Iterator[Entry]:
    """The rows of a table as entries of the two columns."""
    table = open_table(path, (text_field, label_field))
    text, label = table.place(text_field), table.place(label_field)
    for line, fields in table.rows():
        yield Entry(f"'{path}' line {line}", {text_field: fields[text], label_field: fields[label]})
