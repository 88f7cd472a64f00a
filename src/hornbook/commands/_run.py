"""Carrying a run to its end, whatever its kind: train, keep what the job keeps, say what came out."""

from contextlib import AbstractContextManager
from typing import Any

from hornbook.commands._job import Job
from hornbook.commands._progress import run_progress
from hornbook.commands._report import RunReport
from hornbook.commands.base import print_json, talk
from hornbook.training.loop import Loop


def go_on(job: Job, loop: Loop, json: bool, page: AbstractContextManager[object]) -> None:
    """Train from where the loop stands to the end, with `page` open; one process keeps what came out and says it."""
    with page:
        _go_on(job, loop, json)


def _go_on(job: Job, loop: Loop, json: bool) -> None:
    begun, steps = loop.done, loop.steps
    talk(f"{job.about(loop.parts)}, {steps:,} steps")
    for line in job.trained(loop.parts):
        talk(line)
    report = RunReport(loop)
    with run_progress(steps, begun, silent=not loop.world.is_first) as progress:
        best = loop.run(report.watching(progress.report))
    if not loop.world.is_first:
        return
    results, lines = job.finish(loop)
    report.write(job)
    speed = round(loop.speed.tokens_per_second) if loop.done > begun else None
    if json:
        facts: dict[str, Any] = {"run": str(loop.folder.path), "model": str(loop.folder.model), "step": best.step,
                 "validation_loss": best.loss, "last_step": loop.done,
                 "last_validation_loss": last_loss(loop), "tokens_per_second": speed}  # fmt: skip
        print_json(facts | results)
        return
    print(f"finished already: {outcome(loop)}" if speed is None else f"{outcome(loop)}, {speed:,} tokens/s")
    print(f"model    {loop.folder.model}")
    for line in lines:
        print(line)


def outcome(loop: Loop) -> str:
    """The best validation loss of a finished run and its step; the last one's too where another was the best."""
    assert loop.best is not None
    best, done, steps = loop.best, loop.done, loop.steps
    line = f"validation loss {best.loss:.4f} at step {best.step:,}"
    if best.step == done:
        return line
    last = f"step {done:,}" if done == steps else f"step {done:,} of {steps:,}"
    why = "" if done == steps else ": it stopped for want of progress"
    return f"{line} (the last, {last}, had {last_loss(loop):.4f}{why})"


def last_loss(loop: Loop) -> float:
    """The validation loss after the last step, which is always evaluated."""
    *_, record = loop.folder.records("evaluation")
    return float(record["validation_loss"])
