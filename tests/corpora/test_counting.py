"""The built-in rows of numbers."""

from collections.abc import Callable
from typing import Any

from hornbook.corpora.counting import ROWS, Counting, row


def test_the_first_row_is_the_demonstration_pair(number: Callable[[str], Any]) -> None:
    pair = number("misc-01")
    assert row(1)[:-1] == pair["input"]
    assert row(1)[1:] == pair["target"]


def test_documents_are_the_rows() -> None:
    texts = [document.text for document in Counting().documents()]
    assert len(texts) == ROWS
    assert texts[0] == "1 5 2 6 3 7 4 8 9"
    assert texts[-1] == "200 204 201 205 202 206 203 207 208"
