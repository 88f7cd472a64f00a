"""Normalisation: every token's vector brought to one scale, so that depth neither explodes nor starves the signal."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last dimension: (..., C) -> (..., C).

    The variance is the biased one (divided by C), as in GPT-2. Source: Ba, Kiros and Hinton 2016.
    """

    def __init__(self, dim: int, eps: float = 1e-5, bias: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight, over the last dimension: (..., C) -> (..., C).

    No mean is taken away and nothing added: as good as LayerNorm and cheaper. Source: Zhang and Sennrich 2019.
    """

    def __init__(self, dim: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C)."""
        if x.device.type == "cpu" and x.dtype == self.weight.dtype == torch.float32 and torch.is_grad_enabled():
            return _TrainedRMSNorm.apply(x, self.weight, self.eps)  # type: ignore[no-any-return,no-untyped-call]
        # under autocast x may be narrower than the weight, and torch fuses equal types only; it sums in float32 itself
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


class _TrainedRMSNorm(torch.autograd.Function):
    """The same with its gradient written out: on a CPU torch has no fused one, and takes three times as long.

    With n = x / sqrt(mean(x^2) + eps), y = n * weight and g = dL/dy: dL/dweight = sum(g * n), and
    dL/dx = (g * weight - n * mean(g * weight * n)) / sqrt(mean(x^2) + eps).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """(..., C) -> (..., C)."""
        mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square() / x.shape[-1]
        scale = (mean_square + eps).rsqrt_()  # (..., 1)
        ctx.save_for_backward(x, weight, scale)
        normed: Tensor = x * scale
        return normed.mul_(weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """dL/dy -> dL/dx, dL/dweight."""
        x, weight, scale = ctx.saved_tensors
        normed = x * scale
        products = (gradient * normed).flatten(0, -2)  # (N, C)
        along = torch.mv(products, weight).div_(x.shape[-1]).view_as(scale)
        back = (gradient * weight).addcmul_(normed, along, value=-1).mul_(scale)
        return back, products.sum(0), None
