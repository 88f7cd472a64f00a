"""The paired block bootstrap: its 95 % interval holds the truth 95 times of 100, also where neighbours are alike."""

import numpy as np
import pytest

from hornbook.evaluation import _resampling
from hornbook.evaluation._resampling import Likeness, resample

TRUTH, TRIALS = 0.1, 200


def noise(kind: str, size: int, draws: np.random.Generator) -> np.ndarray:
    """Rows whose neighbours are alike as `kind` says, of mean 0."""
    fresh = draws.normal(size=size + 50)
    if kind == "alone":
        return fresh[50:]
    if kind == "skewed":
        return draws.exponential(size=size) - 1
    if kind == "topics":  # five neighbours share a topic
        return fresh[:size] + 0.7 * np.repeat(draws.normal(size=size // 5 + 1), 5)[:size]
    return np.convolve(fresh, 0.6 ** np.arange(51), "valid")  # "drifting": 0.6 of the one before, and something new


def coverage(kind: str, size: int, *, independent: bool = False) -> float:
    """How often the interval holds the truth, over texts drawn anew."""
    draws, inside = np.random.default_rng(7), 0
    for trial in range(TRIALS):
        sizes = draws.integers(32, 65, size).astype(float)
        first = (4 + noise("drifting", size, draws)) * sizes  # both models find the same pieces hard
        second = first + (TRUTH + 0.5 * noise(kind, size, draws)) * sizes
        found = resample(np.stack([first, second]), sizes, independent=independent, draws=300, seed=trial)
        interval = found.difference(0, 1)
        inside += interval.low <= TRUTH <= interval.high
    return inside / TRIALS


@pytest.mark.parametrize(
    ("kind", "size", "independent"),
    [
        ("alone", 40, False),
        ("alone", 30, True),
        ("skewed", 300, True),
        ("drifting", 300, False),
        ("topics", 300, False),
    ],
)
def test_the_interval_holds_the_truth(kind: str, size: int, independent: bool) -> None:
    assert 0.89 <= coverage(kind, size, independent=independent) <= 0.99


def test_blocks_of_one_would_not_where_neighbours_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_resampling.Likeness, "of", lambda row: Likeness(len(row)))
    monkeypatch.setattr(_resampling, "_shortest", lambda pieces: 1)
    assert coverage("drifting", 300) < 0.8


def test_what_both_find_hard_does_not_widen_the_interval() -> None:
    draws = np.random.default_rng(1)
    sizes = np.full(200, 64.0)
    hard = draws.normal(3, 1, 200) * sizes
    easier = hard - (0.05 + 0.01 * draws.normal(size=200)) * sizes
    found = resample(np.stack([hard, easier]), sizes)
    interval = found.difference(0, 1)
    assert interval.value == pytest.approx(-0.05, abs=0.003)
    assert interval.high - interval.low < 0.006
    spread = np.quantile(found.draws[:, 0], [0.025, 0.975])
    assert spread[1] - spread[0] > 0.1  # of a single loss


def test_every_token_counts_alike_however_the_pieces_are_cut() -> None:
    found = resample(np.array([[1.0, 30.0], [2.0, 45.0]]), np.array([1.0, 10.0]))
    assert found.means.tolist() == [31 / 11, 47 / 11]
    assert found.difference(0, 1).value == pytest.approx(16 / 11)


def test_the_same_numbers_every_time_and_from_both_sides() -> None:
    draws = np.random.default_rng(2)
    sums, sizes = draws.normal(3, 1, (3, 50)) * 64, np.full(50, 64.0)
    first, again = (resample(sums, sizes, draws=500) for _ in range(2))
    assert np.array_equal(first.draws, again.draws)
    one, other = first.difference(0, 2), first.difference(2, 0).reversed()
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
    portions = pytest.MonkeyPatch()
    portions.setattr(_resampling, "NUMBERS_AT_ONCE", 1000)
    in_portions = resample(sums, sizes, draws=500)
    portions.undo()
    assert in_portions.draws.shape == first.draws.shape
    assert np.allclose(np.quantile(in_portions.draws, 0.5, axis=0), np.quantile(first.draws, 0.5, axis=0), atol=0.05)


def test_equal_models_differ_by_nothing() -> None:
    row = np.random.default_rng(0).normal(size=30)
    interval = resample(np.stack([row, row]), np.ones(30)).difference(0, 1)
    assert (interval.value, interval.low, interval.high) == (0, 0, 0)


@pytest.mark.parametrize(("pieces", "enough"), [(1, False), (2, False), (5, False), (15, False), (60, True)])
def test_a_few_pieces_are_too_few(pieces: int, enough: bool) -> None:
    sums = np.random.default_rng(pieces).normal(3, 1, (2, pieces))
    assert resample(sums, np.ones(pieces), draws=100).is_enough is enough


def test_one_huge_document_is_worth_no_more_than_one() -> None:
    sizes = np.array([10_000.0] + [10.0] * 99)
    sums = np.random.default_rng(0).normal(3, 1, (2, 100)) * sizes
    assert not resample(sums, sizes, independent=True, draws=100).is_enough


def test_blocks_grow_with_how_alike_neighbours_are() -> None:
    draws = np.random.default_rng(5)
    assert Likeness.of(noise("alone", 500, draws)).block_length(1) <= 2
    drifting = Likeness.of(noise("drifting", 500, draws))
    assert drifting.block_length(1) > 8
    assert drifting.spread == pytest.approx(1 / 0.4**2, rel=0.4)  # of a sum of such neighbours, each
    assert 1.1 > drifting.widening(40) > drifting.widening(80) > 1
    in_turns = Likeness.of(np.tile([1.0, 2.0, 1.0, -4.0], 100))
    assert (in_turns.block_length(1), in_turns.widening(1)) == (1, 1)
    assert Likeness.of(np.zeros(100)).block_length(4) == 4
