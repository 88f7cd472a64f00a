"""The ledger: counts that balance, windows that show the change, JSONL that reads back."""

import json
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hornbook.text.cleaning import Cleaner
from hornbook.text.ledger import AROUND, LARGE, Ledger, common_prefix, count_changes, differences
from hornbook.text.reading import Document


@given(st.text(), st.text(), st.booleans())
def test_changes_are_counted_as_bags(before: str, after: str, large: bool) -> None:
    more = "né" * LARGE if large else ""
    removed, added = count_changes(before + more, after + more)
    assert removed == (Counter(before) - Counter(after)).total()
    assert added == (Counter(after) - Counter(before)).total()


@given(st.text("ab"), st.text("ab"))
def test_the_common_prefix_is_the_longest(one: str, other: str) -> None:
    length = common_prefix(one, other)
    assert one[:length] == other[:length]
    assert one[length : length + 1] != other[length : length + 1] or length == len(one) == len(other)


def test_three_windows_from_one_long_document() -> None:
    before = "".join(
        f"a sentence of the text number {'abcdef'[i]} is here[{i}] and it goes on for a while. " for i in range(6)
    )
    after = "".join(c for c in before if c not in "[]0123456789")
    windows = differences(before, after, 3)
    assert len(windows) == 3
    assert windows[0] == (
        "he text number a is here[0] and it goes on for a wh",
        "he text number a is here and it goes on for a wh",
    )
    assert all(len(old) == len(new) + 3 for old, new in windows)


@given(st.text("ab ", max_size=90), st.text("ab ", max_size=90))
def test_every_window_is_cut_from_its_text(before: str, after: str) -> None:
    windows = differences(before, after, 3)
    assert bool(windows) == (before != after)
    assert all(old in before and new in after and old != new for old, new in windows[:1])
    assert all(len(old) <= 4 * AROUND for old, _ in windows)


def test_rows_summary_and_file_agree(tmp_path: Path) -> None:
    cleaner = Cleaner("standard")
    cleaner.ledger.note("'a.txt' is not UTF-8: read as cp1252")
    list(cleaner.clean([Document("one  \r\ntwo", "a.txt", 0, 10), Document("three", "b.txt", 0, 5)]))
    cleaner.ledger.write(tmp_path / "ledger.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == cleaner.ledger.rows()
    by_rule = {row["rule"]: row for row in rows}
    assert by_rule["line-endings"]["examples"] == [
        {"source": "a.txt", "before": "one  \r\ntwo", "after": "one  \ntwo"},
    ]
    assert by_rule["trailing-spaces"]["documents_seen"] == 2
    assert by_rule["trailing-spaces"]["documents_changed"] == 1
    summary = json.loads(json.dumps(cleaner.ledger.summary()))
    assert (summary["characters_read"], summary["characters_kept"]) == (15, 12)
    assert summary["notes"] == ["'a.txt' is not UTF-8: read as cp1252"]
    assert "examples" not in summary["rules"][0]


def test_a_dropped_document_is_shown() -> None:
    ledger = Ledger("none")
    ledger.read("the same text")
    ledger.dropped("duplicates", "the same text", "a.jsonl")
    assert ledger.summary()["documents_kept"] == ledger.summary()["characters_kept"] == 0
    assert ledger.rows()[0]["examples"] == [{"source": "a.jsonl", "before": "the same text", "after": ""}]
