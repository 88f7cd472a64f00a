"""What a training will take, computed before anything runs: numbers to learn, products, memory, disk.

    forward and backward of a token:  6 x weights that multiply it  +  12 x layers x width of attention x context
    memory:  weights + optimizer state + gradients + what the backward pass needs, at the worst moment of a step

The first is counted product by product, the second tensor by tensor (see `dry_run`). Attention's products are counted as
whole squares, as is usual, though the kernels skip the half that the mask hides.
"""

import math
from dataclasses import dataclass

import torch

from hornbook.device import Precision
from hornbook.models.base import Model, ModelConfig
from hornbook.optimizers.base import OptimizerRecipe
from hornbook.training.dry_run import DryRun, Gradients, Portion, dry_run
from hornbook.training.hardware import GPU_PROCESS
from hornbook.training.sizes import Sizes, sizes_of
from hornbook.training.update import Training

IN_TRANSIT = 4  # blocks of a sharded model that are whole at once: two with their weights, two with their gradients


@dataclass(frozen=True)
class Job:
    """A training on so many devices. `gpu`: on cards, whose memory holds nothing but tensors. `heap`: see `Portion`.

    `bf16_unit`: the devices have one, which an unsettled `training.precision` asks for.
    """

    model_class: type[Model]
    config: ModelConfig
    optimizer: OptimizerRecipe
    training: Training
    devices: int = 1
    gpu: bool = False
    heap: float = 1.0
    bf16_unit: bool = False

    @property
    def precision(self) -> Precision:
        """What it computes in; of a changed model anew, as the run of that model would."""
        return self.training.settled(self.sizes.parameters, self.bf16_unit).computes_in

    @property
    def rows(self) -> int:
        """Contexts in a microbatch."""
        training = self.training.shared_by(self.devices)
        return min(training.microbatch_size or training.batch_size, training.batch_size)

    @property
    def microbatches(self) -> int:
        """In a step, of all devices together."""
        return math.ceil(self.training.batch_size / self.rows)

    @property
    def own_microbatches(self) -> int:
        """In a step, of the device that has the most."""
        return math.ceil(self.microbatches / self.devices)

    @property
    def tokens_a_step(self) -> int:
        """Read by all devices."""
        return self.training.batch_size * self.config.context_length

    @property
    def sharded(self) -> bool:
        """Whether every device keeps a part of the model only."""
        return self.training.sharded and self.devices > 1

    @property
    def summing(self) -> str:
        """How gradients are summed: canonical, fast or sharded; "" where there is nothing to sum."""
        if self.devices == 1 and self.microbatches == 1:
            return ""
        return "sharded" if self.sharded else self.training.summing(torch.device("cuda" if self.gpu else "cpu"))

    @property
    def waiting(self) -> int:
        """Gradients that wait while a microbatch computes its own: unfinished sums of a tree, or of all before it."""
        if self.summing == "canonical":
            return max(place.bit_count() for place in range(self.own_microbatches))
        return int(self.own_microbatches > 1)

    @property
    def sizes(self) -> Sizes:
        """The model's own."""
        return sizes_of(self.model_class, self.config, self.optimizer, self.heap)

    @property
    def portion(self) -> DryRun:
        """The last microbatch of a step, which finds the gradients of those before it."""
        gradients: Gradients = "made" if self.summing == "canonical" or not self.waiting else "added"
        portion = Portion(
            self.rows,
            self.precision,
            self.gpu,
            "parted" if self.sharded else gradients,
            self.heap,
            self.training.recompute,
        )
        return dry_run(self.model_class, self.config, portion)


@dataclass(frozen=True)
class Memory:
    """Bytes of one device. `moments`: what each moment of a training holds at most, everything included."""

    process: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int  # with their gradients
    moments: dict[str, int]

    @property
    def peak(self) -> int:
        """The most at any moment."""
        return max(self.moments.values())

    @property
    def moment(self) -> str:
        """When that is."""
        return max(self.moments, key=lambda name: self.moments[name])


