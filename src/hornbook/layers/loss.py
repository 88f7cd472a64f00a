"""The loss of a language model: how surprised it is by each next token, in nats (-ln p of the token that came)."""

import math
from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Tensor, nn

from hornbook.layers.evaluating import evaluating
from hornbook.layers.output_loss import PAYS_FROM, output_loss
from hornbook.sharded import is_parted

Batch = tuple[Tensor, Tensor]  # inputs (B, T), targets (B, T)
LossFunction = Callable[
    [nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]
]  # -> (sum over supervised tokens, their count)

IGNORED = -100  # the target of a position that is not supervised (padding, a prompt); torch's own default


def language_model_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the cross-entropies over supervised tokens, and their count; both scalars.

    In: logits (..., V), targets (...) int64 with `IGNORED` where nothing is asked. Where all are ignored the sum is 0
    with a zero gradient, never NaN. Sums add up over microbatches and machines, and means do not: divide once, by the
    count of all. p = 0.2 for the one right token -> (1.6094, 1).
    """
    total = F.cross_entropy(
        logits.flatten(0, -2).float(), targets.flatten(), ignore_index=IGNORED, reduction="sum"
    )  # float32: a sum of thousands of terms in bfloat16 keeps two digits
    return total, (targets != IGNORED).sum()


def mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy per supervised token. Errors: `ValueError` where there is none: a mean of nothing is not 0."""
    total, count = language_model_loss(logits, targets)
    if count == 0:
        raise ValueError(f"no supervised token: every target is {IGNORED}")
    return total / count


@runtime_checkable
class WithOutput(Protocol):
    """A model whose output layer can be taken apart from the rest (`models.base.Model` says what each gives)."""

    def hidden(self, tokens: Tensor) -> Tensor:
        """(B, T) -> (B, T, C)."""

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., C) -> (..., V)."""

    def output_weight(self) -> Tensor | None:
        """(V, C), or None."""

    def pass_through(self, compute: Callable[..., tuple[Tensor, Tensor]], *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """`compute(self, *inputs)`."""


def next_token_loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of pretraining: inputs and targets (B, T) -> the sum of the cross-entropies in nats, and how many.

    Large logits are made some rows at a time (see `hidden_loss`), but for a model whose whole pass somebody watches: a
    probe wants them. FSDP hangs there too, to gather the outer tensors, and does so around `pass_through`.
    """
    if isinstance(model, WithOutput):
        weight = model.output_weight()
        watched = bool(getattr(model, "_forward_hooks", None)) and not (weight is not None and is_parted(weight))
        if not watched and _large(weight, targets):
            return model.pass_through(_from_tokens, inputs, targets)
    return language_model_loss(model(inputs), targets)


def _from_tokens(model: "WithOutput", inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return hidden_loss(model, model.hidden(inputs), targets)


def hidden_loss(model: WithOutput, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The same from the vectors before the output layer: (..., C) and (...) -> sum in nats, count.

    Where it pays, output layer and loss are one (`output_loss`): the same sum up to the order of its terms.
    """
    weight = model.output_weight()
    if weight is None or not _large(weight, targets):
        return language_model_loss(model.logits(hidden), targets)
    return output_loss(hidden.flatten(0, -2), weight, targets.flatten()), (targets != IGNORED).sum()


def _large(weight: Tensor | None, targets: Tensor) -> bool:
    """Whether the logits of so many targets are so large that they are better never whole."""
    return weight is not None and 4 * targets.numel() * len(weight) >= PAYS_FROM


def mean_over_batches(
    model: nn.Module, batches: Iterable[Batch], loss: LossFunction = next_token_loss
) -> tuple[float, int]:
    """The mean loss in nats of all supervised tokens, and their count: sum of sums / sum of counts.

    Every token counts alike, whatever batch it is in. The mean of no token is nan, never 0. Batches come to the
    model's device; there are no dropout and no gradients, and the model's mode is restored.
    """
    total, count, device = 0.0, 0, next(model.parameters()).device
    with evaluating(model):
        for inputs, targets in batches:
            batch_total, batch_count = loss(model, inputs.to(device), targets.to(device))
            total += float(batch_total)
            count += int(batch_count)
    return total / count if count else math.nan, count
