"""Searching with a suffix array against looking at every place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.text.suffix_array import suffix_array
from hornbook.text.suffix_search import Span, Suffixes

LETTERS = st.lists(st.integers(0, 3), max_size=50)


def made(values: list[int], dtype: str = "<u2") -> Suffixes:
    numbers = np.array(values, dtype=dtype)
    return Suffixes(numbers, suffix_array(numbers))


def places(values: list[int], query: list[int]) -> list[int]:
    return [at for at in range(len(values) - len(query) + 1) if values[at : at + len(query)] == query]


@given(LETTERS, LETTERS.filter(bool))
def test_every_place_is_found(values: list[int], query: list[int]) -> None:
    assert sorted(made(values).found(query).tolist()) == places(values, query)


@given(LETTERS, LETTERS)
def test_the_longest_beginning_that_stands_there(values: list[int], query: list[int]) -> None:
    naive = max(length for length in range(len(query) + 1) if length == 0 or places(values, query[:length]))
    assert made(values).longest(query) == naive


@given(LETTERS, LETTERS, st.integers(1, 4))
def test_spans_are_all_that_can_not_be_longer(values: list[int], query: list[int], least: int) -> None:
    naive = []
    for start in range(len(query)):
        for stop in range(start + least, len(query) + 1):
            count = len(places(values, query[start:stop]))
            to_left = start > 0 and places(values, query[start - 1 : stop])
            to_right = stop < len(query) and places(values, query[start : stop + 1])
            if count and not to_left and not to_right:
                naive.append(Span(start, stop, count))
    assert made(values).spans(query, least) == naive
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hornbook.text.suffix_search.REACH", 1)
        assert made(values).spans(query, least) == naive


@pytest.mark.parametrize("dtype", ["<u2", "<u4", "u1"])
def test_numbers_above_a_byte_keep_their_order(dtype: str) -> None:
    most = min(np.iinfo(dtype).max, 200_000)
    values = [int(value) for value in np.random.default_rng(0).integers(0, most, 300, endpoint=True)]
    index = made(values * 2, dtype)
    for start in range(0, 250, 7):
        assert index.longest([*values[start : start + 20], values[start]]) >= 20
        assert sorted(index.found(values[start : start + 3]).tolist()) == places(values * 2, values[start : start + 3])
