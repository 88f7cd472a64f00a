"""What a finished run writes about itself into run.toml: what was predicted of it, beside what was measured.

[report]  first_step, last_step  which steps these numbers cover: a run that was resumed tells of its last part
          predicted_peak_memory (pretraining only), measured_peak_memory  bytes: of a card where there is one, else of
          the process
          predicted_seconds  from the first ten seconds of steps and the first evaluation
          measured_seconds  from the first step to the model folder
          tokens_per_second, finished_at
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import torch

from hornbook.commands._job import Job
from hornbook.commands._process import process_bytes
from hornbook.device import peak_memory_bytes
from hornbook.sharded import own_rows
from hornbook.training.hardware import GPU_PROCESS
from hornbook.training.loop import Loop
from hornbook.training.pace import ENDING_SECONDS, FORWARD_SHARE

Record = dict[str, Any]
PACE_SECONDS = 10.0  # of steps, from which the rest is predicted


class RunReport:
    """Watches a run from its first step on: `report = RunReport(loop)`, `loop.run(report.watching(show))`, `report.write(...)`."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.first = loop, loop.done + 1
        self.gpu = loop.parts.device.type == "cuda"
        self.process = GPU_PROCESS if self.gpu else process_bytes() - _held(loop)
        self.begun = time.perf_counter()
        self.pace: float | None = None  # seconds a step
        self.look: float | None = None  # seconds an evaluation, with its checkpoint and samples
        self.looks = 0

    def watching(self, show: Callable[[Record], None]) -> Callable[[Record], None]:
        """`show`, and keep an eye on the clock."""

        def both(record: Record) -> None:
            show(record)
            self._see(record)

        return both

    def _see(self, record: Record) -> None:
        speed = self.loop.speed
        if record["kind"] == "evaluation":
            self.looks += 1
        if record["kind"] != "step":
            return
        if self.pace is None and speed.seconds >= PACE_SECONDS:
            self.pace = speed.seconds / (self.loop.done - self.first + 1)
        if self.look is None and self.looks:
            self.look = (time.perf_counter() - self.begun - speed.seconds) / self.looks

    def write(self, job: Job) -> None:
        """Put the report into run.toml; nothing where this process took no step: what stands there is still true."""
        loop, seconds = self.loop, time.perf_counter() - self.begun
        if loop.done < self.first:
            return
        measured = self._peak()
        predicted = job.predicted_peak(loop, self.process)
        report = {
            "first_step": self.first,
            "last_step": loop.done,
            **({} if predicted is None else {"predicted_peak_memory": predicted}),
            "measured_peak_memory": measured,
            "predicted_seconds": round(self._predicted_seconds(job), 1),
            "measured_seconds": round(seconds, 1),
            "tokens_per_second": round(loop.speed.tokens_per_second),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        loop.folder.write_report(report)

    def _peak(self) -> int:
        return torch.cuda.max_memory_reserved() + GPU_PROCESS if self.gpu else peak_memory_bytes()

    def _predicted_seconds(self, job: Job) -> float:
        """For the steps that were made: with a deadline or patience they are other ones than those once planned."""
        steps = self.loop.done - self.first + 1
        pace = self.pace or self.loop.speed.seconds / steps
        look = FORWARD_SHARE * pace * job.evaluation_steps(self.loop) if self.look is None else self.look
        return steps * pace + self.looks * look + ENDING_SECONDS


def _held(loop: Loop) -> int:
    """Bytes of the model and the optimizer's state that this process holds already."""
    states = loop.parts.optimizer.state.values()
    tensors = [*loop.parts.model.parameters(), *(value for state in states for value in state.values())]
    return sum(own_rows(tensor).nbytes for tensor in tensors if isinstance(tensor, torch.Tensor))