def memory_of(job: Job, process: int = GPU_PROCESS) -> Memory:
    """What one device holds. `process`: bytes of a process that has the libraries but no model yet."""
    sizes, pass_, parts = job.sizes, job.portion, job.devices if job.sharded else 1
    weights = pass_.weights if parts == 1 else math.ceil(sizes.weights / parts) + pass_.weights - sizes.weights
    gradients, optimizer = math.ceil(sizes.weights / parts), math.ceil(sizes.state / parts)
    kept = process + weights + optimizer
    beside = _beside_a_pass(job)
    moments = {name: kept + beside + most for name, most in pass_.stages.items()}
    moments["sum over the processes"] = kept + gradients + _for_the_sum(job)
    moments["step of the optimizer"] = kept + gradients + sizes.update
    if (
        not job.gpu
    ):  # the best weights are read back to become the model folder; of a sharded run into a model of its own
        moments["writing the model folder"] = kept + (1 if parts == 1 else 2) * sizes.weights
    return Memory(
        process=process,
        weights=weights,
        gradients=gradients,
        optimizer=optimizer,
        activations=pass_.activations,
        logits=max(pass_.forward, pass_.output) - pass_.activations,
        moments=moments,
    )


def _beside_a_pass(job: Job) -> int:
    """Bytes that are there while a microbatch is computed and that its own pass doesn't count."""
    sizes = job.sizes
    if job.sharded:
        before = math.ceil(sizes.weights / job.devices) if job.waiting else 0
        return before + 2 * sizes.outside + IN_TRANSIT * sizes.block
    return job.waiting * sizes.weights if job.summing == "canonical" else 0


def _for_the_sum(job: Job) -> int:
    """Bytes that adding the gradients of several processes needs beside them: fast, all of them in one row."""
    if job.devices == 1 or job.sharded:
        return 0
    if job.summing == "fast":
        return job.sizes.weights
    sums = job.own_microbatches.bit_count()  # of this process's stretch; each is sent, and as many are received
    return (3 * sums + 2) * job.sizes.weights


@dataclass(frozen=True)
class Work:
    """What is read and computed, by all devices together."""

    tokens_a_step: int
    tokens: int
    flops_a_step: int
    flops: int
    weight_share: float  # of the FLOPs of a pass, those with weights
    tokens_per_parameter: float


def work_of(job: Job) -> Work:
    """Tokens and FLOPs of the whole training."""
    pass_, steps = job.portion, job.training.steps
    flops = round(pass_.flops * job.training.batch_size / job.rows) + job.sizes.update_flops
    return Work(
        tokens_a_step=job.tokens_a_step,
        tokens=job.tokens_a_step * steps,
        flops_a_step=flops,
        flops=flops * steps,
        weight_share=pass_.weight_flops / max(1, pass_.flops),
        tokens_per_parameter=job.tokens_a_step * steps / job.sizes.parameters,
    )


@dataclass(frozen=True)
class Looks:
    """How often a run stops to look and to save, after its steps."""

    evaluations: int
    checkpoints: int
    kept: int  # checkpoints that lie on the disk at once, the one that is being written among them


def looks_of(training: Training) -> Looks:
    """The evaluations (always one after the last step) and checkpoints (one before each, and those asked for)."""
    steps = training.steps
    evaluated = {*range(training.evaluate_every, steps, training.evaluate_every), steps}
    every = training.checkpoint_every
    saved = evaluated | (set(range(every, steps, every)) if every else set())
    held = steps // training.keep_every if training.keep_every else 0
    return Looks(len(evaluated), len(saved), min(len(saved), training.keep + 2 + held))


@dataclass(frozen=True)
class Disk:
    """Bytes of a run."""

    checkpoint: int
    checkpoints: int  # all that lie there at once
    model: int
    dataset: int | None  # None where it isn't known

    @property
    def total(self) -> int:
        """All of it."""
        return self.checkpoints + self.model + (self.dataset or 0)


def disk_of(job: Job, dataset: int | None) -> Disk:
    """What the run folder holds at most; `dataset` is the size of its dataset."""
    checkpoint = job.sizes.weights + job.sizes.state
    return Disk(checkpoint, looks_of(job.training).kept * checkpoint, job.sizes.weights, dataset)
