"""Linear layers whose weights have fewer bits: writing a token is reading every weight once, and fewer bytes are read faster.

The numbers between layers stay float32. `weight` is what the stored bits stand for, and F.linear with it is the plain
form that each fast product is tested against. A product is exact in its sums; what is rounded besides the weights is the
layer's input: to bf16, or (int8) each row to 8 bits of its own scale, as llama.cpp does it in blocks of 32.
N out_features, K in_features. Source of the rounding: Dettmers et al. 2022, "LLM.int8()", section 2.

Such a layer is never trained, but what stands before it may be, through it: see `_ThroughWeight`. Its bits follow from
the model that it was made of, so no state dict has them: a checkpoint holds what was learned.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUP = 32  # weights of a row that share a scale and a lowest value in 4 bits
BLOCK = 16  # rows that torch's product in 4 bits takes together
LEVELS = 127  # 8 bits: whole numbers from -127 to 127
SMALLEST = 1e-30  # of a row's scale: a row of zeros has none
FEW_ROWS = 128  # from here on a product in fp32 is faster than one in bf16, where no matrix unit helps


class QuantizedLinear(nn.Module, ABC):
    """y = x W^T + b with a W of fewer bits, which isn't trained: (..., K) -> (..., N), float32."""

    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        bias = None if linear.bias is None else linear.bias.detach().float()
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N). Where a gradient is wanted, by the plain form: the fast products have none."""
        if torch.is_grad_enabled() and x.requires_grad:
            return _ThroughWeight.apply(x, self)  # type: ignore[no-any-return,no-untyped-call]
        return self.product(x.reshape(-1, self.in_features)).view(*x.shape[:-1], self.out_features)

    @property
    @abstractmethod
    def weight(self) -> Tensor:
        """What the stored bits stand for, (N, K) float32: computed anew each time."""

    @abstractmethod
    def product(self, x: Tensor) -> Tensor:
        """The fast form: (rows, K) -> (rows, N)."""


class _ThroughWeight(torch.autograd.Function):
    """x W^T + b with a gradient of x alone. W is made of its bits anew on the way back: held until then, the W of all
    layers together would take the memory that fewer bits save (Dettmers et al. 2023, "QLoRA", section 3).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: QuantizedLinear) -> Tensor:
        ctx.layer = layer
        return F.linear(x, layer.weight, layer.bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient @ ctx.layer.weight.to(gradient.dtype), None


class BF16Linear(QuantizedLinear):
    """16 bits a weight: float32 without the last 16 bits of its fraction."""

    matrix: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear)
        matrix = linear.weight.detach().bfloat16()
        self.packed = matrix.device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        if self.packed:  # in the order in which oneDNN reads them, a third faster for one row than row by row
            matrix = torch.ops.mkldnn._reorder_linear_weight(matrix, 1)
        self.register_buffer("matrix", matrix, persistent=False)

    @property
    def weight(self) -> Tensor:
        """(N, K)."""
        return (self.matrix.to_dense() if self.packed else self.matrix).float()

    def product(self, x: Tensor) -> Tensor:
        """(rows, K) -> (rows, N)."""
        if not self.packed or (len(x) >= FEW_ROWS and not torch.cpu._is_amx_tile_supported()):
            return F.linear(x, self.weight, self.bias)
        sums: Tensor = torch.ops.mkldnn._linear_pointwise(x.bfloat16(), self.matrix, None, "none", [], "")
        return sums.float() if self.bias is None else sums + self.bias


class Int8Linear(QuantizedLinear):
    """8 bits a weight, one scale a row; the product is one of whole numbers."""

    levels: Tensor  # (N, K) int8
    scales: Tensor  # (N,)

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear)
        levels, scales = to_int8(linear.weight.detach().float())
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("scales", scales[:, 0], persistent=False)

    @property
    def weight(self) -> Tensor:
        """(N, K)."""
        return self.levels * self.scales[:, None]

    def product(self, x: Tensor) -> Tensor:
        """(rows, K) -> (rows, N)."""
        levels, scales = to_int8(x)
        sums = torch._int_mm(levels, self.levels.t()) * scales
        return sums * self.scales if self.bias is None else torch.addcmul(self.bias, sums, self.scales)


class Int4Linear(QuantizedLinear):
    """4 bits a weight, a scale and a middle for every `GROUP` weights of a row; needs N of whole `BLOCK`s, K of `GROUP`s."""

    packed: Tensor  # torch's own order of the levels, two a byte
    steps: Tensor  # (K / GROUP, N, 2) bf16: the scale, and the value of level 8

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear)
        levels, scales, middles = to_int4(linear.weight.detach().float())
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(levels, 1)
        steps = torch.stack([scales, middles], dim=-1).transpose(0, 1).contiguous().bfloat16()
        self.register_buffer("packed", packed, persistent=False)
        self.register_buffer("steps", steps, persistent=False)

    @staticmethod
    def fits(linear: nn.Linear) -> bool:
        """Whether the sizes of a layer are whole blocks and groups."""
        return linear.out_features % BLOCK == 0 and linear.in_features % GROUP == 0

    @property
    def weight(self) -> Tensor:
        """(N, K): the product with the unit vectors, since the packed order is the processor's own."""
        return self._sums(torch.eye(self.in_features, device=self.steps.device)).t().float()

    def product(self, x: Tensor) -> Tensor:
        """(rows, K) -> (rows, N)."""
        sums = self._sums(x)
        return sums.float() if self.bias is None else sums + self.bias

    def _sums(self, x: Tensor) -> Tensor:
        sums: Tensor = torch.ops.aten._weight_int4pack_mm_for_cpu(x.bfloat16(), self.packed, GROUP, self.steps)
        return sums


class QuantizedEmbedding(nn.Module):
    """A table whose rows are stored in bf16 or in 8 bits and are float32 when looked up: ids (...) -> (..., C)."""

    levels: Tensor  # (V, C) int8 or bf16
    scales: Tensor | None  # (V,), of 8 bits

    def __init__(self, levels: Tensor, scales: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("scales", scales, persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """(...) int64 -> (..., C)."""
        rows = self.levels[ids].float()
        return rows if self.scales is None else rows * self.scales[ids].unsqueeze(-1)


def to_int8(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Each row in steps of a 127th of its largest number: (R, K) -> int8 (R, K), the size of a step (R, 1).

    [[-2, 1, 0.5]] -> [[-127, 64, 32]], [[2 / 127]].
    """
    steps = rows.abs().amax(dim=-1, keepdim=True).clamp_(min=SMALLEST).div_(LEVELS)
    return (rows / steps).round_().to(torch.int8), steps


def to_int4(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Each group of a row in 16 steps from its least to its greatest number.

    (N, K) -> levels 0 .. 15, int32 (N, K); the size of a step and the value of level 8, (N, K / GROUP) each.
    """
    groups = weight.view(len(weight), -1, GROUP)
    least, most = groups.aminmax(dim=-1, keepdim=True)
    steps = ((most - least) / 15).clamp(min=SMALLEST)
    levels = ((groups - least) / steps).round().clamp(0, 15)
    return levels.flatten(-2).int(), steps[..., 0], (least + 8 * steps)[..., 0]
