"""The ledger of cleaning: what every rule changed or dropped, with examples. Nothing is dropped in silence.

Characters are counted as in a bag: removed are those that the text before holds more often than the text after, added
the other way round. Lower case removes an 'A' and adds an 'a'. So characters read - removed + added = characters kept.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hornbook.files import write_atomic

NUM_EXAMPLES = 3
AROUND = 24  # characters shown on each side of a change
RESYNC = 400  # how far to look for the place where the two texts agree again
LARGE = 4096  # characters from which numpy counts faster than a Counter


@dataclass(frozen=True, slots=True)
class Example:
    """One change: a window of the text before and after, and the document it stands in."""

    source: str
    before: str
    after: str


@dataclass(slots=True)
class Entry:
    """One rule's line in the ledger."""

    rule: str
    documents_seen: int = 0
    documents_changed: int = 0
    documents_dropped: int = 0
    characters_removed: int = 0
    characters_added: int = 0
    examples: list[Example] = field(default_factory=list)


class Ledger:
    """Counts by rule, in the order the rules were first entered.

    >>> ledger = Ledger("lower")
    >>> ledger.changed("lower", "April", "april", "a.txt")
    >>> ledger.rows()[0]["characters_removed"], ledger.rows()[0]["examples"][0]["after"]
    (1, 'april')
    """

    def __init__(self, recipe: str, rules: Iterable[str] = ()) -> None:
        self.recipe = recipe
        self.entries = {rule: Entry(rule) for rule in rules}
        self.notes: list[str] = []
        self.documents_read = 0
        self.characters_read = 0
        self._changed: set[str] = set()  # rules that have changed the document under way

    def read(self, text: str, *, continues: bool = False) -> None:
        """A document, or a further piece of the last one, comes in: every rule sees it."""
        self.characters_read += len(text)
        if not continues:
            self.documents_read += 1
            self._changed.clear()

    def seen(self, rule: str) -> None:
        """A rule looks at a document (for rules that don't see all that is read)."""
        self._entry(rule).documents_seen += 1

    def changed(self, rule: str, before: str, after: str, source: str) -> None:
        """A rule made `after` of `before` in the document under way."""
        entry = self._entry(rule)
        removed, added = count_changes(before, after)
        entry.characters_removed += removed
        entry.characters_added += added
        if rule not in self._changed:
            self._changed.add(rule)
            entry.documents_changed += 1
        if len(entry.examples) < NUM_EXAMPLES:
            windows = differences(before, after, NUM_EXAMPLES - len(entry.examples))
            entry.examples += [Example(source, *window) for window in windows]

    def dropped(self, rule: str, text: str, source: str) -> None:
        """A rule dropped a whole document, of which `text` was left."""
        entry = self._entry(rule)
        entry.documents_dropped += 1
        entry.characters_removed += len(text)
        if len(entry.examples) < NUM_EXAMPLES:
            entry.examples.append(Example(source, text[: 2 * AROUND], ""))

    def note(self, message: str) -> None:
        """Keep a line of talk with the counts, for example what reading guessed or skipped."""
        self.notes.append(message)

    def rows(self) -> list[dict[str, Any]]:
        """One plain dict a rule, examples included: ready for a table or for JSON."""
        return [self._row(entry) for entry in self.entries.values()]

    def summary(self) -> dict[str, Any]:
        """The totals and the counts of every rule without examples, for dataset.json and model cards."""
        rows = self.rows()
        dropped = sum(row["documents_dropped"] for row in rows)
        change = sum(row["characters_added"] - row["characters_removed"] for row in rows)
        return {
            "recipe": self.recipe,
            "documents_read": self.documents_read,
            "documents_kept": self.documents_read - dropped,
            "characters_read": self.characters_read,
            "characters_kept": self.characters_read + change,
            "rules": [{name: value for name, value in row.items() if name != "examples"} for row in rows],
            "notes": list(self.notes),
        }

    def write(self, path: Path) -> None:
        """Write JSONL: one rule a line, as in `rows`."""
        write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows()))

    def _entry(self, rule: str) -> Entry:
        return self.entries.setdefault(rule, Entry(rule))

    def _row(self, entry: Entry) -> dict[str, Any]:
        return {
            "rule": entry.rule,
            "documents_seen": entry.documents_seen or self.documents_read,
            "documents_changed": entry.documents_changed,
            "documents_dropped": entry.documents_dropped,
            "characters_removed": entry.characters_removed,
            "characters_added": entry.characters_added,
            "examples": [{"source": e.source, "before": e.before, "after": e.after} for e in entry.examples],
        }


def count_changes(before: str, after: str) -> tuple[int, int]:
    """Characters removed and added, as bags: 'April', 'april' -> (1, 1); 'a b', 'ab' -> (1, 0)."""
    if before.isascii() and after.isascii():
        old, new = (np.frombuffer(text.encode(), dtype=np.uint8) for text in (before, after))
        change = np.bincount(new, minlength=128) - np.bincount(old, minlength=128)
        added = int(np.maximum(change, 0).sum())
    elif max(len(before), len(after)) < LARGE:
        added = (Counter(after) - Counter(before)).total()
    else:
        old, new = (np.frombuffer(text.encode("utf-32-le"), dtype="<u4") for text in (before, after))
        size = 1 + max(int(old.max(initial=0)), int(new.max(initial=0)))
        change = np.bincount(new, minlength=size) - np.bincount(old, minlength=size)
        added = int(np.maximum(change, 0).sum())
    return added + len(before) - len(after), added


def differences(before: str, after: str, most: int) -> list[tuple[str, str]]:
    """Windows around the first few differences: 'the truth[4] although', 'the truth although', 1 -> [(those two)]."""
    windows: list[tuple[str, str]] = []
    i = j = 0
    while len(windows) < most:
        same = common_prefix(before[i:], after[j:])
        i, j = i + same, j + same
        if i == len(before) and j == len(after):
            break
        a, b = _agree_again(before, i, after, j)
        windows.append((_window(before, i, a), _window(after, j, b)))
        i, j = i + a + AROUND, j + b + AROUND  # the next example is one that this one doesn't show
        if before[i - AROUND : i] != after[j - AROUND : j] or i > len(before):
            break
    return windows


def common_prefix(one: str, other: str) -> int:
    """The length of the longest common beginning, by halving: 'abcd', 'abxd' -> 2."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _agree_again(before: str, i: int, after: str, j: int) -> tuple[int, int]:
    """How many characters to skip in both until `AROUND` characters agree; the smallest total skip wins."""
    for total in range(RESYNC):
        for a in range(total + 1):
            b = total - a
            if before[i + a : i + a + AROUND] == after[j + b : j + b + AROUND]:
                return a, b
    return RESYNC, RESYNC


def _window(text: str, place: int, length: int) -> str:
    return text[max(0, place - AROUND) : place + min(length, 2 * AROUND) + AROUND]
