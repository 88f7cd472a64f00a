"""A model made to compute as llama.cpp does with a file of fewer bits: its twin, with everything rounded that is there.

llama.cpp rounds more than weights: a row that meets a matrix of 16 bits becomes 16 bits, one that meets 8 or 4 bits
becomes 8 (blocks of 32 numbers with one scale), and GPT-2's GELU is looked up in a table of 16-bit numbers
(ggml-cpu: `vec_dot_type`, `ggml_table_gelu_f16`). With both, the twin's logits are those of llama.cpp but for the
order of sums, and numbers so near the middle between two steps that the order decides.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from hornbook.models.base import Model
from hornbook.models.gpt import GPT
from hornbook.weights.gguf import storage, stored

INPUTS = {"f32": "f32", "f16": "f16", "q8_0": "q8_0", "q4_0": "q8_0"}  # how a matrix is stored -> how its input is
OUTER = {  # what the rule of storage knows by name; of all others only the shape counts
    "token_embedding.weight": "token_embd.weight",
    "position_embedding.weight": "position_embd.weight",
    "output.weight": "output.weight",
}
ROWS = 1024
TABLE_ENDS = 10.0  # beyond which llama.cpp computes GELU without its table: 0, and x itself


def round_weights(model: Model, quantization: str) -> None:
    """Replace every weight, in its place, by what a file of this kind gives back for it."""
    for name, parameter in model.named_parameters():
        kind = storage(OUTER.get(name, name), parameter.detach(), quantization)
        for rows in (
            torch.split(parameter.data, ROWS) if kind != "f32" else ()
        ):  # few at a time: rounding copies several times
            rows.copy_(as_stored(rows, kind))


def round_inputs(model: Model, quantization: str) -> None:
    """From now on the inputs of every matrix are rounded, and so is a GPT's GELU."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and name != "output":
            kind = INPUTS[storage(name, module.weight.detach(), quantization)]
            module.register_forward_pre_hook(partial(_round_first, kind))
    table = model.get_submodule("token_embedding" if getattr(model, "output", None) is None else "output")
    assert isinstance(table.weight, Tensor)
    kind = INPUTS[storage("output.weight", table.weight.detach(), quantization)]
    model.get_submodule("final_norm").register_forward_hook(partial(_round_result, kind))
    if isinstance(model, GPT):
        for block in model.blocks:
            feed_forward = block.get_submodule("feed_forward")
            exact = cast(Callable[[Tensor], Tensor], feed_forward.activation)
            feed_forward.activation = cast(Any, partial(_by_table, exact))


def as_stored(tensor: Tensor, kind: str) -> Tensor:
    """A tensor (..., N) as it comes back from a file: 'q8_0' needs N to be a multiple of 32."""
    from gguf import GGMLQuantizationType, quants

    if kind == "f32":
        return tensor
    there = stored(tensor.detach().contiguous(), kind)
    return torch.tensor(quants.dequantize(there, GGMLQuantizationType[kind.upper()])).view(tensor.shape)


def _round_first(kind: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return as_stored(inputs[0], kind), *inputs[1:]


def _round_result(kind: str, module: nn.Module, inputs: tuple[Tensor, ...], result: Tensor) -> Tensor:
    return as_stored(result, kind)


def _by_table(gelu: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """GELU of x and itself in 16 bits each."""
    within = gelu(x.half().float()).half().float()
    return torch.where(x.abs() < TABLE_ENDS, within, x.clamp(min=0))
