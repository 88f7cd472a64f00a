"""Tables in files: the rows of a .csv or .tsv file with the lines they begin in, columns by name or number, rows written.

A column of a table with a header goes by its name there; columns by number, counted from 1, mean that there is no
header. In a .csv file a field may stand in quotes; in a .tsv file too, unless its quotes can't be read like that: then
they are letters, as in the SMS Spam Collection.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from hornbook.errors import UserError, nearest
from hornbook.text.encoding import Encoding, detect_encoding
from hornbook.text.records import DELIMITERS, RECORD_CHARACTERS, lines

ENDINGS = (".csv", ".tsv")
TAB = "\t"

Row = tuple[int, list[str]]  # the line on which it begins, its fields


@dataclass(frozen=True)
class Table:
    """How the bytes of a file are rows and fields. `header` is None where the first row is one like the others."""

    path: Path
    encoding: Encoding
    delimiter: str
    quoted: bool
    header: tuple[str, ...] | None

    def place(self, column: str) -> int:
        """The place of a column, by its name or its number. Errors: `UserError` with the columns that there are."""
        if self.header is not None and column in self.header:
            return self.header.index(column)
        if self.header is not None:
            raise _no_column(self, column, self.header)
        width = len(next(self.rows(), (0, []))[1])
        if not 1 <= int(column) <= width:
            raise UserError(f"'{self.path}' has no column {column}: its first row has {width}")
        return int(column) - 1

    def rows(self) -> Iterator[Row]:
        """Every row but the header, blank ones passed over.

        Errors: `UserError` with the line for a row with more or fewer fields than the first one, a quote that never
        closes.
        """
        every = _rows(self.path, self.encoding, self.delimiter, self.quoted)
        found = (row for row in every if row[1] not in ([], [""]))
        width = len(self.header) if self.header is not None else None
        for place, (line, fields) in enumerate(found):
            if place == 0 and self.header is not None:
                continue
            width = width or len(fields)
            if len(fields) != width:
                raise _odd_row(self, line, fields, width)
            yield line, fields

    def line(self, fields: Sequence[str]) -> str:
        """A row as this table writes it, with its line end. Errors: `UserError` for what it has no way to write."""
        if self.quoted:
            text = StringIO()
            csv.writer(text, delimiter=self.delimiter, lineterminator="\r\n").writerow(fields)  # quotes either of them
            return text.getvalue().removesuffix("\r\n") + "\n"
        if odd := next((field for field in fields if any(sign in field for sign in "\t\r\n")), None):
            raise UserError(f"{odd!r} can't stand in a table without quotes like '{self.path}'")
        return TAB.join(fields) + "\n"


def open_table(path: Path, columns: Sequence[str]) -> Table:
    """Find out how a table is written, from its name, its first row and the columns that are asked for.

    Errors: `UserError` for another kind of file, an empty one, and a column that isn't there.
    """
    path = Path(path)
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"'{path}' is no table", choices=ENDINGS)
    encoding = detect_encoding(path)
    numbered = all(column.isdecimal() for column in columns)
    delimiter = TAB if path.suffix.lower() == ".tsv" else _delimiter(path, encoding, columns, numbered)
    quoted = delimiter != TAB or path.suffix.lower() == ".csv" or _is_quoted(path, encoding)
    first = next(_rows(path, encoding, delimiter, quoted), None)
    if first is None:
        raise UserError(f"'{path}' is empty")
    table = Table(path, encoding, delimiter, quoted, None if numbered else tuple(first[1]))
    for column in columns:
        table.place(column)
    return table


def _rows(path: Path, encoding: Encoding, delimiter: str, quoted: bool) -> Iterator[Row]:
    """All rows as they stand."""
    source = (line for line, _, _ in lines(path, encoding))
    if not quoted:
        for number, line in enumerate(source, 1):
            yield number, line.rstrip("\r\n").split(delimiter)
        return
    csv.field_size_limit(RECORD_CHARACTERS)
    reader, begins = csv.reader(source, delimiter=delimiter, strict=True), 1
    try:
        for fields in reader:
            yield begins, fields
            begins = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"'{path}' line {reader.line_num} is not csv: {error}", hint="is a quote left open?") from None


def _is_quoted(path: Path, encoding: Encoding) -> bool:
    """Whether the quotes of a .tsv file can be read as those of csv, to its end."""
    try:
        for _ in _rows(path, encoding, TAB, quoted=True):
            pass
    except UserError:
        return False
    return True


def _delimiter(path: Path, encoding: Encoding, columns: Sequence[str], numbered: bool) -> str:
    """The one with which the first row has the columns; else the one with which it has the most fields."""
    headers = {delimiter: _first(path, encoding, delimiter) for delimiter in DELIMITERS}
    if not numbered:
        for delimiter, header in headers.items():
            if set(columns) <= set(header):
                return delimiter
    return max(DELIMITERS, key=lambda delimiter: len(headers[delimiter]))


def _first(path: Path, encoding: Encoding, delimiter: str) -> list[str]:
    """The fields of the first row, none where it can't be read with this delimiter."""
    try:
        return next(_rows(path, encoding, delimiter, quoted=True), (1, []))[1]
    except UserError:
        return []


def _no_column(table: Table, column: str, header: Sequence[str]) -> UserError:
    near = nearest(column, header)
    hint = f"did you mean '{near}'?" if near else "is there no header? then name the columns by number, from 1"
    if header[0].lstrip().startswith("{"):
        hint = "it looks like one JSON object a line: name it .jsonl"
    return UserError(f"'{table.path}' has no column '{column}'", choices=(f"{name:.40}" for name in header), hint=hint)


def _odd_row(table: Table, line: int, fields: Sequence[str], width: int) -> UserError:
    where = f"'{table.path}' line {line}"
    if len(fields) < width and table.header is not None:
        return UserError(f"{where} has no column '{table.header[len(fields)]}' ({len(fields)} columns)")
    hint = f"a text that holds '{table.delimiter}' stands in quotes" if len(fields) > width and table.quoted else None
    return UserError(f"{where} has {len(fields)} columns, the first row {width}", hint=hint)
