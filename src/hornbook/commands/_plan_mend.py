"""The cheapest change that makes a training fit, found by planning again with it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hornbook.training.hardware import Machine
from hornbook.training.plan import Job, memory_of

MOST_DEVICES = 1024
SHORTEST_CONTEXT = 16
FEWEST_LAYERS = 1


@dataclass(frozen=True)
class Mend:
    """A change: what it is, the words to add to the command, and the peak of a device with it, in bytes."""

    what: str
    flags: str
    peak: int


def mend(job: Job, limit: int, process: int, machine: Machine | None) -> Mend | None:
    """The first change that fits into `limit` bytes, from cheap to dear; None where none of them does."""
    for what, flags, changed in _changes(job, machine):
        peak = memory_of(changed, process).peak
        if peak <= limit:
            return Mend(what, flags, peak)
    return None


def _changes(job: Job, machine: Machine | None) -> Iterator[tuple[str, str, Job]]:
    """Smaller microbatches (a little slower), more devices with a part of the model each, a shorter context, fewer layers."""
    for rows in _halves(job.rows, 1):
        yield f"microbatches of {rows}", f"--training.microbatch_size {rows}", _trained(job, microbatch_size=rows)
    for count in _counts(job, machine):
        assert machine is not None
        shared = replace(_trained(job, sharded=True, reduce="auto"), devices=count)
        for rows in dict.fromkeys((min(job.rows, job.training.batch_size // count), 1)):
            flags = f"--on {count}x{machine.kind} --training.sharded true --training.microbatch_size {rows}"
            yield f"a part of the model on each of {count} devices", flags, _trained(shared, microbatch_size=rows)
    smallest = "--training.microbatch_size 1 " if job.rows > 1 else ""
    job = _trained(job, microbatch_size=1)
    for length in _halves(job.config.context_length, SHORTEST_CONTEXT):
        flags = f"{smallest}--model.context_length {length}"
        yield f"a context of {length:,}", flags, _sized(job, context_length=length)
    for layers in _halves(int(getattr(job.config, "num_layers", 0)), FEWEST_LAYERS):
        yield f"{layers} layers", f"{smallest}--model.num_layers {layers}", _sized(job, num_layers=layers)


def _counts(job: Job, machine: Machine | None) -> Iterator[int]:
    """How many devices could share the model: as many as there are, then more of them, while each has a row to read."""
    if machine is None:  # all processes of this machine share its memory
        return
    count = machine.count if machine.count > 1 and not job.sharded else 2 * machine.count
    while count <= min(MOST_DEVICES, job.training.batch_size):
        yield count
        count *= 2


def _halves(size: int, least: int) -> Iterator[int]:
    """9 -> 4, 2, 1."""
    while (size := size // 2) >= least:
        yield size


def _trained(job: Job, **changed: Any) -> Job:
    return replace(job, training=job.training.model_copy(update=changed))


def _sized(job: Job, **changed: Any) -> Job:
    return replace(job, config=job.config.model_copy(update=changed))
