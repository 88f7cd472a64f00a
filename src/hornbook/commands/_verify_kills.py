"""Train, kill, resume, kill, resume: until the run is finished, keeping what each kill hit.

The kills that are left lie evenly at random over the training time that is left, and the first of them comes next. A third
of them wait from there for the next checkpoint to be written, and kill inside that.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hornbook.commands._verify_child import Child
from hornbook.commands._verify_sight import Sight
from hornbook.commands._verify_timeline import Timeline, first_of, wait_for_moment

LOADING, TRAINING, WRITING, FINISHING = "loading", "training", "writing a checkpoint", "finishing"
LEAST_FOR_FINISHING = 6  # so many kills before one of them is spent on what comes after the last step
FINISHING_SHARE = 0.6  # of that time, so that it isn't over before the kill


@dataclass(frozen=True)
class Subject:
    """The training that is verified: `train(run)` and `resume(run)` are its commands."""

    recipe: str
    settings: tuple[str, ...]
    data: Path | None  # where it isn't named in the settings
    device: str
    steps: int
    evaluate_every: int

    def train(self, run: Path) -> list[str]:
        """The words behind `hornbook` that begin the run."""
        data = ["--data", str(self.data)] if self.data else []
        return ["train", self.recipe, *self.settings, *data, "--out", str(run), "--device", self.device]

    def resume(self, run: Path) -> list[str]:
        """The words behind `hornbook` that go on with it."""
        return ["resume", str(run), "--device", self.device]

    def sight(self, run: Path) -> Sight:
        """A look at the run from outside."""
        return Sight(run, self.steps, self.evaluate_every)


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: what it was aimed at and what it hit, and what the next process did."""

    aim: str
    after_step: int | None  # None: it came before its process trained
    during: str
    inside_checkpoint: bool
    next_command: str = ""
    went_on_after: int | None = None  # the step; None where the next kill came before that was known, or it began again

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return dict(vars(self))


def draw_aims(count: int, draw: random.Random) -> list[str]:
    """What each of `count` kills aims at: a third at the inside of a checkpoint write, some at loading, one at the end."""
    writes, ends = math.ceil(count / 3), int(count >= LEAST_FOR_FINISHING)
    loads = max(count // 6, int(count >= 3))
    aims = [WRITING] * writes + [LOADING] * loads + [TRAINING] * (count - writes - loads - ends)
    draw.shuffle(aims)
    return aims + [FINISHING] * ends


class Ordeal:
    """One run that is trained, killed at each of `aims`, and resumed until it is finished.

    `kills` holds those that were delivered: fewer than the aims where the run was over before. `wrong` says what a process
    said that ended by itself with another exit code than 0.
    """

    def __init__(self, subject: Subject, run: Path, timeline: Timeline, draw: random.Random) -> None:
        self.subject, self.run, self.timeline, self.draw = subject, run, timeline, draw
        self.kills: list[Kill] = []
        self.wrong: str | None = None

    def go(self, aims: Sequence[str], tell: Callable[[str], None]) -> None:
        """Do it; `tell` hears about each kill."""
        waiting = list(aims)
        while True:
            command = "resume" if (self.run / "run.toml").exists() else "train"
            sight = self.subject.sight(self.run)
            words = self.subject.resume(self.run) if command == "resume" else self.subject.train(self.run)
            with Child(words) as child:
                kill = self._strike(child, sight, waiting) if waiting else None
                code = None if kill else child.wait()
            self._learn(command, child)
            if kill is None:
                self.wrong = f"hornbook {command} ended with exit code {code}: {child.last_words}" if code else None
                return
            del waiting[0]
            self.kills.append(kill)
            tell(f"kill {len(self.kills)}: {kill.during}")

    def _learn(self, command: str, child: Child) -> None:
        """Note how the process after the last kill went on; one that trains nothing more says no step."""
        if self.kills:
            finished = self.timeline.last_step if child.began and command == "resume" else None
            step = finished if child.went_on_after is None else child.went_on_after
            self.kills[-1] = replace(self.kills[-1], next_command=command, went_on_after=step)

    def _strike(self, child: Child, sight: Sight, waiting: Sequence[str]) -> Kill | None:
        """Wait for the moment and kill; None where the process ended before it."""
        halted = self._halt_loading(child) if waiting[0] == LOADING else self._halt_training(child, sight, waiting)
        if not halted:
            return None
        trains = child.began is not None
        step = sight.step if trains else None
        kill = Kill(waiting[0], step, sight.doing() if trains else "loading", trains and sight.checkpoint is not None)
        child.kill()
        return kill

    def _halt_loading(self, child: Child) -> bool:
        return child.wait_until(child.started + self.draw.random() * self.timeline.startup) and child.stop()

    def _halt_training(self, child: Child, sight: Sight, waiting: Sequence[str]) -> bool:
        """Halt it at the first of the moments that are left, or at the first write of a checkpoint after that."""
        if not child.wait_for(lambda: child.began is not None):
            return False
        line, aim, done = self.timeline, waiting[0], child.went_on_after or 0
        begin, end = line.seconds(done), line.seconds(line.last_step)
        left = sum(aim in (TRAINING, WRITING) for aim in waiting)
        if aim == FINISHING:
            begin, end, left = end, end + FINISHING_SHARE * (line.ended - end), 1
        moment = first_of(left, begin, end, self.draw)
        if not wait_for_moment(child, sight, line, done, moment):
            return False
        return self._halt_inside_write(child, sight) if aim == WRITING else child.stop()

    def _halt_inside_write(self, child: Child, sight: Sight) -> bool:
        """Halt it while a checkpoint is being written, at a random moment of that; where it was too late, in the next."""
        since = self.draw.random() * self.timeline.write_seconds
        while child.wait_for(lambda: sight.checkpoint is not None):
            if not (child.wait_until(time.monotonic() + since) and child.stop()):
                return False
            if sight.checkpoint is not None:
                return True
            child.go()
            since = 0.0
        return False
