"""Packing: nothing is lost, and loss and gradients are those of padding."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.finetuning.packing import pack_rows, packed_loss, shares, unpacked, width_for
from hornbook.finetuning.rows import Row, pad_rows, shifted
from hornbook.layers.loss import next_token_loss
from hornbook.models.base import Model

ROWS = [shifted(tokens, [False, *[True] * (len(tokens) - 1)]) for tokens in ([1, 2, 3], [4, 5], [6, 7, 8, 9], [10, 11])]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(9, 20))
def test_every_item_stands_once_and_no_row_is_too_long(lengths: list[int], width: int) -> None:
    rows = shares(lengths, width)
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    fullness = [sum(lengths[item] for item in row) for row in rows]
    assert max(fullness) <= width
    assert sum(full <= width / 2 for full in fullness) <= 1  # two half-empty rows would be one


def test_rows_are_shared_as_described() -> None:
    assert shares([5, 2, 3, 4], 8) == [[0, 2], [3, 1]]
    assert shares([9, 1], 8) == [[0], [1]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 20))
def test_the_longest_as_width_leaves_no_less_padding(lengths: list[int], most: int) -> None:
    def used(width: int) -> int:
        rows = [[Row([0] * lengths[item], [0] * lengths[item]) for item in row] for row in shares(lengths, width)]
        return pack_rows([row for group in rows for row in group], 0, width)[0].numel()

    chosen = width_for(lengths, most)
    assert max(lengths) <= chosen <= max(most, *lengths)
    assert used(chosen) <= used(max(lengths))


def test_the_narrowest_width_without_a_gap() -> None:
    assert width_for([5, 2, 3, 4], 8) == 7
    assert width_for([5, 2, 3, 4], 3) == 5


def test_rows_stand_side_by_side_with_their_numbers() -> None:
    inputs, targets = pack_rows(ROWS, pad_id=0, width=5)  # of 2, 1, 3 and 1 positions
    assert inputs.tolist() == [[-7, 7, 8, -2, 2], [-5, -11, -1, 0, 0]]
    tokens, numbers = unpacked(inputs)
    assert tokens.tolist() == [[6, 7, 8, 1, 2], [4, 10, 0, 0, 0]]
    assert numbers.tolist() == [[1, 1, 1, 2, 2], [1, 2, 3, 3, 3]]
    assert targets.tolist() == [[7, 8, 9, 2, 3], [5, 11, -100, -100, -100]]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.lists(st.integers(0, 19), min_size=2, max_size=9), min_size=1, max_size=6), st.integers(8, 24))
def check_same(model: Model, texts: list[list[int]], width: int) -> None:
    rows = [shifted(text, [place % 3 > 0 for place in range(len(text))]) for text in texts]
    found = []
    for loss, batch in ((next_token_loss, pad_rows(rows, 0)), (packed_loss, pack_rows(rows, 0, width))):
        model.zero_grad()
        total, count = loss(model, *batch)
        total.backward()
        found.append((total, count, [weight.grad for weight in model.parameters()]))
    (padded, count, gradients), (packed, packed_count, packed_gradients) = found
    assert count == packed_count
    torch.testing.assert_close(packed, padded, rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(packed_gradients, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["gpt", "llama-grouped", "bigram"])
def test_loss_and_gradients_are_those_of_padding(make_model: Callable[[str], Model], kind: str) -> None:
    check_same(make_model(kind))
