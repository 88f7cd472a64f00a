"""Rows and their batches: shapes, padding, and the order that depends on the seed and the step alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.errors import UserError
from hornbook.finetuning.rows import Batches, Row, in_order, pad_rows, padding_id, rows_of_step, shifted
from hornbook.tokenizers.base import Tokenizer
from hornbook.tokenizers.character import Character

Number = Callable[[str], Any]
END = 50256
BOOK = ([0, 1, 2, 3, 4], [5, 6], [7, 8, 9])
COLLATE = partial(pad_rows, pad_id=0)


def test_the_padded_rows_of_the_book(number: Number) -> None:
    inputs, targets = pad_rows([shifted([*tokens, END], [True] * (len(tokens) + 1)) for tokens in BOOK], END)
    assert inputs.tolist() == number("ins-04")
    assert {"inputs": inputs.tolist(), "targets": targets.tolist()} == number("ins-06")
    draft = targets.masked_fill(targets == -100, END)  # the book's second draft still trains the padding
    assert {"inputs": inputs.tolist(), "targets": draft.tolist()} == number("ins-05")


def test_only_marked_tokens_are_targets() -> None:
    assert shifted([1, 2, 3, 4], [True, False, True, True]) == Row([1, 2, 3], [-100, 3, 4])


def test_rows_are_padded_to_a_length() -> None:
    rows = [Row([1, 2], [2, 3]), Row([4], [5])]
    inputs, targets = pad_rows(rows, pad_id=9, length=4)
    assert inputs.tolist() == [[1, 2, 9, 9], [4, 9, 9, 9]]
    assert targets.tolist() == [[2, 3, -100, -100], [5, -100, -100, -100]]
    assert inputs.dtype == targets.dtype == torch.int64
    with pytest.raises(AssertionError, match="a row of 2 positions does not fit into 1"):
        pad_rows(rows, pad_id=9, length=1)


def test_padding_is_never_the_end(gpt2: Tokenizer) -> None:
    assert gpt2.end_of_text == END
    assert padding_id(gpt2) == 0  # GPT-2 has no [PAD]
    ends_first = Character.train(["ab"], special_tokens=["<|endoftext|>"])
    assert padding_id(ends_first) != ends_first.end_of_text
    with_pad = Character.train(["ab"], special_tokens=["<|endoftext|>", "[PAD]"])
    assert padding_id(with_pad) == with_pad.special_tokens["[PAD]"]


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 5))
def test_an_epoch_reads_every_row_once(num_rows: int, batch_size: int, seed: int) -> None:
    steps = -(-3 * num_rows // batch_size)
    drawn = np.concatenate(
        [rows_of_step(step, seed=seed, batch_size=batch_size, num_rows=num_rows) for step in range(steps)]
    )
    for epoch in range(3):
        assert sorted(drawn[epoch * num_rows : (epoch + 1) * num_rows]) == list(range(num_rows))


def test_epochs_and_seeds_differ() -> None:
    orders = [
        tuple(rows_of_step(step, seed=seed, batch_size=30, num_rows=30)) for step in range(3) for seed in range(3)
    ]
    assert len(set(orders)) == 9


def test_a_step_is_the_same_however_it_is_cut() -> None:
    rows = [Row([n] * (n + 1), [n] * (n + 1)) for n in range(10)]
    [whole] = Batches(rows, COLLATE, batch_size=7, seed=3)(step=5)
    cut = Batches(rows, COLLATE, batch_size=7, seed=3, microbatch_size=3)(step=5)
    assert [len(inputs) for inputs, _ in cut] == [3, 3, 1]
    firsts = [row[0] for inputs, _ in cut for row in inputs.tolist()]
    assert firsts == whole[0][:, 0].tolist()


def test_a_step_with_nothing_to_learn_is_refused() -> None:
    with pytest.raises(UserError, match="nothing to learn in the batch of step 3"):
        Batches([Row([1, 2], [-100, -100])], COLLATE, batch_size=2)(step=2)


def test_evaluation_reads_everything_in_order() -> None:
    rows = [Row([n], [n]) for n in range(5)]
    assert [inputs.flatten().tolist() for inputs, _ in in_order(rows, COLLATE, 2)] == [[0, 1], [2, 3], [4]]
