"""The order of an epoch: pure, without replacement, whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hornbook.batches.order import batch_starts, epoch_of, epoch_shift, windows_per_epoch

sizes = {
    "num_tokens": st.integers(30, 400),
    "context_length": st.integers(1, 29),
    "stride": st.one_of(st.none(), st.integers(1, 40)),
    "batch_size": st.integers(1, 50),
    "seed": st.integers(0, 2**32),
}


@pytest.mark.parametrize(
    ("num_tokens", "context_length", "stride"), [(0, 4, None), (4, 4, None), (10, 4, -1), (10, 4, 0)]
)
def test_what_cannot_be_is_a_programming_error(num_tokens: int, context_length: int, stride: int | None) -> None:
    with pytest.raises(AssertionError):
        batch_starts(0, seed=1, batch_size=2, num_tokens=num_tokens, context_length=context_length, stride=stride)


@settings(deadline=None)
@given(**sizes, epoch=st.integers(0, 5))
def test_every_window_of_an_epochs_grid_comes_exactly_once(
    num_tokens: int, context_length: int, stride: int | None, batch_size: int, seed: int, epoch: int
) -> None:
    windows = windows_per_epoch(num_tokens, context_length, stride)
    first, last = epoch * windows // batch_size, ((epoch + 1) * windows - 1) // batch_size
    arguments = {"seed": seed, "num_tokens": num_tokens, "context_length": context_length, "stride": stride}
    starts = np.concatenate([batch_starts(step, batch_size=batch_size, **arguments) for step in range(first, last + 1)])
    own = starts[epoch * windows - first * batch_size :][:windows]
    step_width = stride or context_length
    shift = epoch_shift(epoch, seed, num_tokens, context_length, step_width)
    assert sorted(own.tolist()) == [shift + place * step_width for place in range(windows)]
    assert own.min() >= 0
    assert own.max() + context_length + 1 <= num_tokens  # the last target too lies within the text
    assert num_tokens - 1 - context_length - own.max() < 2 * step_width  # and nothing much is left out behind


@settings(deadline=None)
@given(**sizes, step=st.integers(0, 1000))
def test_a_step_does_not_depend_on_what_came_before_or_how_rows_are_cut(
    num_tokens: int, context_length: int, stride: int | None, batch_size: int, seed: int, step: int
) -> None:
    arguments = {"seed": seed, "num_tokens": num_tokens, "context_length": context_length, "stride": stride}
    whole = batch_starts(step, batch_size=batch_size, **arguments)
    assert whole.dtype == np.int64
    assert whole.shape == (batch_size,)
    assert (whole == batch_starts(step, batch_size=batch_size, **arguments)).all()
    rows = [batch_starts(step * batch_size + row, batch_size=1, **arguments) for row in range(batch_size)]
    assert (np.concatenate(rows) == whole).all()  # the same positions, one row a step


def test_epochs_differ_in_order_and_shift_and_seeds_differ() -> None:
    arguments = {"batch_size": 20, "num_tokens": 1 + 10 + 9 + 190, "context_length": 10}
    assert windows_per_epoch(210, 10) == 20
    epochs = [batch_starts(step, seed=1, **arguments).tolist() for step in range(6)]
    assert len({tuple(epoch) for epoch in epochs}) == 6
    assert len({min(epoch) for epoch in epochs}) > 1
    assert batch_starts(0, seed=2, **arguments).tolist() != epochs[0]
    assert epochs[0] != sorted(epochs[0])


def test_windows_that_stay_are_the_same_in_every_epoch() -> None:
    sizes = {"seed": 1, "num_tokens": 4612, "context_length": 256, "moving": False}
    epochs = [[batch_starts(step, batch_size=2, **sizes) for step in range(9 * n, 9 * n + 9)] for n in range(3)]
    assert windows_per_epoch(4612, 256, moving=False) == 18
    for epoch in epochs:
        assert sorted(np.concatenate(epoch).tolist()) == list(range(0, 4608, 256))
    assert np.concatenate(epochs[0]).tolist() != np.concatenate(epochs[1]).tolist()


def test_a_text_of_exactly_one_window() -> None:
    assert batch_starts(7, seed=1, batch_size=3, num_tokens=5, context_length=4).tolist() == [0, 0, 0]


def test_epoch_of() -> None:
    assert epoch_of(15, batch_size=2, num_tokens=210, context_length=10) == 1.5


def test_how_often_each_text_of_gpt_3_was_read(number: Callable[[str], Any]) -> None:
    """A text's share of what is read, not its size, says how often it is read: here a token stands for a million."""
    table = dict(number("misc-03"))
    whole, used, shares = (table.pop(name) for name in ("total_tokens_b", "used_tokens_b", "share_sum_pct"))
    assert sum(size for size, _ in table.values()) == whole
    assert sum(share for _, share in table.values()) == shares == 101  # they are rounded
    epochs = {
        name: epoch_of(used * share, batch_size=1, num_tokens=1000 * size, context_length=10)
        for name, (size, share) in table.items()
    }
    for name, (size, share) in table.items():
        assert epochs[name] == pytest.approx(used * share / 100 / size, rel=0.02)
    assert epochs["CommonCrawl"] < 0.5 < 3 < min(epochs["WebText2"], epochs["Wikipedia"])
