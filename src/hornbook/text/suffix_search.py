"""Where a sequence of numbers stands within a long one, by its suffix array: a binary search, nothing is read through.

Numbers are compared as bytes, the highest first, so that one comparison of Python's bytes compares many of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

REACH = 64  # numbers that are compared at first: few parts are longer


class Values(Protocol):
    """A long sequence that is read in pieces: an array, or files of tokens."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice, /) -> np.ndarray: ...


class Span(NamedTuple):
    """Numbers start .. stop - 1 of a query, which stand `times` times in the long sequence."""

    start: int
    stop: int
    times: int


class Suffixes:
    """`values` (N,) with the order of their suffixes (N,), see `suffix_array`; both may be mapped from files.

    >>> Suffixes(np.array([1, 2, 3, 1, 2], dtype="<u2"), order).spans([2, 3, 9, 1, 2])
    [Span(start=0, stop=2, times=1), Span(start=3, stop=5, times=2)]
    """

    def __init__(self, values: Values, order: np.ndarray) -> None:
        assert len(values) == len(order), "the order of another sequence"
        self.values, self.order = values, order
        self._width = values[0:0].dtype.itemsize

    def longest(self, query: Sequence[int] | np.ndarray) -> int:
        """How many of the first numbers of `query` stand side by side in the sequence: [2, 3, 9] -> 2."""
        wanted = self._bytes(np.asarray(query))
        at = bisect_left(self.order, wanted, key=lambda place: self._suffix(place, len(query)))
        beside = self.order[max(0, at - 1) : at + 1].tolist()  # the suffixes that are most like it stand next to it
        return max((_alike(wanted, self._suffix(place, len(query))) // self._width for place in beside), default=0)

    def found(self, query: Sequence[int] | np.ndarray) -> np.ndarray:
        """Where the whole `query` stands, in no order: a view of the suffix array."""
        wanted, length = self._bytes(np.asarray(query)), len(query)
        low = bisect_left(self.order, wanted, key=lambda place: self._suffix(place, length))
        high = bisect_right(self.order, wanted, lo=low, key=lambda place: self._suffix(place, length))
        return self.order[low:high]

    def spans(self, query: Sequence[int], least: int = 2) -> list[Span]:
        """The parts of `query`, `least` numbers or more, that stand in the sequence and would not with a further one.

        They may overlap, and none lies within another; in the order of the query.
        """
        spans, reached, numbers = [], 0, np.asarray(query, dtype=np.int64)
        for start in range(len(query)):
            stop = start + self._reached(numbers[start:])
            if stop > reached:  # else it lies within the last one
                reached = stop
                if stop - start >= least:
                    spans.append(Span(start, stop, len(self.found(numbers[start:stop]))))
        return spans

    def _reached(self, query: np.ndarray) -> int:
        """As `longest`, looking further only where the first numbers all stand there."""
        reach = REACH
        while (length := self.longest(query[:reach])) == reach and reach < len(query):
            reach *= 8
        return length

    def _suffix(self, place: int, length: int) -> bytes:
        return self._bytes(self.values[place : int(place) + length])

    def _bytes(self, numbers: np.ndarray) -> bytes:
        return numbers.astype(f">u{self._width}").tobytes()


def _alike(left: bytes, right: bytes) -> int:
    """How many bytes both begin with: b'abcd', b'abx' -> 2."""
    length = min(len(left), len(right))
    if left[:length] == right[:length]:
        return length
    a, b = np.frombuffer(left, np.uint8, length), np.frombuffer(right, np.uint8, length)
    return int((a != b).argmax())
