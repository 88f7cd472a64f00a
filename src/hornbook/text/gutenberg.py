"""Project Gutenberg headers and footers: the licence around a book, which a model should not learn to recite.

The one rule with a memory: the footer of a large file may fill several pieces, so a piece is dropped or kept by the
marker lines that came before it in the same document. The memory is passed in and out; nothing is kept between calls.
"""

import re
from enum import Enum

START = r"\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG E(?:BOOK|TEXT)|\*END\*? ?THE SMALL PRINT!"
END = (
    r"\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG E(?:BOOK|TEXT)"
    r"|End of (?:the |this )?Project Gutenberg(?:['’]s| E(?:book|text))"
)
MARKER = re.compile(rf"^[ \t]*(?:(?P<start>{START})|{END})[^\n]*(?:\n+|\Z)", re.IGNORECASE | re.MULTILINE)


class Place(Enum):
    """Where in its source a piece begins: the first piece (perhaps a header), in the book, or after an END marker."""

    FIRST = "first"
    BOOK = "book"
    AFTER = "after"


def gutenberg(text: str, place: Place) -> tuple[str, Place]:
    r"""Drop all up to the START marker of a first piece, and all after an END marker up to the next START.

    Needs \n line ends. Without markers a text stays as it is. Returns the text and where the next piece begins.

    >>> book = "Title\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\nOnce.\n\nEnd of Project Gutenberg's X\nlaw"
    >>> gutenberg(book, Place.FIRST)
    ('Once.\n', <Place.AFTER: 'after'>)
    """
    kept: list[str] = []
    here = 0
    for marker in MARKER.finditer(text):
        starts = marker["start"] is not None
        before, here = text[here : marker.start()].rstrip("\n"), marker.end()
        if place is Place.FIRST and starts:
            kept.clear()  # the header; a second START in the first piece is the end of the small print
            continue
        if before and place is not Place.AFTER:
            kept.append(before + "\n")
        place = Place.BOOK if starts else Place.AFTER
    if place is Place.AFTER:
        return "".join(kept), Place.AFTER
    return "".join(kept) + text[here:], Place.BOOK
