"""Tables: what csv writes is read, mistakes are named with their line, and what is written reads back the same."""

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.text.tables import Table, open_table

ROWS = [["Ok, lar\nhéy", "ham"], ['win "now"', "spam"], ["a\tb; c", "x y"], ["1\r\n2", "ham"]]
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)


def written(path: Path, rows: list[list[str]], delimiter: str) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def rows_of(table: Table) -> list[list[str]]:
    return [fields for _, fields in table.rows()]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("b.csv", ";"), ("c.csv", "\t"), ("d.tsv", "\t")])
def test_what_csv_writes_is_read(tmp_path: Path, name: str, delimiter: str) -> None:
    path = written(tmp_path / name, [["body", "kind"], *ROWS], delimiter)
    table = open_table(path, ["kind"])
    assert (table.delimiter, table.header, table.place("kind")) == (delimiter, ("body", "kind"), 1)
    assert rows_of(table) == ROWS
    assert [line for line, _ in table.rows()] == [2, 4, 5, 6]


def test_columns_by_number_mean_no_header(tmp_path: Path) -> None:
    table = open_table(written(tmp_path / "a.csv", ROWS, ";"), ["2", "1"])
    assert (table.header, table.delimiter, table.place("2")) == (None, ";", 1)
    assert rows_of(table) == ROWS


def test_quotes_that_do_not_pair_are_letters_in_a_tsv_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('kind\tbody\nham\t"hey" you\n\nspam\tsay "no\r\n', newline="")
    table = open_table(path, ["kind", "body"])
    assert not table.quoted
    assert list(table.rows()) == [(2, ["ham", '"hey" you']), (4, ["spam", 'say "no'])]
    with pytest.raises(UserError, match="can't stand in a table without quotes"):
        table.line(["a\tb"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1, max_size=5), st.sampled_from(",;\t"))
def test_what_is_written_reads_back(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], sign: str) -> None:
    path = tmp_path_factory.mktemp("t") / "a.csv"
    path.write_text(sign.join(["one", "two"]) + "\n")
    table = open_table(path, ["one", "two"])
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write("".join(map(table.line, [["one", "two"], *rows])))
    assert rows_of(open_table(path, ["one", "two"])) == rows


@pytest.mark.parametrize(
    ("name", "data", "columns", "message"),
    [
        ("a.csv", "text,label\na,x\n", ["txt"], r"no column 'txt' \(choices: text, label\); hint: did you mean 'text'"),
        ("a.csv", "a,b\n", ["3"], "has no column 3: its first row has 2"),
        ("a.csv", "a,b\n", ["0"], "has no column 0"),
        ("a.csv", "", ["text"], "is empty"),
        ("a.txt", "text\n", ["text"], r"is no table \(choices: .csv, .tsv\)"),
        ("a.csv", 'text,label\na,x\n"b,y\n', ["text"], "line 3 is not csv"),
        ("a.csv", "text,label\na,x\nb\n", ["text"], r"line 3 has no column 'label' \(1 columns\)"),
        ("a.csv", "a,x\nb,y,z\n", ["1"], "line 2 has 3 columns, the first row 2; hint: a text that holds ','"),
        ("a.tsv", 'text\tlabel\na\tx\n"b" c\ty\tz\n', ["text"], "line 3 has 3 columns, the first row 2"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, name: str, data: str, columns: list[str], message: str
) -> None:
    (tmp_path / name).write_text(data)
    with pytest.raises(UserError, match=message):
        rows_of(open_table(tmp_path / name, columns))
