"""Normalisation: every token's vector brought to one scale, so that depth neither explodes nor starves the signal."""

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
        # under autocast x may be narrower than the weight, and torch fuses equal types only; it sums in float32 itself
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)
