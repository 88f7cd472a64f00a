"""Exact duplicates: the first of each stays, pieces of large files are never torn out, the set agrees with Python's."""

from hypothesis import given
from hypothesis import strategies as st

from hornbook.text.duplicates import DUPLICATES, HashSet, drop_duplicates
from hornbook.text.ledger import Ledger
from hornbook.text.reading import Document


def documents(*texts: str) -> list[Document]:
    """Documents; a text that begins with + goes on with the one before."""
    return [Document(text.removeprefix("+"), "a.jsonl", 0, 0, text.startswith("+")) for text in texts]


def kept(*texts: str) -> tuple[list[str], Ledger]:
    ledger = Ledger("none")
    return [document.text for document in drop_duplicates(documents(*texts), ledger)], ledger


@given(st.lists(st.sampled_from(["", "a", "b", "ab", "é"])))
def test_the_first_of_each_stays_in_order(texts: list[str]) -> None:
    left, ledger = kept(*texts)
    assert left == list(dict.fromkeys(texts))
    if texts:
        (row,) = ledger.rows()
        assert (row["rule"], row["documents_seen"]) == (DUPLICATES, len(texts))
        assert row["documents_dropped"] == len(texts) - len(left)
        assert row["characters_removed"] == sum(map(len, texts)) - sum(map(len, left))


def test_pieces_of_a_large_file_are_never_dropped() -> None:
    texts = ["one", "x", "+one", "+one", "x", "+one", "+one", "one", "+two", "xoneone"]
    left, ledger = kept(*texts)
    assert left == ["one", "x", "one", "one", "x", "one", "one", "one", "two"]
    assert len(ledger.notes) == 1
    assert ledger.notes[0].startswith("kept 'a.jsonl'")
    assert ledger.rows()[0]["documents_dropped"] == 1  # xoneone, equal to x + one + one


@given(st.lists(st.integers(1, 2**64 - 1) | st.integers(1, 9)))
def test_the_set_agrees_with_pythons(numbers: list[int]) -> None:
    ours, theirs = HashSet(), set[int]()
    for number in numbers:
        assert ours.add(number) == (number not in theirs)
        theirs.add(number)
    assert len(ours) == len(theirs)


def test_the_set_grows_and_stays_small() -> None:
    numbers = HashSet()
    assert all(numbers.add(number * 0x9E3779B97F4A7C15 % 2**64) for number in range(1, 20_001))
    assert not any(numbers.add(number * 0x9E3779B97F4A7C15 % 2**64) for number in range(1, 20_001))
    assert 8 * len(numbers._places) <= 24 * len(numbers)
