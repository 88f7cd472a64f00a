"""How long a training takes: by rates measured here, or computed from what a machine's maker says and what is assumed."""

from dataclasses import dataclass
from typing import Any

from hornbook.training.hardware import START_SECONDS, Machine
from hornbook.training.plan import Job, looks_of

DISK = 1e9  # bytes a second that are written or hashed on a machine that isn't this one; assumed
ENDING_SECONDS = 3.0  # to draw the curves at the end
FORWARD_SHARE = 1 / 3  # of a pass: the backward pass is twice as much work
TOUCHES = (
    7  # times that AdamW reads or writes 4 bytes for each weight: weight, gradient, mean, square; all but one written
)


@dataclass(frozen=True)
class Pace:
    """Seconds of each thing that a run does; bytes a second of its disk."""

    step: float
    evaluation: float | None  # one pass over the validation part, or None where its length isn't known
    samples: float  # of one look
    written: float
    hashed: float


@dataclass(frozen=True)
class Duration:
    """Seconds of a run, from its first step to its model folder."""

    steps: float
    evaluations: float
    samples: float
    checkpoints: float
    ending: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.steps + self.evaluations + self.samples + self.checkpoints + self.ending


def duration_of(job: Job, pace: Pace) -> Duration:
    """How long a run takes at this pace."""
    looks, sizes = looks_of(job.training), job.sizes
    checkpoint = sizes.weights + sizes.state
    writing = sizes.weights * (1 / pace.written + 2 / pace.hashed)  # the best weights are read back and written again
    return Duration(
        steps=job.training.steps * pace.step,
        evaluations=looks.evaluations * (pace.evaluation or 0.0),
        samples=looks.evaluations * pace.samples,
        checkpoints=looks.checkpoints * checkpoint * (1 / pace.written + 1 / pace.hashed),
        ending=checkpoint / pace.hashed + writing + ENDING_SECONDS,
    )


@dataclass(frozen=True)
class Step:
    """Seconds of one step on a machine of the table, and what each part of it would take."""

    products: float  # FLOPs by the assumed share of the peak
    starting: float  # Python's operations, one after the other
    gathering: float  # weights and gradients of a sharded model between devices, while it computes
    summing: float  # gradients between devices, after the passes
    updating: float  # the optimizer, by the memory's bandwidth

    @property
    def total(self) -> float:
        """The slowest of what goes on at once, then what follows it."""
        return max(self.products, self.starting, self.gathering) + self.summing + self.updating


def step_on(job: Job, machine: Machine) -> Step:
    """A step of `job` on a machine of the table."""
    sizes, pass_, own = job.sizes, job.portion, job.own_microbatches
    others = (machine.count - 1) / machine.count
    flops = machine.flops(job.precision)
    parts = machine.count if job.sharded else 1
    return Step(
        products=own * pass_.flops / flops,
        starting=own * pass_.operations * START_SECONDS,
        gathering=own * 3 * sizes.weights * others / machine.link if job.sharded else 0.0,
        summing=0.0 if job.sharded else 2 * sizes.weights * others / machine.link,
        updating=TOUCHES * sizes.weights / parts / machine.device.bandwidth + sizes.update_flops / flops,
    )


def pace_on(job: Job, machine: Machine, val_tokens: int | None, sample_tokens: int) -> Pace:
    """The pace on a machine of the table; `sample_tokens`: how many are written at each look."""
    pass_, sizes = job.portion, job.sizes
    a_token = max(sizes.weights / machine.device.bandwidth, FORWARD_SHARE * pass_.operations * START_SECONDS)
    evaluation = None
    if val_tokens is not None:
        passes = val_tokens * job.training.evaluate_fraction / (job.rows * job.config.context_length)
        one = max(pass_.flops / machine.flops(job.precision), pass_.operations * START_SECONDS)
        evaluation = FORWARD_SHARE * passes * one / machine.count
    samples = 0.0 if job.sharded else sample_tokens * a_token  # a sharded model writes none on its way
    return Pace(step_on(job, machine).total, evaluation, samples, DISK, DISK)


def dollars_of(seconds: float, machine: Machine) -> float:
    """What so many seconds cost, at the assumed price of an hour."""
    return seconds / 3600 * machine.count * machine.device.dollars


def slowest_of(step: Step) -> str:
    """Which part decides how long a pass takes, in words."""
    parts: dict[str, Any] = {
        "products": step.products,
        "starting operations": step.starting,
        "weights on their way": step.gathering,
    }
    return max(parts, key=lambda name: parts[name])
