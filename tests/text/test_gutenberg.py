"""Project Gutenberg: headers and footers of several decades, across pieces, and books without them."""

import pytest

from hornbook.text.cleaning import Cleaner
from hornbook.text.gutenberg import Place, gutenberg
from hornbook.text.reading import Document

MODERN = "The Project Gutenberg eBook of X\n\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n\nOnce.\n\nThe end.\n\n"
FOOTER = "*** END OF THE PROJECT GUTENBERG EBOOK X ***\n\nlicence\n*** START: FULL LICENSE ***\nlaw\n"
OLD = (
    "Etext of X\n*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04*END*\nOnce.\n\nEnd of Project Gutenberg's X\nlaw"
)
TWO_STARTS = "Title\n***START OF THE PROJECT GUTENBERG EBOOK X***\n*END THE SMALL PRINT! *\n\nOnce.\n"


@pytest.mark.parametrize(
    ("text", "book"),
    [
        (MODERN + FOOTER, "Once.\n\nThe end.\n"),
        (OLD, "Once.\n"),
        (TWO_STARTS, "Once.\n"),
        ("No markers at all.\n", "No markers at all.\n"),
        ("Once.\n\n" + FOOTER, "Once.\n"),
        (MODERN + FOOTER + MODERN + FOOTER, "Once.\n\nThe end.\nOnce.\n\nThe end.\n"),
        (
            "He read: *** END OF THE PROJECT GUTENBERG EBOOK X ***",
            "He read: *** END OF THE PROJECT GUTENBERG EBOOK X ***",
        ),
    ],
)
def test_only_the_book_is_left(text: str, book: str) -> None:
    assert gutenberg(text, Place.FIRST)[0] == book
    assert gutenberg(book, Place.FIRST)[0] == book


def document(text: str, source: str, continues: bool = False) -> Document:
    return Document(text, source, 0, len(text), continues)


def test_a_footer_over_several_pieces_is_dropped_until_the_next_source() -> None:
    cleaner = Cleaner("book")
    pieces = [
        document("Title\n*** START OF THIS PROJECT GUTENBERG EBOOK X ***\n", "x.txt"),
        document("Once.\n", "x.txt", continues=True),
        document("Twice.\n" + FOOTER, "x.txt", continues=True),
        document("more law\n", "x.txt", continues=True),
        document("Another source.\n", "y.txt"),
    ]
    cleaned = list(cleaner.clean(pieces))
    assert [d.text for d in cleaned] == ["Once.\n", "Twice.\n", "Another source.\n"]
    assert [d.continues for d in cleaned] == [False, True, False]
    row = next(row for row in cleaner.ledger.rows() if row["rule"] == "gutenberg")
    assert (row["documents_changed"], row["documents_dropped"]) == (1, 0)
    assert row["characters_removed"] == sum(len(d.text) for d in pieces) - sum(len(d.text) for d in cleaned)
