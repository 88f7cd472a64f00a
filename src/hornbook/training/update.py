"""One optimizer update: microbatches -> loss -> gradients -> clip -> step at the scheduled rate."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import nn

from hornbook.config import Settings
from hornbook.device import Precision, autocast
from hornbook.errors import UserError
from hornbook.layers.loss import Batch, LossFunction
from hornbook.models.base import Model
from hornbook.randomness import key
from hornbook.training.schedule import Schedule


class Training(Settings):
    """How long, in which portions, and how often to look."""

    steps: int = Field(default=1000, ge=1)
    batch_size: int = Field(default=32, ge=1)
    microbatch_size: int | None = Field(default=None, ge=1)
    evaluate_every: int = Field(default=250, ge=1)
    evaluate_fraction: float = Field(default=1.0, gt=0, le=1)
    checkpoint_every: int | None = Field(default=None, ge=1)
    keep: int = Field(default=2, ge=1)
    patience: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    moving_windows: bool = True
    precision: Precision = "fp32"
    clip: float | None = Field(default=1.0, gt=0)


@dataclass(frozen=True)
class Parts:
    """What one training is made of."""

    model: Model
    optimizer: torch.optim.Optimizer
    batches: Callable[[int], Sequence[Batch]]  # step -> its microbatches
    loss: LossFunction
    validation: Callable[[], Iterator[Batch]]
    sample: Callable[[int], list[str]] | None = None  # step -> texts to look at

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.model.parameters()).device


def update(parts: Parts, training: Training, schedule: Schedule, step: int) -> dict[str, Any]:
    """Update number `step` (from 0); its loss is the mean over all its supervised tokens, however they are cut up.

    Out: {"kind": "step", "step": step + 1, "loss" (nats per token), "gradient_norm", "learning_rate", "tokens"}.
    Errors: `UserError` where the gradient is no longer a number; the weights are then as before.
    """
    factor = schedule.factor(step, training.steps)
    for group in parts.optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
    microbatches = parts.batches(step)
    supervised = sum(int((targets != -100).sum()) for _, targets in microbatches)
    drops = getattr(parts.model.config, "dropout", 0.0) > 0
    total = 0.0
    for place, (inputs, targets) in enumerate(microbatches):
        if drops:  # dropout draws from torch's global generator: give it the value that belongs to this place
            torch.manual_seed(key(training.seed, "dropout", step, place) >> 1)
        with autocast(parts.device, training.precision):
            loss_sum, _ = parts.loss(parts.model, inputs, targets)
        (loss_sum / supervised).backward()  # type: ignore[no-untyped-call]
        total += loss_sum.item()
    norm = _clip(parts.model, training.clip, step)
    parts.optimizer.step()
    parts.optimizer.zero_grad(set_to_none=True)
    return {
        "kind": "step",
        "step": step + 1,
        "loss": total / supervised,
        "gradient_norm": norm,
        "learning_rate": parts.optimizer.param_groups[0]["lr"],
        "tokens": sum(inputs.numel() for inputs, _ in microbatches),
    }


def _clip(model: nn.Module, limit: float | None, step: int) -> float:
    """Scale the gradient down to a norm of at most `limit`; returns the norm it had."""
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), math.inf if limit is None else limit))
    if not math.isfinite(norm):
        hint = "go on from the last checkpoint with a lower --optimizer.learning_rate"
        raise UserError(f"the gradient is no longer a number at step {step + 1}", hint=hint)
    return norm
