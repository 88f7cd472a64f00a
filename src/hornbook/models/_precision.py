"""A finished model with fewer bits a weight, so that it writes faster: in bf16, int8 or int4."""

from typing import get_args

import torch
from torch import Tensor, nn

from hornbook.device import WeightPrecision
from hornbook.errors import UserError, unknown
from hornbook.layers.quantized import BF16Linear, Int4Linear, Int8Linear, QuantizedEmbedding, QuantizedLinear
from hornbook.models.base import Model


def narrow(model: Model, precision: WeightPrecision) -> Model:
    """Replace the matrices of a model, in place, by ones of fewer bits; 'fp32' leaves it as it is.

    Norms, biases and tables of positions stay. With int4 the embedding and the output keep 8 bits, which decide every
    logit, and so does a matrix whose sizes don't fit. A model without an output matrix stays as it is. On a GPU bf16 is
    the type of the whole model.
    Errors: `UserError` for another precision, and for int8 or int4 elsewhere than on a CPU.
    """
    if precision not in get_args(WeightPrecision):
        raise unknown("precision", precision, get_args(WeightPrecision))
    device = next(model.parameters()).device.type
    if precision == "fp32":
        return model
    if device != "cpu":
        if precision != "bf16":
            raise UserError(f"{precision} weights are for a CPU, not for '{device}'", hint="bf16 is for both")
        return model.to(torch.bfloat16)
    weight = model.output_weight()
    if weight is None:
        return model
    _narrow_ends(model, weight.detach(), precision)
    return _narrow_blocks(model, precision)


def narrow_base(model: Model, precision: WeightPrecision) -> Model:
    """As `narrow`, for corrections to be learned: embedding and output stay, whose whole matrices each step needs anyway.

    Errors: `UserError` elsewhere than on a CPU, for all but fp32.
    """
    device = next(model.parameters()).device.type
    if precision == "fp32":
        return model
    if device != "cpu":
        raise UserError(f"a base in {precision} is for a CPU, not for '{device}'", hint="leave out lora.base")
    return _narrow_blocks(model, precision)


def require_whole(model: Model) -> None:
    """Errors: `UserError` for a model that has lost bits already, which no folder shall hold as if it were the trained one."""
    if any(isinstance(module, QuantizedLinear) for module in model.modules()):
        raise UserError("a model with fewer bits a weight isn't saved", hint="open it with the precision fp32")


def _narrow_ends(model: Model, output: Tensor, precision: WeightPrecision) -> None:
    """The embedding and the output (V, C); where these are one matrix, the same 8 bits serve both."""
    table = model.get_submodule("token_embedding").weight
    assert isinstance(table, Tensor)
    tied, table = table.data_ptr() == output.data_ptr(), table.detach()
    if precision == "bf16":
        model.token_embedding = QuantizedEmbedding(table.bfloat16())
        model.output = BF16Linear(_as_linear(output))
        return
    last = Int8Linear(_as_linear(output))
    first = last if tied else Int8Linear(_as_linear(table))
    model.token_embedding = QuantizedEmbedding(first.levels, first.scales)
    model.output = last


def _narrow_blocks(model: Model, precision: WeightPrecision) -> Model:
    """The matrices inside the blocks."""
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear) and "blocks" in name.split("."):
            parent, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent), attribute, _narrowed(module, precision))
    return model


def _as_linear(weight: Tensor) -> nn.Linear:
    """A matrix as a layer without a bias; nothing is copied."""
    rows, columns = weight.shape
    linear = nn.Linear(columns, rows, bias=False, device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    return linear


def _narrowed(linear: nn.Linear, precision: WeightPrecision) -> QuantizedLinear:
    if precision == "bf16":
        return BF16Linear(linear)
    return Int4Linear(linear) if precision == "int4" and Int4Linear.fits(linear) else Int8Linear(linear)
