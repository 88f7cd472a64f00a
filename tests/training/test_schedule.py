"""The learning rate over a run, against the formulas."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from hornbook.config import build
from hornbook.errors import UserError
from hornbook.training.schedule import Course, Schedule

Number = Callable[[str], Any]


def test_cosine_begins_peaks_and_ends_where_it_should() -> None:
    schedule = Schedule(kind="cosine", warmup_steps=100, final_fraction=0.1)
    factors = [schedule.factor(step, 2000) for step in range(2000)]
    assert factors[0] == pytest.approx(1 / 101)
    assert factors[100] == 1.0 == max(factors)
    assert factors[-1] == pytest.approx(0.1)
    middle = (100 + 1999) // 2
    assert factors[middle] == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (middle - 100) / 1899)))


def test_warmup_stable_decay() -> None:
    schedule = Schedule(kind="warmup_stable_decay", warmup_steps=10, final_fraction=0.0, decay_fraction=0.2)
    factors = [schedule.factor(step, 100) for step in range(100)]
    assert factors[10] == factors[79] == 1.0
    assert factors[-1] == 0.0
    assert factors[89] == pytest.approx(0.5)


def test_constant_and_a_run_of_one_step() -> None:
    assert [Schedule(kind="constant").factor(step, 5) for step in range(5)] == [1.0] * 5
    for kind in ("cosine", "warmup_stable_decay", "constant"):
        assert 0 <= Schedule(kind=kind).factor(0, 1) <= 1


def test_an_unknown_kind_is_one_line() -> None:
    with pytest.raises(UserError, match="schedule.kind = 'cosin' is not allowed: input should be 'cosine'"):
        build(Schedule, {"kind": "cosin"}, "schedule")


def test_the_books_steps_and_its_warm_up(number: Number) -> None:
    """Nine batches, fifteen times, and a fifth of them to warm up: the peak comes at step 27, counted from 0."""
    steps = 15 * number("data-09")["train_batches"]
    warmup = int(0.2 * steps)
    assert {"total_steps": steps, "warmup_steps": warmup} == number("train-06")
    factors = [Schedule(warmup_steps=warmup).factor(step, steps) for step in range(steps)]
    assert factors.index(1.0) == warmup
    assert factors[: warmup + 1] == sorted(factors[: warmup + 1])


@pytest.mark.parametrize(("name", "initial", "peak", "lowest"), [("A", 1e-4, 1e-2, 1e-5), ("B", 1e-5, 1e-3, 1e-5)])
def test_the_books_law(number: Number, name: str, initial: float, peak: float, lowest: float) -> None:
    """Its cosine reaches the lowest rate one step after the last, ours with the last: 136 steps of ours, all but one."""
    warmup, expected = 27, number("train-07")[name]
    schedule = Schedule(warmup_steps=warmup, warmup_from=initial / peak, final_fraction=lowest / peak)
    rates = [peak * schedule.factor(step, 136) for step in range(135)]
    assert rates[0] == pytest.approx(initial)
    assert {step: rates[int(step)] for step in expected} == pytest.approx(expected, rel=1e-7)
    assert rates[warmup] == peak
    assert rates[134] > lowest == pytest.approx(peak * schedule.factor(135, 136))


def test_a_course_that_is_not_changed_is_its_schedule() -> None:
    schedule = Schedule(warmup_steps=10, warmup_from=0.5)
    course = Course(schedule, 100)
    assert [course.factor(step, 100) for step in range(100)] == [schedule.factor(step, 100) for step in range(100)]


@pytest.mark.parametrize("steps", [40, 60, 200])
def test_a_changed_course_goes_on_without_a_jump_and_ends_where_it_should(steps: int) -> None:
    schedule = Schedule(warmup_steps=10, final_fraction=0.1)
    course = Course(schedule, 100)
    before = [course.factor(step, 100) for step in range(30)]
    course.change(30, steps)
    factors = before + [course.factor(step, 100) for step in range(30, steps)]
    assert factors[-1] == pytest.approx(0.1)
    assert factors[30] == pytest.approx(schedule.factor(30, 100))
    assert factors[10:] == sorted(factors[10:], reverse=True)
    again = Course(schedule, 100, [{"step": 30, "steps": steps}])
    assert [again.factor(step, 100) for step in range(30, steps)] == factors[30:]


def test_the_rate_may_be_lowered_from_a_step_on() -> None:
    course = Course(Schedule(kind="constant", lowered=((3, 0.5), (5, 0.5))), 8)
    assert [course.factor(step, 8) for step in range(8)] == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25]
