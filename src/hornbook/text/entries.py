"""Entries of a JSON list or a jsonl file: named fields, and where each stands, so that every mistake can be named."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hornbook.errors import UserError
from hornbook.files import read_json
from hornbook.text.encoding import detect_encoding
from hornbook.text.records import json_object, lines

JSONL = (".jsonl", ".ndjson")
BETWEEN_ENTRIES = "[], \r\n\t"


class Entry(NamedTuple):
    """The fields of one entry, and its place for messages: ("'a.jsonl' line 3", {"instruction": ...})."""

    place: str
    fields: dict[str, Any]

    def text(self, name: str, default: str | None = None) -> str:
        """The field `name`, which must be text; `default`, if there is one, where it is absent.

        Errors: `UserError` with the place where it is absent or no text.
        """
        if default is not None and name not in self.fields:
            return default
        value = self.value(name)
        if not isinstance(value, str):
            raise UserError(f"{self.place}: the field '{name}' is not text but {value!r:.60}")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UserError(f"{self.place}: half a character (a lone surrogate) in '{name}'") from None
        return value

    def filled(self, name: str) -> str:
        """The field `name`, which must be text with something in it. Errors: as `text`, and for a blank one."""
        text = self.text(name)
        if not text.strip():
            raise UserError(f"{self.place}: the field '{name}' is empty", hint="mend or delete the entry")
        return text

    def value(self, name: str) -> Any:
        """The field `name` of any type. Errors: `UserError` with the place and the fields where it is absent."""
        if name not in self.fields:
            raise UserError(f"{self.place} has no field '{name}'", choices=self.fields)
        return self.fields[name]


def read_entries(path: Path) -> Iterator[Entry]:
    """The objects of a .json file (one list) or a .jsonl file (one a line, blank lines passed over).

    Errors: `UserError` for another kind of file or one without entries, and with its place for each thing that isn't
    an object.
    """
    empty = True
    for entry in _entries(Path(path)):
        empty = False
        yield entry
    if empty:
        raise UserError(f"'{path}' has no entries")


def entries_of_one_format(path: Path, format_of: Callable[[Entry], str]) -> Iterator[tuple[str, Entry]]:
    """Each entry with its format, which the first one decides. Errors: `UserError` with the place of one in another."""
    wanted = None
    for entry in read_entries(path):
        form = format_of(entry)
        wanted = wanted or form
        if form != wanted:
            raise UserError(
                f"{entry.place} is in the format '{form}', but the file began with '{wanted}'",
                hint="put each format into a file of its own",
            )
        yield form, entry


def _entries(path: Path) -> Iterator[Entry]:
    if path.suffix.lower() in JSONL:
        for number, (line, _, _) in enumerate(lines(path, detect_encoding(path)), 1):
            if line.strip():
                yield Entry(f"'{path}' line {number}", json_object(line, path, number))
        return
    if path.suffix.lower() != ".json":
        raise UserError(f"can't read entries from '{path}'", choices=[".json", *JSONL])
    entries = read_json(path)
    if not isinstance(entries, list):
        raise UserError(
            f"'{path}' is not a list of entries", hint="write [{...}, {...}], or one object a line in .jsonl"
        )
    for number, (fields, begins) in enumerate(zip(entries, _lines_of(path), strict=True), 1):
        place = f"'{path}' line {begins} entry {number}"
        if not isinstance(fields, dict):
            raise UserError(f"{place} is not a JSON object but {fields!r:.60}")
        yield Entry(place, fields)


def _lines_of(path: Path) -> Iterator[int]:
    """The line on which each entry of a valid JSON list begins; the list as a whole keeps no places."""
    text = path.read_text(encoding="utf-8")
    decoder, place, line, counted = json.JSONDecoder(), 0, 1, 0
    while place < len(text):
        if text[place] in BETWEEN_ENTRIES:
            place += 1
            continue
        line, counted = line + text.count("\n", counted, place), place
        yield line
        _, place = decoder.raw_decode(text, place)
