"""The loss of a language model: how surprised it is by each next token, in nats (-ln p of the token that came)."""

import torch.nn.functional as F
from torch import Tensor

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
