"""Records of jsonl and csv files: (text, start, end), one at a time, with the bytes of the record's line or lines."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hornbook.errors import UserError
from hornbook.text.encoding import Encoding, text_blocks

RECORD_CHARACTERS = 1 << 26  # a record must fit in memory: 64 Mi characters is more than any book
DELIMITERS = ",;\t"  # spreadsheets write ";" where "," is the decimal mark

Record = tuple[str, int, int]


def read_jsonl(path: Path, encoding: Encoding, text_field: str) -> Iterator[Record]:
    """The `text_field` of every line; empty lines are passed over.

    Errors: `UserError` with file and line where a line isn't a JSON object or has no such text.
    """
    for number, (line, start, end) in enumerate(lines(path, encoding), 1):
        if line.strip():
            yield _field(json_object(line, path, number), text_field, path, number), start, end


def read_csv(path: Path, encoding: Encoding, text_field: str) -> Iterator[Record]:
    """The column `text_field` of every row after the header; a quoted field may hold line ends.

    Errors: `UserError` with file and line for a missing column, a short row, a quote that never closes.
    """
    csv.field_size_limit(RECORD_CHARACTERS)
    position = [encoding.mark_bytes]  # the end of the last line that the csv reader has asked for
    source = _counted(lines(path, encoding), position)
    first = next(source, None)
    if first is None:
        return
    delimiter, column = _find_column(path, first, text_field)
    rows, start = csv.reader(source, delimiter=delimiter, strict=True), position[0]
    try:
        for row in rows:
            if row and column >= len(row):
                raise UserError(f"'{path}' line {rows.line_num + 1} has no column '{text_field}' ({len(row)} columns)")
            if row:
                yield row[column], start, position[0]
            start = position[0]
    except csv.Error as error:
        line = rows.line_num + 1  # the header is line 1
        raise UserError(f"'{path}' line {line} is not csv: {error}", hint="is a quote left open?") from None


def lines(path: Path, encoding: Encoding) -> Iterator[Record]:
    """The lines of a file with their line ends and their bytes. Errors: `UserError` for a line too long to hold."""
    buffer, start = "", encoding.mark_bytes
    for block in text_blocks(path, encoding):
        *whole, buffer = (buffer + block).split("\n")
        for line in whole:
            end = start + encoding.num_bytes(line) + encoding.num_bytes("\n")
            yield line + "\n", start, end
            start = end
        if len(buffer) > RECORD_CHARACTERS:
            raise UserError(f"'{path}' has a line longer than {RECORD_CHARACTERS:,} characters at byte {start:,}")
    if buffer:
        yield buffer, start, start + encoding.num_bytes(buffer)


def json_object(line: str, path: Path, number: int) -> dict[str, Any]:
    """The object that line `number` of a jsonl file holds. Errors: `UserError` with file and line where it isn't one."""
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"'{path}' line {number} is not JSON: {error}") from None
    if not isinstance(record, dict):
        hint = 'write {"text": "..."}'
        raise UserError(f"'{path}' line {number} is not a JSON object but {_kind(record)}", hint=hint)
    return record


def _field(record: dict[str, Any], text_field: str, path: Path, number: int) -> str:
    if text_field not in record:
        hint = "name the field that holds the text"
        raise UserError(f"'{path}' line {number} has no field '{text_field}'", choices=record, hint=hint)
    text = record[text_field]
    if not isinstance(text, str):
        raise UserError(f"'{path}' line {number}: the field '{text_field}' is not text but {_kind(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"'{path}' line {number}: half a character (a lone surrogate) in '{text_field}'") from None
    return text


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _counted(records: Iterable[Record], position: list[int]) -> Iterator[str]:
    for line, _, end in records:
        position[0] = end
        yield line


def _find_column(path: Path, first: str, text_field: str) -> tuple[str, int]:
    """The delimiter and the place of the column: 'id;text', 'text' -> (';', 1)."""
    for delimiter in DELIMITERS:
        header = next(csv.reader([first], delimiter=delimiter), [])
        if text_field in header:
            return delimiter, header.index(text_field)
    columns = next(csv.reader([first]), [])
    hint = "name the column that holds the text"
    raise UserError(f"'{path}' has no column '{text_field}'", choices=columns, hint=hint)
