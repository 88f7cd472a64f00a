"""One optimizer update: microbatches -> loss -> gradients, summed over all processes -> clip -> step at the scheduled rate."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from hornbook.config import Settings
from hornbook.device import AskedPrecision, Precision, autocast, fast_products, precision_for
from hornbook.layers.loss import IGNORED, Batch, LossFunction
from hornbook.randomness import key
from hornbook.sharded import is_sharded, whole
from hornbook.training.blocks import Compiled, running
from hornbook.training.distributed import ALONE, World
from hornbook.training.reduction import GradientSum, Reduce, Summing


class Training(Settings):
    """How long, in which portions, how often to look, and how several processes share the work."""

    steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=32, ge=1)
    microbatch_size: int | None = Field(default=None, ge=1)
    evaluate_every: int = Field(default=250, ge=1)
    evaluate_fraction: float = Field(default=1.0, gt=0, le=1)
    checkpoint_every: int | None = Field(default=None, ge=1)
    keep: int = Field(default=2, ge=1)
    keep_every: int | None = Field(default=None, ge=1)
    patience: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    moving_windows: bool = True
    precision: AskedPrecision = "auto"
    clip: float | None = Field(default=1.0, gt=0)
    reduce: Reduce = "auto"
    sharded: bool = False
    recompute: bool = False
    compile: bool = False
    skipped: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.sharded and self.reduce == "canonical":
            raise ValueError(
                "reduce = 'canonical' can't be kept with sharded = true, where each process sums its own part"
            )
        return self

    @property
    def portions(self) -> int:
        """How many microbatches a batch has."""
        return -(-self.batch_size // (self.microbatch_size or self.batch_size))

    @property
    def plainly(self) -> Self:
        """The same, with blocks that run as they are written: then each layer is computed once and can be watched."""
        return self.model_copy(update={"recompute": False, "compile": False})

    @property
    def computes_in(self) -> Precision:
        """The precision. An "auto" that no job has settled is fp32, which is right on every machine."""
        return "bf16" if self.precision == "bf16" else "fp32"

    def settled(self, parameters: int, bf16_unit: bool) -> Self:
        """The same settings with "auto" decided, for a model of so many parameters on devices with or without the unit.

        To be asked once, when a training is new: what it began in it goes on in, on whatever machine.
        """
        if self.precision != "auto":
            return self
        return self.model_copy(update={"precision": precision_for(parameters, bf16_unit)})

    def shared_by(self, processes: int) -> Self:
        """The same settings for so many processes: each must have a microbatch of its own to compute.

        Where the size of microbatches is given, it stays: only then is the result the same for any number of processes.
        """
        if processes == 1 or self.microbatch_size is not None:
            return self
        return self.model_copy(update={"microbatch_size": -(-self.batch_size // processes)})

    def summing(self, device: torch.device) -> Summing:
        """How gradients are summed: on a CPU, unless told otherwise, so that the number of processes doesn't matter."""
        if self.sharded:
            return "sharded"
        if self.reduce == "auto":
            return "canonical" if device.type == "cpu" else "fast"
        return self.reduce


class Found(NamedTuple):
    """What the passes of one step gave, over all processes: mean loss (nats per token), norm of the gradient, tokens."""

    loss: float
    norm: float
    tokens: int


class WentWrong(Exception):
    """An update that was not made: what was wrong, and the loss and the norm of the gradient."""

    def __init__(self, what: str, loss: float, norm: float) -> None:
        super().__init__(what)
        self.what, self.loss, self.norm = what, loss, norm


Judge = Callable[[float, float], str | None]  # loss, norm of the gradient -> what is wrong with them


class Rates(Protocol):
    """What an update asks of its schedule."""

    def factor(self, step: int, steps: int) -> float:
        """The factor of each group's own peak, for update number `step` (from 0) of `steps`."""


@dataclass(frozen=True)
class Parts:
    """What one training is made of."""

    model: nn.Module  # with `.config`, as a `Model` or a `Classifier` has it
    optimizer: torch.optim.Optimizer
    batches: Callable[[int], Sequence[Batch]]  # step -> its microbatches, those of all processes
    loss: LossFunction
    validation: Callable[[], Iterator[Batch]]
    sample: Callable[[int], list[str]] | None = None  # step -> texts to look at
    compiled: Compiled = field(default_factory=dict, repr=False, compare=False)  # by and by, where that is asked for

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.model.parameters()).device


