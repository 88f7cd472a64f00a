"""Intervals against published tables, a published example, and their own definition."""

import math

import numpy as np
import pytest

from hornbook.evaluation._intervals import Interval, smallest_difference, student_t, welch, wilson

# Gosset's sleep data: hours gained with two drugs (Student 1908), and what R's t.test says of them.
FIRST = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
SECOND = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)


@pytest.mark.parametrize(
    ("freedom", "reach"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (5, 2.5706), (10, 2.2281), (30, 2.0423), (120, 1.9799), (1e6, 1.96)],
)
def test_students_t_is_that_of_the_tables(freedom: float, reach: float) -> None:
    assert student_t(freedom) == pytest.approx(reach, abs=6e-5)


def test_less_than_one_degree_of_freedom_counts_as_one() -> None:
    assert student_t(0.2) == student_t(1)


def test_welchs_interval_is_that_of_the_published_example() -> None:
    found = welch(FIRST, SECOND)
    assert (found.value, found.low, found.high) == pytest.approx((1.58, -0.2054832, 3.3654832), abs=1e-6)
    assert not found.is_clear
    assert found.reversed() == welch(SECOND, FIRST)


def test_values_without_any_spread_have_no_interval() -> None:
    assert welch([2.0, 2.0], [1.5, 1.5]) == Interval(-0.5, -0.5, -0.5)


def test_the_smallest_difference_is_where_the_interval_touches_zero() -> None:
    values = [1.80, 1.83, 1.79]
    apart = smallest_difference(values)
    assert welch(values, [value + apart for value in values]).low == pytest.approx(0, abs=1e-9)
    assert not welch(values, [value + 0.99 * apart for value in values]).is_clear
    assert welch(values, [value - 1.01 * apart for value in values]).is_clear


def test_groups_of_one_truth_are_told_apart_once_in_twenty_times() -> None:
    draws = np.random.default_rng(3)
    groups = draws.normal(2.0, 0.01, size=(400, 6)).tolist()
    clear = sum(welch(group[:3], group[3:]).is_clear for group in groups) / len(groups)
    assert clear == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 400))


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    # R: Hmisc::binconf(x, n, method = "wilson")
    [(8, 10, 0.4901625, 0.9433178), (0, 20, 0.0, 0.1611252), (50, 100, 0.4038315, 0.5961685), (1, 1, 0.2065493, 1.0)],
)
def test_wilsons_interval_is_the_published_one(right: int, count: int, low: float, high: float) -> None:
    found = wilson(right, count)
    assert (found.value, found.low, found.high) == pytest.approx((right / count, low, high), abs=1e-6)


@pytest.mark.parametrize("kind", ["yes and no", "partial"])
def test_wilsons_interval_holds_the_truth(kind: str) -> None:
    draws, trials = np.random.default_rng(5), 2000
    scores = draws.random((trials, 40))
    scores = (scores < 0.15).astype(float) if kind == "yes and no" else scores**3
    truth = 0.15 if kind == "yes and no" else 0.25
    intervals = [wilson(float(row.sum()), 40) for row in scores]
    inside = sum(each.low <= truth <= each.high for each in intervals) / trials
    assert 0.93 <= inside <= (0.98 if kind == "yes and no" else 1)
