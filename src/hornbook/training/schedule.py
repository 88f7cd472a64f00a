"""The learning rate over a run, as a factor of each parameter group's own peak."""

import math
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from hornbook.config import Settings


class Schedule(Settings):
    """Warm up in a straight line from `warmup_from` (1 / (warmup_steps + 1) where not given) to 1, then fall to `final_fraction`.

    kind cosine: half a cosine from the end of the warm-up to the last step (Loshchilov and Hutter 2017).
    kind warmup_stable_decay: stay at 1, then a straight line down over the last `decay_fraction` of the steps
    (Hu et al. 2024, MiniCPM). kind constant: stay at 1.
    `lowered` is what was done after an incident: (step, factor) pairs, each of which counts from its step on.
    """

    kind: Literal["cosine", "warmup_stable_decay", "constant"] = "cosine"
    warmup_steps: int = Field(default=0, ge=0)
    warmup_from: float | None = Field(default=None, ge=0, le=1)
    final_fraction: float = Field(default=0.1, ge=0, le=1)
    decay_fraction: float = Field(default=0.4, gt=0, le=1)
    lowered: tuple[tuple[int, float], ...] = ()

    def factor(self, step: float, steps: int) -> float:
        """The factor for update number `step` (from 0) of `steps`: the last update has exactly `final_fraction`."""
        if step < self.warmup_steps:
            if self.warmup_from is None:
                return (step + 1) / (self.warmup_steps + 1)
            return self.warmup_from + (1 - self.warmup_from) * step / self.warmup_steps
        if self.kind == "constant":
            return 1.0
        last = max(1, steps - 1)
        begin = (
            self.warmup_steps if self.kind == "cosine" else max(self.warmup_steps, last - self.decay_fraction * steps)
        )
        progress = min(1.0, max(0.0, (step - begin) / max(1.0, last - begin)))
        fall = 0.5 * (1 + math.cos(math.pi * progress)) if self.kind == "cosine" else 1 - progress
        return self.final_fraction + (1 - self.final_fraction) * fall


class Course:
    """A schedule over a run whose number of steps may change on the way: what is left of it is stretched or pressed.

    `place(step)` says which step of the schedule as laid out, for `planned` steps, the run is at.

    >>> course = Course(Schedule(), planned=100)
    >>> course.change(done=10, steps=190)  # 90 steps of the schedule are left, for 180 of the run
    >>> course.place(100)
    55.0
    """

    def __init__(self, schedule: Schedule, planned: int, plans: Iterable[dict[str, Any]] = ()) -> None:
        self.schedule, self.planned, self.steps = schedule, planned, planned
        self.turns: list[tuple[int, float, float]] = [(0, 0.0, 1.0)]  # (from step, place there, places a step)
        for plan in plans:
            self.change(plan["step"], plan["steps"])

    def change(self, done: int, steps: int) -> None:
        """From now on, `done` updates made, the run is to have `steps`."""
        place = self.place(done)
        self.turns.append((done, place, (self.planned - place) / max(1, steps - done)))
        self.steps = steps

    def place(self, step: int) -> float:
        """Update number `step` of the run -> of the schedule; the same number where nothing was changed."""
        first, place, pace = next(turn for turn in reversed(self.turns) if turn[0] <= step)
        return place + (step - first) * pace

    def factor(self, step: int, steps: int) -> float:
        """The schedule's factor for update number `step` of the run, lowered where an incident asked for it."""
        lowered = math.prod(factor for begin, factor in self.schedule.lowered if begin <= step)
        place = self.planned - 1 if step == self.steps - 1 else min(self.place(step), self.planned - 1)
        return lowered * self.schedule.factor(place, self.planned)
