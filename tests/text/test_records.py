"""jsonl and csv: every malformed record is named by file and line; byte ranges are the record's own lines."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.text import records
from hornbook.text.reading import Document, read_documents

FEW = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def read(path: Path, data: str, text_field: str = "text", encoding: str = "utf-8") -> list[Document]:
    path.write_bytes(data.encode(encoding))
    return list(read_documents([path], text_field=text_field))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2 is not a JSON object but a list"),
        ('{"title": "x", "body": "y"}', r"line 2 has no field 'text' \(choices: title, body\)"),
        ('{"text": null}', "line 2: the field 'text' is not text but null"),
        ('{"text": 3}', "not text but a number"),
        ('{"text": "\\ud800"}', "a lone surrogate"),
        ("[" * 100_000, "line 2 is not JSON"),
    ],
)
def test_a_malformed_jsonl_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.jsonl", '{"text": "fine"}\n' + line + "\n")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("id,body\n1,x\n", r"has no column 'text' \(choices: id, body\)"),
        ("id,text\n1,x\n2\n", "line 3 has no column 'text'"),
        ('text\nfine\n"never closed\n', "is not csv"),
    ],
)
def test_a_malformed_csv_file_is_named(tmp_path: Path, data: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.csv", data)


def test_a_record_too_long_to_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORD_CHARACTERS", 1000)
    with pytest.raises(UserError, match="longer than 1,000 characters"):
        read(tmp_path / "a.jsonl", '{"text": "fine"}\n' + "x" * 2000)


def test_a_named_field_and_column(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", '{"body": "x"}\n\n{"body": "y"}', "body")[1].text == "y"
    assert [d.text for d in read(tmp_path / "a.csv", "id;body\n1;x, y\n2;z\n", "body")] == ["x, y", "z"]


@FEW
@given(texts=st.lists(st.text(), min_size=1), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_jsonl_comes_back_with_its_lines(tmp_path: Path, texts: list[str], encoding: str) -> None:
    path = tmp_path / "a.jsonl"
    documents = read(path, "".join(json.dumps({"text": text}) + "\n" for text in texts), encoding=encoding)
    assert [document.text for document in documents] == texts
    data = path.read_bytes()
    name = "utf-16-le" if encoding == "utf-16" else "utf-8"
    assert [json.loads(data[d.start : d.end].decode(name))["text"] for d in documents] == texts


@FEW
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r")), min_size=1))
def test_csv_comes_back_with_its_lines(tmp_path: Path, texts: list[str]) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([["id", "text"], *enumerate(texts)])
    documents = read(tmp_path / "a.csv", file.getvalue())
    assert [document.text for document in documents] == texts
    data = (tmp_path / "a.csv").read_bytes()
    for document in documents:
        (row,) = csv.reader(io.StringIO(data[document.start : document.end].decode(), newline=""))
        assert row[1] == document.text
