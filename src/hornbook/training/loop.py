"""The only training loop. What differs between trainings (batches, loss, which weights train) is passed in.

for each step:  batches(step) -> microbatches -> loss -> gradients -> clip -> optimizer at the scheduled rate
now and then:   checkpoint, then evaluation (saved first: a crash in an evaluation loses nothing), then a sample

Every process of a run goes through the same steps; the first of them writes and speaks.
"""

import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FrameType

from hornbook.batches.ahead import pinned_ahead
from hornbook.device import autocast
from hornbook.errors import Interrupted, UserError
from hornbook.sharded import is_sharded, whole
from hornbook.training.checkpoint import Best, plain_names, prune, read_best, save_checkpoint, write_best
from hornbook.training.deadline import Deadline
from hornbook.training.distributed import ALONE, World
from hornbook.training.incident import Trouble, incident_of, keep
from hornbook.training.measure import Speed, mean_loss
from hornbook.training.run_folder import Record, RunFolder
from hornbook.training.schedule import Course, Schedule
from hornbook.training.update import Parts, Training, WentWrong, gradients, update
from hornbook.training.watch import Watch

RECORDED_STEPS = 2000  # a long run records about so many of its steps: enough for any curve
Report = Callable[[Record], None]


class Loop:
    """Training from update `done` to the end: `Loop(parts, training, schedule, run).run(report)`."""

    def __init__(
        self,
        parts: Parts,
        training: Training,
        schedule: Schedule,
        run: RunFolder,
        done: int = 0,
        world: World = ALONE,
        deadline: Deadline | None = None,
    ) -> None:
        if (
            parts.device.type == "cuda"
        ):  # on a CPU a step's batch takes a hundredth of the step, and both cores are busy
            parts = replace(parts, batches=pinned_ahead(parts.batches, world.share))
        self.parts, self.training, self.folder, self.done = parts, training, run, done
        self.world, self.deadline = world, deadline
        self.course = Course(schedule, training.steps, run.records("plan"))
        best = read_best(run.checkpoints)
        self.best = best if best and best.step <= done else None
        self.watch = Watch.of(run.records("step"))
        self.speed = Speed()
        self.record_every = max(1, training.steps // RECORDED_STEPS)

    @property
    def steps(self) -> int:
        """How many steps the run is to have, as planned by now."""
        return self.course.steps

    @property
    def finished(self) -> bool:
        """Whether no step is left: all are done, or the validation loss has long stopped falling."""
        return self.done >= self.steps or self._out_of_patience()

    def run(self, report: Report) -> Best:
        """Train to the last step and return the best evaluation; `report` sees each record that metrics.jsonl gets.

        Errors: `Interrupted` after Ctrl-C or SIGTERM, with a checkpoint saved; `UserError` where the loss is no number.
        """
        self.parts.model.train()
        self.speed = Speed()
        try:
            with _asked_to_stop() as asked:
                self._begin(report)
                while not self.finished:
                    with self.world.watched(self.done):
                        self._step(report)
                        stop = self._agree(asked, report)
                        with self.speed.pause():
                            self._look_if_due(report)
                            if stop:
                                self._stop(stop)
        finally:
            self.folder.close()
        assert self.best is not None, "the last step is always evaluated"
        return self.best

    def _step(self, report: Report) -> None:
        if self.done + 1 in self.training.skipped:
            self.done += 1
            self._note({"kind": "skipped", "step": self.done}, report)
            return
        try:
            record = update(self.parts, self.training, self.course, self.done, self.world, self.watch.judge)
        except WentWrong as wrong:
            raise self._incident(wrong, report) from None
        seconds = self.speed.count(record["tokens"])
        if self.deadline:
            self.deadline.step_took(seconds)
        self.done += 1
        record["tokens_per_second"] = round(self.speed.tokens_per_second)
        if self.done % self.record_every == 0 or self.done == self.steps:
            self.watch.remember(record["loss"], record["gradient_norm"])  # in all processes: they must judge alike
            if self.world.is_first:
                self.folder.append(record)
        if self.world.is_first:
            report(record)

    def _agree(self, asked: list[int], report: Report) -> int:
        """Whether to stop (the number of a signal, else 0) and how long the run is to be: the same in all processes."""
        wish = self.steps
        if self.deadline and self.world.is_first:
            wish = self.deadline.steps(self.done, self.steps, self._looks_left())
        asks = [0.0] * self.world.size
        asks[self.world.rank] = max(asked, default=0)
        steps, *asks = self.world.sum_of([wish * self.world.is_first, *asks])
        if steps != self.steps:
            self.course.change(self.done, int(steps))
            self._note({"kind": "plan", "step": self.done, "steps": int(steps)}, report)
        return int(max(asks))

    def _stop(self, number: int) -> None:
        self._save()
        message = f"stopped after step {self.done}, saved; go on with: hornbook resume {self.folder.path}"
        raise Interrupted(message, number)

    def _incident(self, wrong: WentWrong, report: Report) -> BaseException:
        """Keep what is needed to look at an update that went wrong; returns the error that says so."""
        parts, step, sharded = self.parts, self.done, is_sharded(self.parts.model)
        parts.optimizer.zero_grad(set_to_none=True)
        weights = {name: whole(tensor) for name, tensor in plain_names(parts.model.state_dict()).items()}
        if not self.world.is_first:
            self.world.exchange()  # wait: torchrun would end the first, which is writing, soon after this one
            return SystemExit(2)

        def compute() -> object:
            return gradients(parts, self.training.plainly, step)

        trouble = Trouble(step + 1, wrong.what, wrong.loss, wrong.norm, self.watch.usual)
        look = None if sharded else compute
        incident = incident_of(parts.model, trouble, self.folder.settings, parts.batches(step), weights, look)
        error: BaseException = keep(self.folder.path, incident)
        with suppress(UserError):  # a full disk: the error says so already
            self._note(incident.record(), report)
        self.world.exchange()
        return error

    def _looks_left(self) -> int:
        """How many evaluations are still to come, one that is due now and the one after the last step among them."""
        every, behind = self.training.evaluate_every, self.course.place(max(0, self.done - 1))
        return max(1, -(-self.training.steps // every) - int(behind // every))

    def _evaluation_due(self) -> bool:
        """At every so-manieth step of the schedule as it was laid out, and after the last."""
        every, place = self.training.evaluate_every, self.course.place
        return self.done == self.steps or place(self.done) // every > place(max(0, self.done - 1)) // every

    def _begin(self, report: Report) -> None:
        """Look first where a crash came between saving a step and looking at it: the best step stays the same."""
        if self.deadline:
            self._note({"kind": "plan", "step": self.done, "steps": self.steps, "until": self.deadline.at}, report)
        if self.done and self._evaluation_due():
            seen = {record["kind"] for record in self.folder.records() if record["step"] == self.done}
            with self.speed.pause():
                self._look(report, seen)

    def _look_if_due(self, report: Report) -> None:
        training, evaluate, begun = self.training, self._evaluation_due(), time.perf_counter()
        if evaluate or (training.checkpoint_every and self.done % training.checkpoint_every == 0):
            self._save()
        if evaluate:
            self._look(report)
            if self.deadline:
                self.deadline.looked(time.perf_counter() - begun)

    def _look(self, report: Report, seen: Collection[str] = ()) -> None:
        """Evaluate and write samples, but what was `seen` in metrics.jsonl already, and delete what needn't be kept."""
        if "evaluation" not in seen:
            self._evaluate(report)
        if self.parts.sample and "sample" not in seen:
            texts = self.parts.sample(self.done)
            self._note({"kind": "sample", "step": self.done, "texts": texts}, report)
        self._prune()  # once more: the best may be another by now

    def _prune(self) -> None:
        if self.world.is_first:
            prune(self.folder.checkpoints, self.training.keep, self.training.keep_every)

    def _evaluate(self, report: Report) -> None:
        with autocast(self.parts.device, self.training.computes_in):
            loss = mean_loss(self.parts.model, self.parts.validation(), self.parts.loss, self.world)
        if self.best is None or loss < self.best.loss:
            self.best = Best(self.done, loss)
            if self.world.is_first:
                write_best(self.folder.checkpoints, self.best)
        self._note({"kind": "evaluation", "step": self.done, "validation_loss": loss}, report)

    def _note(self, record: Record, report: Report) -> None:
        if self.world.is_first:
            self.folder.append(record)
            self.folder.flush()
            report(record)

    def _save(self) -> None:
        """A checkpoint on the disk means: its steps are in metrics.jsonl, power cut or not."""
        if self.world.is_first:
            self.folder.flush(sync=True)
        save_checkpoint(self.folder.checkpoints, self.done, self.parts.model, self.parts.optimizer, self.world)
        self._prune()

    def _out_of_patience(self) -> bool:
        patience, best, place = self.training.patience, self.best, self.course.place
        if patience is None or best is None:
            return False
        return (place(self.done) - place(best.step)) // self.training.evaluate_every >= patience


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """A list that holds the signal's number once Ctrl-C or SIGTERM came; a second one acts at once, as usual."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def remember(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, remember)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
