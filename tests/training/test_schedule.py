"""The learning rate over a run, against the formulas."""

import math

import pytest

from hornbook.config import build
from hornbook.errors import UserError
from hornbook.training.schedule import Schedule


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
