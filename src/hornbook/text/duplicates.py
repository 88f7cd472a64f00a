"""Exact duplicates: a document whose cleaned text was seen before is dropped, and the ledger says so.

Only whole documents are compared. The pieces of a large file are passed on as they come, because dropping some of them
would tear holes into a text; where a large file turns out to repeat an earlier one, the ledger's notes say so.
"""

from array import array
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from itertools import chain, pairwise

from hornbook.text.ledger import Ledger
from hornbook.text.reading import Document

DUPLICATES = "duplicates"
HASH_BYTES = 8  # two among ten million different documents share 64 bits with a chance of 3 in a million


class HashSet:
    """A set of 64-bit numbers in 12 to 24 bytes each (a Python set takes about 80): open addressing in an array.

    >>> numbers = HashSet()
    >>> numbers.add(7), numbers.add(7), len(numbers)
    (True, False, 1)
    """

    def __init__(self) -> None:
        self._places = array("Q", bytes(8 * 1024))
        self._count = 0

    def __len__(self) -> int:
        """How many numbers are in the set."""
        return self._count

    def add(self, number: int) -> bool:
        """Add a number from 0 to 2**64 - 1; says whether it is new."""
        number = number or 1  # 0 marks a free place
        place = self._find(number)
        if self._places[place]:
            return False
        self._places[place] = number
        self._count += 1
        if 3 * self._count > 2 * len(self._places):
            self._grow()
        return True

    def _find(self, number: int) -> int:
        places, mask = self._places, len(self._places) - 1
        place = number & mask
        while places[place] and places[place] != number:
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        old = self._places
        self._places = array("Q", bytes(2 * 8 * len(old)))
        for number in old:
            if number:
                self._places[self._find(number)] = number


def drop_duplicates(documents: Iterable[Document], ledger: Ledger) -> Iterator[Document]:
    """The documents without those whose text came before, in order; memory is 12 to 24 bytes a document."""
    seen, digest = HashSet(), blake2b(digest_size=HASH_BYTES)
    for document, following in pairwise(chain[Document | None](documents, [None])):
        assert document is not None  # None only ends the row
        if not document.continues:
            ledger.seen(DUPLICATES)
            digest = blake2b(digest_size=HASH_BYTES)
        digest.update(document.text.encode())
        ends = following is None or not following.continues
        is_new = not ends or seen.add(int.from_bytes(digest.digest(), "little"))
        if not is_new and not document.continues:
            ledger.dropped(DUPLICATES, document.text, document.source)
            continue
        if not is_new:
            ledger.note(f"kept '{document.source}' though the same text came before: large files are not dropped")
        yield document
