"""How many steps fit until a deadline, on a clock that the test moves."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hornbook.commands._deadline import deadline_of, time_of
from hornbook.errors import UserError
from hornbook.training.deadline import Deadline

NOW = datetime(2026, 3, 1, 22, 30)


def simulate(seconds: float, paces: list[float], planned: int, look: float) -> tuple[float, int]:
    """A run whose steps take `paces` in turn, one after another -> (when it was over, its steps)."""
    now = [0.0]
    deadline = Deadline(seconds, ending=1.0, clock=lambda: now[0])
    done, steps = 0, planned
    while done < steps:
        pace = paces[done * len(paces) // planned % len(paces)]
        now[0] += pace
        done += 1
        deadline.step_took(pace)
        steps = deadline.steps(done, steps, looks=1)
    return now[0] + look + 1.0, done


def test_a_steady_machine_uses_nearly_all_of_the_time() -> None:
    ended, steps = simulate(100.0, [0.1], 10_000, look=2.0)
    assert 90.0 < ended <= 101.0
    assert steps > 900


@given(st.lists(st.floats(0.05, 0.4), min_size=1, max_size=5), st.integers(20, 5000))
def test_a_machine_that_changes_its_speed_is_followed(paces: list[float], planned: int) -> None:
    """It may be late by what it can't foresee: the median of thirty steps that were quicker."""
    ended, _ = simulate(100.0, paces, planned, look=2.0)
    assert ended <= 100.0 + 30 * max(paces)


def test_a_step_that_is_too_long_ends_the_run_at_once() -> None:
    ended, steps = simulate(10.0, [9.5], 100, look=0.0)
    assert steps == 1
    assert ended == pytest.approx(10.5)


def test_times_of_the_day() -> None:
    assert time_of("23:15", NOW) == datetime(2026, 3, 1, 23, 15)
    assert time_of("07:00", NOW) == datetime(2026, 3, 2, 7, 0)
    assert time_of("2026-12-24 07:00", NOW) == datetime(2026, 12, 24, 7, 0)


@pytest.mark.parametrize("text", ["7 o'clock", "25:00", "", "07:60"])
def test_what_is_no_time_is_one_line(text: str) -> None:
    with pytest.raises(UserError, match="is no time of day; hint: write '07:00' or"):
        time_of(text, NOW)


def test_a_time_that_is_over_is_one_line() -> None:
    with pytest.raises(UserError, match="'2026-02-01 07:00' is over; hint: it is 2026-03-01 22:30 now"):
        time_of("2026-02-01 07:00", NOW)


def test_minutes_and_until_exclude_each_other_and_minutes_are_above_0() -> None:
    with pytest.raises(UserError, match="--minutes and --until are two ways"):
        deadline_of(1.0, "07:00")
    for minutes in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="minutes must be a number above 0"):
            deadline_of(minutes, None)
    assert deadline_of(None, None) is None
