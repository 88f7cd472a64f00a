"""How a training went that nobody disturbed: which step it had reached when. Kills are aimed by it."""

import random
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from statistics import median

from hornbook.commands._verify_child import Child
from hornbook.commands._verify_sight import Sight


@dataclass(frozen=True)
class Timeline:
    """Seconds count from the moment the training began, `startup` from the start of the process to that moment."""

    startup: float
    steps: tuple[tuple[float, int], ...]  # (seconds, step): (0.0, 0) first, then each step as it was recorded
    writes: tuple[float, ...]  # how many seconds each checkpoint took to write
    ended: float

    @property
    def last_step(self) -> int:
        """The last step of the training."""
        return self.steps[-1][1]

    @property
    def write_seconds(self) -> float:
        """How long a checkpoint usually takes to write."""
        return median(self.writes) if self.writes else 0.0

    def seconds(self, step: int) -> float:
        """When `step` was done; of a step that isn't recorded, the next one's."""
        place = bisect_left(self.steps, step, key=lambda entry: entry[1])
        return self.steps[min(place, len(self.steps) - 1)][0]

    def place(self, seconds: float) -> tuple[int, float]:
        """A moment as (the last step done by then, seconds since that step): it means the same on a slower day."""
        begun, step = self.steps[max(0, bisect_right(self.steps, seconds, key=lambda entry: entry[0]) - 1)]
        return step, max(0.0, seconds - begun)


def watch(child: Child, sight: Sight) -> Timeline:
    """Follow a training to the end of its process."""
    steps, writes, writing = [(0.0, 0)], [], None

    def look() -> bool:
        nonlocal writing
        now = time.monotonic()
        if child.began is not None and sight.step > steps[-1][1]:
            steps.append((now - child.began, sight.step))
        is_writing = sight.checkpoint is not None
        if is_writing and writing is None:
            writing = now
        elif not is_writing and writing is not None:
            writes.append(now - writing)
            writing = None
        return False

    child.wait_for(look)
    began = child.began or child.started
    look()
    return Timeline(began - child.started, tuple(steps), tuple(writes), time.monotonic() - began)


def first_of(count: int, begin: float, end: float, draw: random.Random) -> float:
    """The first of `count` moments that lie evenly at random between `begin` and `end`."""
    share: float = 1 - (1 - draw.random()) ** (1 / count)
    return begin + share * max(0.0, end - begin)


def wait_for_moment(child: Child, sight: Sight, timeline: Timeline, done: int, moment: float) -> bool:
    """Wait until a training that went on after step `done` is where the undisturbed one was at `moment`.

    Out: False where the process ended before.
    """
    step, since = timeline.place(moment)
    if step <= done:
        since = max(0.0, moment - timeline.seconds(done))
    elif not child.wait_for(lambda: sight.step >= step):
        return False
    return child.wait_until(time.monotonic() + since)
