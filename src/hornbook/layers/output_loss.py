"""The output layer and its loss in one, some rows at a time, so that the logits are never whole in memory.

Logits (N, V) are the largest tensor of a small model with a large vocabulary: 4 x 256 tokens of GPT-2's 50,257 make
206 MB, of which a loss keeps three. Here each chunk's gradient is taken at once, while its logits are still there, and only
the gradients of what came in wait for the backward pass. Nothing is computed twice.

N tokens, C embed_dim, V vocabulary.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

PAYS_FROM = 32 << 20  # bytes of logits in float32; from there glibc takes fresh pages from the system for every tensor
FEWEST_ROWS = 256  # in a chunk: each chunk reads all of the weight and adds to all of its gradient


def rows_at_once(vocab_size: int, width: int = 0) -> int:
    """How many tokens make a chunk; a vocabulary for which that is a whole microbatch needs no chunks: 65 -> 129,055.

    `width` is C where products are narrow (bfloat16): each chunk is then added to the gradient (V, C) by a pass of its
    own, which so many rows are worth. 50,257 -> 256, or 768 of GPT-2's width.
    """
    return max(FEWEST_ROWS, width, PAYS_FROM // (4 * vocab_size))


def output_loss(
    hidden: Tensor, weight: Tensor, targets: Tensor, bias: Tensor | None = None, rows: int | None = None
) -> Tensor:
    """Sum of the cross-entropies of `linear(hidden, weight, bias)`, in nats; a scalar in float32.

    In: hidden (N, C), weight (V, C), targets (N,) int64, of which those below 0 are not asked, bias (V,); `rows` in a
    chunk (default: `rows_at_once`). Under autocast the products are narrow and the rest is float32, as elsewhere. The
    backward pass can be taken once. [[1, 0]], [[0, 0], [0, 0]], [1] -> 0.6931.
    """
    wanted = torch.is_grad_enabled() and any(part is not None and part.requires_grad for part in (hidden, weight, bias))
    return _OutputLoss.apply(hidden, weight, bias, targets, rows, wanted)  # type: ignore[no-any-return,no-untyped-call]


class _OutputLoss(torch.autograd.Function):
    """d loss / d logits is softmax(logits) less 1 at the target: known in the forward pass, up to one factor."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, rows: int | None, wanted: bool
    ) -> Tensor:
        device = hidden.device.type
        narrow = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        rows = rows or rows_at_once(len(weight), 0 if narrow == torch.float32 else weight.shape[1])
        needed = [wanted and need for need in ctx.needs_input_grad[:3]]
        of_hidden = torch.empty_like(hidden) if needed[0] else None
        of_weight = torch.zeros_like(weight, dtype=torch.float32) if needed[1] else None
        of_bias = torch.zeros_like(bias, dtype=torch.float32) if bias is not None and needed[2] else None
        total = torch.zeros((), device=hidden.device)
        with torch.autocast(device, enabled=False):
            narrow_weight = weight.to(narrow)
            narrow_bias = None if bias is None else bias.to(narrow)
            for first in range(0, len(hidden), rows):
                part = slice(first, first + rows)
                x = hidden[part].to(narrow)  # (rows, C)
                losses, gradient = _chunk(F.linear(x, narrow_weight, narrow_bias), targets[part])
                total += losses
                if of_bias is not None:
                    of_bias += gradient.sum(0)
                gradient = gradient.to(narrow)  # (rows, V)
                if of_hidden is not None:
                    of_hidden[part] = gradient @ narrow_weight
                if of_weight is not None:
                    _add_product(of_weight, gradient.T, x)
                del gradient  # before the next chunk's logits come
        ctx.gradients = of_hidden, _like(of_weight, weight), _like(of_bias, bias)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        assert ctx.gradients is not None, "the backward pass can be taken once"
        gradients, ctx.gradients = ctx.gradients, None
        return *(part if part is None else part.mul_(gradient) for part in gradients), None, None, None


def _chunk(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, V) and (rows,) -> the sum of the losses, and its gradient for the logits in float32."""
    asked, column = (targets >= 0)[:, None], targets.clamp(min=0)[:, None]  # (rows, 1)
    scores = logits.float().log_softmax(dim=-1)
    losses = torch.where(asked, scores.gather(1, column), 0.0).sum().neg()
    gradient = scores.exp_()
    gradient.scatter_add_(1, column, gradient.new_full(column.shape, -1.0))
    return losses, gradient.masked_fill_(~asked, 0.0)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, in place where the types allow it."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right


def _like(gradient: Tensor | None, of: Tensor | None) -> Tensor | None:
    return gradient if gradient is None or of is None else gradient.to(of.dtype)
