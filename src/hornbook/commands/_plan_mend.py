"""The cheapest change that makes a training fit, found by planning again with it."""

from collections.abc import Iterable, Iterator
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


Change = tuple[str, str, Job]  # what it is, the words for it, the training with it


def mend(job: Job, limit: int, process: int, machine: Machine | None) -> Mend | None:
    """The first change that fits into `limit` bytes, from cheap to dear; None where none of them does."""
    for changes in map(list, _changes(job, machine)):
        if not changes or memory_of(changes[-1][2], process).peak > limit:  # the most that this kind of change can do
            continue
        for what, flags, changed in changes:
            peak = memory_of(changed, process).peak
            if peak <= limit:
                return Mend(what, flags, peak)
    return None


def _changes(job: Job, machine: Machine | None) -> Iterator[Iterable[Change]]:
    """Kinds of changes, each from little to much.

    Smaller microbatches (a little slower), blocks computed twice (a third more arithmetic), a part of the model on each of
    several devices, sums of gradients without a tree (other last digits), a shorter context, fewer layers.
    """
    yield _smaller(job)
    yield _recomputed(job)
    yield _shared(job, machine)
    least, flags = _trained(job, microbatch_size=1), "--training.microbatch_size 1 " if job.rows > 1 else ""
    if least.summing == "canonical" and least.waiting > 1:
        least, flags = _trained(least, reduce="fast"), flags + "--training.reduce fast "
        yield [("one sum of gradients, in place of a tree of them", flags.strip(), least)]
    yield _sized(least, flags, "context_length", SHORTEST_CONTEXT)
    yield _sized(least, flags, "num_layers", FEWEST_LAYERS)


def _smaller(job: Job) -> Iterator[Change]:
    for rows in _halves(job.rows, 1):
        yield f"microbatches of {rows}", f"--training.microbatch_size {rows}", _trained(job, microbatch_size=rows)


def _recomputed(job: Job) -> Iterator[Change]:
    for rows in () if job.training.recompute else (job.rows, *_halves(job.rows, 1)):
        flags = f"--training.microbatch_size {rows} --training.recompute true"
        yield (
            "blocks computed once more in the backward pass",
            flags,
            _trained(job, microbatch_size=rows, recompute=True),
        )


def _shared(job: Job, machine: Machine | None) -> Iterator[Change]:
    """On more and more devices, each with its share of a step as one microbatch, or with microbatches of 1."""
    for count in _counts(job, machine):
        assert machine is not None
        shared = replace(_trained(job, sharded=True, reduce="auto"), devices=count)
        for rows in dict.fromkeys((min(job.rows, job.training.batch_size // count), 1)):
            flags = f"--on {count}x{machine.kind} --training.sharded true --training.microbatch_size {rows}"
            yield f"a part of the model on each of {count} devices", flags, _trained(shared, microbatch_size=rows)


def _sized(job: Job, flags: str, name: str, least: int) -> Iterator[Change]:
    for size in _halves(int(getattr(job.config, name, 0)), least):
        changed = replace(job, config=job.config.model_copy(update={name: size}))
        yield f"{name} {size:,}", f"{flags}--model.{name} {size}", changed


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
