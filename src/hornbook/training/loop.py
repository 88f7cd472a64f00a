"""The only training loop. What differs between trainings (batches, loss, which weights train) is passed in.

for each step:  batches(step) -> microbatches -> loss -> gradients -> clip -> optimizer at the scheduled rate
now and then:   checkpoint, then evaluation (saved first: a crash in an evaluation loses nothing), then a sample
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from hornbook.device import autocast
from hornbook.errors import Interrupted
from hornbook.training.checkpoint import Best, prune, read_best, save_checkpoint, write_best
from hornbook.training.measure import Speed, mean_loss
from hornbook.training.run_folder import Record, RunFolder
from hornbook.training.schedule import Schedule
from hornbook.training.update import Parts, Training, update

RECORDED_STEPS = 2000  # a long run records about so many of its steps: enough for any curve


class Loop:
    """Training from update `done` to the end: `Loop(parts, training, schedule, run).run(report)`."""

    def __init__(self, parts: Parts, training: Training, schedule: Schedule, run: RunFolder, done: int = 0) -> None:
        self.parts, self.training, self.schedule, self.folder, self.done = parts, training, schedule, run, done
        best = read_best(run.checkpoints)
        self.best = best if best and best.step <= done else None
        self.speed = Speed()
        self.record_every = max(1, training.steps // RECORDED_STEPS)

    @property
    def finished(self) -> bool:
        """Whether no step is left: all are done, or the validation loss has long stopped falling."""
        return self.done >= self.training.steps or self._out_of_patience()

    def run(self, report: Callable[[Record], None]) -> Best:
        """Train to the last step and return the best evaluation; `report` sees each record that metrics.jsonl gets.

        Errors: `Interrupted` after Ctrl-C or SIGTERM, with a checkpoint saved; `UserError` where the loss is no number.
        """
        self.parts.model.train()
        self.speed = Speed()
        try:
            with _asked_to_stop() as stop:
                self._catch_up(report)
                while not self.finished:
                    record = update(self.parts, self.training, self.schedule, self.done)
                    self.speed.count(record["tokens"])
                    self.done += 1
                    self._keep(record, report)
                    with self.speed.pause():
                        self._look_if_due(report)
                        if stop:
                            self._save()
                            message = (
                                f"stopped after step {self.done}, saved; go on with: hornbook resume {self.folder.path}"
                            )
                            raise Interrupted(message, stop[0])
        finally:
            self.folder.close()
        assert self.best is not None, "the last step is always evaluated"
        return self.best

    def _keep(self, record: Record, report: Callable[[Record], None]) -> None:
        record["tokens_per_second"] = round(self.speed.tokens_per_second)
        if self.done % self.record_every == 0 or self.done == self.training.steps:
            self.folder.append(record)
        report(record)

    def _evaluation_due(self) -> bool:
        return self.done % self.training.evaluate_every == 0 or self.done == self.training.steps

    def _catch_up(self, report: Callable[[Record], None]) -> None:
        """Evaluate first where a crash came between saving a step and evaluating it: the best step stays the same."""
        if self.done and self._evaluation_due():
            evaluated = {record["step"] for record in self.folder.records("evaluation")}
            if self.done not in evaluated:
                with self.speed.pause():
                    self._look_if_due(report)

    def _look_if_due(self, report: Callable[[Record], None]) -> None:
        training, evaluate = self.training, self._evaluation_due()
        if evaluate or (training.checkpoint_every and self.done % training.checkpoint_every == 0):
            self._save()
        if evaluate:
            self._evaluate(report)
            if self.parts.sample:
                texts = self.parts.sample(self.done)
                self._note({"kind": "sample", "step": self.done, "texts": texts}, report)
            prune(self.folder.checkpoints, training.keep)

    def _evaluate(self, report: Callable[[Record], None]) -> None:
        with autocast(self.parts.device, self.training.precision):
            loss = mean_loss(self.parts.model, self.parts.validation(), self.parts.loss)
        if self.best is None or loss < self.best.loss:
            self.best = Best(self.done, loss)
            write_best(self.folder.checkpoints, self.best)
        self._note({"kind": "evaluation", "step": self.done, "validation_loss": loss}, report)

    def _note(self, record: Record, report: Callable[[Record], None]) -> None:
        self.folder.append(record)
        self.folder.flush()
        report(record)

    def _save(self) -> None:
        self.folder.flush()
        save_checkpoint(self.folder.checkpoints, self.done, self.parts.model, self.parts.optimizer)

    def _out_of_patience(self) -> bool:
        patience, best = self.training.patience, self.best
        if patience is None or best is None:
            return False
        return (self.done - best.step) // self.training.evaluate_every >= patience


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
