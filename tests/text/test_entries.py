"""Entries of JSON files: what is wrong is said with its place."""

import json
from pathlib import Path

import pytest

from hornbook.errors import UserError
from hornbook.text.entries import Entry, read_entries


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson"])
def test_a_list_and_lines_give_the_same_entries(tmp_path: Path, name: str) -> None:
    entries = [{"q": "é\n"}, {"q": "b", "n": 3}]
    text = json.dumps(entries) if name == "a.json" else "\n\n".join(json.dumps(entry) for entry in entries)
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = list(read_entries(tmp_path / name))
    assert [entry.fields for entry in found] == entries
    assert found[1].place.endswith("entry 2" if name == "a.json" else "line 3")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "x", r"can't read entries from '.*a.txt' \(choices: .json, .jsonl, .ndjson\)"),
        ("a.json", '{"a": 1}', "is not a list of entries; hint: write"),
        ("a.json", '[{"a": 1}, 7]', "entry 2 is not a JSON object but 7"),
        ("a.json", "[", "is not valid JSON"),
        ("a.jsonl", '{"a": 1}\n[1]\n', "line 2 is not a JSON object but a list"),
        ("a.jsonl", '{"a": 1}\n{\n', "line 2 is not JSON"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        list(read_entries(tmp_path / name))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"b": ""}, r"'x' line 3 has no field 'a' \(choices: b\)"),
        ({"a": 5}, "line 3: the field 'a' is not text but 5"),
        ({"a": None}, "not text but None"),
        ({"a": " \n"}, "line 3: the field 'a' is empty"),
        ({"a": "\ud800"}, "line 3: half a character"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Entry("'x' line 3", fields).filled("a")
