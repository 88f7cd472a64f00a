"""A run that must be over by a certain time: how many steps fit in, judged again as the machine's speed changes."""

import statistics
import time
from collections import deque
from collections.abc import Callable

TIMED = 30  # the last steps, whose median is the speed
FEWEST = 3  # before them nothing is known
ENDING = 4.0  # seconds for writing the model and the pictures at the end
FIRST_LOOK = 0.02  # of the whole time: an evaluation, before one was timed
SHRINK, GROW = 0.01, 0.03  # of the steps that are left: smaller changes aren't made
REVIEW = 0.04  # of the whole time: how often a run may grow


class Deadline:
    """`at` is a time of the system's clock, seconds since 1970; `ending` is what the end of the run will take of it."""

    def __init__(self, at: float, ending: float = ENDING, clock: Callable[[], float] = time.time) -> None:
        self.at, self.ending, self.clock = at, ending, clock
        self.begun = self.reviewed = clock()
        self.steps_took: deque[float] = deque(maxlen=TIMED)
        self.looks_took: list[float] = []

    def step_took(self, seconds: float) -> None:
        """One step has ended."""
        self.steps_took.append(seconds)

    def looked(self, seconds: float) -> None:
        """One evaluation with its checkpoint and samples has ended; the next may take as long as the longest so far."""
        self.looks_took.append(seconds)

    def steps(self, done: int, planned: int, looks: int) -> int:
        """How many steps the run should have: `planned` where that still fits, `done` where it must end now.

        `looks` are the evaluations that are still to come. It is shortened at once, and prolonged only now and then.
        """
        now = self.clock()
        if len(self.steps_took) < FEWEST:
            return planned if now < self.at - self.ending else done
        look = max(self.looks_took, default=FIRST_LOOK * (self.at - self.begun))
        left = self.at - now - self.ending - looks * look
        fit = done + max(0, int(left / statistics.median(self.steps_took)))
        if fit < planned - SHRINK * (planned - done):
            return fit
        if now - self.reviewed < REVIEW * (self.at - self.begun) or fit < planned + GROW * (planned - done):
            return planned
        self.reviewed = now
        return fit
