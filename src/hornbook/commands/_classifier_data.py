"""The texts of a classifier in three parts: to learn from, to choose the best weights by, to test."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hornbook.commands._classifier_settings import ClassifierSettings
from hornbook.errors import UserError
from hornbook.finetuning.labelled import (
    Labelled,
    balanced,
    class_names,
    copies,
    read_labelled,
    read_more_labelled,
    split_together,
)


@dataclass(frozen=True)
class LabelledParts:
    """Three parts, the classes in order, and what is to be said of them."""

    train: list[Labelled]
    validation: list[Labelled]
    test: list[Labelled]
    classes: list[str]
    notes: list[str]
    leaked: int  # texts to validate or test whose copy is learned from


def labelled_parts(settings: ClassifierSettings, data: Path, seed: int) -> LabelledParts:
    """Read, balance and split. Copies of a text share a part; between files of their own they are counted and said.

    Errors: `UserError` with the line for whatever can't be read, and for a class that the training part has not.
    """
    everything = read_labelled(data, settings.text, settings.label)
    classes = class_names([item.label for item in everything])
    notes = [f"{len(everything):,} texts in {len(classes)} classes: {_counts(everything)}", *_conflicts(everything)]
    chosen = everything
    if settings.balance == "downsample":
        chosen = [everything[place] for place in balanced([item.label for item in everything], seed)]
        notes.append(f"balanced: {len(chosen) // len(classes):,} of each class are kept")
    own = {name: _own_file(settings, name, classes) for name in ("validation", "test")}
    train, validation, test = _split(settings, chosen, own, seed)
    missing = set(classes) - {item.label for item in train}
    if missing:
        raise UserError(f"no text of the class '{min(missing)}' is left to learn from", hint="give more texts of it")
    leaked, said = _copies(chosen, train, validation, test, separate=any(own.values()))
    return LabelledParts(train, validation, test, classes, [*notes, *said], leaked)


def _own_file(settings: ClassifierSettings, name: str, classes: Sequence[str]) -> list[Labelled]:
    path = getattr(settings, name)
    if path is None:
        return []
    if not Path(path).is_file():
        raise UserError(f"no such file '{path}'", hint=f"finetune.{name} is a file with the same columns")
    return read_more_labelled(Path(path), settings.text, settings.label, classes)


def _split(
    settings: ClassifierSettings, items: list[Labelled], own: dict[str, list[Labelled]], seed: int
) -> tuple[list[Labelled], list[Labelled], list[Labelled]]:
    """The parts that have no file of their own are cut from `items`."""
    first, second = settings.train_fraction, settings.validation_fraction
    if own["validation"] and own["test"]:
        return items, own["validation"], own["test"]
    if own["validation"]:
        fractions: tuple[float, ...] = (first,)
    elif own["test"]:
        fractions = (first / (first + second),)
    else:
        fractions = (first, second)
    cut = [[items[place] for place in part] for part in split_together(items, fractions, seed)]
    if own["validation"]:
        return cut[0], own["validation"], cut[1]
    return cut[0], cut[1], own["test"] or cut[2]


def _counts(items: Sequence[Labelled]) -> str:
    """'ham 4,827, spam 747'; of many classes the commonest ones."""
    counts = Counter(item.label for item in items).most_common()
    shown = ", ".join(f"{label:.20} {count:,}" for label, count in counts[:6])
    return shown + (f" and {len(counts) - 6} more" if len(counts) > 6 else "")


def _conflicts(items: Sequence[Labelled]) -> list[str]:
    """A line where copies of one text have two labels, with the first such place."""
    groups = [[items[place] for place in group] for group in copies([item.text for item in items])]
    odd = [group for group in groups if len({item.label for item in group}) > 1]
    if not odd:
        return []
    first = odd[0]
    other = next(item for item in first if item.label != first[0].label)
    return [
        f"{len(odd):,} texts have two labels: {first[0].place} says '{first[0].label}', {other.place} '{other.label}'"
    ]


def _copies(
    chosen: Sequence[Labelled],
    train: Sequence[Labelled],
    validation: Sequence[Labelled],
    test: Sequence[Labelled],
    separate: bool,
) -> tuple[int, list[str]]:
    """How many texts outside of the training part have a copy in it, and what is said of copies."""
    learned = len(train)
    groups = copies([item.text for item in (*train, *validation, *test)])
    leaked = [place for group in groups if group[0] < learned for place in group if place >= learned]
    if leaked:
        first = [*validation, *test][min(leaked) - learned]
        where = f"leakage: {len(leaked):,} texts to validate or test stand in the training part too, the first at "
        return len(leaked), [where + first.place]
    again = len(chosen) - len(copies([item.text for item in chosen]))
    kept = "" if separate else "; copies stay in one part"
    return 0, [f"{again:,} texts are copies of others (but for case and blanks){kept}"] if again else []
