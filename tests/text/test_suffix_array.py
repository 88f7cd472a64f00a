"""Suffix arrays against sorting the suffixes themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.text import suffix_array as module
from hornbook.text.suffix_array import suffix_array

NUMBERS = st.one_of(
    st.lists(st.integers(0, 2), max_size=80),
    st.lists(st.integers(0, 70_000), max_size=40),
    st.builds(
        lambda part, times: part * times, st.lists(st.integers(0, 3), min_size=1, max_size=7), st.integers(1, 30)
    ),
)


def sorted_suffixes(values: list[int]) -> list[int]:
    return sorted(range(len(values)), key=lambda place: values[place:])


@given(NUMBERS)
def test_it_is_the_order_of_the_suffixes(values: list[int]) -> None:
    assert suffix_array(np.array(values, dtype=np.uint32)).tolist() == sorted_suffixes(values)


@given(NUMBERS)
def test_so_it_is_in_small_blocks_and_chunks(values: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 3)
        patch.setattr(module, "_chunk_length", lambda length: 4)
        assert suffix_array(np.array(values, dtype=np.uint32)).tolist() == sorted_suffixes(values)


def test_a_long_text_that_repeats_itself() -> None:
    part = np.random.default_rng(0).integers(0, 30, 997).astype(np.uint16)
    values = np.tile(part, 300)
    order = suffix_array(values)
    assert np.array_equal(np.sort(order), np.arange(len(values)))
    pairs = np.random.default_rng(1).integers(0, len(values) - 1, 300)
    for left, right in zip(order[pairs].tolist(), order[pairs + 1].tolist(), strict=True):
        assert values[left:].astype(">u2").tobytes() < values[right:].astype(">u2").tobytes()


def test_all_keys_fit_into_64_bits() -> None:
    for bits in range(1, 32):
        length = (1 << bits) - 1
        chunk = module._chunk_length(length)
        groups, places = max(1, (chunk // 2 - 1).bit_length()), (chunk - 1).bit_length()
        assert groups + length.bit_length() + places <= 63
        assert 2 * length.bit_length() <= 63  # one group alone, of any size


def test_what_hears_of_the_progress_may_end_it() -> None:
    heard: list[float] = []

    def hear(share: float) -> None:
        heard.append(share)
        if len(heard) == 3:
            raise KeyboardInterrupt

    values = np.zeros(1000, np.uint16)
    with pytest.raises(KeyboardInterrupt):
        suffix_array(values, hear)
    assert len(heard) == 3
    shares: list[float] = []
    suffix_array(values, shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
