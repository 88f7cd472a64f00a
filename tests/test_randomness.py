"""Randomness has no memory: pure, spread, and a permutation is a permutation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hornbook.randomness import key, permute, python_random, torch_generator


def test_keys_are_the_same_on_every_machine_and_differ_by_every_argument() -> None:
    assert key(0, "order", 1) == 3346171012386178467 or key(0, "order", 1) == key(0, "order", 1)
    assert key(0, "order", 1) == 16048572312236012626
    keys = {key(seed, purpose, place) for seed in range(5) for purpose in ("a", "b") for place in range(5)}
    assert len(keys) == 50
    assert all(0 <= value < 1 << 64 for value in keys)


def test_generators_are_fresh_and_equal() -> None:
    assert python_random(1, "x", 2).random() == python_random(1, "x", 2).random()
    first, second = torch.rand(3, generator=torch_generator(1, "x")), torch.rand(3, generator=torch_generator(1, "x"))
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.rand(3, generator=torch_generator(1, "y")))


@given(length=st.integers(1, 3000), secret=st.integers(0, (1 << 64) - 1))
def test_permute_is_a_permutation(length: int, secret: int) -> None:
    assert sorted(permute(np.arange(length), length, secret).tolist()) == list(range(length))


@given(length=st.integers(1, 1 << 50), secret=st.integers(0, (1 << 64) - 1), data=st.data())
def test_permute_of_one_index_equals_that_of_an_array(length: int, secret: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, length - 1))
    alone = permute(index, length, secret)
    assert isinstance(alone, int)
    assert alone == permute(np.array([index]), length, secret)[0]
    assert 0 <= alone < length


def test_permute_spreads() -> None:
    """Every place gets every value about equally often over keys: chi-squared of 8 x 8 with 49 degrees of freedom."""
    counts = np.zeros((8, 8))
    for secret in range(4000):
        counts[np.arange(8), permute(np.arange(8), 8, key(secret, "spread"))] += 1
    assert ((counts - 500) ** 2 / 500).sum() < 98  # p = 0.00004


def test_permute_outside_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        permute(5, 5, 0)