def finite(loss: float, norm: float) -> str | None:
    """The least that is asked of a step."""
    return None if math.isfinite(loss + norm) else "the loss or its gradient is no longer a number"


def update(
    parts: Parts,
    training: Training,
    schedule: Rates,
    step: int,
    world: World = ALONE,
    judge: Judge = finite,
) -> dict[str, Any]:
    """Update number `step` (from 0); its loss is the mean over all its supervised tokens, however they are cut up.

    Out: {"kind": "step", "step": step + 1, "loss" (nats per token), "gradient_norm", "learning_rate", "tokens"}.
    Errors: `WentWrong` where `judge` objects to the loss or the gradient; the weights are then as before.
    """
    factor = schedule.factor(step, training.steps)
    for group in parts.optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
    found = gradients(parts, training, step, world)
    wrong = judge(found.loss, found.norm)
    if wrong:
        raise WentWrong(wrong, found.loss, found.norm)
    _clip(parts.model, training.clip, found.norm)
    parts.optimizer.step()
    parts.optimizer.zero_grad(set_to_none=True)
    return {
        "kind": "step",
        "step": step + 1,
        "loss": found.loss,
        "gradient_norm": found.norm,
        "learning_rate": parts.optimizer.param_groups[0]["lr"],
        "tokens": found.tokens,
    }


def gradients(parts: Parts, training: Training, step: int, world: World = ALONE) -> Found:
    """Leave the gradient of the mean loss of `step` in the parameters; nothing is changed otherwise.

    A GPU is asked for numbers once, at the end: until then it is told what to do and not waited for.
    """
    microbatches = parts.batches(step)
    own = [(place, microbatches[place]) for place in world.share(len(microbatches))]
    counts = [sum(inputs.numel() for _, (inputs, _) in own), sum(_supervised(batch) for _, batch in own)]
    tokens, supervised = (int(total) for total in world.sum_of(counts))
    total, sums = GradientSum(parts.model, len(microbatches), world, training.summing(parts.device)), []
    with (
        running(parts.model, recompute=training.recompute, compiled=parts.compiled if training.compile else None),
        fast_products(parts.device),
    ):
        for place, batch in own + _blanks(microbatches, len(own), world, is_sharded(parts.model)):
            sums.append(_pass(parts, training, (step, place), batch, supervised))
            total.take(place)
        total.finish()
    norm = whole(nn.utils.get_total_norm(_given(parts.model)))
    *told, norm_told = torch.stack([*sums, norm]).tolist()
    losses = [0.0] * len(microbatches)
    for (place, _), loss in zip(own, told, strict=False):  # what comes after is of batches in which nothing was asked
        losses[place] = loss
    return Found(sum(world.sum_of(losses)) / supervised, norm_told, tokens)


def _pass(parts: Parts, training: Training, where: tuple[int, int], batch: Batch, supervised: int) -> Tensor:
    """Forward and backward of the microbatch at (step, place); its loss, which nobody has waited for."""
    if getattr(parts.model.config, "dropout", 0.0) > 0:
        # dropout draws from torch's global generator: give it the value that belongs to this place
        torch.manual_seed(key(training.seed, "dropout", *where) >> 1)
    inputs, targets = (tensor.to(parts.device, non_blocking=True) for tensor in batch)
    with autocast(parts.device, training.computes_in):
        loss, _ = parts.loss(parts.model, inputs, targets)
    (loss / supervised).backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _given(model: nn.Module) -> list[Tensor]:
    """The gradients that there are."""
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def _supervised(batch: Batch) -> int:
    return int((batch[1] != IGNORED).sum())


def _blanks(microbatches: Sequence[Batch], done: int, world: World, sharded: bool) -> list[tuple[int, Batch]]:
    """Sharded, a pass needs all processes at once: one with less to do passes batches in which nothing is asked."""
    turns = -(-len(microbatches) // world.size) if sharded else done
    return [(0, (microbatches[0][0], torch.full_like(microbatches[0][1], IGNORED)))] * (turns - done)


def _clip(model: nn.Module, limit: float | None, norm: float) -> None:
    """Scale the gradient, whose norm is known, down to one of at most `limit`."""
    if limit is not None and norm > limit:
        torch._foreach_mul_(_given(model), limit / norm)
